from __future__ import annotations

import html
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helios_world.errors import StateError
from helios_world.evaluate import long_walk, run
from helios_world.evaluate.drawing import Block, Row, save_small, sheet
from helios_world.evaluate.evaluation import Evaluation, measures
from helios_world.evaluate.notes import NOTES
from helios_world.evaluate.sizes import Sizes
from helios_world.evaluate.targets import TARGETS, Target, judge
from helios_world.evaluate.truth import Truth, generator
from helios_world.lands.scene import all_scenes
from helios_world.lands.world import LandsWorld
from helios_world.testing import PatternWorld

TINY = Sizes(
    per_class=1,
    others=2,
    videos=1,
    images=1,
    words=1,
    turns=1,
    responses=1,
    counterfactuals=1,
    video_seconds=1.0,
    other_seconds=1.0,
    journeys=1,
    away_seconds=0.5,
    changes=1,
    captions_per_scene=1,
    walk_seconds=1.0,
    chunks_held=24,
    sheet_seconds=0.5,
    poses_per_scene=4,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("report")


@pytest.fixture(scope="module")
def report(folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(long_walk, "VIEWS", 20)
        return run.evaluate(run.Job("pattern", folder, TINY, "cpu", 1))


def test_the_report_is_what_was_returned(report, folder):
    assert json.loads((folder / "report.json").read_text(encoding="utf-8")) == report
    assert report["world"] == "pattern"
    assert report["figures"].keys() >= {"control", "faithfulness", "full_turn", "recognition", "long_walk", "held"}


def test_every_target_is_measured_and_a_pattern_misses_most(report):
    results = {result["target"]: result for result in report["targets"]}
    assert len(results) == len(TARGETS)
    assert results["same inputs, same bytes"]["met"]
    assert results["bytes held do not grow"]["met"]
    assert not results["scene recognised from words"]["met"]
    assert not results["PSNR at 0.5 s"]["met"]


def test_the_pictures_are_there_and_small_enough(report, folder):
    named = {name for note in NOTES for name in note.pictures}
    assert named >= set(report["figures"]["sheets"]["files"])
    for name in named:
        with Image.open(folder / name) as picture:
            assert min(picture.size) > 100
    assert (folder / "overview.png").stat().st_size <= 600_000


def test_a_world_without_video_starts_is_measured_in_what_it_can(tmp_path):
    world = LandsWorld()
    evaluation = Evaluation(world, Truth.of(world.spec), TINY, tmp_path, 0)
    assert not {"control", "full_turn", "sheets"} & measures(evaluation, ("lands", "cpu")).keys()
    figures = evaluation.faithfulness(lambda label, total: lambda: None)
    assert figures.keys() == {"prompt"}
    assert figures["prompt"]["at"]["1 s"] == 60.0


def test_a_world_with_another_pace_is_refused():
    with pytest.raises(StateError, match="12 frames/s"):
        Truth.of(PatternWorld(fps=12).spec)


def test_the_truth_has_the_size_of_the_world():
    spec = replace(LandsWorld().spec, height=32, width=48)
    start = Truth.of(spec).starts(generator(0, "size"), [all_scenes()[3]])[0]
    assert start.video.shape == (76, 32, 48, 3)


def test_purposes_and_seeds_have_streams_of_their_own():
    drawn = {generator(seed, purpose).integers(2**62) for seed in range(3) for purpose in ("a", "b", "ab")}
    assert len(drawn) == 9


def test_judging():
    targets = (
        Target("a", ("x", "a"), "≥", 0.5, "%"),
        Target("b", ("x", "b"), "≤", 2.0, "s"),
        Target("c", ("x", "c"), "=", True),
        Target("d", ("x", "d"), "≥", 1.0),
        Target("e", ("x", "a")),
    )
    results = judge({"x": {"a": 0.6, "b": 3.0, "c": True}}, targets)
    assert [result.met for result in results] == [True, False, True, None, None]
    assert results[0].shown == "60.0 %"
    assert results[3].shown == "not measured"


def test_a_sheet_shows_the_frames_unblurred(tmp_path):
    frames = np.random.default_rng(0).integers(0, 256, (2, 6, 8, 3)).astype(np.uint8)
    picture = np.asarray(sheet(["a", "b"], [Block((Row("row", "note", frames),))], scale=2, margin=40))
    assert np.array_equal(picture[26:38:2, 40:56:2], frames[0])
    assert np.array_equal(picture[27:38:2, 41:56:2], frames[0])


def test_a_picture_is_made_to_fit(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (128, 128, 3)).astype(np.uint8)
    save_small(Image.fromarray(noise), tmp_path / "small.png", 12_000)
    assert (tmp_path / "small.png").stat().st_size <= 12_000


def test_the_page_holds_everything_and_fetches_nothing(report, folder):
    page = (folder / run.PAGE).read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == sum(len(note.pictures) for note in NOTES)
    assert not re.search(r"<script|<link|src=\"(?!data:)|href=\"(?!#)|url\(", page)
    for note in NOTES:
        assert f'<h2 id="{note.key}">' in page
        assert html.escape(note.fooled_by) in page
    for result in report["targets"]:
        assert html.escape(result["shown"]) in page


def test_every_measure_says_what_it_is_and_what_fools_it(report):
    described = (Path(__file__).parents[2] / "docs" / "evaluation.md").read_text(encoding="utf-8")
    assert report["figures"].keys() == {note.key for note in NOTES} == report["took"].keys()
    for note in NOTES:
        assert all((note.title, note.formula, note.source, note.fooled_by))
        assert f"`{note.key}`" in described or note.key == "sheets"


def test_a_figure_without_cases_is_null(tmp_path):
    run.write_json({"a": float("nan"), "b": [1.0, float("nan")], "c": {"d": True}}, tmp_path / "r.json")
    assert json.loads((tmp_path / "r.json").read_text()) == {"a": None, "b": [1.0, None], "c": {"d": True}}
