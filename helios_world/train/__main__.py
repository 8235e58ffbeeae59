"""`torchrun --nproc_per_node N -m helios_world.train RECIPE OUT`: one run, N processes, a compute thread each."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from helios_world.lands.painters import compiled_painter_for, painter_for
from helios_world.train.estimate import estimate
from helios_world.train.run import device_named, prepare, read_recipe, train
from helios_world.train.stages.recipe import changed
from helios_world.train.stages.recipe import read_recipe as read_stage_recipe
from helios_world.train.stages.start import train_stage


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m helios_world.train", description=__doc__)
    parser.add_argument("recipe", help='a recipe file, or the name of one in the package, such as "nano"')
    parser.add_argument("out", type=Path, help="the folder of the run; a run that is there goes on")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=1, help="compute threads of each process on a CPU")
    parser.add_argument("--start", type=Path, help="a world folder whose weights a new run begins with")
    parser.add_argument("--hours", type=float, help="stop after so many hours; the same command goes on")
    parser.add_argument("--steps", type=int, help="the recipe's plan in so many steps; give it again to go on")
    parser.add_argument("--compile", action="store_true", help="let torch compile the renderer of the device")
    parser.add_argument("--stage", choices=("base", "mid", "distill"), help="the recipe is one of a stage of Helios")
    task = parser.add_mutually_exclusive_group()
    task.add_argument("--prepare", action="store_true", help="only codec, words and atlas, as OUT/world for --start")
    task.add_argument("--estimate", action="store_true", help="only measure a few steps; nothing is written")
    return parser


def main() -> None:
    """Parse the command line and train."""
    options = build_parser().parse_args()
    if options.stage:
        _train_stage(options)
    else:
        _train_embedded(options)


def _train_stage(options: argparse.Namespace) -> None:
    recipe = changed(read_stage_recipe(options.recipe, options.stage), None, options.start)
    train_stage(recipe, options.out, device=options.device, hours=options.hours, threads=options.threads)


def _train_embedded(options: argparse.Namespace) -> None:
    painting = compiled_painter_for if options.compile else painter_for
    if options.estimate:
        torch.set_num_threads(options.threads)
        recipe, device = read_recipe(options.recipe, options.steps), device_named(options.device)
        measured = estimate(recipe, device, painting=painting)
        print("\n".join(measured.lines(options.hours)))
    elif options.prepare:
        prepare(options.recipe, options.out, device=options.device, threads=options.threads)
    else:
        train(
            options.recipe,
            options.out,
            device=options.device,
            hours=options.hours,
            threads=options.threads,
            start=options.start,
            steps=options.steps,
            painting=painting,
        )


if __name__ == "__main__":
    main()
