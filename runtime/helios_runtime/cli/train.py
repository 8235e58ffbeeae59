"""`helios-world train`: train a world from a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from helios_runtime.cli.console import notes
from helios_runtime.cli.options import Device


def train(
    recipe: Annotated[
        str, typer.Argument(metavar="[RECIPE]", help="A recipe's name, or the path of a recipe.")
    ] = "nano",
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of the run.")] = Path("runs/nano"),
    device: Device = "auto",
    hours: Annotated[float | None, typer.Option(min=0.0, help="Stop after so many hours; resumable.")] = None,
    start: Annotated[Path | None, typer.Option(help="Begin a new run with the weights of this world folder.")] = None,
    threads: Annotated[int, typer.Option(min=0, help="Compute threads on a CPU; 0 takes what torch takes.")] = 0,
) -> None:
    """Train a world from a recipe, or go on with a run.

    A folder that holds a run already is continued from its last saved step, with walkers that begin anew.

    Example: helios-world train nano -o runs/nano --hours 2
    """
    from helios_world.train.run import train as run

    run(recipe, output, device=device, hours=hours, threads=threads, start=start)
    notes().print(f"the run is in {output}")
