"""Checkpoints that are opened with offloading, and worlds that share one from several threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from helios_world.dream import DreamWorld
from helios_world.errors import CheckpointError, HeliosError, OptionError
from helios_world.official import load as loading
from helios_world.official import weights
from helios_world.snapshot import Snapshot
from helios_world.spec import Action, Frames, World

Make = Callable[..., Path]

SMALL: dict[str, Any] = {"height": 64, "width": 64, "text_tokens": 64, "steps": (1, 1, 1), "amplify_first": False}
BRIEF: dict[str, Any] = {"history": (4, 2, 1), "latents_per_chunk": 2, "untrained": True}
NOISY = np.random.default_rng(3).integers(0, 256, (7, 64, 64, 3), np.uint8)
STARTS: dict[str, dict[str, Any]] = {"text": {}, "picture": {"image": NOISY[0]}, "video": {"video": NOISY}}
FORWARD = Action(buttons={"forward"})


def load(folder: Path, dtype: str = "float32", **options: Any) -> DreamWorld:
    world = World.load(str(folder), device="cpu", dtype=dtype, **{**SMALL, **BRIEF, **options})
    assert isinstance(world, DreamWorld)
    return world


def walk(world: World, **start: Any) -> Iterator[Frames]:
    """Known words, new words of both kinds, and known ones again."""
    yield world.reset(seed=1, prompt="a brick garden", **start).frames
    yield world.step(FORWARD).frames
    yield world.step(None, "an ice palace").frames
    yield world.step(FORWARD).frames


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("keep", [None, True])
def test_offloading_changes_no_frame(make_official: Make, start: str, keep: bool | None) -> None:
    folder = make_official("distilled")
    plain, offloaded = load(folder), load(folder, offload="group", keep_text_encoder=keep)
    assert plain.spec.fingerprint == offloaded.spec.fingerprint
    pairs = zip(walk(plain, **STARTS[start]), walk(offloaded, **STARTS[start]), strict=True)
    assert all(np.array_equal(*pair) for pair in pairs)


def test_offloading_with_guidance_in_bfloat16(make_official: Make) -> None:
    choices: dict[str, Any] = {"dtype": "bfloat16", "steps": 2, "guidance": 3.0, "amplify_first": None}
    worlds = [load(make_official("base"), **choices, offload=mode) for mode in ("none", "group")]
    assert all(np.array_equal(*pair) for pair in zip(*map(walk, worlds), strict=True))


def test_a_session_moves_between_worlds_with_and_without_offloading(make_official: Make) -> None:
    folder = make_official("distilled")
    plain, offloaded = load(folder), load(folder, offload="group")
    plain.reset(seed=1, prompt="a brick garden")
    offloaded.restore(Snapshot.from_bytes(bytes(plain.snapshot())))
    twin = offloaded.fork()
    expected = plain.step(FORWARD).frames
    assert np.array_equal(offloaded.step(FORWARD).frames, expected)
    assert np.array_equal(twin.step(FORWARD).frames, expected)


@pytest.mark.parametrize("offload", ["none", "group"])
def test_threads_may_share_a_checkpoint(make_official: Make, offload: str) -> None:
    """diffusers' codec keeps its place in a video in itself, and an offloader has slots for one computation."""
    world = load(make_official("distilled"), offload=offload)
    world.reset(seed=1, prompt="a brick garden")

    def live(number: int) -> list[Frames]:
        twin = world.fork()
        first = twin.reset(seed=number, image=NOISY[number])
        return [first.frames, *(twin.step(None, f"scene {number} {step}").frames for step in range(3))]

    expected = [live(number) for number in range(3)]
    with ThreadPoolExecutor(3) as threads:
        found = list(threads.map(live, range(3)))
    for mine, others in zip(found, expected, strict=True):
        assert all(map(np.array_equal, mine, others))


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"height": 100}, OptionError, "height is 100"),
        ({"steps": (1, 1)}, OptionError, "3 stages"),
        ({"loras": {"nowhere.safetensors": 1.0}}, CheckpointError, "nowhere.safetensors"),
        ({"steering": "nowhere.json"}, HeliosError, "nowhere.json"),
        ({"variant": "transformer_ode"}, CheckpointError, "transformer_ode"),
        ({}, CheckpointError, "cannot be read, it is damaged or incomplete"),
    ],
    ids=str,
)
def test_what_is_wrong_is_told_before_weights_are_read(
    copy_official: Make, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], error: type[Exception], words: str
) -> None:
    """Reading the large parts takes minutes."""
    folder = copy_official("distilled")
    if not options:
        file = folder / "transformer" / weights.SINGLE
        file.write_bytes(file.read_bytes()[:-1000])
    for module in (weights, loading):
        monkeypatch.setattr(module, "read", lambda *arguments: pytest.fail("a tensor was read"))
    with pytest.raises(error, match=words):
        load(folder, **options)


def test_too_little_memory_names_the_way_out(make_official: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(loading, "read", fail)
    with pytest.raises(OptionError, match=r"does not fit into the free memory of cpu: offload='group' takes the least"):
        load(make_official("distilled"))
