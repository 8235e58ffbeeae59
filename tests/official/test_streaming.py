"""Steps of an official checkpoint whose frames come group by group: the bytes of step(), alone, together and served."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from helios_runtime.client import connect
from helios_runtime.server.server import Server
from helios_runtime.server.settings import ServeSettings
from helios_world.batch import begin_together, opener, step_together
from helios_world.decoding import Beside
from helios_world.dream import DreamWorld
from helios_world.dreamer import StreamingDreamer
from helios_world.pending import PendingBeside, PendingChunk
from helios_world.spec import Action, Chunk, World

Make = Callable[..., Path]
CHOICES: dict[str, Any] = {
    "height": 64,
    "width": 64,
    "text_tokens": 256,
    "history": (4, 2, 1),
    "latents_per_chunk": 3,
    "untrained": True,
    "steps": (1, 1, 1),
    "amplify_first": False,
}
SIZES = (1, 4, 4)
TURN = Action({"turn_left"})


def load(folder: Path, **options: Any) -> DreamWorld:
    world = World.load(str(folder), device="cpu", dtype="float32", **{**CHOICES, **options})
    assert isinstance(world, DreamWorld)
    return world


@pytest.fixture(scope="module")
def folder(make_official: Make) -> Path:
    return make_official("distilled")


@pytest.fixture(scope="module")
def chunks(folder: Path) -> list[Chunk]:
    """Of a session that is made step by step."""
    world = load(folder)
    return [world.reset(seed=5), world.step(TURN), world.step(prompt="an ice palace in fog"), world.step()]


def begin_all(world: World) -> list[PendingChunk]:
    """The same session, begun step by step."""
    inputs: list[dict[str, Any]] = [{"action": TURN}, {"prompt": "an ice palace in fog"}, {}]
    return [world.begin_reset(seed=5), *(world.begin_step(**given) for given in inputs)]


def same(one: Chunk, other: Chunk) -> bool:
    parts = ("index", "first_frame", "action", "prompt", "groups")
    return all(getattr(one, part) == getattr(other, part) for part in parts) and np.array_equal(
        one.frames, other.frames
    )


@pytest.mark.parametrize("beside", [False, True], ids=["on demand", "beside"])
def test_the_bytes_are_those_of_a_step(folder: Path, chunks: list[Chunk], beside: bool) -> None:
    """Beside, the next chunk is sampled by one thread while another decodes; here without a device of its own."""
    world = load(folder)
    assert isinstance(world.dreamer, StreamingDreamer)
    world = DreamWorld(world.dreamer, Beside(world.dreamer.compute) if beside else None)
    for pending, chunk in zip(begin_all(world), chunks, strict=True):
        assert isinstance(pending, PendingBeside) is beside
        assert pending.sizes == chunk.groups == SIZES
        assert same(pending.result(), chunk)
        assert [len(group) for group in pending.groups()] == [*SIZES]


def test_bfloat16_too(folder: Path) -> None:
    world = load(folder, vae_dtype="bfloat16")
    twin = world.sibling()
    assert same(world.begin_reset(seed=5).result(), twin.reset(seed=5))
    assert same(world.begin_step(TURN).result(), twin.step(TURN))


@pytest.mark.parametrize("options", [{"offload": "group"}, {"vae_tiling": True, "height": 320}], ids=str)
def test_where_memory_is_short_a_chunk_comes_at_once(folder: Path, options: dict[str, Any]) -> None:
    world = load(folder, **options)
    twin = world.sibling()
    assert world.streamer is None
    pending = world.begin_reset(seed=5)
    assert pending.is_complete
    assert pending.sizes == (9,)
    assert same(pending.result(), twin.reset(seed=5))


def test_together_they_are_sampled_in_one_pass_and_decoded_one_by_one(folder: Path) -> None:
    begin = opener(str(folder), device="cpu", dtype="float32", **CHOICES)
    worlds, twins = [begin() for _ in range(2)], [begin() for _ in range(2)]
    for seed, pair in enumerate(zip(worlds, twins, strict=True)):
        for world in pair:
            world.reset(seed=seed)
    begun = begin_together(worlds, [TURN, None], [None, None])
    made = step_together(twins, [TURN, None], [None, None])
    for pending, chunk in zip(begun, made, strict=True):
        assert isinstance(pending, PendingChunk)
        assert isinstance(chunk, Chunk)
        assert same(pending.result(), chunk)


@pytest.mark.parametrize("mode", ["progressive", "whole"])
def test_a_client_of_a_server_gets_the_same_bytes(folder: Path, chunks: list[Chunk], mode: str) -> None:
    settings = ServeSettings(world=str(folder), bind="127.0.0.1:0")
    progressive = mode == "progressive"
    with Server(settings, opener_of(folder)) as server, connect(server.address, progressive=progressive) as world:
        made = [world.reset(seed=5), world.step(TURN), world.step(prompt="an ice palace in fog"), world.step()]
    for one, other in zip(made, chunks, strict=True):
        assert np.array_equal(one.frames, other.frames)
        assert (one.index, one.first_frame, one.action) == (other.index, other.first_frame, other.action)


def opener_of(folder: Path) -> Callable[[str], World]:
    begin = opener(str(folder), device="cpu", dtype="float32", **CHOICES)
    return lambda name: begin()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_device_a_stream_of_its_own_gives_the_bytes_of_a_step(folder: Path) -> None:
    world = World.load(str(folder), device="cuda", dtype="float32", **CHOICES)
    assert isinstance(world, DreamWorld)
    twin = world.sibling()
    expected = [twin.reset(seed=5), twin.step(TURN), twin.step(prompt="an ice palace in fog"), twin.step()]
    for pending, chunk in zip(begin_all(world), expected, strict=True):
        assert isinstance(pending, PendingBeside)
        assert same(pending.result(), chunk)
