"""A chunk that was begun: what it is made with is settled, and its frames come group by group. No torch here.

>>> pending = world.begin_step(Action({"forward"}))
>>> for frames in pending.groups():  # each as soon as it is there
...     show(frames)
>>> chunk = pending.result()  # all of them, as step() gives them
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from helios_world.errors import HeliosError
from helios_world.spec import Action, Chunk, Frames, PromptWeight, Timing

OnGroup = Callable[[Chunk], None]
OnEnd = Callable[["Chunk | Exception"], None]


@dataclass(frozen=True)
class Head:
    """What is known of a chunk before its frames are there.

    Args:
        sizes: frames of each group.
        timing: of what was done so far; `total` is all of it.
    """

    index: int
    first_frame: int
    action: Action
    prompt: tuple[PromptWeight, ...]
    sizes: tuple[int, ...]
    timing: Timing

    def whole(self, frames: Frames) -> Chunk:
        """The chunk, its timing being that of all of it."""
        return Chunk(frames, self.index, self.first_frame, self.action, self.prompt, self.timing, self.sizes)

    def chunk(self, frames: Frames, offset: int, decode: float) -> Chunk:
        """The chunk's frames from `offset` on, after so many milliseconds of decoding."""
        timing = replace(self.timing, decode=decode, total=self.timing.total + decode)
        return Chunk(frames, self.index, self.first_frame + offset, self.action, self.prompt, timing, self.sizes)


class PendingChunk:
    """A chunk whose frames are made when they are asked for, in the thread that asks.

    May be used by several threads. What it gives stays valid whatever becomes of its world.

    Args:
        head: what is known already.
        source: makes the groups, each when it is taken.
    """

    def __init__(self, head: Head, source: Iterable[Frames]) -> None:
        self._head = head
        self._source = iter(source)
        self._frames: Frames | None = None
        self._ends: list[int] = []
        self._spent = 0.0
        self._outcome: Chunk | Exception | None = None
        self._watchers: list[tuple[OnGroup, OnEnd]] = []
        self._making = threading.RLock()
        self._changed = threading.Condition(threading.RLock())

    @classmethod
    def of(cls, chunk: Chunk) -> PendingChunk:
        """A chunk that is there already."""
        sizes = chunk.groups or (len(chunk.frames),)
        head = Head(chunk.index, chunk.first_frame, chunk.action, chunk.prompt, sizes, chunk.timing)
        pending = cls(head, ())
        pending._frames, pending._ends = chunk.frames, [*itertools.accumulate(sizes)]
        pending._outcome = chunk
        return pending

    @property
    def index(self) -> int:
        """Of the chunk."""
        return self._head.index

    @property
    def first_frame(self) -> int:
        """The number of frames shown before the chunk."""
        return self._head.first_frame

    @property
    def action(self) -> Action:
        """The chunk is made with it."""
        return self._head.action

    @property
    def prompt(self) -> tuple[PromptWeight, ...]:
        """The chunk is made with them."""
        return self._head.prompt

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many frames each group has."""
        return self._head.sizes

    @property
    def is_complete(self) -> bool:
        """Whether nothing more will come: all frames are there, or an error ended it."""
        return self._outcome is not None

    @property
    def chunk(self) -> Chunk | None:
        """All of it, if all of it is there."""
        return self._outcome if isinstance(self._outcome, Chunk) else None

    @property
    def comes_by_itself(self) -> bool:
        """Whether the frames are made without being asked for."""
        return self.is_complete

    def groups(self) -> Iterator[Frames]:
        """The frames, uint8 [T, H, W, 3], as they come; from the first one, as often as one likes.

        They are views of the chunk's frames.

        Raises:
            Exception: what ended the decoding early.
        """
        for number in itertools.count():
            self._reach(number)
            if number < len(self._ends):
                yield self._part(number)[1]
            elif isinstance(self._outcome, Exception):
                raise self._outcome
            else:
                return

    def result(self) -> Chunk:
        """The chunk, once all of its frames are there.

        Raises:
            Exception: what ended the decoding early.
        """
        self.wait()
        if isinstance(self._outcome, Exception):
            raise self._outcome
        assert self._outcome is not None
        return self._outcome

    def wait(self) -> None:
        """Until it is complete. Does not raise."""
        self._reach(len(self.sizes))

    def watch(self, group: OnGroup, end: OnEnd) -> None:
        """Be told of every group, as a chunk that has only these frames, and then of how it ended.

        Told in order; of what is there already at once, of all else in the thread that makes it. The callbacks are
        short and do not raise. The timing of the last group is complete.
        """
        with self._changed:
            for number in range(len(self._ends)):
                group(self._told(number))
            if self._outcome is None:
                self._watchers.append((group, end))
            else:
                end(self._outcome)

    def _reach(self, number: int) -> None:
        """Until group `number` is there, or nothing more will come."""
        while not self._has(number):
            self._advance()

    def _has(self, number: int) -> bool:
        return number < len(self._ends) or self._outcome is not None

    def _advance(self) -> None:
        """Make the next group in this thread."""
        with self._making:
            if self._outcome is not None:
                return
            began = time.perf_counter()
            try:
                frames = next(self._source, None)
            except Exception as error:
                self._end(error)
                return
            except BaseException as error:
                self._end(HeliosError(f"the frames of chunk {self.index} are not made to their end: {error!r}"))
                raise
            self._spent += 1e3 * (time.perf_counter() - began)
            self._take(frames)

    def _take(self, frames: Frames | None) -> None:
        number, total = len(self._ends), sum(self.sizes)
        if frames is None or len(frames) != self.sizes[number]:
            came = 0 if frames is None else len(frames)
            self._end(HeliosError(f"group {number} of a chunk has {came} frames instead of {self.sizes[number]}"))
            return
        begin = self._ends[-1] if self._ends else 0
        if self._frames is None:
            self._frames = frames if len(frames) == total else np.empty((total, *frames.shape[1:]), np.uint8)
        if self._frames is not frames:
            self._frames[begin : begin + len(frames)] = frames
        with self._changed:
            self._ends.append(begin + len(frames))
            for group, _ in self._watchers:
                group(self._told(number))
            self._changed.notify_all()
        if len(self._ends) == len(self.sizes):
            self._end(self._head.chunk(self._frames, 0, self._spent))

    def _end(self, outcome: Chunk | Exception) -> None:
        with self._changed:
            self._source, self._outcome = iter(()), outcome
            watchers, self._watchers = self._watchers, []
            for _, end in watchers:
                end(outcome)
            self._changed.notify_all()

    def _part(self, number: int) -> tuple[int, Frames]:
        """Where a group begins, and its frames."""
        assert self._frames is not None
        begin = self._ends[number - 1] if number else 0
        return begin, self._frames[begin : self._ends[number]]

    def _told(self, number: int) -> Chunk:
        begin, frames = self._part(number)
        return self._head.chunk(frames, begin, self._spent)


class PendingBeside(PendingChunk):
    """A chunk whose frames are made by a thread of its own; whoever asks for them waits."""

    @property
    def comes_by_itself(self) -> bool:
        return True

    def make_all(self) -> None:
        """Called once, in that thread. Does not raise; the error is that of the chunk."""
        try:
            while self._outcome is None:
                self._advance()
        except Exception as error:
            self._end(error)

    def give_up(self, error: Exception) -> None:
        """There will be no more frames, because of `error`; nothing where all are there already."""
        if self._outcome is None:
            self._end(error)

    def _reach(self, number: int) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._has(number))
