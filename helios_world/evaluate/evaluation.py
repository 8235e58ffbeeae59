"""One world against the truth: each method takes one measure, writes its pictures and returns its figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from helios_world.evaluate import (
    control,
    counterfactual,
    exactness,
    faithfulness,
    full_turn,
    held_bytes,
    journeys,
    long_walk,
    plots,
    prompts,
    recognition,
    response,
    rollout,
    sheets,
)
from helios_world.evaluate.classifier import SceneClassifier, true_frames
from helios_world.evaluate.faithfulness import Case, Runner
from helios_world.evaluate.sizes import Sizes
from helios_world.evaluate.truth import Truth, generator
from helios_world.lands.scene import LANDS, all_scenes
from helios_world.spec import Start, World

NEED_VIDEO = ("control", "response", "counterfactual", "full_turn", "journeys", "sheets")

Advance = Callable[[], None]
Bar = Callable[[str, int], Advance]
Measure = Callable[[Bar], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What all measures share."""

    world: World
    truth: Truth
    sizes: Sizes
    out: Path
    seed: int

    def control(self, bar: Bar) -> dict[str, Any]:
        rng = generator(self.seed, "control")
        cases = control.situations(self.truth, rng, self.sizes.per_class, self.sizes.others)
        return asdict(control.measure(self.world, self.truth, cases, bar("controls", len(cases))))

    def response(self, bar: Bar) -> dict[str, Any]:
        cases = response.cases(self.truth, generator(self.seed, "response"), self.sizes.responses)
        report = response.measure(self.world, self.truth, cases, bar("response", len(cases)))
        plots.plot_response(report, self.out / "response.png")
        return asdict(report)

    def counterfactual(self, bar: Bar) -> dict[str, Any]:
        starts = counterfactual.starts(self.truth, generator(self.seed, "forks"), self.sizes.counterfactuals)
        return asdict(counterfactual.measure(self.world, self.truth, starts, bar("forks", len(starts))))

    def faithfulness(self, bar: Bar) -> dict[str, Any]:
        reports = {}
        for name in self.world.spec.starts:
            run, cases = self._faithful_cases(name)
            advance = bar(f"faithfulness, {name}", len(cases))
            reports[name] = faithfulness.measure(self.world, self.truth, cases, run, advance)
        plots.plot_faithfulness(reports, self.out / "faithfulness.png")
        return {name: asdict(report) for name, report in reports.items()}

    def full_turn(self, bar: Bar) -> dict[str, Any]:
        rng = generator(self.seed, "full turn")
        scenes = [all_scenes()[(5 * i) % len(all_scenes())] for i in range(self.sizes.turns)]
        starts = self.truth.starts(rng, scenes)
        report, pairs = full_turn.measure(self.world, self.truth, starts, bar("full turns", len(starts)))
        sheets.save_turns(pairs, starts, self.out / "full_turn.png")
        return asdict(report)

    def journeys(self, bar: Bar) -> dict[str, Any]:
        rng = generator(self.seed, "journeys")
        given = journeys.journeys(self.truth, rng, self.sizes.journeys, self.sizes.away_seconds)
        reports, dreams = journeys.measure(self.world, self.truth, given, bar("journeys", len(given)))
        sheets.save_journeys(dreams, self.out / "journeys.png")
        return {kind: asdict(report) for kind, report in reports.items()}

    def recognition(self, bar: Bar) -> dict[str, Any]:
        captions = recognition.captions(generator(self.seed, "captions"), self.sizes.captions_per_scene)
        accuracy = self.classifier().accuracy(*true_frames(self.truth, generator(self.seed, "check"), 40))
        advance = bar("captions", len(captions))
        return asdict(recognition.measure(self.world, self.classifier(), accuracy, captions, advance))

    def prompts(self, bar: Bar) -> dict[str, Any]:
        given = prompts.changes(generator(self.seed, "changes"), self.sizes.changes)
        advance = bar("changed prompts", len(given))
        report, fades = prompts.measure(self.world, self.truth, self.classifier(), given, advance)
        plots.plot_fades(fades, self.out / "prompts.png")
        return asdict(report)

    def long_walk(self, bar: Bar) -> dict[str, Any]:
        walks = long_walk.walks(self.truth, generator(self.seed, "walk"), self.sizes.walk_seconds)
        advance = bar("long walks", len(walks))
        report, curves = long_walk.measure(self.world, self.truth, self.classifier(), walks, advance)
        plots.plot_walks(curves, self.truth.chunk, self.out / "long_walk.png")
        sheets.save_walks(curves, self.out / "long_walk_frames.png")
        return asdict(report)

    def held(self, bar: Bar) -> dict[str, Any]:
        chunks = self.sizes.chunks_held
        report = held_bytes.measure(self.world, self.truth, chunks, self.seed, bar("memory", chunks - 1))
        return {**asdict(report), "equal": report.equal}

    def sheets(self, bar: Bar) -> dict[str, Any]:
        seconds, names = self.sizes.sheet_seconds, []
        advance = bar("contact sheets", len(LANDS) * len(sheets.TRIALS) + len(sheets.OVERVIEW_SCENES))
        for land, name in enumerate(LANDS):
            blocks = sheets.draw_land(self.world, self.truth, land, seconds, self.seed, advance)
            names.append(f"sheet_{name.replace(' ', '_')}.png")
            sheets.save_land(blocks, land, seconds, self.out / names[-1])
        overview = sheets.draw_overview(self.world, self.truth, advance)
        sheets.save_overview(overview, self.out / "overview.png")
        return {"files": [*names, "overview.png"]}

    def classifier(self) -> SceneClassifier:
        return _fitted(self.truth, self.seed, self.sizes.poses_per_scene)

    def _faithful_cases(self, start: Start) -> tuple[Runner, list[Case]]:
        sizes, rng = self.sizes, generator(self.seed, f"faithfulness {start}")
        if start == "video":
            return rollout.from_video, faithfulness.cases(self.truth, rng, sizes.videos, sizes.video_seconds)
        if start == "image":
            return rollout.from_image, faithfulness.cases(self.truth, rng, sizes.images, sizes.other_seconds)
        return faithfulness.words, faithfulness.cases_from_spawn(self.truth, rng, sizes.words, sizes.other_seconds)


def measures(evaluation: Evaluation, name: tuple[str, str]) -> dict[str, Measure]:
    """What can be measured; a world that cannot continue a video is spared what begins with one."""
    listed: dict[str, Measure] = {
        "exactness": lambda bar: asdict(exactness.measure(evaluation.world, *name, evaluation.seed)),
        "control": evaluation.control,
        "response": evaluation.response,
        "counterfactual": evaluation.counterfactual,
        "faithfulness": evaluation.faithfulness,
        "full_turn": evaluation.full_turn,
        "journeys": evaluation.journeys,
        "recognition": evaluation.recognition,
        "prompts": evaluation.prompts,
        "long_walk": evaluation.long_walk,
        "sheets": evaluation.sheets,
        "held": evaluation.held,
    }
    from_video = "video" in evaluation.world.spec.starts
    return {key: measure for key, measure in listed.items() if from_video or key not in NEED_VIDEO}


@lru_cache(maxsize=2)
def _fitted(truth: Truth, seed: int, poses: int) -> SceneClassifier:
    return SceneClassifier.fit(truth, generator(seed, "classifier"), poses)
