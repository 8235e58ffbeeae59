"""Makes chunks beside the window: one thread steps the worlds, another one shows what they made.

The thread begins each chunk as late as is safe, so that the input in it is as fresh as possible, and does
the part that needs no input right after the chunk before. At most one chunk is made ahead of what is shown.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from helios_runtime.inputs import InputSampler
from helios_runtime.lockstep import Beat, LockStep
from helios_runtime.pacing import FrameClock, Pacing, Recent, Shown
from helios_runtime.telemetry import Figures, Telemetry
from helios_world.errors import StateError

__all__ = ["ChunkPump"]

R = TypeVar("R")
Wait = Callable[[threading.Condition, "float | None"], object]


def _wait(changed: threading.Condition, seconds: float | None) -> None:
    changed.wait(seconds)


class ChunkPump:
    """Steps `worlds` in time with the frames that are shown.

    Everything public may be called from the showing thread; only a Future's result waits for a step.
    What the worlds raise is raised again by `poll`.

    Args:
        worlds: stepped together. Between start() and close() only commands may touch them.
        inputs: sampled when a chunk is begun.
        pacing: how late that is.
        now: monotonic seconds.
        wait: waits on the condition for at most so many seconds; tests put a simulated clock here.
    """

    def __init__(
        self,
        worlds: LockStep,
        inputs: InputSampler,
        pacing: Pacing | None = None,
        now: Callable[[], float] = time.monotonic,
        wait: Wait = _wait,
    ) -> None:
        self.inputs = inputs
        self._worlds = worlds
        self._pacing = pacing or Pacing()
        self._now = now
        self._wait = wait
        self._clock: FrameClock[Beat] = FrameClock(worlds.lead.spec.fps, now)
        self._changed = threading.Condition()
        self._commands: deque[tuple[Callable[[LockStep], Any], Future[Any]]] = deque()
        self._listeners: list[Callable[[LockStep, Beat], None]] = []
        self._steps = Recent(self._pacing.recent)
        self._telemetry = Telemetry()
        self._failure: BaseException | None = None
        self._is_closed = False
        self._has_begun = False
        self._is_warm = False
        self._thread = threading.Thread(target=self._run, name="chunks", daemon=True)

    def start(self, seed: int = 0, prompt: str | None = None) -> Future[Beat]:
        """Begin the session: the first beat comes from a reset, and the chunks follow it."""
        first = self.reset(seed, prompt)
        self._thread.start()
        return first

    def close(self) -> None:
        """Stop after the step in progress. Closes no world; commands that wait are cancelled."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join()
        self._cancel_commands()

    def poll(self) -> Shown[Beat] | None:
        """What to show now, None before the first chunk. Raises what the worlds raised."""
        with self._changed:
            if self._failure is not None:
                raise self._failure
            shown = self._clock.poll()
            if shown is not None and shown.fresh:
                self._changed.notify_all()
            return shown

    def presented(self, shown: Shown[Beat], at: float | None = None) -> None:
        """Report that `shown`, a frame not reported before, is on screen since `at` (None: now)."""
        self._telemetry.presented(shown, self._now() if at is None else at)

    def seconds_to_next_frame(self, most: float) -> float:
        """How long nothing new is to be shown, at most `most` seconds."""
        with self._changed:
            boundary = self._clock.next_boundary()
            return most if boundary is None else min(max(boundary - self._clock.time(), 0.0), most)

    def wait_for_frame(self, most: float) -> None:
        """Sleep until the next frame is due or a late one arrives, at most `most` seconds."""
        with self._changed:
            boundary = self._clock.next_boundary()
            if boundary is not None:
                most = min(boundary - self._clock.time(), most)
            if most > 0:
                self._wait(self._changed, most)

    def submit(self, command: Callable[[LockStep], R]) -> Future[R]:
        """Run `command` between two steps, as soon as no step is in progress."""
        result: Future[R] = Future()
        with self._changed:
            if self._is_closed:
                raise StateError("the pump is closed; commands need one that runs")
            self._commands.append((command, result))
            self._changed.notify_all()
        return result

    def reset(self, seed: int, prompt: str | None = None) -> Future[Beat]:
        """Begin anew with `seed`; the new first chunk is shown as soon as it is made."""
        return self.submit(lambda worlds: self._note(self._jump(worlds.reset(seed, prompt))))

    def jump(self, move: Callable[[LockStep], Beat]) -> Future[Beat]:
        """Run `move`, which puts the worlds elsewhere, and show the beat that it returns at once."""
        return self.submit(lambda worlds: self._jump(move(worlds)))

    def after_each(self, listener: Callable[[LockStep, Beat], None]) -> None:
        """Call `listener` in the pump's thread after every beat that was stepped or reset."""
        self._listeners.append(listener)

    @property
    def paused(self) -> bool:
        return self._clock.paused

    def pause(self) -> None:
        with self._changed:
            self._clock.pause()

    def resume(self) -> None:
        with self._changed:
            self._clock.resume()
            self.inputs.forgive()
            self._changed.notify_all()

    def figures(self) -> Figures:
        with self._changed:
            return self._telemetry.figures(self._clock.underruns, self._clock.late_seconds)

    def turn(self) -> None:
        """One round of the thread's loop: wait until it is time for a command or a chunk, and do it."""
        with self._changed:
            if not self._commands and not self._is_time():
                return
            command = self._commands.popleft() if self._commands else None
        if command is None:
            self._make_chunk()
        else:
            self._execute(*command)

    def _run(self) -> None:
        try:
            while not self._is_closed:
                self.turn()
        except BaseException as error:  # whatever it is, the showing thread has to hear of it
            with self._changed:
                self._failure = error
                self._is_closed = True
                self._changed.notify_all()
            self._cancel_commands()

    def _is_time(self) -> bool:
        """Whether a chunk is to be begun; otherwise waits for a change, once."""
        if not self._has_begun or self._clock.paused or not self._clock.caught_up:
            seconds = None
        else:
            seconds = self._clock.begin_at(self._pacing.lead(self._steps)) - self._clock.time()
            if seconds <= 0:
                return True
        if not self._is_closed:
            self._wait(self._changed, seconds)
        return False

    def _make_chunk(self) -> None:
        begun = self._now()
        beat = self._worlds.step(self.inputs.sample())
        made = self._now()
        self._push(beat)
        self._note(beat)
        rested = self._now()
        self._worlds.prepare()
        with self._changed:
            if self._is_warm:
                self._steps.add(made - begun)
            self._is_warm = True  # the first step of all sets things up, and says nothing about the others
            self._telemetry.stepped(made - begun, self._now() - rested)

    def _execute(self, command: Callable[[LockStep], Any], result: Future[Any]) -> None:
        if not result.set_running_or_notify_cancel():
            return
        try:
            result.set_result(command(self._worlds))
        except Exception as error:
            result.set_exception(error)

    def _jump(self, beat: Beat) -> Beat:
        with self._changed:
            self._clock.cut()
        self._has_begun = True
        self.inputs.forgive()
        self._push(beat)
        return beat

    def _note(self, beat: Beat) -> Beat:
        for listener in self._listeners:
            listener(self._worlds, beat)
        return beat

    def _push(self, beat: Beat) -> None:
        with self._changed:
            # A still picture lasts as long as a chunk too, so that there is time to make the next one.
            self._clock.push(beat, self._worlds.lead.spec.frames_per_chunk)
            self._changed.notify_all()

    def _cancel_commands(self) -> None:
        while self._commands:
            self._commands.popleft()[1].cancel()
