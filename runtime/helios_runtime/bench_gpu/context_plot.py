"""The figure of `bench context`. Needs matplotlib; no window, no global state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from helios_runtime.bench_gpu.context import PLAIN, SCALES
from helios_world.errors import DependencyError

PANELS = (
    ("tokens", 1.0, "tokens in a call"),
    ("bytes", 1e6, "memory of a call, MB, without the weights"),
    ("milliseconds", 1.0, "time of a call, ms"),
)
"""Which figure, what it is divided by, and what it is called."""
OURS, THEIRS = "tab:blue", "tab:orange"


def check_matplotlib() -> None:
    """DependencyError unless it can be imported."""
    try:
        import matplotlib as found
    except ImportError as error:
        raise DependencyError(
            f'drawing needs matplotlib, which cannot be imported ({error}); pip install "helios-world[eval]"'
        ) from error
    del found


def plot_context(points: Mapping[str, Sequence[Mapping[str, Any]]], about: str, path: Path) -> None:
    """Each figure over the seconds remembered: plain concatenation, and the history of several scales.

    Args:
        about: what was measured on what, for the title.

    Raises:
        DependencyError: matplotlib is missing.
    """
    check_matplotlib()
    from matplotlib.figure import Figure

    plain = [point for point in points[PLAIN] if point["why"] is None]
    (scales,) = points[SCALES]
    figure = Figure(figsize=(12, 4.3), layout="constrained")
    figure.suptitle(about, fontsize="medium")
    for axes, (name, unit, label) in zip(figure.subplots(1, len(PANELS)), PANELS, strict=True):
        _panel(axes, plain, scales, name, unit)
        axes.set(xlabel="seconds of video remembered", title=label, xlim=(0, None), ylim=(0, None))
        axes.grid(alpha=0.3)
    lines, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(lines, labels, loc="outside lower center", ncols=2, frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)


def _panel(axes: Any, plain: Sequence[Mapping[str, Any]], scales: Mapping[str, Any], name: str, unit: float) -> None:
    seconds, values = [point["seconds"] for point in plain], [point[name] / unit for point in plain]
    steady = scales[name] / unit
    axes.plot(seconds, values, "o-", color=THEIRS, label="every latent at full resolution")
    axes.axhline(steady, color=OURS, label=f"three time scales, {scales['latents']} latents, always the same")
    axes.plot(scales["seconds"], steady, "o", color=OURS)
    axes.annotate(
        f"{values[-1] / steady:.1f} times",
        (seconds[-1], values[-1]),
        xytext=(-8, -4),
        textcoords="offset points",
        horizontalalignment="right",
    )
