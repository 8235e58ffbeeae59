"""Sessions of an official checkpoint that are stepped in one pass make what each makes alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helios_world.batch import groups, opener, step_together
from helios_world.errors import PromptError
from helios_world.spec import Action, Chunk, World

Make = Callable[..., Path]
SMALL: dict[str, Any] = {
    "height": 64,
    "width": 64,
    "text_tokens": 64,
    "history": (4, 2, 1),
    "latents_per_chunk": 2,
    "untrained": True,
}
KINDS: dict[str, dict[str, Any]] = {
    "base": {"steps": 3, "guidance": 3.0},
    "mid": {"steps": (1, 1, 2), "guidance": 3.0},
    "distilled": {"steps": (1, 1, 1)},
}
ACTIONS = (Action({"forward"}), None, Action({"turn_left"}))
PROMPTS = ("a harbour in the rain", None, None)


def _worlds(folder: Path, kind: str, **options: Any) -> list[World]:
    """Of different seeds, prompts and ages."""
    begin = opener(str(folder), device="cpu", dtype="float32", **{**SMALL, **KINDS[kind], **options})
    worlds = [begin() for _ in ACTIONS]
    for number, world in enumerate(worlds):
        world.reset(seed=number, prompt=f"a street, number {number}")
        for _ in range(number):
            world.step()
    return worlds


@pytest.mark.parametrize("kind", KINDS)
def test_together_is_as_alone(make_official: Make, kind: str) -> None:
    worlds = _worlds(make_official(kind), kind)
    assert groups(worlds) == [[0, 1, 2]]
    twins = [world.fork() for world in worlds]
    for _ in range(2):
        made = step_together(worlds, ACTIONS, PROMPTS)
        for chunk, twin, action, prompt in zip(made, twins, ACTIONS, PROMPTS, strict=True):
            assert isinstance(chunk, Chunk)
            alone = twin.step(action, prompt)
            assert (chunk.index, chunk.prompt, chunk.action) == (alone.index, alone.prompt, alone.action)
            assert np.abs(chunk.frames.astype(int) - alone.frames).max() <= 1
            assert len(chunk.timing.denoise) == len(alone.timing.denoise)


def test_a_pass_is_one_pass(make_official: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    worlds: list[Any] = _worlds(make_official("distilled"), "distilled")
    fast, sizes = worlds[0].batcher.fast, []
    velocity = fast.velocity
    monkeypatch.setattr(fast, "velocity", lambda noisy, *given: sizes.append(len(noisy)) or velocity(noisy, *given))
    step_together(worlds, ACTIONS, PROMPTS)
    assert sizes == [3, 3, 3]


def test_a_prompt_that_is_too_long_is_the_error_of_one(make_official: Make) -> None:
    worlds = _worlds(make_official("distilled"), "distilled")
    before = worlds[1].snapshot()
    made = step_together(worlds, [None] * 3, [None, "palace " * 100, None])
    assert [type(chunk) for chunk in made] == [Chunk, PromptError, Chunk]
    assert worlds[1].snapshot() == before
