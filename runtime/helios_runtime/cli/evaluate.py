"""`helios-world eval`: how good a world is, in figures and pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from helios_runtime.cli.console import notes, print_json
from helios_runtime.cli.options import AsJson, Device, Seed

if TYPE_CHECKING:
    from helios_world.evaluate.run import Job

BENCH = "heliosbench"

What = Annotated[
    str,
    typer.Argument(metavar="[WORLD]", help=f"nano, lands, pattern, a checkpoint folder; or {BENCH}, for videos."),
]
Output = Annotated[
    Path | None, typer.Option("-o", "--output", help=f"Folder for the report (out/eval); of {BENCH} a JSON file.")
]
Quick = Annotated[bool, typer.Option("--quick", help="Few samples: a look, not a measurement.")]
Detail = Annotated[float, typer.Option(min=0, max=1, help="How rich the lands were that the world was trained on.")]
Ablate = Annotated[
    list[str] | None,
    typer.Option(help="Compare the world with itself without atlas, anchor, long, rope, or corruption; repeatable."),
]
Against = Annotated[
    Path | None,
    typer.Option(help="Another world to compare with; for --ablate corruption, the one trained without it."),
]
Prompts = Annotated[Path | None, typer.Option(help=f"{BENCH}: the CSV with id, prompt and duration.")]
Videos = Annotated[Path | None, typer.Option(help=f"{BENCH}: the folder with the videos, named by id.")]
Metric = Annotated[
    list[str] | None,
    typer.Option(help=f"{BENCH}: NAME=MODULE:FUNCTION or NAME=FILE.py:FUNCTION, a metric's scorer; repeatable."),
]
Fps = Annotated[float | None, typer.Option(min=0, help=f"{BENCH}: frames per second at which the model generates.")]


def evaluate(
    world: What = "nano",
    output: Output = None,
    quick: Quick = False,
    device: Device = "auto",
    seed: Seed = 0,
    detail: Detail = 0.0,
    ablate: Ablate = None,
    against: Against = None,
    prompts: Prompts = None,
    videos: Videos = None,
    metric: Metric = None,
    fps: Fps = None,
    as_json: AsJson = False,
) -> None:
    """Measure a world against the ground-truth game, and draw both; or score videos in the format of HeliosBench.

    Control, faithfulness, memory, drift and words, as JSON, pictures and one HTML page.

    Example: helios-world eval nano -o out/eval --quick
    """
    if world == BENCH:
        figures = _bench(prompts, videos, metric or [], fps, output or Path("out/heliosbench.json"))
    else:
        figures = _world(_job(world, output or Path("out/eval"), quick, (device, seed, detail)), ablate or [], against)
    if as_json:
        print_json(figures)


def _job(world: str, output: Path, quick: bool, settings: tuple[str, int, float]) -> Job:
    from helios_world.evaluate.run import Job
    from helios_world.evaluate.sizes import FULL, QUICK

    device, seed, detail = settings
    return Job(world, output, QUICK if quick else FULL, device, seed, detail)


def _world(job: Job, ablate: list[str], against: Path | None) -> dict[str, Any]:
    from helios_world.evaluate import ablations
    from helios_world.evaluate.run import evaluate as run

    figures = ablations.compare(job, ablate, against) if ablate or against else run(job)
    notes().print(f"figures and pictures are in {job.out}")
    return figures


def _bench(
    prompts: Path | None, videos: Path | None, metrics: list[str], fps: float | None, output: Path
) -> dict[str, Any]:
    from helios_world.evaluate.heliosbench import bench

    if prompts is None or videos is None:
        raise typer.BadParameter(f"{BENCH} needs --prompts CSV and --videos FOLDER")
    figures = bench.run(prompts, videos, metrics, fps, output)
    notes().print(f"the result is in {output}")
    return figures
