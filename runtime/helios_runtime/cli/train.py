"""`helios-world train`: train a world from a recipe, one of the stages of Helios, or an adapter."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from helios_runtime.cli.console import notes
from helios_runtime.cli.options import Device
from helios_world.errors import OptionError


class Stage(str, Enum):
    """The stages that Helios is trained in."""

    base = "base"
    mid = "mid"
    distill = "distill"


def train(
    recipe: Annotated[
        str | None,
        typer.Argument(metavar="[RECIPE]", help='A recipe\'s name, or its path; "nano", or "lands-STAGE" for a stage.'),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder of the run; runs/RECIPE if none is given.")
    ] = None,
    stage: Annotated[Stage | None, typer.Option(help="Run a recipe of this stage of Helios.")] = None,
    adapter: Annotated[
        int | None,
        typer.Option(min=1, metavar="RANK", help="In a stage: train adapters of this rank, all else frozen."),
    ] = None,
    merge: Annotated[
        Path | None, typer.Option(metavar="ADAPTER", help="Train nothing: merge an adapter folder into --start.")
    ] = None,
    device: Device = "auto",
    hours: Annotated[float | None, typer.Option(min=0.0, help="Stop after so many hours; resumable.")] = None,
    start: Annotated[Path | None, typer.Option(help="Begin a new run with the weights of this folder.")] = None,
    threads: Annotated[int, typer.Option(min=0, help="Compute threads on a CPU; 0 takes what torch takes.")] = 0,
) -> None:
    """Train a world from a recipe, or go on with a run.

    A folder that holds a run already is continued from its last saved step.

    Example: helios-world train nano -o runs/nano --hours 2
    """
    name = recipe or (f"lands-{stage.value}" if stage else "nano")
    output = output or Path("runs") / Path(name).stem
    if merge is not None:
        _merge(merge, start, output)
    elif stage is not None:
        _train_stage(name, output, stage, (adapter, start), device=device, hours=hours, threads=threads)
    else:
        _train_embedded(name, output, adapter, start, device=device, hours=hours, threads=threads)
    notes().print(f"the result is in {output}")


def _train_embedded(
    recipe: str, out: Path, adapter: int | None, start: Path | None, *, device: str, hours: float | None, threads: int
) -> None:
    if adapter is not None:
        raise OptionError("--adapter is for the stages of Helios; give --stage base, mid or distill with it")
    from helios_world.train.run import train as run

    run(recipe, out, device=device, hours=hours, threads=threads, start=start)


def _train_stage(
    recipe: str,
    out: Path,
    stage: Stage,
    changes: tuple[int | None, Path | None],
    *,
    device: str,
    hours: float | None,
    threads: int,
) -> None:
    from helios_world.train.stages.recipe import changed, read_recipe
    from helios_world.train.stages.start import train_stage

    chosen = read_recipe(recipe, stage.value)
    rank, start = changes
    train_stage(changed(chosen, rank, start), out, device=device, hours=hours, threads=threads)


def _merge(adapter: Path, start: Path | None, out: Path) -> None:
    if start is None:
        raise OptionError("--merge needs --start, the world or the checkpoint that the adapter belongs to")
    from helios_world.train.stages.results import merge

    merge(start, adapter, out)
