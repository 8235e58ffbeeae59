from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helios_world.errors import PromptError
from helios_world.lands.captions import (
    LANDS,
    MOMENTS,
    Scene,
    all_scenes,
    canonical,
    caption,
    caption_batch,
    parse,
    partial_caption,
)
from helios_world.lands.land_words import LAND_WORDS
from helios_world.lands.lexicon import LandWords, MomentWords, words
from helios_world.lands.moment_words import MOMENT_WORDS
from helios_world.lands.templates import CLOSERS, MOODS, OPENERS, REALMS, SCENES

SCENES_AT_RANDOM = st.builds(Scene, st.integers(0, 3), st.integers(0, 3))
AXES: dict[str, Sequence[LandWords | MomentWords]] = {"land": LAND_WORDS, "moment": MOMENT_WORDS}


def understood(prompt: str) -> Scene | None:
    try:
        return parse(prompt)
    except PromptError:
        return None


def free_prompts() -> list[tuple[Scene, str]]:
    lines = Path(__file__).with_name("free_prompts.txt").read_text().splitlines()
    parted = [line.split("|", 1) for line in lines if not line.startswith("#")]
    return [(Scene(*map(int, label.split())), prompt) for label, prompt in parted]


@pytest.mark.parametrize("axis", AXES)
def test_no_entry_is_true_of_two_classes(axis: str) -> None:
    listed = [{entry.lower() for entry in entries.all} for entries in AXES[axis]]
    assert [first & second for first, second in combinations(listed, 2)] == [set()] * 6


def test_no_entry_speaks_of_both_axes_and_no_neutral_word_of_any() -> None:
    lands = {entry.lower() for entries in LAND_WORDS for entry in entries.all}
    moments = {entry.lower() for entries in MOMENT_WORDS for entry in entries.all}
    neutral = {entry.lower() for listed in (MOODS, REALMS) for entry in listed.all}
    assert not lands & moments
    assert not neutral & (lands | moments)


@pytest.mark.parametrize("axis", AXES)
def test_what_is_held_out_is_nowhere_in_training(axis: str) -> None:
    for entries in AXES[axis]:
        kinds = [getattr(entries, field.name) for field in fields(entries)]
        train = {entry.lower() for kind in kinds for entry in kind.train}
        unseen = {entry.lower() for kind in kinds for entry in kind.unseen}
        assert len(unseen) > 30
        assert not train & unseen
    for listed in (SCENES, MOODS, REALMS, OPENERS, CLOSERS):
        assert listed.unseen
        assert not set(listed.train) & set(listed.unseen)


def test_words_parts_starred_entries() -> None:
    parted = words("thick\n  fog, mist*, haze")
    assert parted.train == ("thick fog", "haze")
    assert parted.of("unseen") == ("mist",)
    assert parted.all == ("thick fog", "haze", "mist")


@settings(deadline=None, max_examples=60)
@given(scene=SCENES_AT_RANDOM, seed=st.integers(0, 2**32))
def test_a_caption_is_a_function_of_its_seed(scene: Scene, seed: int) -> None:
    first, second = (caption(np.random.default_rng(seed), scene) for _ in range(2))
    assert first == second
    assert first.strip()
    assert "{" not in first


@pytest.mark.parametrize("split", ["train", "unseen"])
def test_captions_mean_their_scene(split: str) -> None:
    rng = np.random.default_rng(3)
    pairs = [(scene, caption(rng, scene, split)) for scene in all_scenes() for _ in range(40)]  # type: ignore[arg-type]
    right = sum(understood(prompt) == scene for scene, prompt in pairs)
    assert right / len(pairs) > 0.95


def test_captions_hardly_repeat() -> None:
    prompts, _ = caption_batch(np.random.default_rng(0), 1000)
    assert len(set(prompts)) > 950


def test_labels_mark_what_a_caption_does_not_tell() -> None:
    prompts, labels = caption_batch(np.random.default_rng(1), 600)
    assert labels.shape == (600, 2)
    assert labels.dtype == np.int64
    unknown = labels[:, 0] == -1
    assert 0 < unknown.mean() < 0.1
    assert set(labels[~unknown, 0]) == set(range(len(LANDS)))
    assert set(labels[:, 1]) == set(range(len(MOMENTS)))
    assert all(prompts)


def test_the_unseen_split_tells_everything() -> None:
    _, labels = caption_batch(np.random.default_rng(1), 200, "unseen")
    assert (labels >= 0).all()


@pytest.mark.parametrize("scene", all_scenes())
def test_the_canonical_prompt_and_its_parts_are_understood(scene: Scene) -> None:
    assert parse(canonical(scene)) == scene
    assert parse(canonical(scene).upper() + "!!") == scene
    assert parse(LANDS[scene.land]) == Scene(scene.land, 0)
    assert parse(MOMENTS[scene.moment], default=Scene(scene.land, 0)) == scene


@pytest.mark.parametrize("land", range(4))
def test_a_partial_caption_leaves_the_rest_to_the_default(land: int) -> None:
    rng = np.random.default_rng(land)
    default = Scene((land + 1) % 4, 2)
    lands = [parse(partial_caption(rng, Scene(land, 0), "land"), default) for _ in range(50)]
    moments = [parse(partial_caption(rng, Scene(0, land), "moment"), default) for _ in range(50)]
    assert sum(scene == Scene(land, 2) for scene in lands) >= 45
    assert sum(scene == Scene(default.land, land) for scene in moments) >= 45


@pytest.mark.parametrize(
    ("prompt", "scene"),
    [
        ("xyzzy a Dessert qwrt by the mnight", Scene(1, 2)),
        ("an icy kingdom", Scene(2, 0)),
        ("red bricks under a red sky", Scene(0, 1)),
        ("a desert garden? no: plain sand dunes, foggy", Scene(1, 3)),
        ("cyberpunk", Scene(3, 0)),
        ("I am on a glacier, it is 2 am", Scene(2, 2)),
        ("I am on a glacier, it is 2pm", Scene(2, 0)),
    ],
)
def test_misspelt_and_unknown_words_do_not_hinder(prompt: str, scene: Scene) -> None:
    assert parse(prompt) == scene


def test_prompts_written_by_hand_are_understood() -> None:
    pairs = free_prompts()
    right = sum(understood(prompt) == scene for scene, prompt in pairs)
    assert len(pairs) == 120
    assert right / len(pairs) > 0.9


@pytest.mark.parametrize("prompt", ["", "qwertz", "at night", "…!?"])
def test_without_a_land_the_error_shows_examples(prompt: str) -> None:
    with pytest.raises(PromptError, match="a brick garden at noon") as caught:
        parse(prompt)
    assert repr(prompt) in str(caught.value)


@settings(deadline=None, max_examples=100)
@given(prompt=st.text(max_size=300))
def test_any_text_gives_a_scene_when_there_is_a_default(prompt: str) -> None:
    assert parse(prompt, Scene(2, 3)) in all_scenes()


def test_a_scene_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="4 and 0"):
        Scene(4, 0)
