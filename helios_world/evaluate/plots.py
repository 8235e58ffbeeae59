"""Plots of the figures over time. Needs matplotlib; no window, no global state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from helios_world.evaluate.faithfulness import FaithfulnessReport
from helios_world.evaluate.long_walk import SERIES, Curves
from helios_world.evaluate.prompts import Fade
from helios_world.evaluate.response import ResponseReport
from helios_world.lands.physics import FPS
from helios_world.lands.scene import canonical
from helios_world.spec import Start


def plot_faithfulness(reports: Mapping[Start, FaithfulnessReport], path: Path) -> None:
    """PSNR, SSIM and perceptual distance over time, a line per kind of start, repeating dashed, other inputs dotted."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.6), layout="constrained")
    grid = figure.subplots(1, 3)
    for name, report in reports.items():
        curves = (
            (report.psnr, report.repeat),
            (report.ssim, report.ssim_repeat),
            (report.perceptual, report.perceptual_repeat),
        )
        for axes, (dream, repeat) in zip(grid, curves, strict=True):
            (line,) = axes.plot(report.seconds, dream, label=f"from {name}")
            axes.plot(report.seconds, repeat, "--", color=line.get_color(), linewidth=0.9)
        if report.random:
            grid[0].plot(
                report.seconds[: len(report.random)], report.random, ":", color=line.get_color(), linewidth=1.1
            )
    for axes, title in zip(grid, ("PSNR, dB", "SSIM", "perceptual distance (small is good)"), strict=True):
        axes.set(xlabel="seconds of steering", title=title)
        axes.grid(alpha=0.3)
    grid[0].legend(title="dashed: repeating the last true frame\ndotted: told other inputs", title_fontsize="small")
    figure.savefig(path, dpi=100)


def plot_response(report: ResponseReport, path: Path) -> None:
    """Correlation of the input with the measured turn, by lag."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 2.8), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(report.truth_correlations, color="0.6", marker=".", label="truth")
    axes.plot(report.correlations, color="tab:orange", marker=".", label="dream")
    axes.set(xlabel="lag, frames", ylabel="correlation of turn and input", ylim=(-0.25, 1.05))
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=100)


def plot_fades(fades: Sequence[Fade], path: Path) -> None:
    """Progress of every change of prompt over time, the ideal cross-fade behind it."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 2.8), layout="constrained")
    axes = figure.add_subplot()
    for number, fade in enumerate(fades):
        seconds = np.arange(len(fade.dream)) / FPS
        label = number == 0
        axes.plot(seconds, fade.dream, color="tab:orange", linewidth=0.7, alpha=0.7, label="dream" if label else None)
        axes.plot(seconds, fade.truth, color="0.4", linewidth=0.9, label="ideal cross-fade" if label else None)
    axes.set(xlabel="seconds after the change of prompt", ylabel="share of the way", ylim=(-0.3, 1.3))
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=100)


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
