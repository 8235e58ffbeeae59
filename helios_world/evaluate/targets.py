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
    """A target with what was measured; `met` is None where nothing was asked or measured."""

    target: str
    measured: Figure
    wanted: str
    met: bool | None
    shown: str


_VIDEO = ("faithfulness", "video")

TARGETS = (
    Target("controls told apart", ("control", "balanced_accuracy"), "≥", 0.95, "%"),
    Target("  in the true frames", ("control", "truth_balanced_accuracy"), "≥", 0.99, "%"),
    Target("  side of a strafe", ("control", "strafe_accuracy"), unit="%"),
    Target("  still without input", ("control", "still"), unit="%"),
    Target("PSNR at 0.5 s", (*_VIDEO, "at", "0.5 s"), "≥", 25.0, "dB"),
    Target("PSNR at 1 s", (*_VIDEO, "at", "1 s"), "≥", 23.0, "dB"),
    Target("PSNR at 4 s", (*_VIDEO, "at", "4 s"), "≥", 19.0, "dB"),
    Target("  over repeating, 0.5 s", (*_VIDEO, "margin_at", "0.5 s"), "≥", 4.0, "dB"),
    Target("  over repeating, 1 s", (*_VIDEO, "margin_at", "1 s"), "≥", 4.0, "dB"),
    Target("PSNR at 1 s from an image", ("faithfulness", "image", "at", "1 s"), unit="dB"),
    Target("PSNR at 1 s from words", ("faithfulness", "prompt", "at", "1 s"), unit="dB"),
    Target("full turn, last against first", ("full_turn", "last"), unit="dB"),
    Target("  half way, must be low", ("full_turn", "half_way"), unit="dB"),
    Target("scene recognised from words", ("recognition", "both"), "≥", 0.95, "%"),
    Target("  classifier on true frames", ("recognition", "classifier"), "≥", 0.99, "%"),
    Target("long walk, land recognised", ("long_walk", "land_share"), "≥", 0.90, "%"),
    Target("  longest freeze", ("long_walk", "longest_freeze"), "≤", 0.5, "s"),
    Target("  seam ratio", ("long_walk", "seam_ratio")),
    Target("same inputs, same bytes", ("exactness", "twice"), "=", True),
    Target("  in another process", ("exactness", "other_process"), "=", True),
    Target("bytes held do not grow", ("held", "equal"), "=", True),
)


def judge(figures: Mapping[str, Any], targets: Sequence[Target] = TARGETS) -> list[Result]:
    """Every target with what `figures` says of it."""
    return [_judge(target, _find(figures, target.path)) for target in targets]


def _judge(target: Target, measured: Figure) -> Result:
    wanted = "" if target.relation is None else f"{target.relation} {_show(target.value, target.unit)}"
    return Result(target.name.strip(), measured, wanted, _met(target, measured), _show(measured, target.unit))


def _met(target: Target, measured: Figure) -> bool | None:
    if target.relation is None or target.value is None or measured is None:
        return None
    if target.relation == "=":
        return measured == target.value
    return measured >= target.value if target.relation == "≥" else measured <= target.value


def _find(figures: Mapping[str, Any], path: tuple[str, ...]) -> Figure:
    value: Any = figures
    for key in path:
        if not isinstance(value, Mapping) or key not in value:
            return None
        value = value[key]
    return value if isinstance(value, bool) else float(value)


def _show(value: Figure, unit: str) -> str:
    if value is None:
        return "not measured"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{100 * value:.1f} %" if unit == "%" else f"{value:.2f} {unit}".strip()
