"""`helios-world eval`: how good a world is, in figures and pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from helios_runtime.cli.console import notes, print_json
from helios_runtime.cli.options import AsJson, Device, Seed, WorldName


def evaluate(
    world: WorldName = "nano",
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the figures and pictures.")] = Path(
        "out/eval"
    ),
    quick: Annotated[bool, typer.Option("--quick", help="Few samples: a look, not a measurement.")] = False,
    device: Device = "auto",
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Measure a world against the ground-truth game, and draw both.

    Controls told apart, PSNR over time, land and moment recognised, drift over a minute.

    Example: helios-world eval nano -o out/eval --quick
    """
    from helios_world.evaluate.run import evaluate as run

    figures = run(world, output, quick=quick, device=device, seed=seed)
    if as_json:
        print_json(figures)
    notes().print(f"figures and pictures are in {output}")
