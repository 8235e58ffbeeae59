"""Frames that are made beside everything else, when the thread or the device fails before it makes any."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import pytest

from helios_world.compute import Compute
from helios_world.decoding import Beside
from helios_world.pending import Head
from helios_world.spec import NO_ACTION, Frames, Timing

LONG = 10.0
HEAD = Head(0, 0, NO_ACTION, (), (1, 2), Timing(0.0, (), 0.0, 0.0))


class Broken(Beside):
    """Cannot go to its stream as long as it is told so."""

    error: Exception | None = None

    def _after_the_latents(self) -> Callable[[], AbstractContextManager[object]]:
        error = self.error

        def where() -> AbstractContextManager[object]:
            if error is not None:
                raise error
            return nullcontext()

        return where


@pytest.fixture
def lane() -> Broken:
    return Broken(Compute.choose("cpu", "float32"))


def groups() -> Iterator[Frames]:
    for size in HEAD.sizes:
        yield np.zeros((size, 8, 8, 3), np.uint8)


def test_a_stream_that_fails_ends_the_chunk_and_not_the_lane(lane: Broken) -> None:
    lane.error = RuntimeError("CUDA error: an illegal memory access was encountered")
    ended = threading.Event()
    broken = lane.decode(HEAD, groups())
    broken.watch(lambda group: None, lambda outcome: ended.set())
    assert ended.wait(LONG)
    with pytest.raises(RuntimeError, match="illegal memory access"):
        broken.result()
    lane.error = None
    following = lane.decode(HEAD, groups())
    assert len(following.result().frames) == 3


def test_a_thread_that_cannot_start_is_waited_for_by_nobody(lane: Broken, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: Any) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="start new thread"):
            lane.decode(HEAD, groups())
    following, ended = lane.decode(HEAD, groups()), threading.Event()
    following.watch(lambda group: None, lambda outcome: ended.set())
    assert ended.wait(LONG)
    assert len(following.result().frames) == 3
