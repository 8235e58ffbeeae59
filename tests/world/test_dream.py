from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from helios_world import arguments
from helios_world.checkpoint import load_checkpoint
from helios_world.compute import Compute
from helios_world.dream import DreamWorld
from helios_world.dreamer import Request
from helios_world.errors import CheckpointError, FrameError, SnapshotError
from helios_world.model import HistoryCache
from helios_world.native import NativeDreamer
from helios_world.recording import RecordingWorld, read_log, verify
from helios_world.snapshot import Snapshot
from helios_world.spec import NO_ACTION, Action, Chunk, World
from helios_world.testing import check_world

FORWARD = Action(buttons={"forward"}, axes={"turn": 0.3})
FILM = np.random.default_rng(3).integers(0, 256, (88, 32, 64, 3), dtype=np.uint8)


def _open(folder: Path, dtype: str = "float32") -> DreamWorld:
    world = World.load(str(folder), device="cpu", dtype=dtype)
    assert isinstance(world, DreamWorld)
    return world


@pytest.fixture
def world(tiny: Path) -> DreamWorld:
    return _open(tiny)


def _same(left: Chunk, right: Chunk) -> bool:
    return bool(np.array_equal(left.frames, right.frames))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_dream_keeps_the_contract(tiny: Path, dtype: str) -> None:
    checkpoint = load_checkpoint(tiny, torch.device("cpu"), getattr(torch, dtype))
    dreamer = NativeDreamer(checkpoint, Compute.choose("cpu", dtype))
    check_world(lambda: DreamWorld(dreamer))


def test_a_model_that_cannot_look_ahead_keeps_the_contract(make_tiny: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_tiny(tmp_path, restrict_self_attn=False)
    dreamer = NativeDreamer(
        load_checkpoint(folder, torch.device("cpu"), torch.float32), Compute.choose("cpu", "float32")
    )
    assert not dreamer.looks_ahead
    check_world(lambda: DreamWorld(dreamer))


def test_everything_that_steers_is_felt(world: DreamWorld) -> None:
    """Each of the inputs of a chunk changes its frames."""
    first = world.reset(seed=1)
    state = world.snapshot()
    still = world.step()
    for action, prompt in ((FORWARD, None), (None, "neon city at night")):
        world.restore(state)
        assert not _same(still, world.step(action, prompt))
    assert not _same(first, world.reset(seed=2))
    assert not _same(first, world.reset(seed=1, prompt=world.spec.prompts[0]))
    assert not _same(world.reset(image=FILM[0]), world.reset(image=FILM[1]))


def test_the_previous_action_is_felt(world: DreamWorld) -> None:
    world.reset()
    state = world.snapshot()
    meta = {**state.meta, "action": FORWARD.to_dict()}
    still = world.step()
    world.restore(replace(state, meta=meta))
    assert not _same(still, world.step())


def test_a_step_is_what_the_reference_path_makes(tiny: Path, world: DreamWorld) -> None:
    """One step written out by hand on the transformer's forward, against the split and prepared one."""
    from helios_world.sampling.noise import chunk_noise

    world.reset(seed=5, image=FILM[0])
    dreamer, memory = world.dreamer, world.dreamer.memory()
    memory.load_state({name: array.copy() for name, array in world.snapshot().arrays.items()})
    before = memory.views().short.clone()
    world.prepare()
    chunk = world.step(FORWARD)
    with torch.inference_mode():
        latents = chunk_noise(5, 1, (1, 4, 1, 4, 8), "cpu")
        text = dreamer.checkpoint.text_encoder([""])
        actions = torch.tensor([[[0, 0, 0, 1, 0, 0.3]]])
        for sigma, following in ((1.0, 0.5), (0.5, 0.0)):
            timestep = torch.tensor([1000 * sigma])
            velocity = dreamer.checkpoint.transformer(latents, timestep, text, memory.views(), dreamer.layout, actions)
            latents = latents + (following - sigma) * velocity
        frames = dreamer.checkpoint.codec.decode(latents, before)[0].numpy()
    assert np.abs(frames.astype(int) - chunk.frames).max() <= 1


def test_an_image_is_the_anchor_and_the_latest_latent(world: DreamWorld) -> None:
    picture = np.full((32, 64, 3), (200, 40, 90), np.uint8)
    world.reset(image=picture)
    state = world.snapshot().arrays
    latent = world.dreamer.encode(np.repeat(picture[None], 4, axis=0)).numpy()
    assert np.array_equal(state["anchor"], latent)
    assert np.array_equal(state["latents"][:, :, -2:-1], latent)
    assert not state["latents"][:, :, :-2].any()


@pytest.mark.parametrize("length", [4, 7, 40, 83, 88])
def test_a_video_fills_the_memory_with_its_newest_frames(world: DreamWorld, length: int) -> None:
    world.reset(video=FILM[:length])
    state = world.snapshot().arrays
    whole = world.dreamer.encode(FILM[length % 4 : length]).numpy()
    kept = min(18, whole.shape[2])
    assert np.allclose(state["anchor"], whole[:, :, :1], atol=1e-6)
    assert np.allclose(state["latents"][:, :, -1 - kept : -1], whole[:, :, -kept:], atol=1e-6)


def test_pictures_may_be_views_of_anything(world: DreamWorld) -> None:
    mirrored = FILM[:8, :, ::-1]
    frozen = mirrored.copy()
    frozen.flags.writeable = False
    assert _same(world.reset(video=mirrored), world.reset(video=frozen))
    assert _same(world.reset(image=mirrored[0]), world.reset(image=frozen[0]))


def test_a_video_needs_one_latent(world: DreamWorld) -> None:
    with pytest.raises(FrameError, match="3 frames; at least 4"):
        world.reset(video=FILM[:3])


def test_pictures_bring_no_words_unless_given(world: DreamWorld) -> None:
    assert world.reset(image=FILM[0]).prompt[0].text == ""
    assert world.reset(image=FILM[0], prompt="fog").prompt[0].text == "fog"
    assert world.reset(seed=1).prompt[0].text == world.spec.prompts[1]


def test_more_noise_levels_for_the_first_chunk_of_words(world: DreamWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Request] = []
    passes: list[int] = []
    sample, denoise = world.dreamer.sample, world.dreamer.checkpoint.transformer.denoise

    def listen(request: Request, past: HistoryCache) -> tuple[torch.Tensor, tuple[float, ...]]:
        asked.append(request)
        passes.append(0)
        return sample(request, past)

    def count(*arguments: Any, **named: Any) -> torch.Tensor:
        passes[-1] += 1
        return denoise(*arguments, **named)

    monkeypatch.setattr(world.dreamer, "sample", listen)
    monkeypatch.setattr(world.dreamer.checkpoint.transformer, "denoise", count)
    world.reset()
    world.step(FORWARD)
    world.step()
    world.reset(image=FILM[0])
    assert passes == [3, 2, 2, 2]
    assert [request.start for request in asked] == ["prompt", None, None, "image"]
    assert [request.before for request in asked] == [NO_ACTION, NO_ACTION, FORWARD, NO_ACTION]
    assert [request.index for request in asked] == [0, 1, 2, 0]


_CHILD = """
import hashlib, sys
from helios_world import Action, Snapshot, World
world = World.load(sys.argv[1], device="cpu", dtype="float32")
world.restore(Snapshot.load(sys.argv[2]))
chunks = [world.step(Action({"forward"}, {"turn": 0.3})), world.step(None, "fog"), world.step()]
print(hashlib.sha256(b"".join(chunk.frames.tobytes() for chunk in chunks)).hexdigest())
"""


def test_another_process_continues_with_the_same_bytes(world: DreamWorld, tiny: Path, tmp_path: Path) -> None:
    world.reset(seed=9, prompt="ice")
    world.step(FORWARD, "desert")
    world.snapshot().save(tmp_path / "state")
    chunks = [world.step(FORWARD), world.step(None, "fog"), world.step()]
    expected = hashlib.sha256(b"".join(chunk.frames.tobytes() for chunk in chunks)).hexdigest()
    command = [sys.executable, "-c", _CHILD, str(tiny), str(tmp_path / "state")]
    found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    assert found.strip() == expected


def test_a_failing_step_changes_nothing(world: DreamWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    world.reset()
    before = world.snapshot()

    def broken(*_: object) -> None:
        raise RuntimeError("out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(world.dreamer, "decode", broken)
        with pytest.raises(RuntimeError):
            world.step(FORWARD, "fog")
        with pytest.raises(RuntimeError):
            world.reset(seed=5, image=FILM[0])
    assert world.snapshot() == before


def test_what_was_prepared_is_used_once_and_never_for_another_past(world: DreamWorld) -> None:
    world.reset(seed=1)
    state = world.snapshot()
    expected = world.step()
    world.step(FORWARD)
    world.prepare()
    world.restore(state)
    assert _same(world.step(), expected)
    world.prepare()
    fresh = world.reset(seed=1)
    assert _same(world.step(), expected)
    assert _same(world.reset(seed=1), fresh)


def test_other_weights_or_dtypes_are_another_world(
    tiny: Path, make_tiny: Callable[..., Path], tmp_path: Path, world: DreamWorld
) -> None:
    half = _open(tiny, "bfloat16")
    other = _open(make_tiny(tmp_path, is_amplify_history=True))
    assert len({world.spec.fingerprint, half.spec.fingerprint, other.spec.fingerprint}) == 3
    world.reset()
    for stranger in (half, other):
        with pytest.raises(SnapshotError, match="this is 'tiny'"):
            stranger.restore(world.snapshot())


@pytest.mark.parametrize("lost", ["latents", "anchor", "count"])
def test_an_incomplete_snapshot_is_refused(world: DreamWorld, lost: str) -> None:
    world.reset()
    state = world.snapshot()
    arrays = {name: array for name, array in state.arrays.items() if name != lost}
    with pytest.raises(SnapshotError, match="incomplete"):
        world.restore(replace(state, arrays=arrays))
    with pytest.raises(SnapshotError, match="incomplete"):
        world.restore(replace(state, meta={**state.meta, "seed": -1}))
    assert world.snapshot() == state


def test_prompts_do_not_pile_up(world: DreamWorld) -> None:
    world.reset()
    sizes = set()
    for number in range(60):
        assert len(world.step(prompt=f"prompt {number}").prompt) <= 8
        sizes.add(world.snapshot().nbytes)
    assert len(sizes) == 1


def test_a_recorded_dream_is_made_again(tiny: Path, world: DreamWorld, tmp_path: Path) -> None:
    with RecordingWorld(world, tmp_path / "dream.mp4") as recorded:
        recorded.reset(seed=4, video=FILM[:12])
        state = recorded.snapshot()
        recorded.step(FORWARD, "fog")
        recorded.restore(state)
        recorded.step(FORWARD)
    report = verify(read_log(tmp_path / "dream.mp4"), _open(tiny))
    assert (report.same, report.chunks) == (True, 3)


def test_the_callers_threads_and_gradients_stay(world: DreamWorld) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        world.reset()
        world.step()
        assert torch.get_num_threads() == 2
        assert torch.is_grad_enabled()
        assert not torch.is_inference_mode_enabled()
    finally:
        torch.set_num_threads(before)


def test_times_add_up(world: DreamWorld) -> None:
    for chunk in (world.reset(image=FILM[0]), world.step()):
        timing = chunk.timing
        assert min(timing.encode, timing.denoise[0], timing.decode) > 0
        assert timing.encode + sum(timing.denoise) + timing.decode <= timing.total


def test_a_missing_world_names_the_presets(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"'atlantis'.*lands.*nano.*pattern"):
        World.load("atlantis")
    with pytest.raises(CheckpointError, match=r"lacks \['world.json'"):
        World.load(str(tmp_path))


def test_a_restored_snapshot_may_come_as_bytes(world: DreamWorld) -> None:
    world.reset(seed=arguments.check_seed(2**63 - 1))
    expected = world.snapshot()
    world.step()
    world.restore(Snapshot.from_bytes(bytes(expected)))
    assert world.snapshot() == expected
