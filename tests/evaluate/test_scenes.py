from __future__ import annotations

import numpy as np
import pytest

from helios_world.evaluate import long_walk, recognition, seams
from helios_world.evaluate.classifier import true_frames
from helios_world.evaluate.truth import generator


@pytest.fixture(scope="module")
def walks(truth):
    return long_walk.walks(truth, generator(0, "test walk"), 2.0)


@pytest.fixture(autouse=True)
def _few_views(monkeypatch):
    monkeypatch.setattr(long_walk, "VIEWS", 50)


def test_the_classifier_knows_the_true_scenes(truth, classifier):
    assert classifier.accuracy(*true_frames(truth, generator(0, "test check"), 25)) >= 0.99


def test_words_make_the_place_they_name(classifier, perfect):
    given = recognition.captions(generator(0, "test captions"), 1)
    report = recognition.measure(perfect(), classifier, 1.0, given)
    assert report.both == report.land == report.moment == 1.0
    assert report.misses == []


def test_noise_is_no_place(classifier, noisy):
    given = recognition.captions(generator(0, "test captions"), 1)
    report = recognition.measure(noisy(), classifier, 1.0, given)
    assert report.both <= 0.1
    assert len(report.misses) >= 14
    assert report.misses[0].meant != report.misses[0].seen


def test_a_true_walk_does_not_wear_out(truth, classifier, walks, perfect):
    report, curves = long_walk.measure(perfect(), truth, classifier, walks)
    assert report.land_share >= 0.99
    assert report.freeze_ratio == report.longest_freeze == 0.0
    assert report.seam_ratio == pytest.approx(1.0, abs=0.25)
    assert all(drift.excursion == 0 for walk in report.walks for drift in walk.drift.values())
    assert [walk.scene for walk in report.walks] == [curve.scene for curve in curves]


def test_a_frozen_walk_is_seen(truth, classifier, walks, frozen):
    report, _ = long_walk.measure(frozen(), truth, classifier, walks)
    assert report.freeze_ratio > 0.3
    assert report.longest_freeze > 0.5


def test_a_walk_that_darkens_drifts(truth, classifier, walks, darkening):
    report, _ = long_walk.measure(darkening(), truth, classifier, walks)
    for walk in report.walks:
        light = walk.drift["brightness"]
        assert light.slope < light.truth_slope - 10
    assert max(walk.drift["brightness"].excursion for walk in report.walks) > 0.1


def test_a_flash_within_a_chunk_is_an_excursion(truth, classifier, walks, perfect):
    def flash(frames, first, index):
        bright = frames.copy()
        bright[1] = 255
        return bright

    report, _ = long_walk.measure(perfect((), change=flash), truth, classifier, walks[:1])
    low, high = long_walk.measure(perfect(), truth, classifier, walks[:1])[1][0].bounds["brightness"]
    assert report.walks[0].drift["brightness"].excursion == pytest.approx((255 - high) / (high - low), rel=1e-3)


def test_seams_are_found():
    steps = np.array([0, 1, 2, 3, 13, 14, 15, 16, 26, 27, 28, 29])
    frames = np.broadcast_to(steps[:, None, None, None], (12, 4, 4, 3)).astype(np.uint8)
    assert seams.seam_ratio(frames, 4) == pytest.approx(10.0)
    assert seams.seam_ratio(frames[:1].repeat(12, 0), 4) == 1.0


def test_walks_visit_every_land_and_moment():
    assert {scene.land for scene in long_walk.SCENES} == {0, 1, 2, 3}
    assert {scene.moment for scene in long_walk.SCENES} == {0, 1, 2, 3}
