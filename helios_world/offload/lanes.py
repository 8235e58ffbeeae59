"""Copies of weights beside the computation, and what orders the two.

A slot is a piece of device memory that is filled again and again. It may be filled when the computation has
read it for the last time, and read when it is filled. `CudaLane` says so with events on a stream of its own,
so that neither side stops the other or the program; `PlainLane` is for devices on which a copy is done when
the call returns.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

import torch


class Lane(Protocol):
    """Where copies into slots take place; slots are known by their numbers."""

    def copying(self, slot: int) -> AbstractContextManager[None]:
        """Copies made in this context begin when `slot` is free."""

    def wait(self, slot: int) -> None:
        """What is computed from here on waits until `slot` is filled."""

    def free(self, slot: int) -> None:
        """What was computed so far was the last that reads `slot`."""

    def drain(self) -> None:
        """Return when all copies are done."""


class PlainLane:
    """Every copy is done when it returns, so there is nothing to order."""

    @contextmanager
    def copying(self, slot: int) -> Iterator[None]:
        yield

    def wait(self, slot: int) -> None:
        pass

    def free(self, slot: int) -> None:
        pass

    def drain(self) -> None:
        pass


class CudaLane:
    """A stream for copies. Create it after the slots: it lets the first copies wait for their memory."""

    def __init__(self, device: torch.device, slots: int) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._filled = _events(slots)
        self._read = _events(slots)
        for slot in range(slots):
            self.free(slot)

    @contextmanager
    def copying(self, slot: int) -> Iterator[None]:
        self._stream.wait_event(self._read[slot])
        with torch.cuda.stream(self._stream):
            yield
            self._filled[slot].record(self._stream)

    def wait(self, slot: int) -> None:
        torch.cuda.current_stream(self._device).wait_event(self._filled[slot])

    def free(self, slot: int) -> None:
        self._read[slot].record(torch.cuda.current_stream(self._device))

    def drain(self) -> None:
        self._stream.synchronize()


def _events(count: int) -> list[torch.cuda.Event]:
    return [torch.cuda.Event() for _ in range(count)]  # type: ignore[no-untyped-call]


def lane_for(device: torch.device, slots: int) -> Lane:
    return CudaLane(device, slots) if device.type == "cuda" else PlainLane()
