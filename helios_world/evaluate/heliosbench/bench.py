"""Read the prompts and a folder of videos, run the metrics there are, and write the result.

The CSV has the columns id, prompt and duration (in frames). A video is `ID.mp4`, or a folder `ID` of frames as PNG or
JPEG in the order of their names. The result:

    {"videos": {id: {"frames", "metrics": {…}, "drift": {…}}}, "missing": [id, …],
     "groups": {"short": {"videos", "metrics", "scores", "total"}, "long": …},
     "throughput": {"fps", "score"} or "not run", "not_run": {metric: why}}

Drift is |metric of the first 15 % - metric of the last 15 %| of the frames, at least 4 each, 8 for naturalness; it is
measured for long videos only. A total is null unless every metric in it was run.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from helios_world.errors import OptionError, RecordingError
from helios_world.evaluate.heliosbench import metrics, scores
from helios_world.evaluate.heliosbench.metrics import Scorer
from helios_world.spec import Frames

END_SHARE, END_FRAMES, END_FRAMES_NATURAL = 0.15, 4, 8
PICTURES = (".png", ".jpg", ".jpeg")
VIDEOS = (".mp4", ".mkv", ".webm", ".avi", ".mov")


@dataclass(frozen=True, slots=True)
class Prompt:
    """A row of the CSV; `duration` in frames."""

    id: str
    prompt: str
    duration: int

    @property
    def long(self) -> bool:
        return self.duration >= scores.LONG_FRAMES


def run(prompts: Path, videos: Path, plugged: Sequence[str], fps: float | None, output: Path) -> dict[str, Any]:
    """Score the videos of a folder and write the result as JSON; `fps` is how fast they were generated, if known.

    Raises:
        OptionError: a CSV without the columns, a metric that is not known, or no video at all.
    """
    rows, found = read_prompts(prompts), metrics.scorers(plugged)
    places = {row: place_of(videos, row.id) for row in rows}
    given = [(row, place) for row, place in places.items() if place is not None]
    if not given:
        raise OptionError(
            f"{str(videos)!r} has no video named after an id of {str(prompts)!r}, such as {rows[0].id}.mp4"
        )
    measured = {row: measure(read_video(place), row, found) for row, place in given}
    result = {
        "videos": {row.id: entry for row, entry in measured.items()},
        "missing": [row.id for row, place in places.items() if place is None],
        "groups": {name: _group(measured, long) for name, long in (("short", False), ("long", True))},
        "throughput": "not run" if fps is None else {"fps": fps, "score": scores.throughput_score(fps)},
        "not_run": metrics.not_run(found),
    }
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return result


def read_prompts(path: Path) -> list[Prompt]:
    """The rows of a CSV with the columns id, prompt and duration."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        missing = {"id", "prompt", "duration"} - set(reader.fieldnames or ())
        if missing:
            raise OptionError(f"{str(path)!r} lacks the columns {sorted(missing)}; it has {reader.fieldnames}")
        rows = [Prompt(row["id"], row["prompt"], int(float(row["duration"]))) for row in reader]
    if not rows:
        raise OptionError(f"{str(path)!r} has no prompts")
    return rows


def place_of(folder: Path, name: str) -> Path | None:
    """Where the video of an id is: a file, or a folder of pictures; None if it is nowhere."""
    places = [folder / f"{name}{ending}" for ending in VIDEOS]
    return next((place for place in (*places, folder / name) if place.exists()), None)


def read_video(path: Path) -> Frames:
    """All frames, uint8 [T, H, W, 3].

    Raises:
        RecordingError: there is no frame in it.
    """
    frames = _pictures(path) if path.is_dir() else _film(path)
    if not frames:
        raise RecordingError(f"{str(path)!r} has no frames")
    return np.stack(frames)


def measure(frames: Frames, row: Prompt, found: Mapping[str, Scorer]) -> dict[str, Any]:
    """Every metric of one video that can be run, and of long videos the drifts."""
    values = {name: float(scorer(frames, row.prompt)) for name, scorer in found.items()}
    drifting = [name for name in scores.DRIFTING if name in found and row.long]
    drifts = {scores.drift_of(name): drift(frames, row.prompt, name, found[name]) for name in drifting}
    return {"frames": len(frames), "metrics": values, "drift": drifts}


def drift(frames: Frames, prompt: str, metric: str, scorer: Scorer) -> float:
    """|metric of the first 15 % - metric of the last 15 %| of the frames."""
    least = END_FRAMES_NATURAL if metric == scores.NATURALNESS else END_FRAMES
    count = min(max(int(END_SHARE * len(frames)), least), len(frames))
    return abs(float(scorer(frames[:count], prompt)) - float(scorer(frames[-count:], prompt)))


def _group(measured: Mapping[Prompt, Mapping[str, Any]], long: bool) -> dict[str, Any]:
    """Means over the videos of one length, their scores, and the total."""
    entries = [entry for row, entry in measured.items() if row.long == long]
    names = dict.fromkeys(name for entry in entries for name in (*entry["metrics"], *entry["drift"]))
    means = {name: float(np.mean([{**e["metrics"], **e["drift"]}[name] for e in entries])) for name in names}
    scored = {name: scores.score(name, value) for name, value in means.items()}
    return {"videos": len(entries), "metrics": means, "scores": scored, "total": scores.total(scored, long)}


def _pictures(folder: Path) -> list[Frames]:
    from PIL import Image

    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in PICTURES)
    return [np.asarray(Image.open(file).convert("RGB")) for file in files]


def _film(path: Path) -> list[Frames]:
    import av

    with av.open(str(path)) as film:
        return [np.asarray(frame.to_ndarray(format="rgb24"), np.uint8) for frame in film.decode(video=0)]
