from __future__ import annotations

import numpy as np
import pytest

from helios_world.evaluate import control
from helios_world.evaluate.motion import estimate
from helios_world.evaluate.truth import generator, hold, spread
from helios_world.lands.scene import all_scenes


@pytest.fixture(scope="module")
def cases(truth):
    return control.situations(truth, generator(0, "test control"), 3, 2)


@pytest.fixture
def starts(cases):
    return [case.start for case in cases]


def test_the_truth_scores_full_marks(truth, cases, starts, perfect):
    report = control.measure(perfect(starts), truth, cases)
    assert report.situations == 12
    assert report.balanced_accuracy == report.truth_balanced_accuracy == 1.0
    assert report.still == 1.0
    assert report.strafe_accuracy == report.truth_strafe_accuracy


def test_swapped_controls_score_nothing(truth, cases, starts, swapped):
    report = control.measure(swapped(starts), truth, cases)
    assert report.balanced_accuracy <= 0.05
    assert report.truth_balanced_accuracy == 1.0
    assert report.confusion["turn_left"]["turn_right"] == 3


def test_a_frozen_picture_is_no_motion_at_all(truth, cases, starts, frozen):
    report = control.measure(frozen(starts), truth, cases)
    assert report.balanced_accuracy == 0.0
    assert report.still == 1.0


def test_noise_is_not_taken_for_obedience(truth, cases, starts, noisy):
    assert control.measure(noisy(starts), truth, cases).balanced_accuracy <= 0.35


def test_scenes_are_drawn_evenly():
    drawn = spread(generator(0, "spread"), 35)
    assert {drawn.count(scene) for scene in all_scenes()} == {2, 3}


def test_the_situations_can_be_walked(truth, cases):
    for case in cases:
        if case.command in control.WAYS:
            after, _ = truth.rollout(case.start.state, case.start.scene, hold(control.COMMANDS[case.command], 6))
            assert np.hypot(*(after - case.start.state)[:2]) >= control.LEAST_WAY


def test_the_amount_of_a_turn_is_right_to_a_fifth(truth, cases):
    start = cases[0].start
    _, frames = truth.rollout(start.state, start.scene, hold((0, 0, 0.5), 8))
    assert np.degrees(estimate(frames[8:]).turn) == pytest.approx(54 * 0.5 / 24, rel=0.2)
