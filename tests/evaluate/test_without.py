"""Worlds that do without a part: they differ where they should, and only there."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from helios_world.errors import OptionError
from helios_world.evaluate import ablations, long_walk
from helios_world.evaluate.run import Job
from helios_world.evaluate.sizes import Sizes
from helios_world.evaluate.truth import action_of
from helios_world.evaluate.without import AbsoluteLayout, without
from helios_world.memory import HistoryLayout
from helios_world.spec import World
from helios_world.testing import PatternWorld

LENGTH = 19  # latents that nano remembers

TINY = Sizes(
    per_class=1,
    others=2,
    videos=1,
    images=1,
    words=1,
    video_seconds=0.5,
    other_seconds=0.5,
    turns=1,
    journeys=1,
    away_seconds=0.2,
    walk_seconds=0.5,
    poses_per_scene=4,
)


@pytest.fixture(scope="module")
def nano():
    world = World.load("nano", device="cpu", dtype="float32")
    yield world
    world.close()


def _walk(world, chunks):
    controls = np.random.default_rng(0).integers(-1, 2, (chunks, 3)).astype(np.float32)
    first = world.reset(seed=3, prompt="a brick garden at noon")
    return [first.frames, *(world.step(action_of(row)).frames for row in controls)]


def _first_difference(ours, theirs):
    return next((i for i, (a, b) in enumerate(zip(ours, theirs, strict=True)) if not np.array_equal(a, b)), None)


@pytest.fixture(scope="module")
def whole(nano):
    return _walk(nano, LENGTH + 4)


def test_the_anchor_is_missed_once_the_beginning_has_left_the_memory(nano, whole):
    assert _first_difference(whole, _walk(without(nano, "anchor"), LENGTH + 4)) == LENGTH + 1


def test_positions_are_the_same_until_the_beginning_has_left_the_memory(nano, whole):
    assert _first_difference(whole, _walk(without(nano, "rope"), LENGTH + 4)) == LENGTH + 2


def test_the_long_part_is_missed_as_soon_as_it_holds_something(nano, whole):
    layout = nano.dreamer.layout
    assert _first_difference(whole, _walk(without(nano, "long"), LENGTH + 4)) == layout.mid + layout.short + 1


@pytest.mark.parametrize("part", ["anchor", "rope", "long"])
def test_a_world_without_a_part_is_reproducible_and_forks(nano, part):
    world = without(nano, part)
    _walk(world, 3)
    twin = world.fork()
    assert np.array_equal(world.step().frames, twin.step().frames)


def test_absolute_positions_count_on():
    layout = AbsoluteLayout(4, 2, 1, 1, passed=10)
    relative = HistoryLayout(4, 2, 1, 1)
    assert AbsoluteLayout(4, 2, 1, 1, passed=0).noisy_indices == relative.noisy_indices
    assert layout.short_indices == (0, relative.short_indices[1] + 10)
    assert layout.long_indices == tuple(i + 10 for i in relative.long_indices)
    assert layout.mid_indices == tuple(i + 10 for i in relative.mid_indices)


def test_what_cannot_be_left_out_is_refused(nano, tmp_path):
    with pytest.raises(OptionError, match="there is no ablation 'feet'"):
        without(nano, "feet")
    with pytest.raises(OptionError, match="not a model of our own"):
        without(PatternWorld(), "long")
    with pytest.raises(OptionError, match="no ablation"):
        ablations.compare(Job("pattern", tmp_path), ["feet"], None)
    with pytest.raises(OptionError, match="needs --against"):
        ablations.compare(Job("pattern", tmp_path), ["corruption"], None)


def test_a_comparison_shows_both_side_by_side(tmp_path, monkeypatch):
    monkeypatch.setattr(long_walk, "VIEWS", 20)
    monkeypatch.setattr(ablations, "MEASURES", ("faithfulness", "long_walk"))
    report = ablations.compare(Job("pattern", tmp_path, TINY, "cpu"), ["corruption"], Path("pattern"))
    assert report["variants"].keys() == {"whole", "without corruption"}
    assert report["variants"]["whole"] == report["variants"]["without corruption"]
    assert json.loads((tmp_path / "ablations.json").read_text(encoding="utf-8"))["variants"] == report["variants"]
    assert report["differences"]["without corruption"] == {"PSNR at 0.5 s": 0.0}
    page = (tmp_path / "ablations.html").read_text(encoding="utf-8")
    assert "without corruption" in page
    assert page.count("data:image/png;base64,") == 1 + 2 * 3
