"""Where the frames of a dreamer's chunks are made: by whoever asks for them, or beside everything else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

import torch

from helios_world.compute import Compute
from helios_world.pending import Head, PendingBeside, PendingChunk
from helios_world.spec import Frames


class Lane(Protocol):
    """Worlds that share a dreamer share one. May be used by several threads."""

    def decode(self, head: Head, groups: Iterator[Frames]) -> PendingChunk:
        """Have the groups made. Called where the latents were made, while `compute.running()`."""
        ...


class OnDemand:
    """Each group is made in the thread that asks for it, which leaves a processor to one thing at a time."""

    def __init__(self, compute: Compute) -> None:
        self._compute = compute

    def decode(self, head: Head, groups: Iterator[Frames]) -> PendingChunk:
        return PendingChunk(head, _computing(self._compute, groups))


class Beside:
    """One chunk after the other is decoded in a thread, on a CUDA device in a stream of its own."""

    def __init__(self, compute: Compute) -> None:
        self._compute = compute
        self._turn = threading.Lock()
        self._newest: PendingBeside | None = None
        self._stream: torch.cuda.Stream | None = None

    def decode(self, head: Head, groups: Iterator[Frames]) -> PendingChunk:
        pending = PendingBeside(head, _computing(self._compute, groups))
        where = self._after_the_latents()
        with self._turn:
            # Not a daemon: a thread that is stopped in the middle of a call of the device brings the process down.
            threading.Thread(target=self._run, args=(pending, self._newest, where), name="helios-decode").start()
            # Only now, since the next one waits for it.
            self._newest = pending
        return pending

    def _run(
        self, pending: PendingBeside, earlier: PendingBeside | None, where: Callable[[], AbstractContextManager[object]]
    ) -> None:
        if earlier is not None:
            earlier.wait()
            del earlier  # and with it its frames
        try:
            with where():
                pending.make_all()
        except Exception as error:
            pending.give_up(error)
        with self._turn:
            if self._newest is pending:
                self._newest = None

    def _after_the_latents(self) -> Callable[[], AbstractContextManager[object]]:
        """Computes in the lane's stream, beginning when the present one has done what it has been given."""
        if self._compute.device.type != "cuda":
            return nullcontext
        with self._turn:
            stream = self._stream = self._stream or torch.cuda.Stream(self._compute.device)  # type: ignore[no-untyped-call]
        ready = torch.cuda.Event()  # type: ignore[no-untyped-call]
        ready.record(torch.cuda.current_stream(self._compute.device))

        def where() -> AbstractContextManager[object]:
            stream.wait_event(ready)
            return torch.cuda.stream(stream)

        return where


def _computing(compute: Compute, groups: Iterator[Frames]) -> Iterator[Frames]:
    """Makes each group with the right threads and without gradients, and leaves none of that to the caller."""
    while True:
        with compute.running():
            frames = next(groups, None)
        if frames is None:
            return
        yield frames
