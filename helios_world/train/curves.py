"""The logs of a run as a picture."""

from __future__ import annotations

import csv
import math
from pathlib import Path


def read_columns(path: Path) -> dict[str, list[float]]:
    """The columns of a CSV file of numbers; empty cells are not a number."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = list(rows[0]) if rows else []
    return {name: [float(row[name] or math.nan) for row in rows] for name in names}


def draw_curves(folder: Path) -> Path:
    """Draw `log.csv` and `preview.csv` of a run into `curves.png` beside them."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    FigureCanvasAgg(figure)
    losses, quality = figure.subplots(1, 2)
    log = read_columns(folder / "log.csv")
    for name in ("first", "own", "second", "pose"):
        losses.plot(log["step"], log[name], label=name)
    losses.set(
        xlabel="step", ylabel="loss", yscale="log", title="errors: on the truth, on own history, second level, pose"
    )
    losses.legend()
    preview = read_columns(folder / "preview.csv")
    for name in (name for name in preview if name.startswith("psnr")):
        quality.plot(preview["step"], preview[name], marker="o", label=name.removeprefix("psnr "))
    quality.set(xlabel="step", ylabel="decibels", title="PSNR against the truth")
    quality.legend()
    path = folder / "curves.png"
    figure.savefig(path, dpi=110)
    return path
