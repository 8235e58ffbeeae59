"""No measure can be fooled: worlds of known quality come out in the order that they should, under every one."""

from __future__ import annotations

import math

import numpy as np
import pytest

from helios_world.evaluate import counterfactual, faithfulness, full_turn, journeys, long_walk, prompts, response
from helios_world.evaluate.truth import generator
from helios_world.lands.scene import all_scenes
from helios_world.lands.world import LandsWorld
from helios_world.testing import PatternWorld

FAKES = ("deaf", "frozen", "noise")


@pytest.fixture
def tried(truth, worlds):
    """Run `measure(world, truth, cases)` on every known world: name -> report."""

    def run(module, cases, starts):
        return {name: module.measure(make(starts), truth, cases) for name, make in worlds.items()}

    return run


def test_response(truth, tried):
    cases = response.cases(truth, generator(0, "test response"), 1)
    found = tried(response, cases, [case.start for case in cases])
    for name in ("truth", "blurred"):
        assert found[name].within_chunk
        assert found[name].delay == found[name].truth_delay <= 2
    for name in FAKES:
        assert not found[name].within_chunk
        assert math.isnan(found[name].delay)


def test_a_late_answer_is_found_late(truth, perfect):
    cases = response.cases(truth, generator(0, "test response"), 1)
    starts = [case.start for case in cases]

    class Late(type(perfect(starts))):
        held = None

        def step(self, action=None, prompt=None):
            action, self.held = self.held, action
            return super().step(action, prompt)

    report = response.measure(Late(starts), truth, cases)
    assert report.delay == report.truth_delay + truth.chunk
    assert not report.within_chunk


def test_counterfactuals(truth, tried):
    starts = counterfactual.starts(truth, generator(0, "test forks"), 2)
    found = tried(counterfactual, starts, starts)
    assert all(report.same == 0 for report in found.values())
    assert found["truth"].one_second == found["truth"].truth_one_second > 10
    assert found["truth"].one_chunk == found["truth"].truth_one_chunk > 1
    assert found["blurred"].one_second > 0.5 * found["truth"].one_second
    assert found["truth"].gain > 10
    for name in FAKES:
        assert found[name].one_second == found[name].one_chunk == found[name].gain == 0


def test_a_fork_that_is_no_fork_is_caught(truth, worlds):
    class Careless(type(worlds["truth"](()))):
        made = 0

        def fork(self):
            Careless.made += 1
            twin = super().fork()
            twin._change = lambda frames, first, index, by=Careless.made: frames ^ np.uint8(by)
            return twin

    starts = counterfactual.starts(truth, generator(0, "test forks"), 1)
    assert counterfactual.measure(Careless(starts), truth, starts).same > 0


def test_faithfulness_in_all_three_distances(truth, tried):
    cases = faithfulness.cases(truth, generator(0, "test faithfulness"), 4, 1.0)
    found = tried(faithfulness, cases, [case.start for case in cases])
    best, soft = found["truth"], found["blurred"]
    assert best.ssim_at["1 s"] == pytest.approx(1)
    assert best.perceptual_at["1 s"] == 0
    for name in FAKES:
        bad = found[name]
        assert best.at["1 s"] > soft.at["1 s"] > bad.at["1 s"]
        assert best.ssim_at["1 s"] > soft.ssim_at["1 s"] > bad.ssim_at["1 s"]
        assert best.perceptual_at["1 s"] < soft.perceptual_at["1 s"] < bad.perceptual_at["1 s"]
        assert bad.delta_at["1 s"] == 0
        assert bad.margin_at["1 s"] <= 0 or name == "deaf"
    assert best.delta_at["1 s"] > soft.delta_at["1 s"] > 3


def test_memory_wants_motion_and_a_way_back(truth, tried):
    given = journeys.journeys(truth, generator(0, "test journeys"), 1, away=1.0)
    found = tried(_reports(journeys), given, [journey.start for journey in given])
    for kind in journeys.KINDS:
        assert found["truth"][kind].share == pytest.approx(1)
        assert found["truth"][kind].moved == pytest.approx(1)
        assert found["truth"][kind].truth_gain > 8
        assert found["blurred"][kind].share > 0.5
        for name in FAKES:
            assert found[name][kind].share < 0.2
        assert found["frozen"][kind].gain == found["frozen"][kind].moved == 0


def test_a_way_back_is_the_way_out(truth):
    for journey in journeys.journeys(truth, generator(1, "test journeys"), 2, away=0.5):
        assert journeys.home_of(journey) < 0.05


def test_a_full_turn_gains_nothing_by_standing_still(truth, tried):
    starts = truth.starts(generator(0, "test turn"), all_scenes()[:1])
    found = tried(_reports(full_turn), starts, starts)
    assert found["truth"].gain == found["truth"].truth_gain > 15
    assert found["blurred"].gain > 0.5 * found["truth"].gain
    for name in FAKES:
        assert found[name].gain < 0.25 * found["truth"].gain


def test_a_walk_wears_out_in_no_other_world_than_those_that_do(truth, classifier, worlds, darkening, monkeypatch):
    monkeypatch.setattr(long_walk, "VIEWS", 50)
    walks = long_walk.walks(truth, generator(0, "test walk"), 2.0)[:1]
    made = {**worlds, "darkening": darkening}
    found = {name: long_walk.measure(make(()), truth, classifier, walks)[0] for name, make in made.items()}
    assert found["truth"].reach <= 1 < found["darkening"].reach
    assert found["truth"].scene_share > 0.97 > found["noise"].scene_share
    assert found["truth"].longest_freeze == 0 < found["frozen"].longest_freeze
    assert found["darkening"].ends["brightness"] > 2 * found["truth"].ends["brightness"]
    late = {name: report.walks[0].colours_late for name, report in found.items()}
    assert late["truth"] == found["truth"].walks[0].truth_colours_late
    assert late["frozen"] == pytest.approx(0, abs=1e-6)
    assert late["darkening"] > late["truth"] + 0.1


def test_prompts_of_the_truth_arrive_as_the_cross_fade_does(truth, classifier):
    given = prompts.changes(generator(0, "test changes"), 4)
    report, fades = prompts.measure(LandsWorld(), truth, classifier, given)
    assert report.arrived == 1
    # The game stays at the same place of another land, the ideal cross-fade goes to where one enters it.
    assert report.effect_seconds == pytest.approx(report.truth_effect_seconds, abs=0.17)
    assert report.effect_seconds <= 1.0
    assert report.begins_seconds == report.truth_begins_seconds == 0
    assert report.largest_step == pytest.approx(1 / 6, abs=0.02)
    assert report.backward == pytest.approx(0, abs=1e-9)
    assert len(fades) == 4


@pytest.mark.parametrize("name", ["frozen", "noise", "deaf"])
def test_a_world_that_does_not_read_arrives_nowhere(truth, classifier, worlds, name):
    given = prompts.changes(generator(0, "test changes"), 2)
    report, _ = prompts.measure(worlds[name](()), truth, classifier, given)
    assert report.arrived == 0
    assert math.isnan(report.effect_seconds)


def test_a_hard_cut_is_one_step(truth, classifier):
    given = prompts.changes(generator(0, "test changes"), 1)
    report, _ = prompts.measure(PatternWorld(blend=1), truth, classifier, given)
    assert report.arrived == 0
    assert prompts.progress(np.stack([np.zeros((2, 2, 3)), np.full((2, 2, 3), 9)]).astype(np.uint8)).tolist() == [0, 1]


def _reports(module):
    """The measure of a module that also returns what it has seen."""

    class Reports:
        @staticmethod
        def measure(world, truth, cases):
            return module.measure(world, truth, cases)[0]

    return Reports
