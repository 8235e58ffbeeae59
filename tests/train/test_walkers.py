import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from helios_world.lands.maps import REACH
from helios_world.train import recipe as recipes
from helios_world.train.recipe import Recipe, StreamPart
from helios_world.train.walkers import Turn, Walkers

NANO = Path(recipes.__file__).parent / "recipes" / "nano.json"
MEMORY, BLEND = 19, 6


def _part(**changes: float) -> StreamPart:
    part: dict[str, object] = json.loads(NANO.read_text())["streams"]
    return StreamPart.model_validate(part | {"count": 40} | changes)


def _walkers(seed: int = 3, **changes: float) -> Walkers:
    return Walkers(_part(**changes), BLEND, MEMORY, seed)


def _finish(walkers: Walkers, turn: Turn) -> Turn:
    walkers.remembered(turn.which)
    return turn


def _same(one: object, other: object) -> bool:
    if dataclasses.is_dataclass(one) and dataclasses.is_dataclass(other):
        names = [field.name for field in dataclasses.fields(one)]
        return all(_same(getattr(one, name), getattr(other, name)) for name in names)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(_same(a, b) for a, b in zip(one, other, strict=True))
    if isinstance(one, tuple) and isinstance(other, tuple):
        return all(_same(a, b) for a, b in zip(one, other, strict=True))
    return np.array_equal(np.asarray(one), np.asarray(other))


def test_every_walker_begins_when_its_turn_comes_and_then_goes_on() -> None:
    walkers = _walkers(life=1e6)
    turns = [_finish(walkers, walkers.next(20)) for _ in range(6)]
    assert [len(turn.begun) for turn in turns] == [20, 20, 0, 0, 0, 0]
    assert sorted(np.concatenate([turn.which for turn in turns[:2]])) == list(range(40))


def test_new_walks_remember_a_contiguous_past_that_ends_now() -> None:
    walkers = _walkers(words=0.0, image=0.3)
    turn = walkers.next(40)
    past = turn.past
    assert set(past.walkers) == set(range(40))
    for walker in range(40):
        mine = past.walkers == walker
        length = int(walkers.length[walker])
        assert sorted(past.slots[mine]) == list(range(MEMORY - length, MEMORY))
        assert past.slots[mine & past.first].tolist() == [MEMORY - length]
    order = np.argsort(past.slots[past.walkers == 0])
    seen = past.clips.poses[past.walkers == 0][order].reshape(-1, 3)
    row = int(np.flatnonzero(turn.which == 0)[0])
    path = np.concatenate([seen, turn.clips.poses[row]])
    assert np.abs(np.diff(path[:, :2], axis=0)).max() < 0.2
    assert np.abs(path[:, :2]).max() <= REACH


def test_walks_from_words_alone_remember_nothing() -> None:
    turn = _walkers(words=1.0, image=0.0).next(40)
    assert len(turn.past.walkers) == 0
    assert not turn.length.any()
    assert all(len(phrase.sizes) for phrase in turn.words)


def test_prompts_change_with_the_scene_and_fade() -> None:
    walkers = _walkers(words=1.0, image=0.0, prompt_change=1.0, life=1e6)
    _finish(walkers, walkers.next(40))
    before = walkers.scenes.copy()
    turn = _finish(walkers, walkers.next(40))
    assert len(turn.fading) == len(turn.before) == 40
    assert np.allclose(turn.clips.share, 1 / BLEND)
    assert np.array_equal(turn.clips.before, before[turn.which])
    for _ in range(BLEND - 1):
        turn = _finish(walkers, walkers.next(40))
    assert len(turn.fading) == 0


def test_own_history_comes_in_the_wanted_share_of_stretches() -> None:
    walkers = _walkers(count=400)
    walkers.own_share = 0.7
    turn = walkers.next(400)
    assert len(turn.restarted) == 400
    assert 0.6 < turn.own.mean() < 0.8


@pytest.mark.parametrize("steps", [0, 7])
def test_saved_walkers_go_on_as_if_nothing_had_happened(steps: int) -> None:
    walkers = _walkers(prompt_change=0.3, life=10.0)
    for _ in range(steps):
        _finish(walkers, walkers.next(16))
    twin = _walkers(seed=99, prompt_change=0.3, life=10.0)
    twin.load_state_dict(walkers.state_dict())
    for _ in range(12):
        assert _same(_finish(walkers, walkers.next(16)), _finish(twin, twin.next(16)))


def test_prompts_nobody_has_any_more_are_forgotten() -> None:
    walkers = _walkers(life=8.0, prompt_change=0.5)
    for _ in range(60):
        _finish(walkers, walkers.next(40))
    assert len(walkers._phrases) <= 6 * walkers.part.count


def test_a_plan_in_other_steps_keeps_its_proportions() -> None:
    recipe = Recipe.read(NANO)
    twice = recipe.scaled(2 * recipe.steps)
    assert twice.steps == 2 * recipe.steps
    assert twice.streams.own_from == 2 * recipe.streams.own_from
    assert twice.optimizer.decay == 2 * recipe.optimizer.decay
    assert twice.streams.life == recipe.streams.life
    assert recipe.scaled(1).streams.own_to > recipe.scaled(1).streams.own_from
