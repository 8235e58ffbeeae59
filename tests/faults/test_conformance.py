"""One conformance test for every kind of world: in this process, in another one, recorded, and the public fake."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helios_world.recording import RecordingWorld
from helios_world.spec import Action, World
from helios_world.testing import PatternWorld, check_world


def test_in_this_process() -> None:
    check_world(PatternWorld)
    check_world(lambda: World.load("pattern"))


def test_recorded(tmp_path: Path) -> None:
    numbers = itertools.count()
    check_world(lambda: RecordingWorld(PatternWorld(), tmp_path / f"{next(numbers)}.mp4"))


@pytest.mark.parametrize("name", ["pattern", "nano"])
def test_in_another_process(name: str, serve: Any, remote: Any) -> None:
    server = serve(name, "--max-sessions", "64", "--device", "cpu", "--dtype", "float32")
    check_world(lambda: remote(server))


def test_in_another_process_over_a_bad_network(serve: Any, remote: Any, proxy: Any, dice: Any) -> None:
    server = serve("pattern", "--max-sessions", "64")
    between = proxy(server, dice(8, drop=0.02, repeat=0.05))
    check_world(lambda: remote(between, retry_seconds=0.05))


def test_recorded_by_the_server(serve: Any, remote: Any, tmp_path: Path) -> None:
    server = serve("pattern", "--max-sessions", "64", "--record-dir", str(tmp_path))
    check_world(lambda: remote(server, record=True))


@pytest.mark.parametrize("progressive", [False, True], ids=["whole", "in parts"])
@pytest.mark.parametrize("encoding", ["rgb24", "jpeg", "h264"])
def test_in_every_encoding(encoding: str, progressive: bool, serve: Any, remote: Callable[..., Any]) -> None:
    """The compressed ones have the form of what they stand for, and are not far from it."""
    local = PatternWorld()
    with remote(serve("pattern"), encoding=encoding, progressive=progressive) as world:
        for index in range(5):
            expected = local.step(Action({"forward"})) if index else local.reset(seed=2)
            chunk = world.step(Action({"forward"})) if index else world.reset(seed=2)
            assert (chunk.index, chunk.first_frame, chunk.action, chunk.prompt) == (
                (expected.index, expected.first_frame, expected.action, expected.prompt)
            )
            assert (chunk.frames.dtype, chunk.frames.shape) == (np.uint8, expected.frames.shape)
            assert chunk.frames.flags.c_contiguous
            distance = np.abs(chunk.frames[:, 1:].astype(int) - expected.frames[:, 1:]).mean()
            assert distance == 0 if encoding == "rgb24" else 0 < distance < 12
