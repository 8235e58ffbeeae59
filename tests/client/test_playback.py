"""Frames of a streamed world at their times, on a simulated clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from helios_runtime.client import calls
from helios_runtime.client.core import Session
from helios_runtime.client.playback import Playback
from helios_runtime.protocol import messages as m
from helios_world.errors import ConnectionLostError, PromptError, StateError
from helios_world.testing import read_code

FPS, CHUNK = 24, 4


class Stage:
    """A player of a simulated network. `shown` is what was new on screen, and when; `held`, the buttons of a chunk."""

    def __init__(self, network: Any, **options: Any) -> None:
        self.network = network
        self.session: Session = network.opened(mode="stream", **options)
        network.run(calls.reset(self.session, seed=7))
        self.playback = Playback(self.session, lambda: None, now=network.now)
        self.inputs = self.playback.inputs
        self.shown: list[tuple[int, int, float]] = []
        self.held: dict[int, frozenset[str]] = {}
        self._live = self.playback.live()

    def play(self, seconds: float) -> Stage:
        until = self.network.time + seconds
        self.poll()
        while self.network.time < until:
            self.go_on(lambda: self.playback.next_at(until))
            self.poll()
        return self

    def poll(self) -> None:
        frame = self.playback.poll()
        if frame is not None and frame.is_new:
            self.shown.append((frame.chunk.index, frame.number, self.network.time))
            self.held[frame.chunk.index] = read_code(frame.chunk.frames[0]).buttons
            self.go_on(lambda: 0.0)

    def go_on(self, until: Callable[[], float]) -> None:
        live, self._live = self._live, self.playback.live()
        self.network.run_until(live, until)
        self._live = live

    def credits(self) -> int:
        return sum(message.n for message in self.network.host.seen if isinstance(message, m.Credit))


def test_every_frame_is_shown_once_at_its_time(network: Any) -> None:
    stage = Stage(network)
    stage.play(5.0)
    assert [(index, number) for index, number, _ in stage.shown] == [divmod(n, CHUNK) for n in range(len(stage.shown))]
    first = stage.shown[0][2]
    for number, (_, _, at) in enumerate(stage.shown):
        assert at == pytest.approx(first + number / FPS, abs=1e-3)
    figures = stage.playback.figures()
    assert (figures.frames, figures.underruns, figures.lost_chunks) == (len(stage.shown), 0, 0)
    assert figures.frames in (120, 121)


def test_at_most_one_chunk_is_ahead_of_the_screen(network: Any) -> None:
    network.make_seconds = 0.05
    stage = Stage(network)
    for _ in range(200):
        stage.play(0.01)
        present = stage.shown[-1][0]
        assert stage.credits() <= present + 1
        assert network.host.guests[stage.session.sid].index <= present + 2


def test_a_chunk_is_asked_for_as_late_as_is_safe(network: Any) -> None:
    network.make_seconds = 0.05
    stage = Stage(network)
    stage.play(3.0)
    last, began = stage.shown[-1][0], {index: at for index, number, at in stage.shown if number == 0}
    asked = stage.playback._asked_at
    while asked is None:
        stage.play(0.002)
        asked = stage.playback._asked_at
    boundary = began.get(stage.shown[-1][0], began[last]) + CHUNK / FPS
    assert 0.05 < boundary - asked < 0.08
    assert stage.playback.figures().underruns == 0


def test_a_slow_server_is_an_underrun_and_not_a_skip(network: Any) -> None:
    network.make_seconds = 0.2  # and a chunk lasts 1/6 s
    stage = Stage(network)
    stage.play(4.0)
    frames = [(index, number) for index, number, _ in stage.shown]
    assert frames == [divmod(n, CHUNK) for n in range(len(frames))]
    figures = stage.playback.figures()
    assert figures.underruns == pytest.approx(figures.chunks - 1, abs=1)
    assert figures.late_ms > 0
    assert figures.chunk_ms.p50 == pytest.approx(202, abs=3)


def test_the_delay_from_input_to_screen_is_measured(network: Any) -> None:
    network.make_seconds = 0.05
    stage = Stage(network).play(2.0)
    pressed = network.time
    stage.inputs.press("forward")
    stage.play(1.0)
    index = min(index for index, buttons in stage.held.items() if "forward" in buttons)
    shown = next(at for chunk, number, at in stage.shown if (chunk, number) == (index, 0))
    figures = stage.playback.figures()
    assert figures.delay_ms.count == 1
    assert figures.delay_ms.p50 == pytest.approx(1e3 * (shown - pressed), abs=1.0)
    assert figures.delay_ms.p50 < 1e3 * (2 * CHUNK / FPS)


def test_a_tap_is_in_exactly_one_chunk(network: Any) -> None:
    stage = Stage(network).play(1.0)
    stage.inputs.press("forward")
    stage.inputs.release("forward")
    stage.play(1.0)
    assert sum("forward" in buttons for buttons in stage.held.values()) == 1


def test_a_new_beginning_is_shown_at_once(network: Any) -> None:
    stage = Stage(network).play(1.0)
    stage.inputs.press("forward")
    stage.play(0.3)
    network.run(calls.reset(stage.session, seed=3))
    asked = network.time
    stage.play(1.0)
    index, number, at = next(entry for entry in stage.shown if entry[2] >= asked and entry[0] == 0)
    assert (index, number) == (0, 0)
    assert at - asked < 0.01
    assert stage.held[stage.shown[-1][0]] == {"forward"}
    assert stage.playback.figures().underruns == 0


def test_a_restored_state_goes_on_at_once(network: Any) -> None:
    stage = Stage(network).play(1.0)
    state = network.run(calls.snapshot(stage.session))
    stage.play(1.0)
    network.run(calls.restore(stage.session, state))
    asked, before = network.time, len(stage.shown)
    stage.play(0.5)
    following = stage.shown[before:]
    assert following[0][0] <= state.meta["index"] + 12
    jump = next(entry for entry in following if entry[0] == state.meta["index"] + 1)
    assert jump[2] - asked < 0.05


def test_a_broken_connection_loses_a_chunk_and_says_so(network: Any) -> None:
    network.make_seconds = 0.05
    stage = Stage(network).play(1.0)
    while stage.playback._asked_at is None:
        stage.play(0.002)
    stage.inputs.press("forward")
    network.cut()
    stage.play(1.0)
    figures = stage.playback.figures()
    assert (figures.lost_chunks, figures.connections) == (1, 2)
    indices = sorted({index for index, _, _ in stage.shown})
    assert len(indices) == indices[-1] - indices[0]
    assert stage.held[indices[-1]] == {"forward"}


def test_chunks_of_a_server_that_went_back_are_shown_again(network: Any) -> None:
    stage = Stage(network).play(1.0)
    (guest,) = network.host.guests.values()
    kept, index = guest.world.snapshot(), guest.index
    stage.play(2.0)
    guest.world.restore(kept)
    guest.index = index
    network.host.restart()
    network.cut()
    stage.shown.clear()
    stage.play(1.0)
    assert min(number for number, _, _ in stage.shown[5:]) == index


def test_a_pause_asks_for_nothing(network: Any) -> None:
    stage = Stage(network).play(1.0)
    stage.playback.pause()
    stage.play(0.5)
    asked, shown = stage.credits(), len(stage.shown)
    stage.play(100.0)
    assert (stage.credits(), len(stage.shown)) == (asked, shown)
    stage.playback.resume()
    stage.play(1.0)
    assert stage.credits() > asked
    assert stage.session.attachments == 1
    assert stage.playback.figures().underruns == 0


def test_who_does_not_look_gets_nothing(network: Any) -> None:
    stage = Stage(network).play(1.0)
    network.time += 600.0
    before = stage.credits()
    stage.play(1.0)
    assert stage.credits() - before < 8
    assert stage.session.attachments == 1


def test_a_chunk_that_cannot_be_made_is_raised_and_the_next_one_asked_for(network: Any) -> None:
    stage = Stage(network).play(1.0)
    sid = stage.session.sid
    network.push(m.ErrorMessage(sid=sid, code="prompt", message="what a word", retryable=False))
    with pytest.raises(PromptError, match="what a word"):
        stage.play(1.0)
    before = stage.shown[-1][0]
    stage.play(1.0)
    assert stage.shown[-1][0] > before


def test_a_server_that_is_gone_is_raised(network: Any) -> None:
    stage = Stage(network, timeout=5.0).play(1.0)
    network.cut()
    network.is_up = False
    with pytest.raises(ConnectionLostError):
        stage.play(60.0)
    network.is_up = True
    network.host.restart()
    before = stage.shown[-1][0]
    stage.play(1.0)
    assert stage.shown[-1][0] > before


def test_only_a_streaming_session_that_has_begun(network: Any) -> None:
    with pytest.raises(StateError, match="mode='stream'"):
        Playback(network.opened(), lambda: None, now=network.now)
    session = network.opened(mode="stream")
    with pytest.raises(StateError, match="reset"):
        Playback(session, lambda: None, now=network.now)
    with pytest.raises(StateError, match=r"stream\(\)"):
        network.run(calls.step(session))


def test_a_second_player_goes_on_counting_inputs(network: Any) -> None:
    stage = Stage(network)
    stage.inputs.press("forward")
    stage.play(0.5)
    second = Playback(stage.session, lambda: None, now=network.now)
    second.inputs.press("back")
    message = second.inputs.take(stage.session.sid, stage.session.epoch)
    assert message is not None
    assert message.n == 2


def test_a_credit_or_a_chunk_that_is_lost_stops_nothing(network: Any) -> None:
    """A server drops what exceeds its rate of messages, without a word."""
    stage = Stage(network).play(1.0)
    for fates in (("lost",), ("ok", "lost")):
        assert stage.playback._asked_at is None
        network.fates = iter(fates)
        before = stage.shown[-1][0]
        stage.play(2.0)
        assert stage.shown[-1][0] > before + 2
    indices = sorted({index for index, _, _ in stage.shown})
    assert stage.playback.figures().lost_chunks == 1
    assert len(indices) == indices[-1] - indices[0]
    assert stage.session.attachments == 1


def test_a_slow_chunk_is_not_asked_for_again(network: Any) -> None:
    network.host.busy_since = 1.0
    network.make_seconds = 10.0
    stage = Stage(network, timeout=60.0).play(100.0)
    assert stage.credits() <= stage.shown[-1][0] + 1


def test_input_that_is_lost_is_told_again(network: Any) -> None:
    stage = Stage(network).play(1.0)
    network.fates = iter(("lost",))
    stage.inputs.press("forward")
    stage.inputs.release("forward")
    stage.play(2.0)
    assert sum(bool(held) for held in stage.held.values()) == 1


def test_a_chunk_that_comes_twice_is_shown_once(network: Any) -> None:
    stage = Stage(network).play(1.0)
    network.fates = iter(["ok", "twice"] * 10)
    stage.play(3.0)
    assert [index for index, number, _ in stage.shown if number == 0] == list(range(stage.shown[-1][0] + 1))
