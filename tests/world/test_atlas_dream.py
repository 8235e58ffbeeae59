"""Dreams of a world that has an atlas: they know where they are."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from helios_world.batch import opener, step_together
from helios_world.dream import DreamWorld
from helios_world.errors import OptionError, SnapshotError
from helios_world.evaluate.without import without
from helios_world.places import Atlas
from helios_world.places.place import KNOWN, POSITION, SCENE, UNIT
from helios_world.snapshot import Snapshot
from helios_world.spec import Action, Chunk, Frames
from helios_world.testing import check_world

FORWARD = Action({"forward"})
FILM = np.random.default_rng(3).integers(0, 256, (14, 32, 64, 3), dtype=np.uint8)
ACTIONS = (FORWARD, None, Action(axes={"turn": 0.3}), Action({"back", "turn_left"}), Action({"strafe_left"}))
exact = pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="kernels sum in another order")


@pytest.fixture(scope="module", params=["float32", "bfloat16"])
def begin(request: pytest.FixtureRequest, guided: Path) -> Callable[[], DreamWorld]:
    return opener(str(guided), device="cpu", dtype=request.param)  # type: ignore[return-value]


@pytest.fixture
def world(guided: Path) -> DreamWorld:
    return opener(str(guided), device="cpu", dtype="float32")()  # type: ignore[return-value]


def _atlas(world: DreamWorld) -> Atlas:
    return world.dreamer.checkpoint.atlas  # type: ignore[attr-defined,no-any-return]


def _place(world: DreamWorld) -> Tensor:
    assert world._memory.place is not None
    return world._memory.place


def _scene(world: DreamWorld, prompt: str) -> Tensor:
    with torch.inference_mode():
        return world.dreamer._scene(prompt)[0]  # type: ignore[attr-defined,no-any-return]


def _walk(world: DreamWorld, steps: int = 4) -> list[Frames]:
    return [world.step(action, "fog" if number == 2 else None).frames for number, action in enumerate(ACTIONS[:steps])]


def _equal(one: Sequence[Frames], other: Sequence[Frames]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_guided_dream_keeps_the_contract(guided: Path) -> None:
    check_world(opener(str(guided), device="cpu", dtype="float32"))


def test_a_guided_model_that_cannot_look_ahead_dreams(make_guided: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_guided(tmp_path, restrict_self_attn=False)
    world: DreamWorld = opener(str(folder), device="cpu", dtype="float32")()  # type: ignore[assignment]
    blind = without(world, "atlas")
    first = world.reset(seed=1, prompt="ice").frames
    assert not np.array_equal(first, blind.reset(seed=1, prompt="ice").frames)
    twin = world.fork()
    assert _equal(_walk(world), _walk(twin))


def test_words_begin_at_the_entrance_and_controls_lead_on(world: DreamWorld) -> None:
    atlas = _atlas(world)
    world.reset(seed=1, prompt="ice")
    scene, still = _scene(world, "ice"), torch.zeros(1, 3)
    wanted = atlas.advance(atlas.entrance(scene), still, scene)
    assert torch.equal(_place(world), wanted)
    for action, controls in ((FORWARD, [1.0, 0.0, 0.0]), (Action({"strafe_left"}, {"turn": 0.5}), [0.0, -1.0, 0.5])):
        world.step(action)
        wanted = atlas.advance(wanted, torch.tensor([controls]), scene)
        assert torch.equal(_place(world), wanted)
    assert _place(world)[:, KNOWN] == 1


def test_what_is_expected_is_shown_to_the_model(world: DreamWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    transformer, told = world.dreamer.checkpoint.transformer, []  # type: ignore[attr-defined]
    denoise = transformer.denoise

    def listen(*arguments: Any, **named: Any) -> Tensor:
        told.append(named["guide"])
        return denoise(*arguments, **named)  # type: ignore[no-any-return]

    monkeypatch.setattr(transformer, "denoise", listen)
    world.reset(seed=1, prompt="ice")
    world.step(FORWARD)
    assert len(told) == 3 + 2
    assert told[-1].known.tolist() == [1.0]
    assert torch.equal(told[-1].latents, _atlas(world).paint(_place(world), _scene(world, "ice")))
    assert not torch.equal(told[-1].latents, told[0].latents)


def test_a_changed_prompt_changes_the_scene_little_by_little(world: DreamWorld) -> None:
    world.reset(seed=1, prompt="ice")
    old, new = _scene(world, "ice"), _scene(world, "a garden")
    assert (old - new).abs().max() > 0.5
    for number, share in enumerate((1 / 3, 2 / 3, 1.0, 1.0)):
        world.step(FORWARD, "a garden" if number == 0 else None)
        torch.testing.assert_close(_place(world)[:, SCENE], (1 - share) * old + share * new)


def test_without_a_word_nobody_knows_where_it_is(world: DreamWorld) -> None:
    blind = without(world, "atlas")
    ours, theirs = world.reset(seed=2, prompt=""), blind.reset(seed=2, prompt="")
    assert torch.equal(_place(world), _atlas(world).nowhere())
    assert np.array_equal(ours.frames, theirs.frames)
    assert _equal(_walk(world), _walk(blind))
    assert torch.equal(_place(world), _atlas(world).nowhere())
    assert blind._memory.place is None
    words = {"seed": 2, "prompt": "ice"}
    assert not np.array_equal(world.reset(**words).frames, blind.reset(**words).frames)  # type: ignore[arg-type]


@pytest.mark.parametrize("given", [{"image": FILM[0]}, {"video": FILM[:1].repeat(8, 0)}, {"video": FILM}])
def test_pictures_are_found_in_the_atlas(
    world: DreamWorld, monkeypatch: pytest.MonkeyPatch, given: dict[str, Frames]
) -> None:
    atlas, searched, found = _atlas(world), [], []
    locate = atlas.locate

    def listen(latents: Tensor) -> Tensor:
        searched.append(latents)
        found.append(locate(latents))
        return found[-1]

    monkeypatch.setattr(atlas, "locate", listen)
    world.reset(seed=1, **given)  # type: ignore[arg-type]
    shown = given["image"][None].repeat(4, 0) if "image" in given else given["video"][len(given["video"]) % 4 :]
    with world.dreamer.compute.running():
        latents = world.dreamer.encode(shown)  # type: ignore[attr-defined]
        wanted = atlas.advance(found[0], torch.zeros(1, 3), found[0][:, SCENE])
    assert len(searched) == 1
    assert torch.equal(searched[0][:, :, -1:], latents[:, :, -1:])
    assert found[0][:, KNOWN] == 1
    assert torch.equal(_place(world), wanted)
    before = _place(world)
    world.step(FORWARD)
    assert torch.equal(_place(world)[:, SCENE], before[:, SCENE])
    assert UNIT * (_place(world) - before)[:, POSITION].norm() > 0


def test_what_has_no_atlas_cannot_do_without_it(tiny: Path) -> None:
    with pytest.raises(OptionError, match="'tiny' has no atlas"):
        without(opener(str(tiny), device="cpu", dtype="float32")(), "atlas")


def test_a_picture_of_somewhere_else_is_nowhere(world: DreamWorld) -> None:
    blind = without(world, "atlas")
    _atlas(world).doubt.zero_()
    assert np.array_equal(world.reset(image=FILM[0]).frames, blind.reset(image=FILM[0]).frames)
    assert torch.equal(_place(world), _atlas(world).nowhere())
    assert np.array_equal(world.step(FORWARD, "ice").frames, blind.step(FORWARD, "ice").frames)


def test_words_with_a_picture_name_the_scene(world: DreamWorld) -> None:
    world.reset(image=FILM[0], prompt="ice")
    assert torch.equal(_place(world)[:, SCENE], _scene(world, "ice"))
    entered = UNIT * _atlas(world).entrance(_scene(world, "ice"))[:, POSITION]
    assert (UNIT * _place(world)[:, POSITION] - entered).norm() > 0.1


@exact
def test_copies_go_on_with_the_same_bytes(begin: Callable[[], DreamWorld]) -> None:
    world, other = begin(), begin()
    world.reset(seed=4, image=FILM[3], prompt="ice")
    _walk(world)
    state = world.snapshot()
    twin = world.fork()
    other.reset(seed=9)
    other.restore(Snapshot.from_bytes(bytes(state)))
    assert torch.equal(_place(other), _place(world))
    frames = _walk(world, 5)
    assert _equal(frames, _walk(twin, 5))
    assert _equal(frames, _walk(other, 5))
    world.restore(state)
    assert _equal(frames, _walk(world, 5))
    assert world.snapshot() == twin.snapshot() == other.snapshot()


def test_a_fork_goes_its_own_way(world: DreamWorld) -> None:
    world.reset(seed=1, prompt="ice")
    twin, before = world.fork(), _place(world).clone()
    twin.step(FORWARD, "a garden")
    assert torch.equal(_place(world), before)
    assert not torch.equal(_place(twin), before)


@pytest.mark.parametrize("place", [None, np.zeros((1, 3), np.float32), np.zeros((2, 16), np.float32)])
def test_a_snapshot_without_its_place_is_refused(world: DreamWorld, place: Any) -> None:
    world.reset(seed=1, prompt="ice")
    state = world.snapshot()
    assert state.arrays["place"].shape == (1, 16)
    arrays = {name: array for name, array in state.arrays.items() if name != "place"}
    if place is not None:
        arrays["place"] = place
    broken = Snapshot(state.schema, state.world, state.fingerprint, state.meta, arrays)
    with pytest.raises(SnapshotError, match="place"):
        world.restore(broken)
    assert world.snapshot() == state


@exact
@pytest.mark.parametrize("count", [2, 3, 8])
def test_together_is_as_alone(begin: Callable[[], DreamWorld], count: int) -> None:
    worlds = [begin() for _ in range(count)]
    for number, world in enumerate(worlds):
        start: dict[str, Any] = {"prompt": ""} if number % 4 == 3 else {"image": FILM[5]} if number % 3 == 1 else {}
        world.reset(seed=number, **start)
        for step in range(number % 3):
            world.step(ACTIONS[step], f"fog {number}" if step == 1 else None)
    twins = [world.fork() for world in worlds]
    actions = [ACTIONS[number % 5] for number in range(count)]
    prompts = [f"snow {number}" if number % 2 else None for number in range(count)]
    for _ in range(3):
        alone = [twin.step(*pair) for twin, *pair in zip(twins, actions, prompts, strict=True)]
        together = step_together(worlds, actions, prompts)
        assert all(isinstance(chunk, Chunk) for chunk in together)
        assert _equal([chunk.frames for chunk in together], [chunk.frames for chunk in alone])  # type: ignore[union-attr]
    assert [world.snapshot() for world in worlds] == [twin.snapshot() for twin in twins]
    assert len({float(_place(world)[:, KNOWN]) for world in worlds}) == (2 if count > 3 else 1)


def test_a_session_holds_the_same_bytes_always(world: DreamWorld) -> None:
    held = []
    for start in ({"prompt": "ice"}, {"image": FILM[0]}, {"prompt": ""}):
        world.reset(seed=1, **start)  # type: ignore[arg-type]
        held += [world._memory.nbytes]
        for frame in range(3):
            world.step(FORWARD, "fog" if frame == 1 else None)
            held += [world._memory.nbytes]
    assert len(set(held)) == 1
    assert held[0] == world.dreamer.memory().nbytes  # type: ignore[attr-defined]
