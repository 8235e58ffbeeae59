"""Measure a world and draw it: figures in report.json, plots and contact sheets as PNG."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helios_world.evaluate import (
    control,
    exactness,
    faithfulness,
    full_turn,
    held_bytes,
    long_walk,
    plots,
    recognition,
    rollout,
    sheets,
)
from helios_world.evaluate.classifier import SceneClassifier, true_frames
from helios_world.evaluate.drawing import require_drawing
from helios_world.evaluate.targets import TARGETS, judge
from helios_world.evaluate.truth import Truth, generator
from helios_world.lands.scene import LANDS, all_scenes
from helios_world.spec import Start, World

if TYPE_CHECKING:
    from rich.console import Console

NEED_VIDEO = ("control", "full_turn", "sheets")  # measures that begin from true frames

Advance = Callable[[], None]
Bar = Callable[[str, int], Advance]
Measure = Callable[[Bar], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured: numbers of cases, and seconds of rollouts."""

    per_class: int = 52
    others: int = 40
    videos: int = 48
    images: int = 16
    words: int = 16
    turns: int = 8
    captions_per_scene: int = 8
    walk_seconds: float = 60.0
    chunks_held: int = 2000
    sheet_seconds: float = 4.0
    poses_per_scene: int = 80


QUICK = Sizes(
    per_class=5,
    others=4,
    videos=8,
    images=1,
    words=1,
    turns=1,
    captions_per_scene=1,
    walk_seconds=10.0,
    chunks_held=150,
    sheet_seconds=0.5,
    poses_per_scene=40,
)


def evaluate(world: str, out: Path, *, quick: bool = False, device: str = "auto", seed: int = 0) -> dict[str, Any]:
    """Measure the world called `world` (as World.load takes it) and write everything into the folder `out`.

    Returns what report.json holds: `figures` by measure, and `targets` with what was wanted and whether it
    was met.

    Raises:
        DependencyError: matplotlib or Pillow is missing.
        StateError: the world was not made after the lands, so that there is no truth to compare it with.
    """
    require_drawing()
    opened = World.load(world, device=device)
    try:
        evaluation = Evaluation(opened, Truth.of(opened.spec), QUICK if quick else Sizes(), out, seed)
        header = {"world": world, "fingerprint": opened.spec.fingerprint, "quick": quick, "seed": seed}
        out.mkdir(parents=True, exist_ok=True)
        return _run(evaluation, header, (world, device))
    finally:
        opened.close()


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What all measures share. Each method returns the figures of one measure and writes its pictures."""

    world: World
    truth: Truth
    sizes: Sizes
    out: Path
    seed: int

    def control(self, bar: Bar) -> dict[str, Any]:
        rng = generator(self.seed, "control")
        cases = control.situations(self.truth, rng, self.sizes.per_class, self.sizes.others)
        return asdict(control.measure(self.world, self.truth, cases, bar("controls", len(cases))))

    def faithfulness(self, bar: Bar) -> dict[str, Any]:
        truth, sizes, seconds = self.truth, self.sizes, faithfulness.TIMES[-1]
        rng = generator(self.seed, "faithfulness")
        kinds: dict[Start, tuple[faithfulness.Runner, list[faithfulness.Case]]] = {
            "video": (rollout.from_video, faithfulness.cases(truth, rng, sizes.videos, seconds)),
            "image": (rollout.from_image, faithfulness.cases(truth, rng, sizes.images, seconds)),
            "prompt": (faithfulness.words, faithfulness.cases_from_spawn(truth, rng, sizes.words, seconds)),
        }
        reports = {}
        for name in self.world.spec.starts:
            run, cases = kinds[name]
            advance = bar(f"faithfulness, {name}", len(cases))
            reports[name] = faithfulness.measure(self.world, truth, cases, run, advance)
        plots.plot_faithfulness(reports, self.out / "faithfulness.png")
        return {name: asdict(report) for name, report in reports.items()}

    def full_turn(self, bar: Bar) -> dict[str, Any]:
        rng = generator(self.seed, "full turn")
        scenes = [all_scenes()[(5 * i) % len(all_scenes())] for i in range(self.sizes.turns)]
        starts = self.truth.starts(rng, scenes)
        report, pairs = full_turn.measure(self.world, self.truth, starts, bar("full turns", len(starts)))
        sheets.save_turns(pairs, starts, self.out / "full_turn.png")
        return asdict(report)

    def recognition(self, bar: Bar) -> dict[str, Any]:
        captions = recognition.captions(generator(self.seed, "captions"), self.sizes.captions_per_scene)
        accuracy = self.classifier().accuracy(*true_frames(self.truth, generator(self.seed, "check"), 40))
        advance = bar("captions", len(captions))
        return asdict(recognition.measure(self.world, self.classifier(), accuracy, captions, advance))

    def long_walk(self, bar: Bar) -> dict[str, Any]:
        walks = long_walk.walks(self.truth, generator(self.seed, "walk"), self.sizes.walk_seconds)
        advance = bar("long walks", len(walks))
        report, curves = long_walk.measure(self.world, self.truth, self.classifier(), walks, advance)
        plots.plot_walks(curves, self.truth.chunk, self.out / "long_walk.png")
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
        rng = generator(self.seed, "classifier")
        return SceneClassifier.fit(self.truth, rng, self.sizes.poses_per_scene)


def _run(evaluation: Evaluation, header: dict[str, Any], name: tuple[str, str]) -> dict[str, Any]:
    """All measures, one after the other; the report is written after each, so that a break loses little."""
    from rich.console import Console

    began, figures = time.perf_counter(), {}
    console = Console(stderr=True, highlight=False)
    report = header
    with _bars(console) as bar:
        for key, measure in measures(evaluation, name).items():
            figures[key] = _without_nan(measure(bar))
            seconds = round(time.perf_counter() - began, 1)
            report = {**header, "seconds": seconds, "figures": figures, "targets": _targets(figures)}
            _write(report, evaluation.out / "report.json")
    _print_table(console, figures)
    return report


def measures(evaluation: Evaluation, name: tuple[str, str]) -> dict[str, Measure]:
    """What can be measured; a world that cannot continue a video is spared what begins with one."""
    listed: dict[str, Measure] = {
        "exactness": lambda bar: asdict(exactness.measure(evaluation.world, *name, evaluation.seed)),
        "control": evaluation.control,
        "faithfulness": evaluation.faithfulness,
        "full_turn": evaluation.full_turn,
        "recognition": evaluation.recognition,
        "long_walk": evaluation.long_walk,
        "sheets": evaluation.sheets,
        "held": evaluation.held,
    }
    from_video = "video" in evaluation.world.spec.starts
    return {key: measure for key, measure in listed.items() if from_video or key not in NEED_VIDEO}


def _targets(figures: dict[str, Any]) -> list[dict[str, Any]]:
    return [asdict(result) for result in judge(figures)]


def _write(report: dict[str, Any], path: Path) -> None:
    path.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _without_nan(value: Any) -> Any:
    """JSON has no NaN; a figure without cases is null."""
    if isinstance(value, dict):
        return {key: _without_nan(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_without_nan(entry) for entry in value]
    return None if isinstance(value, float) and math.isnan(value) else value


@contextmanager
def _bars(console: Console) -> Iterator[Bar]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:

        def begin(label: str, total: int) -> Advance:
            task = progress.add_task(label, total=total)
            return lambda: progress.advance(task)

        yield begin


def _print_table(console: Console, figures: dict[str, Any]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for title in ("measure", "measured", "target", ""):
        table.add_column(title, justify="left" if title in ("measure", "") else "right")
    for target, result in zip(TARGETS, judge(figures), strict=True):
        mark = "" if result.met is None else "[green]met[/]" if result.met else "[red]missed[/]"
        table.add_row(target.name, result.shown, result.wanted, mark)
    console.print(table)
