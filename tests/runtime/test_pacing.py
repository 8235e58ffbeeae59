"""FrameClock: absolute deadlines, underruns counted, pauses that take no time."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helios_runtime.pacing import FrameClock, Pacing, Recent
from helios_world.errors import StateError


class Hand:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
def clock(hand: Hand) -> FrameClock[str]:
    return FrameClock(10.0, hand)


def seen(clock: FrameClock[str]) -> tuple[str, int, bool]:
    shown = clock.poll()
    assert shown is not None
    return shown.item, shown.frame, shown.fresh


def test_nothing_is_shown_before_the_first_push(clock: FrameClock[str]) -> None:
    assert clock.poll() is None
    assert clock.next_boundary() is None
    assert clock.begin_at(0.1) == 50.0


def test_frames_follow_absolute_deadlines(clock: FrameClock[str], hand: Hand) -> None:
    clock.push("a", 4)
    assert seen(clock) == ("a", 0, True)
    hand.now = 50.05
    assert seen(clock) == ("a", 0, False)
    assert clock.next_boundary() == pytest.approx(50.1)
    hand.now = 50.37
    assert seen(clock) == ("a", 3, False)
    clock.push("b", 4)
    assert seen(clock) == ("a", 3, False)
    assert clock.next_boundary() == pytest.approx(50.4)
    hand.now = 50.4
    assert seen(clock) == ("b", 0, True)
    assert clock.underruns == 0


def test_a_late_chunk_is_one_underrun_and_moves_what_follows(clock: FrameClock[str], hand: Hand) -> None:
    clock.push("a", 2)
    clock.poll()
    hand.now = 50.25
    assert seen(clock) == ("a", 1, False)
    assert clock.next_boundary() is None
    clock.push("b", 2)
    assert seen(clock) == ("b", 0, True)
    assert clock.underruns == 1
    assert clock.late_seconds == pytest.approx(0.05)
    assert clock.begin_at(0.05) == pytest.approx(50.4)


def test_one_ahead_at_most(clock: FrameClock[str]) -> None:
    clock.push("a", 2)
    assert not clock.caught_up
    with pytest.raises(StateError, match="at most one"):
        clock.push("b", 2)
    clock.poll()
    assert clock.caught_up
    clock.push("b", 2)
    assert not clock.caught_up


def test_next_chunk_begins_late_but_not_before_the_newest_is_on_screen(clock: FrameClock[str]) -> None:
    clock.push("a", 4)
    clock.poll()
    assert clock.begin_at(0.1) == pytest.approx(50.3)
    assert clock.begin_at(math.inf) == 50.0
    clock.push("b", 4)
    assert clock.begin_at(0.1) == pytest.approx(50.7)
    assert clock.begin_at(2.0) == pytest.approx(50.4)


def test_a_pause_takes_no_time(clock: FrameClock[str], hand: Hand) -> None:
    clock.push("a", 4)
    clock.poll()
    hand.now = 50.15
    clock.pause()
    hand.now = 80.0
    assert seen(clock) == ("a", 1, False)
    assert clock.next_boundary() is None
    clock.resume()
    assert seen(clock) == ("a", 1, False)
    hand.now = 80.26
    clock.push("b", 4)
    assert seen(clock) == ("b", 0, True)
    assert clock.underruns == 1
    assert clock.late_seconds == pytest.approx(0.01)


def test_after_a_cut_the_next_push_is_shown_at_once(clock: FrameClock[str], hand: Hand) -> None:
    clock.push("a", 4)
    clock.poll()
    clock.push("dropped", 4)
    clock.cut()
    hand.now = 51.0
    assert seen(clock) == ("a", 3, False)
    clock.push("elsewhere", 4)
    assert seen(clock) == ("elsewhere", 0, True)
    assert clock.underruns == 0


def test_a_viewer_who_was_away_misses_nothing(clock: FrameClock[str], hand: Hand) -> None:
    clock.push("a", 2)
    clock.poll()
    clock.push("b", 2)
    hand.now = 57.0
    assert seen(clock) == ("b", 0, True)
    hand.now = 57.1
    assert seen(clock) == ("b", 1, False)
    assert clock.begin_at(0.05) == pytest.approx(57.15)


@settings(deadline=None)
@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=30))
def test_lateness_adds_up_to_the_time_that_was_lost(delays: list[float]) -> None:
    hand = Hand()
    clock: FrameClock[int] = FrameClock(10.0, hand)
    clock.push(0, 4)
    clock.poll()
    for number, delay in enumerate(delays, 1):
        hand.now += delay
        clock.push(number, 4)
        hand.now = max(hand.now, clock.begin_at(math.inf))
        shown = clock.poll()
        assert shown is not None
        assert (shown.item, shown.frame) == (number, 0)
    expected_end = 50.0 + 0.4 * (len(delays) + 1) + clock.late_seconds
    assert clock.begin_at(0.0) == pytest.approx(expected_end)


def test_quantiles_are_values_that_occurred() -> None:
    recent = Recent(4)
    assert recent.quantile(0.95) == 0.0
    recent.add(9.0, 1.0, 2.0, 3.0, 4.0)
    assert len(recent) == 4
    assert [recent.quantile(share) for share in (0.0, 0.5, 0.75, 0.95)] == [1.0, 2.0, 3.0, 4.0]


def test_lead_is_the_usual_step_and_a_margin() -> None:
    pacing = Pacing(quantile=0.5, margin=0.01)
    steps = Recent(8)
    assert pacing.lead(steps) == math.inf
    steps.add(0.04, 0.05, 0.06)
    assert pacing.lead(steps) == pytest.approx(0.06)
