"""Dreams whose codec smooths the jumps between latents."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from helios_world.batch import opener, step_together
from helios_world.dream import DreamWorld
from helios_world.spec import Action, Chunk, Frames

FORWARD = Action({"forward"})
FILM = np.random.default_rng(3).integers(0, 256, (12, 32, 64, 3), dtype=np.uint8)
STARTS: tuple[dict[str, Any], ...] = ({"prompt": "ice"}, {"image": FILM[0]}, {"video": FILM})


@pytest.fixture(scope="module", params=[4, 8])
def smooth(request: pytest.FixtureRequest, make_tiny: Callable[..., Path], tmp_path_factory: Any) -> Path:
    """A tiny world of one or two latents in a chunk."""
    folder = make_tiny(tmp_path_factory.mktemp("smooth"))
    for name, change in (("codec/config", {"deblock": [0.5, 0.25]}), ("world", {"frames_per_chunk": request.param})):
        path = folder / f"{name}.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    return folder


@pytest.mark.parametrize("start", STARTS)
def test_chunks_are_smoothed_as_one_film(smooth: Path, start: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    world: DreamWorld = opener(str(smooth), device="cpu", dtype="float32")()  # type: ignore[assignment]
    codec = world.dreamer.checkpoint.codec  # type: ignore[attr-defined]
    keep, latents = type(world.dreamer).keep, []

    def listen(dreamer: Any, memory: Any, made: torch.Tensor, request: Any) -> None:
        latents.append(made)
        keep(dreamer, memory, made, request)

    monkeypatch.setattr(type(world.dreamer), "keep", listen)
    frames = [world.reset(seed=1, **start).frames, *(world.step(FORWARD).frames for _ in range(3))]
    given = world.dreamer._given(start.get("image"), start.get("video"))  # type: ignore[attr-defined]
    before = [] if given is None else [codec.encode(torch.from_numpy(given)[None])]
    with torch.inference_mode():
        whole = torch.cat([*before, *latents], dim=2)
        wanted = codec.decode(whole)[0].numpy()[0 if given is None else len(given) :]
        rough = codec.decode_blocks(whole)
    assert np.abs(np.concatenate(frames).astype(int) - wanted).max() <= 1
    assert (codec.decode_float(whole) - rough).abs().max() > 0.01


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="kernels sum in another order")
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_together_is_as_alone_whatever_came_before(smooth: Path, dtype: str) -> None:
    begin: Callable[[], DreamWorld] = opener(str(smooth), device="cpu", dtype=dtype)  # type: ignore[assignment]
    worlds = [begin() for _ in STARTS]
    for seed, (world, start) in enumerate(zip(worlds, STARTS, strict=True)):
        world.reset(seed=seed, **start)
    twins = [world.fork() for world in worlds]
    for _ in range(3):
        alone = [_frames(twin.step(FORWARD)) for twin in twins]
        together = [_frames(chunk) for chunk in step_together(worlds, [FORWARD] * 3, [None] * 3)]
        assert all(np.array_equal(one, other) for one, other in zip(alone, together, strict=True))


def _frames(chunk: Chunk | Exception) -> Frames:
    assert isinstance(chunk, Chunk)
    return chunk.frames
