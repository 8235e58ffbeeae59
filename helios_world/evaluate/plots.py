"""Plots of the figures over time. Needs matplotlib; no window, no global state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from helios_world.evaluate.faithfulness import FaithfulnessReport
from helios_world.evaluate.long_walk import SERIES, Curves
from helios_world.lands.physics import FPS
from helios_world.lands.scene import canonical
from helios_world.spec import Start


def plot_faithfulness(reports: Mapping[Start, FaithfulnessReport], path: Path) -> None:
    """PSNR over time, one line per kind of start, the baseline of repeating dashed."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    for name, report in reports.items():
        (line,) = axes.plot(report.seconds, report.psnr, label=f"from {name}")
        axes.plot(report.seconds, report.repeat, "--", color=line.get_color(), linewidth=0.9)
    axes.set(
        xlabel="seconds of steering",
        ylabel="PSNR against the truth, dB",
        title="dashed: repeating the last true frame",
    )
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=110)


def plot_walks(curves: Sequence[Curves], chunk: int, path: Path) -> None:
    """Each measure over each walk: the dream, the truth behind it, the truth's range shaded."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.6 * len(curves), 2.1 * len(SERIES)))
    figure.subplots_adjust(left=0.05, right=0.99, bottom=0.06, top=0.95, wspace=0.2, hspace=0.2)
    grid = figure.subplots(len(SERIES), len(curves), squeeze=False)
    for column, walk in enumerate(curves):
        grid[0, column].set_title(canonical(walk.scene))
        for row, name in enumerate(SERIES):
            axes = grid[row, column]
            seconds = (np.arange(len(walk.dream[name])) + 1) * chunk / FPS
            axes.axhspan(*walk.bounds[name], color="0.92")
            axes.plot(seconds, walk.truth[name], color="0.6", linewidth=0.8, label="truth")
            axes.plot(seconds, walk.dream[name], color="tab:orange", linewidth=1.0, label="dream")
            axes.set_ylabel(name if column == 0 else "")
    grid[0, 0].legend(fontsize="small")
    grid[-1, 0].set_xlabel("seconds")
    figure.savefig(path, dpi=100)
