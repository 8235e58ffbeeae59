"""ChunkPump: in simulated time what it does when, and in a real thread that it does it beside the caller."""

from __future__ import annotations

import threading
import time
from concurrent.futures import CancelledError

import pytest

from helios_runtime.inputs import InputSampler
from helios_runtime.lockstep import Beat, LockStep
from helios_runtime.pacing import Pacing
from helios_runtime.pump import ChunkPump
from helios_world.errors import HeliosError, PromptError, StateError
from helios_world.spec import Action, Chunk
from helios_world.testing import PatternWorld, read_code


class Simulation:
    """Time that passes only while somebody waits or a world steps; a viewer looks every millisecond."""

    def __init__(self, step_seconds: float = 0.05) -> None:
        self.now = 100.0
        self.is_watched = True
        self.step_seconds = step_seconds
        self.begun: list[float] = []
        self.shown: dict[int, float] = {}
        self.world = SlowWorld(self)
        self.inputs = InputSampler(self.world.spec.actions, self.time)
        self.worlds = LockStep([self.world])
        self.pump = ChunkPump(self.worlds, self.inputs, Pacing(margin=0.01), self.time, self.wait)

    def time(self) -> float:
        return self.now

    def wait(self, changed: threading.Condition, seconds: float | None) -> None:
        self.pass_time(0.001 if seconds is None else min(seconds, 0.001))

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        if self.is_watched:
            self.look()

    def look(self) -> None:
        shown = self.pump.poll()
        if shown is not None and shown.fresh:
            self.pump.presented(shown)
            self.shown[shown.item.lead.index] = self.now

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self.pump.turn()


class SlowWorld(PatternWorld):
    """Takes its time, in the simulation's seconds."""

    def __init__(self, simulation: Simulation) -> None:
        super().__init__()
        self.simulation = simulation

    def step(self, action: Action | None = None, prompt: str | None = None) -> Chunk:
        self.simulation.begun.append(self.simulation.now)
        for _ in range(50):
            self.simulation.pass_time(self.simulation.step_seconds / 50)
        return super().step(action, prompt)


CHUNK = PatternWorld().spec.chunk_seconds


def test_chunks_are_shown_in_time_and_begun_just_in_time() -> None:
    play = Simulation(step_seconds=0.05)
    play.pump.reset(0)
    play.run(3.0)
    assert play.pump.figures().underruns == 0
    gaps = [play.shown[n + 1] - play.shown[n] for n in range(15)]
    assert gaps == pytest.approx([CHUNK] * 15, abs=0.003)
    assert [play.shown[n + 1] - play.begun[n] for n in range(2, 15)] == pytest.approx([0.06] * 13, abs=0.003)


def test_a_slow_first_step_does_not_make_the_others_early() -> None:
    play = Simulation(step_seconds=0.5)
    play.pump.reset(0)
    play.run(0.3)
    play.step_seconds = 0.05
    play.run(3.0)
    assert [play.shown[n + 1] - play.begun[n] for n in range(3, 15)] == pytest.approx([0.06] * 12, abs=0.003)


def test_delay_is_at_most_a_chunk_and_the_lead() -> None:
    play = Simulation(step_seconds=0.05)
    play.pump.reset(0)
    play.run(1.0)
    for _ in range(40):
        play.inputs.press("forward")
        play.run(0.37)
        play.inputs.release("forward")
        play.run(0.41)
    delay = play.pump.figures().delay_ms
    assert delay.count == 80
    assert 55 <= delay.p50 <= delay.p95 <= 1e3 * (CHUNK + 0.065)


def test_a_slow_world_is_never_more_than_one_chunk_ahead_and_counts_its_underruns() -> None:
    play = Simulation(step_seconds=0.25)
    play.pump.reset(0)
    play.run(4.0)
    figures = play.pump.figures()
    assert figures.underruns == pytest.approx(len(play.begun), abs=1)
    assert figures.late_ms == pytest.approx(1e3 * figures.underruns * (0.25 - CHUNK), rel=0.1)
    for number, begun in enumerate(play.begun):
        assert begun >= play.shown[number]


def test_without_a_viewer_no_second_chunk_is_made_ahead() -> None:
    play = Simulation()
    play.pump.reset(0)
    play.run(1.0)
    play.is_watched = False
    before = len(play.begun)
    play.run(5.0)
    assert len(play.begun) <= before + 1
    play.is_watched = True
    play.run(1.0)
    assert len(play.begun) > before + 3


def test_no_chunk_is_made_during_a_pause_and_input_then_has_no_delay() -> None:
    play = Simulation()
    play.pump.reset(0)
    play.run(1.0)
    play.pump.pause()
    play.run(0.3)
    begun, figures = len(play.begun), play.pump.figures()
    play.inputs.press("forward")
    play.run(5.0)
    assert play.pump.paused
    assert len(play.begun) == begun
    play.pump.resume()
    play.run(1.0)
    assert len(play.begun) > begun + 3
    assert play.world.snapshot().meta["index"] == len(play.begun)
    assert play.pump.figures().delay_ms.count == figures.delay_ms.count
    assert play.pump.figures().underruns == 0


def test_commands_run_between_steps_even_in_a_pause() -> None:
    play = Simulation()
    play.pump.reset(3)
    play.run(0.5)
    play.pump.pause()
    index = play.pump.submit(lambda worlds: worlds.lead.snapshot().meta["index"])
    play.run(0.01)
    assert index.result(0) == len(play.begun)


def test_a_jump_is_shown_at_once_and_is_no_underrun() -> None:
    play = Simulation()
    play.pump.reset(3)
    play.run(1.0)
    moment = play.pump.submit(lambda worlds: worlds.moment())
    play.run(1.0)
    back = play.pump.jump(lambda worlds: worlds.go_to(moment.result()))
    asked = play.now
    play.run(0.002)
    assert back.done()
    assert asked <= play.shown[moment.result().index] <= asked + 0.002
    play.run(1.0)
    assert play.pump.figures().underruns == 0
    assert play.world.snapshot().meta["index"] > moment.result().index + 3


def test_reset_begins_a_new_session() -> None:
    play = Simulation()
    play.pump.reset(3, "a red floor")
    play.run(1.0)
    play.pump.reset(4, "a blue floor")
    play.run(0.002)
    shown = play.pump.poll()
    assert shown is not None
    assert shown.item.lead.index == 0
    assert read_code(shown.item.lead.frames[0]).seed == 4
    assert play.pump.figures().underruns == 0


def test_a_command_that_fails_tells_its_caller_and_stops_nothing() -> None:
    play = Simulation()
    play.pump.reset(0)

    def fail(worlds: LockStep) -> None:
        raise HeliosError("no")

    failed = play.pump.submit(fail)
    play.run(1.0)
    assert str(failed.exception(0)) == "no"
    assert len(play.begun) > 3


def test_a_prompt_arrives_with_the_input_of_a_chunk() -> None:
    play = Simulation()
    play.pump.reset(0, "a red floor")
    play.run(0.5)
    play.inputs.say("a blue floor")
    play.run(1.5)
    shown = play.pump.poll()
    assert shown is not None
    assert [part.text for part in shown.item.lead.prompt] == ["a blue floor"]
    assert play.pump.figures().delay_ms.count == 1


def poll_for(pump: ChunkPump, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pump.poll()
        pump.wait_for_frame(0.005)


class FailingWorld(PatternWorld):
    def step(self, action: Action | None = None, prompt: str | None = None) -> Chunk:
        raise PromptError("the world has ended")


def test_what_the_world_raises_reaches_the_one_who_polls() -> None:
    world = FailingWorld()
    pump = ChunkPump(LockStep([world]), InputSampler(world.spec.actions))
    pump.start().result(30)
    with pytest.raises(PromptError, match="has ended"):
        poll_for(pump, seconds=30.0)
    with pytest.raises(StateError, match="closed"):
        pump.submit(LockStep.moment)
    pump.close()


class StuckWorld(PatternWorld):
    """Its step ends when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.has_begun = threading.Event()
        self.may_end = threading.Event()

    def step(self, action: Action | None = None, prompt: str | None = None) -> Chunk:
        self.has_begun.set()
        assert self.may_end.wait(30)
        return super().step(action, prompt)


def test_the_caller_does_not_wait_for_a_step() -> None:
    world = StuckWorld()
    pump = ChunkPump(LockStep([world]), InputSampler(world.spec.actions))
    pump.start().result(30)
    assert pump.poll() is not None
    assert world.has_begun.wait(30)
    shown = pump.poll()
    assert shown is not None
    assert shown.item.lead.index == 0
    pump.presented(shown)
    command = pump.submit(LockStep.moment)
    assert pump.figures().frames == 1
    assert not command.done()
    world.may_end.set()
    assert command.result(30).index == 1
    pump.close()


def test_in_a_real_thread_chunks_come_one_after_the_other() -> None:
    world = PatternWorld(fps=200, step_seconds=0.015)
    pump = ChunkPump(LockStep([world]), InputSampler(world.spec.actions))
    beats: list[int] = []
    threads: set[str] = set()

    def listen(worlds: LockStep, beat: Beat) -> None:
        beats.append(beat.lead.index)
        threads.add(threading.current_thread().name)

    pump.after_each(listen)
    pump.start(seed=1).result(30)
    while len(beats) <= 5:
        poll_for(pump, seconds=0.02)
    pump.close()
    assert beats == list(range(len(beats)))
    assert threads == {"chunks"}
    assert pump.figures().chunk_ms.p50 >= 15


def test_closing_cancels_commands_that_wait_and_may_be_repeated() -> None:
    world = PatternWorld()
    pump = ChunkPump(LockStep([world]), InputSampler(world.spec.actions))
    waiting = pump.submit(LockStep.moment)
    pump.close()
    pump.close()
    with pytest.raises(CancelledError):
        waiting.result(0)
