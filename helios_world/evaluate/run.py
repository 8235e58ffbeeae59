"""Measure a world and draw it: report.json, plots and contact sheets as PNG, and report.html with all of it."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helios_world.evaluate import page
from helios_world.evaluate.drawing import require_drawing
from helios_world.evaluate.evaluation import Advance, Bar, Evaluation, measures
from helios_world.evaluate.sizes import FULL, QUICK, Sizes
from helios_world.evaluate.targets import TARGETS, judge
from helios_world.evaluate.truth import Truth
from helios_world.spec import World

if TYPE_CHECKING:
    from rich.console import Console

REPORT, PAGE = "report.json", "report.html"


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be evaluated, and how.

    Args:
        world: as World.load takes it.
        out: the folder for everything that is written.
        detail: the richness of the lands that the world was trained on, 0 to 1.
    """

    world: str
    out: Path
    sizes: Sizes = FULL
    device: str = "auto"
    seed: int = 0
    detail: float = 0.0

    @property
    def header(self) -> dict[str, Any]:
        """What the report says of the job itself."""
        return {"world": self.world, "quick": self.sizes == QUICK, "seed": self.seed, "detail": self.detail}


def evaluate(job: Job) -> dict[str, Any]:
    """Measure a world and write everything into the job's folder.

    Returns what report.json holds: `figures` by measure, and `targets` with what was wanted and whether it
    was met.

    Raises:
        DependencyError: matplotlib or Pillow is missing.
        StateError: the world was not made after the lands, so that there is no truth to compare it with.
    """
    require_drawing()
    opened = World.load(job.world, device=job.device)
    try:
        evaluation = Evaluation(opened, Truth.of(opened.spec, job.detail), job.sizes, job.out, job.seed)
        job.out.mkdir(parents=True, exist_ok=True)
        header = {**job.header, "fingerprint": opened.spec.fingerprint}
        return _run(evaluation, header, (job.world, job.device))
    finally:
        opened.close()


def write_json(report: dict[str, Any], path: Path) -> None:
    """Write figures; a figure without cases, NaN, is null, for JSON has no NaN."""
    path.write_text(json.dumps(without_nan(report), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def without_nan(value: Any) -> Any:
    """`value` with None for every NaN."""
    if isinstance(value, dict):
        return {key: without_nan(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(entry) for entry in value]
    return None if isinstance(value, float) and math.isnan(value) else value


@contextmanager
def bars(console: Console) -> Iterator[Bar]:
    """Progress bars, one for each measure."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:

        def begin(label: str, total: int) -> Advance:
            task = progress.add_task(label, total=total)
            return lambda: progress.advance(task)

        yield begin


def _run(evaluation: Evaluation, header: dict[str, Any], name: tuple[str, str]) -> dict[str, Any]:
    """All measures, one after the other; the report is written after each, so that a break loses little."""
    from rich.console import Console

    began, took = time.perf_counter(), {}
    figures: dict[str, Any] = {}
    console = Console(stderr=True, highlight=False)
    report = header
    with bars(console) as bar:
        for key, measure in measures(evaluation, name).items():
            before = time.perf_counter()
            figures[key] = without_nan(measure(bar))
            took[key] = round(time.perf_counter() - before, 1)
            seconds = round(time.perf_counter() - began, 1)
            targets = [asdict(result) for result in judge(figures)]
            report = {**header, "seconds": seconds, "took": took, "figures": figures, "targets": targets}
            write_json(report, evaluation.out / REPORT)
    page.write(report, evaluation.out, PAGE)
    _print_table(console, figures)
    return report


def _print_table(console: Console, figures: dict[str, Any]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for title in ("measure", "measured", "target", ""):
        table.add_column(title, justify="left" if title in ("measure", "") else "right")
    for target, result in zip(TARGETS, judge(figures), strict=True):
        mark = "" if result.met is None else "[green]met[/]" if result.met else "[red]missed[/]"
        table.add_row(target.name, result.shown, result.wanted, mark)
    console.print(table)
