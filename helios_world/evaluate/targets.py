"""What a world should reach, and the table that says whether it does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Figure = float | bool | None


@dataclass(frozen=True, slots=True)
class Target:
    """A figure of the report.

    Args:
        name: for people.
        path: the keys that lead to it.
        relation: how it must compare with `value`; None is reported only.
        unit: "%" shows a share as a percentage.
    """

    name: str
    path: tuple[str, ...]
    relation: Literal["≥", "≤", "="] | None = None
    value: Figure = None
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """A target with what was measured; `met` is None where nothing was asked or measured.

    `part` is whether it belongs to the one before.
    """

    target: str
    measured: Figure
    wanted: str
    met: bool | None
    shown: str
    part: bool


_VIDEO = ("faithfulness", "video")

TARGETS = (
    Target("controls told apart", ("control", "balanced_accuracy"), "≥", 0.98, "%"),
    Target("  in the true frames", ("control", "truth_balanced_accuracy"), "≥", 0.99, "%"),
    Target("  side of a strafe", ("control", "strafe_accuracy"), unit="%"),
    Target("  still without input", ("control", "still"), unit="%"),
    Target("response within the first chunk", ("response", "within_chunk"), "=", True),
    Target("  delay", ("response", "delay"), unit="frames"),
    Target("  delay of the truth", ("response", "truth_delay"), unit="frames"),
    Target("forks told the same differ by", ("counterfactual", "same"), "=", 0.0, "levels"),
    Target("  left against right, 1 s", ("counterfactual", "one_second"), unit="levels"),
    Target("  in the truth", ("counterfactual", "truth_one_second"), unit="levels"),
    Target("PSNR at 0.5 s", (*_VIDEO, "at", "0.5 s"), "≥", 27.0, "dB"),
    Target("PSNR at 1 s", (*_VIDEO, "at", "1 s"), "≥", 26.0, "dB"),
    Target("PSNR at 4 s", (*_VIDEO, "at", "4 s"), "≥", 23.0, "dB"),
    Target("PSNR at 10 s", (*_VIDEO, "at", "10 s"), "≥", 21.0, "dB"),
    Target("  over repeating, 0.5 s", (*_VIDEO, "margin_at", "0.5 s"), "≥", 6.0, "dB"),
    Target("  over repeating, 1 s", (*_VIDEO, "margin_at", "1 s"), "≥", 6.0, "dB"),
    Target("  over other inputs (ΔPSNR), 1 s", (*_VIDEO, "delta_at", "1 s"), unit="dB"),
    Target("  SSIM at 1 s", (*_VIDEO, "ssim_at", "1 s")),
    Target("  perceptual distance at 1 s", (*_VIDEO, "perceptual_at", "1 s")),
    Target("PSNR at 1 s from an image", ("faithfulness", "image", "at", "1 s"), unit="dB"),
    Target("PSNR at 1 s from words", ("faithfulness", "prompt", "at", "1 s"), unit="dB"),
    Target("full turn, last against first", ("full_turn", "last"), "≥", 22.0, "dB"),
    Target("  over half way", ("full_turn", "gain"), unit="dB"),
    Target("turn and back, share of the true gain", ("journeys", "turn and back", "share"), unit="%"),
    Target("walk and back, share of the true gain", ("journeys", "walk and back", "share"), unit="%"),
    Target("leave and return, share of the true gain", ("journeys", "leave and return", "share"), unit="%"),
    Target("scene recognised from words", ("recognition", "both"), "≥", 0.95, "%"),
    Target("  classifier on true frames", ("recognition", "classifier"), "≥", 0.99, "%"),
    Target("changed prompt arrives", ("prompts", "arrived"), unit="%"),
    Target("  after", ("prompts", "effect_seconds"), unit="s"),
    Target("  largest step of the fade", ("prompts", "largest_step"), unit="%"),
    Target("long walk: scene still right", ("long_walk", "scene_share"), "≥", 0.97, "%"),
    Target("  land", ("long_walk", "land_share"), unit="%"),
    Target("  largest excursion", ("long_walk", "reach"), "≤", 1.5, "× truth"),
    Target("  longest freeze", ("long_walk", "longest_freeze"), "≤", 0.5, "s"),
    Target("  seam ratio", ("long_walk", "seam_ratio"), "≤", 1.15),
    Target("  seam ratio of the truth", ("long_walk", "truth_seam_ratio")),
    Target("same inputs, same bytes", ("exactness", "twice"), "=", True),
    Target("  in another process", ("exactness", "other_process"), "=", True),
    Target("bytes held do not grow", ("held", "equal"), "=", True),
)


def judge(figures: Mapping[str, Any], targets: Sequence[Target] = TARGETS) -> list[Result]:
    """Every target with what `figures` says of it."""
    return [_judge(target, _find(figures, target.path)) for target in targets]


def _judge(target: Target, measured: Figure) -> Result:
    wanted = "" if target.relation is None else f"{target.relation} {_show(target.value, target.unit)}"
    shown, part = _show(measured, target.unit), target.name.startswith(" ")
    return Result(target.name.strip(), measured, wanted, _met(target, measured), shown, part)


def _met(target: Target, measured: Figure) -> bool | None:
    if target.relation is None or target.value is None or measured is None:
        return None
    if target.relation == "=":
        return measured == target.value
    return measured >= target.value if target.relation == "≥" else measured <= target.value


def _find(figures: Mapping[str, Any], path: tuple[str, ...]) -> Figure:
    value: Any = figures
    for key in path:
        if not isinstance(value, Mapping) or value.get(key) is None:
            return None
        value = value[key]
    return value if isinstance(value, bool) else float(value)


def _show(value: Figure, unit: str) -> str:
    if value is None:
        return "not measured"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{100 * value:.1f} %" if unit == "%" else f"{value:.2f} {unit}".strip()
