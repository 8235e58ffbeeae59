"""The embedded world as it is shipped. `helios-world eval` measures how good it is; here it must not be broken."""

from pathlib import Path

import numpy as np
import pytest

import helios_world
from helios_world.evaluate import rollout
from helios_world.evaluate.truth import Truth, generator, hold
from helios_world.lands.scene import all_scenes, canonical
from helios_world.lands.world import LandsWorld
from helios_world.spec import World
from helios_world.testing import check_world

FOLDER = Path(helios_world.__file__).parent / "presets" / "nano"


@pytest.fixture(scope="module")
def nano() -> World:
    return World.load("nano", device="cpu")


def test_it_keeps_the_contract() -> None:
    check_world(lambda: World.load("nano", device="cpu", dtype="float32"))


def test_it_is_small_and_brings_its_recipe() -> None:
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) < 25 * 2**20
    assert (FOLDER / "training" / "recipe.json").is_file()
    assert (FOLDER / "training" / "log.csv").is_file()


def test_words_lead_to_their_scene(nano: World) -> None:
    lands, right = LandsWorld(), 0
    gates = [lands.reset(prompt=canonical(scene)).frames[-1].astype(float) for scene in all_scenes()]
    for index, scene in enumerate(all_scenes()):
        frame = nano.reset(seed=index, prompt=canonical(scene)).frames[-1]
        errors = [np.square(frame - gate).mean() for gate in gates]
        right += int(np.argmin(errors)) == index
    assert right >= 15


def test_turning_turns(nano: World) -> None:
    """The dream is nearest to the truth of what was pressed, not to that of the opposite or of standing still."""
    truth, right, sides = Truth.of(nano.spec), 0, (-1.0, 1.0)
    starts = truth.starts(generator(3, "test"), all_scenes()[::3])
    turns = {side: hold((0, 0, side), 4) for side in (-1.0, 0.0, 1.0)}
    for case, start in enumerate(starts):
        true = {side: truth.rollout(start.state, start.scene, turns[side])[1][-1].astype(float) for side in turns}
        for side in sides:
            last = rollout.from_video(nano, start, turns[side], case)[-1]
            errors = {other: float(np.square(last - true[other]).mean()) for other in turns}
            right += min(errors, key=errors.__getitem__) == side
    assert right >= 0.9 * len(starts) * len(sides)


def test_standing_still_keeps_the_view_for_a_second(nano: World) -> None:
    decibels = []
    for case, start in enumerate(Truth.of(nano.spec).starts(generator(4, "test"), all_scenes()[::3])):
        frames = rollout.from_video(nano, start, hold((0, 0, 0), 5), case).astype(float)
        decibels.append(10 * np.log10(255**2 / np.square(frames[-1] - start.last).mean()))
    assert np.mean(decibels) > 23
