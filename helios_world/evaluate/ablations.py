"""What each part of Helios buys: the same world with and without it, side by side.

"anchor", "long" and "rope" take a part away from what the model is given (`without`) and change nothing of the weights,
so they show that a model trained with the part needs it, not that one trained without would be worse. "corruption" is
another world, trained without corrupted histories; any two worlds can be compared in the same way, such as a distilled
one with the one that it was distilled from. What fools them: a part that was never used costs nothing to lose.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from helios_world.errors import OptionError
from helios_world.evaluate import ablation_page
from helios_world.evaluate.drawing import require_drawing
from helios_world.evaluate.evaluation import Evaluation, measures
from helios_world.evaluate.run import Job, bars, without_nan, write_json
from helios_world.evaluate.targets import judge
from helios_world.evaluate.truth import Truth
from helios_world.evaluate.without import DREAMERS, without
from helios_world.spec import World

CORRUPTION = "corruption"
WHOLE = "whole"
MEASURES = ("control", "faithfulness", "full_turn", "journeys", "long_walk")


def compare(job: Job, parts: Sequence[str], against: Path | None) -> dict[str, Any]:
    """Evaluate the job's world whole and without each part: ablations.json, ablations.html, and a folder for each.

    Args:
        against: another world: the one trained without corruption if `parts` has it, else just one to compare with.

    Raises:
        OptionError: a part that is not known, "corruption" without a world to compare with, or a world that cannot do
            without a part.
    """
    require_drawing()
    unknown = set(parts) - {*DREAMERS, CORRUPTION}
    if unknown:
        raise OptionError(f"there is no ablation {sorted(unknown)}; known are {[*DREAMERS, CORRUPTION]}")
    if CORRUPTION in parts and against is None:
        raise OptionError("--ablate corruption needs --against WORLD: the world trained without it")
    variants = {WHOLE: _measure(job, job.world, WHOLE)}
    for part in parts:
        world = str(against) if part == CORRUPTION else job.world
        variants[f"without {part}"] = _measure(job, world, f"without {part}")
    if against is not None and CORRUPTION not in parts:
        variants[against.name] = _measure(job, str(against), against.name)
    whole = variants[WHOLE]
    differences = {name: _difference(figures, whole) for name, figures in variants.items() if name != WHOLE}
    figures = {"variants": variants, "differences": differences, "targets": _targets(variants)}
    report: dict[str, Any] = {**job.header, **without_nan(figures)}
    write_json(report, job.out / "ablations.json")
    ablation_page.write(report, job.out)
    return report


def _measure(job: Job, name: str, variant: str) -> dict[str, Any]:
    """The figures of a world, as the variant says: whole, without a part, or another one."""
    from rich.console import Console

    opened = World.load(name, device=job.device)
    part = variant.removeprefix("without ")
    world = without(opened, part) if part in DREAMERS else opened
    out = job.out / ablation_page.folder_of(variant)
    out.mkdir(parents=True, exist_ok=True)
    evaluation = Evaluation(world, Truth.of(world.spec, job.detail), job.sizes, out, job.seed)
    try:
        with bars(Console(stderr=True, highlight=False)) as bar:
            listed = measures(evaluation, (name, job.device))
            return {key: listed[key](bar) for key in MEASURES if key in listed}
    finally:
        world.close()
        opened.close()


def _difference(figures: dict[str, Any], whole: dict[str, Any]) -> dict[str, float]:
    """What a variant has more than the whole, in the richest kind of start: PSNR in dB, control accuracy as a share."""
    ours, theirs = (next(reversed(entry["faithfulness"].values()))["at"] for entry in (figures, whole))
    gained = {f"PSNR at {time}": ours[time] - theirs[time] for time in ours if time in theirs}
    if "control" in figures and "control" in whole:
        accuracy = (entry["control"]["balanced_accuracy"] for entry in (figures, whole))
        gained["control"] = next(accuracy) - next(accuracy)
    return gained


def _targets(variants: dict[str, dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """What was measured of each variant, target by target."""
    return {name: [asdict(result) for result in judge(without_nan(figures))] for name, figures in variants.items()}
