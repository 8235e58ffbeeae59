from __future__ import annotations

import numpy as np
import pytest

from helios_world.evaluate import faithfulness, full_turn, rollout
from helios_world.evaluate.pixels import BEST_PSNR
from helios_world.evaluate.truth import action_of, generator
from helios_world.lands.controls import action_vector
from helios_world.lands.scene import all_scenes


@pytest.fixture(scope="module")
def cases(truth):
    return faithfulness.cases(truth, generator(0, "test faithfulness"), 4, 1.0)


def _starts(cases):
    return [case.start for case in cases]


@pytest.mark.parametrize("run", [rollout.from_video, rollout.from_image])
def test_the_truth_is_faithful(truth, cases, perfect, run):
    report = faithfulness.measure(perfect(_starts(cases)), truth, cases, run)
    assert report.psnr == [BEST_PSNR] * 6
    assert report.at.keys() == {"0.5 s", "1 s"}
    assert min(report.margin_at.values()) > 20


def test_the_truth_from_words_begins_at_the_gate(truth, perfect):
    cases = faithfulness.cases_from_spawn(truth, generator(0, "test words"), 3, 0.5)
    assert faithfulness.measure(perfect(), truth, cases, faithfulness.words).at["0.5 s"] == BEST_PSNR


def test_the_gate_video_ends_in_the_spawn_pose(truth):
    start = truth.gate(all_scenes()[9])
    view = truth.render(start.state[None, :3], start.scene)[0]
    assert np.abs(start.last.astype(int) - view).mean() < 0.5
    assert np.abs(start.video[0].astype(int) - view).mean() > 5


def test_a_frozen_world_has_no_margin(truth, cases, frozen):
    report = faithfulness.measure(frozen(_starts(cases)), truth, cases)
    assert report.psnr == report.repeat
    assert set(report.margin_at.values()) == {0.0}


def test_wrong_turns_and_noise_are_worse_than_nothing(truth, cases, swapped, noisy):
    for bad in (swapped, noisy):
        assert faithfulness.measure(bad(_starts(cases)), truth, cases).margin_at["1 s"] < 0


def test_the_inputs_move_the_truth(truth):
    for case in faithfulness.cases(truth, generator(1, "test moves"), 24, 0.5):
        assert np.any(case.frames[-1] != case.start.last)


def test_actions_carry_the_controls_exactly():
    rows = np.random.default_rng(0).integers(-1, 2, (50, 3)).astype(np.float32)
    rows[::2, 2] = np.random.default_rng(1).uniform(-1, 1, 25)
    for row in rows:
        assert np.array_equal(action_vector(action_of(row)), row)


def test_a_full_turn_of_the_truth_closes(truth, perfect):
    starts = truth.starts(generator(0, "test turn"), all_scenes()[:2])
    report, pairs = full_turn.measure(perfect(starts), truth, starts)
    assert report.last > 40
    assert report.half_way < 25
    assert report.against_truth == BEST_PSNR
    assert len(pairs) == 2


def test_a_frozen_turn_is_found_out_half_way(truth, frozen):
    starts = truth.starts(generator(0, "test turn"), all_scenes()[:1])
    report, _ = full_turn.measure(frozen(starts), truth, starts)
    assert report.half_way == BEST_PSNR
    assert report.truth_half_way < 25
