"""The page of an ablation: what each variant reached, side by side, in one table, one plot and its pictures."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from helios_world.evaluate import page

PICTURES = ("faithfulness.png", "full_turn.png", "journeys.png", "long_walk.png", "long_walk_frames.png")
PLOT, PAGE = "ablations.png", "ablations.html"


def folder_of(variant: str) -> str:
    """The folder of a variant's pictures."""
    return variant.replace(" ", "_")


def write(report: Mapping[str, Any], folder: Path) -> None:
    """Draw the plot and write the page of a report of `ablations.compare`."""
    plot(report["variants"], folder / PLOT)
    parts = [
        f"<h1>{escape(report['world'])}: what each part buys</h1>",
        f'<p class="faint">seed {report["seed"]}; the same starts and inputs for every variant</p>',
        _table(report["targets"]),
        page.picture(folder / PLOT),
    ]
    for name in report["variants"]:
        shown = "".join(page.picture(folder / folder_of(name) / picture) for picture in PICTURES)
        parts.append(f"<h2>{escape(name)}</h2>{shown}")
    page.save(f"helios-world eval {report['world']} --ablate", parts, folder / PAGE)


def plot(variants: Mapping[str, Any], path: Path) -> None:
    """PSNR over time, memory, and the long walk of every variant."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.4), layout="constrained")
    over_time, memory, walk = figure.subplots(1, 3)
    for name, figures in variants.items():
        for report in list(figures["faithfulness"].values())[-1:]:
            over_time.plot(report["seconds"], report["psnr"], label=name)
    over_time.set(xlabel="seconds of steering", title="PSNR against the truth, dB")
    over_time.grid(alpha=0.3)
    over_time.legend(fontsize="small")
    _bars(
        memory, {name: _memory(figures) for name, figures in variants.items()}, "gain of journeys, share of the truth's"
    )
    _bars(walk, {name: _walk(figures) for name, figures in variants.items()}, "a minute of walking")
    figure.savefig(path, dpi=100)


def _memory(figures: Mapping[str, Any]) -> dict[str, float]:
    return {kind: report["share"] for kind, report in figures.get("journeys", {}).items()}


def _walk(figures: Mapping[str, Any]) -> dict[str, float]:
    walk = figures["long_walk"]
    return {"scene right": walk["scene_share"], "largest excursion": walk["reach"], "seam ratio": walk["seam_ratio"]}


def _bars(axes: Any, groups: Mapping[str, Mapping[str, float]], title: str) -> None:
    width = 0.8 / max(len(groups), 1)
    for number, values in enumerate(groups.values()):
        axes.bar([i + number * width for i in range(len(values))], list(values.values()), width)
    names = list(next(iter(groups.values()), {}))
    axes.set_xticks([i + 0.4 - width / 2 for i in range(len(names))], names, fontsize="small")
    axes.set_title(title)


def _table(targets: Mapping[str, list[Mapping[str, Any]]]) -> str:
    variants = list(targets)
    rows = []
    for results in zip(*targets.values(), strict=True):
        if any(result["measured"] is not None for result in results):
            rows.append([results[0]["target"], *(result["shown"] for result in results), results[0]["wanted"]])
    return page.table(("figure", *variants, "target"), rows)
