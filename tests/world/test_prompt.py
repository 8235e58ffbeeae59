from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helios_world.conditioning import PromptTrack
from helios_world.conditioning.prompt import MAX_PROMPTS
from helios_world.errors import PromptError

_changes = st.lists(st.none() | st.text("abcdefghijklmnop", min_size=1, max_size=1), max_size=60)


def _shares(track: PromptTrack) -> dict[str, float]:
    return {part.text: part.weight for part in track.weights()}


@given(st.integers(1, 9), _changes)
@settings(deadline=None)
def test_weights_are_shares_of_one_and_bounded_in_number(blend: int, changes: list[str | None]) -> None:
    track = PromptTrack.begin("start", blend)
    for change in changes:
        track = track.next(change)
        shares = _shares(track)
        assert sum(shares.values()) == pytest.approx(1, abs=1e-12)
        assert min(shares.values()) > 0
        assert len(shares) == len(track.weights()) <= MAX_PROMPTS
        assert track.weights()[-1].text == track.target


@given(st.integers(1, 9), _changes)
@settings(deadline=None)
def test_a_track_survives_as_data(blend: int, changes: list[str | None]) -> None:
    track = PromptTrack.begin("start", blend)
    for change in changes:
        track = track.next(change)
        assert PromptTrack.from_dict(json.loads(json.dumps(track.to_dict()))) == track


@given(st.integers(1, 9), _changes)
@settings(deadline=None)
def test_without_further_changes_only_the_last_prompt_remains(blend: int, changes: list[str | None]) -> None:
    track = PromptTrack.begin("start", blend)
    for change in [*changes, "last", *[None] * (blend - 1)]:
        track = track.next(change)
    assert track == PromptTrack.begin("last", blend)


def test_a_change_begins_with_its_chunk() -> None:
    track = PromptTrack.begin("a", 4)
    seen = []
    for change in ("b", None, None, None, None):
        track = track.next(change)
        seen.append(_shares(track).get("b"))
    assert seen == [0.25, 0.5, 0.75, 1.0, 1.0]


def test_a_change_during_a_change_begins_at_the_present_mixture() -> None:
    track = PromptTrack.begin("a", 4).next("b").next().next("c")
    assert _shares(track) == pytest.approx({"a": 0.375, "b": 0.375, "c": 0.25})
    back = track.next("a")
    assert _shares(back) == pytest.approx({"a": 0.375 * 0.75 + 0.25, "b": 0.375 * 0.75, "c": 0.25 * 0.75})


def test_the_present_prompt_again_changes_nothing() -> None:
    track = PromptTrack.begin("a", 4).next("b")
    assert track.next("b") == track.next()


def test_the_smallest_shares_go_first() -> None:
    track = PromptTrack.begin("0", 9)
    for number in range(1, MAX_PROMPTS + 1):
        before = _shares(track)
        track = track.next(str(number))
    assert set(before) - set(_shares(track)) == {min(before, key=lambda text: before[text])}


@pytest.mark.parametrize("prompt", [None, 3, b"fog", "x" * 2_001])
def test_what_is_no_prompt_is_refused(prompt: str) -> None:
    with pytest.raises(PromptError):
        PromptTrack.begin(prompt, 4)


@pytest.mark.parametrize(
    "change",
    [{"progress": 0}, {"progress": 5}, {"blend": 0}, {"start": []}, {"start": [["a", 0.5]]}],
)
def test_impossible_tracks_are_refused(change: dict[str, object]) -> None:
    data = PromptTrack.begin("a", 4).next("b").to_dict()
    with pytest.raises(PromptError):
        PromptTrack.from_dict({**data, **change})
