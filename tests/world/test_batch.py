"""Worlds that are stepped together make what each makes alone."""

from __future__ import annotations

import platform
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from helios_world.batch import groups, opener, prepare_together, step_together
from helios_world.dream import DreamWorld
from helios_world.dreamer import Request
from helios_world.errors import ActionError, PromptError, StateError
from helios_world.lands.world import LandsWorld
from helios_world.spec import NO_ACTION, Action, Chunk, PromptWeight, World
from helios_world.testing import PatternWorld, check_world

ACTIONS = (
    Action({"forward"}),
    None,
    Action(axes={"turn": 0.3}),
    Action({"back", "turn_left"}),
    Action({"strafe_left"}),
)
PICTURE = np.random.default_rng(5).integers(0, 256, (32, 64, 3), dtype=np.uint8)
SAME_BYTES = platform.machine() in ("x86_64", "AMD64")
LEVELS = {"float32": 1, "bfloat16": 4}
"""How far frames may be apart, of 255, where kernels sum in another order for a batch."""


@pytest.fixture(scope="session", params=["float32", "bfloat16"])
def begin(request: pytest.FixtureRequest, tiny: Path) -> Callable[[], DreamWorld]:
    return _opener(tiny, dtype=request.param)


def _opener(folder: Path, device: str = "cpu", dtype: str = "float32") -> Callable[[], DreamWorld]:
    return opener(str(folder), device=device, dtype=dtype)  # type: ignore[return-value]


def _crowd(begin: Callable[[], DreamWorld], count: int) -> list[DreamWorld]:
    """Worlds of different seeds, prompts, starts and ages."""
    worlds = [begin() for _ in range(count)]
    for number, world in enumerate(worlds):
        world.reset(seed=number, image=PICTURE if number % 3 == 1 else None)
        for step in range(number % 4):
            world.step(ACTIONS[step], f"fog {number}" if step == 1 else None)
    return worlds


def _inputs(count: int) -> tuple[list[Action | None], list[str | None]]:
    prompts = [f"snow {number}" if number % 2 else None for number in range(count)]
    return [ACTIONS[number % len(ACTIONS)] for number in range(count)], prompts


def _chunks(made: Sequence[Chunk | Exception]) -> list[Chunk]:
    for chunk in made:
        if isinstance(chunk, Exception):
            raise chunk
    return [chunk for chunk in made if isinstance(chunk, Chunk)]


def _alone(worlds: Sequence[World], actions: Sequence[Action | None], prompts: Sequence[str | None]) -> list[Chunk]:
    return [world.step(action, prompt) for world, action, prompt in zip(worlds, actions, prompts, strict=True)]


def _check_equal(one: Chunk, other: Chunk, levels: int = 0) -> None:
    assert np.abs(one.frames.astype(int) - other.frames).max() <= levels
    assert (one.index, one.first_frame, one.action, one.prompt) == (
        other.index,
        other.first_frame,
        other.action,
        other.prompt,
    )


def _check_same(together: Sequence[Chunk], alone: Sequence[Chunk], dtype: torch.dtype) -> None:
    levels = 0 if SAME_BYTES else LEVELS[str(dtype).removeprefix("torch.")]
    for one, other in zip(together, alone, strict=True):
        _check_equal(one, other, levels)


@pytest.mark.parametrize("count", [1, 2, 3, 8, 16])
def test_together_is_as_alone(begin: Callable[[], DreamWorld], count: int) -> None:
    worlds = _crowd(begin, count)
    twins = [world.fork() for world in worlds]
    actions, prompts = _inputs(count)
    for _ in range(3):
        alone = _alone(twins, actions, prompts)
        _check_same(_chunks(step_together(worlds, actions, prompts)), alone, worlds[0].dreamer.compute.dtype)
    if SAME_BYTES:
        assert [world.snapshot() for world in worlds] == [twin.snapshot() for twin in twins]


@settings(deadline=None, max_examples=10)
@given(members=st.permutations(range(5)).flatmap(lambda order: st.integers(1, 5).map(lambda n: order[:n])))
def test_it_does_not_matter_who_else_is_there(begin: Callable[[], DreamWorld], members: list[int]) -> None:
    worlds = _crowd(begin, 5)
    actions, prompts = _inputs(5)
    alone = [worlds[member].fork().step(actions[member], prompts[member]) for member in members]
    chosen = [worlds[member] for member in members]
    made = step_together(chosen, [actions[member] for member in members], [prompts[member] for member in members])
    _check_same(_chunks(made), alone, worlds[0].dreamer.compute.dtype)


def test_a_world_in_company_keeps_the_contract(tiny: Path) -> None:
    begin = _opener(tiny)
    neighbour = begin()
    neighbour.reset(seed=77)

    class InCompany(DreamWorld):
        def step(self, action: Action | None = None, prompt: str | None = None) -> Chunk:
            made, other = step_together([self, neighbour], [action, None], [prompt, None])
            assert isinstance(other, Chunk)
            if isinstance(made, Exception):
                raise made
            return made

        def prepare(self) -> None:
            super().prepare()
            prepare_together([self, neighbour])

        def sibling(self) -> DreamWorld:
            return InCompany(self.dreamer)

    check_world(lambda: InCompany(neighbour.dreamer))


def test_one_pass_for_each_schedule(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dreamer = _opener(tiny)().dreamer
    passes: list[int] = []
    denoise = dreamer.checkpoint.transformer.denoise  # type: ignore[attr-defined]

    def count(noisy: torch.Tensor, *others: Any, **named: Any) -> torch.Tensor:
        passes.append(len(noisy))
        return denoise(noisy, *others, **named)  # type: ignore[no-any-return]

    words = (PromptWeight("ice", 1.0),)
    starts = ("prompt", None, "image", "prompt", None)
    requests = [Request(seed, 0, words, NO_ACTION, NO_ACTION, start) for seed, start in enumerate(starts)]  # type: ignore[arg-type]
    with dreamer.compute.running():
        pasts = [dreamer.encode_history(dreamer.memory())] * len(starts)
        alone = [dreamer.sample(*pair)[0] for pair in zip(requests, pasts, strict=True)]
        monkeypatch.setattr(dreamer.checkpoint.transformer, "denoise", count)  # type: ignore[attr-defined]
        together = [latents for latents, _ in dreamer.sample_many(requests, pasts)]  # type: ignore[attr-defined]
    assert passes == [2, 2, 2, 3, 3]
    assert torch.allclose(torch.cat(together), torch.cat(alone), atol=1e-4)


def test_what_is_wrong_in_one_world_is_nothing_to_the_others(begin: Callable[[], DreamWorld]) -> None:
    worlds = [*_crowd(begin, 5), begin(), begin()]
    worlds[6].close()
    before = [world.snapshot() for world in worlds[:5]]
    alone = [worlds[number].fork().step(ACTIONS[0]) for number in (0, 2, 4)]
    actions = [ACTIONS[0], Action({"fly"}), ACTIONS[0], ACTIONS[0], ACTIONS[0], None, None]
    prompts = [None, None, None, "x" * 3000, None, None, None]
    made = step_together(worlds, actions, prompts)
    kinds = [Chunk, ActionError, Chunk, PromptError, Chunk, StateError, StateError]
    assert [type(one) for one in made] == kinds
    _check_same([made[0], made[2], made[4]], alone, worlds[0].dreamer.compute.dtype)  # type: ignore[list-item]
    assert [worlds[number].snapshot() == before[number] for number in range(5)] == [False, True, False, True, False]


@pytest.mark.parametrize("most", [1, 3])
def test_a_pass_that_does_not_fit_is_halved(tiny: Path, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    worlds = _crowd(_opener(tiny), 6)
    actions, prompts = _inputs(6)
    alone = _alone([world.fork() for world in worlds], actions, prompts)
    dreamer = worlds[0].dreamer
    sample_many = dreamer.sample_many  # type: ignore[attr-defined]

    def cramped(requests: Sequence[Request], pasts: Sequence[Any]) -> Any:
        if len(requests) > most:
            raise torch.OutOfMemoryError("too many")
        return sample_many(requests, pasts)

    monkeypatch.setattr(dreamer, "sample_many", cramped)
    _check_same(_chunks(step_together(worlds, actions, prompts)), alone, torch.float32)


def test_a_world_that_breaks_the_pass_breaks_alone(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worlds = _crowd(_opener(tiny), 5)
    before = [world.snapshot() for world in worlds]
    decode_many = worlds[0].dreamer.decode_many  # type: ignore[attr-defined]
    poison = worlds[3].fork().step().frames

    def broken(latents: Sequence[torch.Tensor], previous: Sequence[Any]) -> Any:
        frames = decode_many(latents, previous)
        if any(np.array_equal(one, poison) for one in frames):
            raise RuntimeError("no such picture")
        return frames

    monkeypatch.setattr(worlds[0].dreamer, "decode_many", broken)
    made = step_together(worlds, [None] * 5, [None] * 5)
    assert [isinstance(one, Chunk) for one in made] == [True, True, True, False, True]
    assert "no such picture" in str(made[3])
    assert [world.snapshot() == state for world, state in zip(worlds, before, strict=True)] == [
        isinstance(one, Exception) for one in made
    ]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_nano_in_company_is_nano_alone(dtype: str) -> None:
    worlds = _crowd(_opener(Path("nano"), dtype=dtype), 3)
    twins = [world.fork() for world in worlds]
    actions, prompts = _inputs(3)
    alone = _alone(twins, actions, prompts)
    _check_same(_chunks(step_together(worlds, actions, prompts)), alone, worlds[0].dreamer.compute.dtype)


def test_what_is_prepared_together_is_used(begin: Callable[[], DreamWorld], monkeypatch: pytest.MonkeyPatch) -> None:
    worlds = _crowd(begin, 4)
    alone = [world.fork().step() for world in worlds]
    worlds[2].prepare()
    assert prepare_together(worlds) == [None] * 4
    with monkeypatch.context() as patch:
        for name in ("encode_history", "encode_histories"):
            patch.setattr(worlds[0].dreamer, name, lambda _: pytest.fail("encoded twice"))
        assert prepare_together(worlds) == [None] * 4
        made = _chunks(step_together(worlds, [None] * 4, [None] * 4))
    _check_same(made, alone, worlds[0].dreamer.compute.dtype)
    following = [world.fork().step() for world in worlds]
    worlds[1].prepare()
    _check_same(_chunks(step_together(worlds, [None] * 4, [None] * 4)), following, worlds[0].dreamer.compute.dtype)


def test_preparing_tells_each_worlds_error(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begin = _opener(tiny)
    worlds = [*_crowd(begin, 2), begin(), PatternWorld()]
    kinds = [type(failure) for failure in prepare_together(worlds)]
    assert kinds == [type(None), type(None), StateError, StateError]

    def broken(_: object) -> None:
        raise RuntimeError("too many")

    fresh = _crowd(begin, 3)
    monkeypatch.setattr(fresh[0].dreamer, "encode_histories", broken)
    assert prepare_together(fresh) == [None] * 3
    assert [world.unprepared() for world in fresh] == [None] * 3


def test_a_prepared_world_holds_its_own_bytes_only(tiny: Path) -> None:
    worlds = _crowd(_opener(tiny), 4)
    dreamer = worlds[0].dreamer
    with dreamer.compute.running():
        one = dreamer.encode_history(worlds[0].unprepared())  # type: ignore[arg-type]
        many = dreamer.encode_histories([world.unprepared() for world in worlds])  # type: ignore[attr-defined]
    assert many[0].keys[0].untyped_storage().nbytes() == one.keys[0].untyped_storage().nbytes()
    made = _chunks(step_together(worlds, [None] * 4, [None] * 4))
    for chunk in made:
        owner = chunk.frames if chunk.frames.base is None else chunk.frames.base
        assert getattr(owner, "nbytes", 0) <= chunk.frames.nbytes


def test_models_that_cannot_look_ahead_go_together(make_tiny: Callable[..., Path], tmp_path: Path) -> None:
    begin = _opener(make_tiny(tmp_path, restrict_self_attn=False))
    worlds = _crowd(begin, 3)
    alone = [world.fork().step(ACTIONS[0], "fog") for world in worlds]
    assert prepare_together(worlds) == [None] * 3
    _check_same(_chunks(step_together(worlds, [ACTIONS[0]] * 3, ["fog"] * 3)), alone, torch.float32)


def test_only_what_shares_a_model_goes_together(tiny: Path) -> None:
    one, other = _opener(tiny), _opener(tiny)
    worlds: list[World] = [one(), PatternWorld(), other(), one(), LandsWorld(), PatternWorld()]
    assert groups(worlds) == [[0, 3], [1], [2], [4], [5]]
    assert groups([]) == []
    for number, world in enumerate(worlds):
        world.reset(seed=number)
    alone = [world.fork().step(Action({"forward"})) for world in worlds]
    made = _chunks(step_together(worlds, [Action({"forward"})] * 6, [None] * 6))
    _check_same(made, alone, torch.float32)


def test_a_dreamer_without_company_goes_alone(tiny: Path) -> None:
    dreamer = _opener(tiny)().dreamer

    class Lone:
        """All but what makes several chunks at once."""

        def __getattr__(self, name: str) -> Any:
            if name.endswith(("_many", "_histories")):
                raise AttributeError(name)
            return getattr(dreamer, name)

    lone = Lone()
    worlds: list[World] = [DreamWorld(lone), DreamWorld(lone)]  # type: ignore[arg-type]
    for world in worlds:
        world.reset(seed=3)
    assert groups(worlds) == [[0], [1]]
    first, second = _chunks(step_together(worlds, [None] * 2, [None] * 2))
    _check_equal(first, second)


def test_an_opener_reads_weights_once(tiny: Path) -> None:
    begin = _opener(tiny)
    one, other = begin(), begin()
    assert one is not other
    assert one.dreamer is other.dreamer
    one.reset()
    with pytest.raises(StateError):
        other.step()
    patterns = opener("pattern")
    assert patterns() is not patterns()


def test_wrong_calls_are_refused() -> None:
    world = PatternWorld()
    world.reset()
    with pytest.raises(ValueError, match="twice"):
        step_together([world, world], [None] * 2, [None] * 2)
    with pytest.raises(ValueError, match=r"2 worlds, but \[2, 1\]"):
        step_together([world, PatternWorld()], [None] * 2, [None])
    with pytest.raises(ValueError, match="twice"):
        prepare_together([world, world])
    assert step_together([], [], []) == []


def test_torch_stays_away_from_worlds_without_it() -> None:
    code = (
        "import sys; from helios_world.batch import opener, step_together; world = opener('pattern')(); "
        "world.reset(); step_together([world], [None], [None]); sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_on_a_gpu_together_is_nearly_as_alone(tiny: Path, dtype: str) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    worlds = _crowd(_opener(tiny, "cuda", dtype), 8)
    actions, prompts = _inputs(8)
    alone = _alone([world.fork() for world in worlds], actions, prompts)
    for one, other in zip(_chunks(step_together(worlds, actions, prompts)), alone, strict=True):
        _check_equal(one, other, LEVELS[dtype])
