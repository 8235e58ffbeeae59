"""`torchrun --nproc_per_node N -m helios_world.train RECIPE OUT`: one run, N processes, a compute thread each."""

from __future__ import annotations

import argparse
from pathlib import Path

from helios_world.train.run import train
from helios_world.train.stages.recipe import changed, read_recipe
from helios_world.train.stages.start import train_stage


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m helios_world.train", description=__doc__)
    parser.add_argument("recipe", help='a recipe file, or the name of one in the package, such as "nano"')
    parser.add_argument("out", type=Path, help="the folder of the run; a run that is there goes on")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=1, help="compute threads of each process on a CPU")
    parser.add_argument("--start", type=Path, help="a world folder whose weights a new run begins with")
    parser.add_argument("--stage", choices=("base", "mid", "distill"), help="the recipe is one of a stage of Helios")
    return parser


def main() -> None:
    """Parse the command line and train."""
    options = build_parser().parse_args()
    if options.stage:
        recipe = changed(read_recipe(options.recipe, options.stage), None, options.start)
        train_stage(recipe, options.out, device=options.device, threads=options.threads)
        return
    train(options.recipe, options.out, device=options.device, threads=options.threads, start=options.start)


if __name__ == "__main__":
    main()
