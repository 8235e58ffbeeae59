"""Official checkpoints behind the contract: what is chosen, what is refused, and what stays constant."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from helios_world.dream import DreamWorld
from helios_world.errors import CheckpointError, FrameError, HeliosError, OptionError, PromptError, StateError
from helios_world.recording import RecordingWorld, read_log, verify
from helios_world.snapshot import Snapshot
from helios_world.spec import Action, Frames, World
from helios_world.testing import check_world

Make = Callable[..., Path]

SMALL: dict[str, Any] = {"height": 64, "width": 64, "text_tokens": 256}
FAST = {
    "base": {**SMALL, "steps": 2, "guidance": 1.0},
    "mid": {**SMALL, "steps": (1, 1, 1)},
    "distilled": {**SMALL, "steps": (1, 1, 1), "amplify_first": False},
}
OLD, NEW = "a brick garden at noon", "an ice palace in fog"
TURN = Action(buttons={"turn_left"})
NOISY = np.random.default_rng(3).integers(0, 256, (40, 70, 90, 3), np.uint8)


def load(folder: Path, kind: str = "distilled", **options: Any) -> DreamWorld:
    world = World.load(str(folder), device="cpu", dtype="float32", **{**FAST[kind], **options})
    assert isinstance(world, DreamWorld)
    return world


@pytest.fixture(scope="module")
def distilled(make_official: Make) -> Path:
    return make_official("distilled")


BRIEF: dict[str, Any] = {"history": (4, 2, 1), "latents_per_chunk": 2, "untrained": True}
"""A fast world, for what takes many chunks."""


@pytest.mark.parametrize(
    ("kind", "options"), [("base", {"height": 16, "width": 32}), ("mid", BRIEF), ("distilled", BRIEF)]
)
def test_a_checkpoint_keeps_the_contract(make_official: Make, kind: str, options: dict[str, Any]) -> None:
    world = load(make_official(kind), kind, **options)
    check_world(world.sibling)


def test_a_late_fade_keeps_the_contract_too(distilled: Path) -> None:
    world = load(distilled, fade="late", blend=2, **BRIEF)
    check_world(world.sibling)


def test_what_the_world_is(distilled: Path) -> None:
    spec = load(distilled, height=128).spec
    assert (spec.name, spec.fps, spec.height, spec.width, spec.frames_per_chunk) == (distilled.name, 24, 128, 64, 33)
    assert spec.actions.steering == "prompt"
    assert "forward" in spec.actions.button_names
    assert spec.memory is not None
    assert (spec.memory.long, spec.memory.mid, spec.memory.short, spec.memory.latents_per_chunk) == (16, 2, 1, 9)


def test_actions_become_words_with_a_fade_of_their_own(distilled: Path) -> None:
    world = load(distilled)
    world.reset(seed=1, prompt=OLD)
    first, second = world.step(TURN).prompt, world.step(TURN).prompt
    assert [part.weight for part in first] == [0.5, 0.5]
    assert first[0].text == OLD
    assert first[1].text.startswith(OLD)
    assert "left" in first[1].text
    assert [(part.text, part.weight) for part in second] == [(first[1].text, 1.0)]


def test_everything_that_steers_is_felt(distilled: Path) -> None:
    world = load(distilled)
    world.reset(seed=1, prompt=OLD)
    state = world.snapshot()
    plain = world.step().frames
    for action, prompt in ((TURN, None), (None, NEW), (Action(axes={"turn": 0.9}), None)):
        world.restore(state)
        assert not np.array_equal(world.step(action, prompt).frames, plain)


@pytest.mark.parametrize(("fade", "weights"), [("early", [1 / 3, 2 / 3, 1]), ("late", [0, 0.5, 1])])
def test_a_change_of_prompt_is_interpolated(distilled: Path, fade: str, weights: list[float]) -> None:
    """With the late fade, the first chunk after a change is the one without it."""
    world = load(distilled, fade=fade)
    world.reset(seed=1, prompt=OLD)
    twin = world.fork()
    chunks = [world.step(prompt=NEW), world.step(), world.step()]
    shares = [{part.text: part.weight for part in chunk.prompt}.get(NEW, 0.0) for chunk in chunks]
    assert shares == pytest.approx(weights)
    assert np.array_equal(chunks[0].frames, twin.step().frames) == (fade == "late")


def test_a_mixture_is_the_sum_of_the_embeddings(distilled: Path) -> None:
    world = load(distilled)
    world.reset(seed=1, prompt=OLD)
    words = world.step(prompt=NEW).prompt
    dreamer: Any = world.dreamer
    mixed = dreamer.conditions.mixed(words)
    expected = sum(part.weight * dreamer.parts.encoder(part.text) for part in words)
    assert np.allclose(mixed, expected, atol=1e-6)


@pytest.mark.parametrize(("offload", "count"), [("none", 1000), ("group", 100)])
def test_the_memory_is_constant_and_so_is_the_time(make_official: Make, offload: str, count: int) -> None:
    """Of all tensors that there are, whoever holds them. The embeddings have a bound of their own."""
    choices = {"steps": 1, "height": 16, "width": 16, "offload": offload, "keep_text_encoder": True}
    world = load(make_official("base"), "base", **{**BRIEF, **choices})
    world.reset(seed=1, prompt=OLD)
    held, times = [], []
    for index in range(1, count + 1):
        began = time.perf_counter()
        # Every text and every mixture that there will be is there after a few dozen chunks.
        world.step(TURN if index % 4 > 1 else None, (OLD, NEW)[index % 3 > 1])
        times.append(time.perf_counter() - began)
        if index in (40, count):
            held.append((world.snapshot().nbytes, living_bytes()))
    assert held[0] == held[1]
    part = count // 5
    assert np.median(times[-part:]) < 2 * np.median(times[10 : 10 + part])


def living_bytes() -> int:
    gc.collect()
    # Not isinstance: it asks a deprecated object of torch for its class, which warns.
    tensors = [thing for thing in gc.get_objects() if issubclass(type(thing), torch.Tensor)]
    return sum({tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in tensors}.values())


def test_the_embedded_prompts_are_bounded(distilled: Path) -> None:
    encoder: Any = load(distilled).dreamer.parts.encoder  # type: ignore[attr-defined]
    for number in range(150):
        encoder(f"scene {number}")
    assert len(encoder._known) == 64


def test_a_recorded_session_is_made_again(distilled: Path, tmp_path: Path) -> None:
    with RecordingWorld(load(distilled), tmp_path / "walk") as world:
        world.reset(seed=2, video=NOISY)
        world.step(TURN)
        world.step(None, NEW)
    assert verify(read_log(tmp_path / "walk.jsonl"), load(distilled)).same


def test_a_snapshot_continues_elsewhere(distilled: Path) -> None:
    world = load(distilled)
    world.reset(seed=2, image=NOISY[0])
    world.step(TURN, NEW)
    other = load(distilled)
    other.restore(Snapshot.from_bytes(bytes(world.snapshot())))
    assert np.array_equal(world.step().frames, other.step().frames)


@pytest.mark.parametrize("size", [(128, 64), (64, 192)])
def test_other_sizes_and_pictures_that_do_not_fit(distilled: Path, size: tuple[int, int]) -> None:
    world = load(distilled, height=size[0], width=size[1])
    for given in ({"image": NOISY[0]}, {"video": NOISY}, {"image": NOISY[0, :1, :3]}):
        assert world.reset(seed=1, **given).frames.shape == (33, *size, 3)


def test_more_noise_keeps_less_of_a_picture(distilled: Path) -> None:
    clean, same = (load(distilled, image_noise=None, video_noise=None) for _ in range(2))
    noisy = load(distilled, image_noise=(0.9, 0.9), video_noise=(0.9, 0.9))
    anchors = []
    for world in (clean, same, noisy):
        world.reset(seed=1, image=NOISY[0])
        anchors.append(world.snapshot().arrays["anchor"])
    assert np.array_equal(anchors[0], anchors[1])
    assert np.abs(anchors[2] - anchors[0]).mean() > 0.2


def test_the_anchor_may_come_from_the_second_chunk(distilled: Path) -> None:
    first, second = load(distilled), load(distilled, second_anchor=True)
    for world in (first, second):
        world.reset(seed=1)
        world.step()
    kept, moved = (world.snapshot().arrays for world in (first, second))
    assert not np.array_equal(kept["anchor"], moved["anchor"])
    assert np.array_equal(moved["anchor"], moved["latents"][:, :, -9:-8])
    second.step()
    assert np.array_equal(second.snapshot().arrays["anchor"], moved["anchor"])


def test_a_released_encoder_gives_the_same_frames(distilled: Path) -> None:
    kept, released = load(distilled), load(distilled, keep_text_encoder=False)
    assert np.array_equal(kept.reset(seed=1).frames, released.reset(seed=1).frames)
    assert released.dreamer.parts.encoder.module is None  # type: ignore[attr-defined]
    assert np.array_equal(kept.step(None, NEW).frames, released.step(None, NEW).frames)


def test_the_fingerprint_tells_what_the_frames_depend_on(make_official: Make, distilled: Path) -> None:
    worlds = [load(distilled, **options) for options in ({}, {"keep_text_encoder": False})]
    assert worlds[0].spec.fingerprint == worlds[1].spec.fingerprint
    others = [
        load(make_official("distilled", seed=5)),
        load(distilled, steps=(1, 1, 2)),
        load(distilled, shift_resolution="current"),
        load(distilled, image_noise=None),
        load(distilled, amplify_first=True),
        load(distilled, width=128),
    ]
    prints = {world.spec.fingerprint for world in (worlds[0], *others)}
    assert len(prints) == 1 + len(others)


def test_a_failing_step_loses_nothing(distilled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = load(distilled)
    world.reset(seed=1, prompt=OLD)
    before = world.snapshot()
    with pytest.raises(PromptError, match="allowed are 256"):
        world.step(prompt="palace " * 280)
    assert world.snapshot() == before
    assert world.step().index == 1


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        ("distilled", {"guidance": 5.0}, "guidance is 5.0; a distilled checkpoint knows only 1"),
        ("distilled", {"guidance": 0.5}, "guidance: Input should be greater than or equal to 1, not 0.5"),
        ("mid", {"amplify_first": True}, "amplify_first"),
        ("mid", {"steps": 3}, "steps is .3,.: this checkpoint has 3 stages"),
        ("base", {"steps": (1, 1, 1)}, "has 1 stages"),
        ("base", {"steps": 0}, "steps.0: Input should be greater than 0"),
        ("distilled", {"height": 100}, "height is 100; this checkpoint needs a multiple of 64, such as 128"),
        ("distilled", {"width": 31}, "width is 31; .* multiple of 64, such as 64"),
        ("base", {"width": 100}, "multiple of 16, such as 96"),
        ("distilled", {"latents_per_chunk": 5}, "trained with latents_per_chunk 5 .* untrained=True"),
        ("distilled", {"history": (8, 2, 1)}, r"history \[8, 2, 1\]"),
        ("distilled", {"guidence": 1.0}, "guidence: Extra inputs are not permitted; the options are .*'guidance'"),
        ("distilled", {"offload": "disk"}, "offload: Input should be 'none' or 'group'"),
        ("distilled", {"image_noise": (0.5, 0.2)}, "from low to high"),
        ("distilled", {"image_noise": (0.5, 1.2)}, "within 0 and 1"),
        ("distilled", {"fade": "sudden"}, "'early' or 'late'"),
        ("distilled", {"shift_resolution": "next"}, "'previous' or 'current'"),
        ("distilled", {"negative_prompt": "x" * 3000}, "3000 characters"),
        ("distilled", {"fps": 0}, "fps: Input should be greater than 0"),
        ("distilled", {"blend": -1}, "blend: Input should be greater than 0"),
    ],
)
def test_choices_that_cannot_be_made(make_official: Make, kind: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(OptionError, match=words):
        load(make_official(kind), kind, **options)


def test_what_is_missing_is_named(distilled: Path, tmp_path: Path) -> None:
    for options, error, words in (
        ({"loras": {str(tmp_path / "no.safetensors"): 1.0}}, CheckpointError, "no.safetensors"),
        ({"variant": "transformer_ode"}, CheckpointError, "transformer_ode"),
        ({"steering": tmp_path / "no.json"}, HeliosError, "no.json"),
    ):
        with pytest.raises(error, match=words):
            load(distilled, **options)


def test_the_embedded_worlds_have_nothing_to_choose() -> None:
    with pytest.raises(OptionError, match=r"'pattern' has nothing to choose; \['offload'\]"):
        World.load("pattern", offload="group")


def pictures() -> list[tuple[str, Any]]:
    floats: Any = NOISY[0].astype(np.float32)
    return [
        ("image", floats),
        ("image", NOISY),
        ("image", NOISY[0, :, :, :2]),
        ("image", NOISY[0, :0]),
        ("image", [[1, 2, 3]]),
        ("image", "picture.png"),
        ("video", NOISY[0]),
        ("video", NOISY[:32]),
        ("video", NOISY[:0]),
        ("video", NOISY.astype(np.int64)),
    ]


@pytest.mark.parametrize(("name", "given"), pictures(), ids=range(10))
def test_pictures_that_cannot_be_used(distilled: Path, name: str, given: Frames) -> None:
    world = load(distilled)
    with pytest.raises(FrameError, match="uint8" if name == "image" or len(given) != 32 else "32 frames; at least 33"):
        world.reset(seed=1, **{name: given})
    with pytest.raises(StateError):
        world.step()
