"""Episodes from a folder of LeRobot's dataset format, versions 2.0, 2.1 and 3.0.

meta/info.json tells the frame rate, the features and how the files are named. Version 2 has a parquet file and an mp4
per camera for each episode; version 3 has several episodes in a file, and meta/episodes/ tells where each of them is.
The format is described in the documentation of huggingface/lerobot.

A row of a dataset is what was seen and the action that was taken then; a frame's controls are of the row before it.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from helios_world.data.episodes import Episode
from helios_world.data.table import AnyTable, AxisRule, ColumnsTable
from helios_world.data.video import read_span
from helios_world.errors import DependencyError, OptionError, RecordingError

INFO = Path("meta") / "info.json"


@dataclass(frozen=True)
class Place:
    """Where an episode is: rows of a parquet file, and seconds of a video."""

    index: int
    data: Path
    rows: int
    video: Path
    begin: float
    prompt: str


class Dataset:
    """A folder that was checked.

    Args:
        camera: the feature whose video is used; None takes the only one.

    Raises:
        RecordingError: no dataset, or one of another version.
        OptionError: no such camera, or none chosen where there are several.
        DependencyError: pyarrow is missing.
    """

    def __init__(self, folder: Path, camera: str | None = None) -> None:
        self.folder = folder
        try:
            self._info: dict[str, Any] = json.loads((folder / INFO).read_bytes())
            self.fps = float(self._info["fps"])
            self._version = str(self._info["codebase_version"])
            features = dict(self._info["features"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RecordingError(f"{str(folder / INFO)!r} cannot be read as a LeRobot dataset's: {error!r}") from error
        if not self._version.startswith(("v2.", "v3.")):
            raise RecordingError(f"{str(folder)!r} is a LeRobot dataset of version {self._version}; read are 2 and 3")
        if "action" not in features:
            raise RecordingError(f"{str(folder / INFO)!r} has no feature 'action'")
        self.camera = _camera(folder, features, camera)

    def places(self) -> list[Place]:
        """All episodes, in order."""
        found = self._places_of_files() if self._version.startswith("v2.") else self._places_of_parts()
        if not found:
            raise RecordingError(f"{str(self.folder)!r} has no episodes")
        return found

    def table(self) -> ColumnsTable:
        """An axis for each number of an action, from its least to its largest value in the data."""
        actions = np.concatenate([self._actions(place) for place in self.places()])
        names = self._names(actions.shape[1])
        ends = zip(actions.min(axis=0).tolist(), actions.max(axis=0).tolist(), strict=True)
        rules = [_rule(column, names[column], low, high) for column, (low, high) in enumerate(ends)]
        return ColumnsTable(columns=tuple(rules))

    def read(self, place: Place, table: AnyTable) -> Iterator[Episode]:
        """The episode at a place.

        Raises:
            RecordingError: the parquet file and the video do not fit each other, or the metadata.
            FrameError: the video cannot be read.
        """
        actions, controls = self._actions(place), table.control_map()
        frames = read_span(place.video, place.begin, len(actions), self.fps)
        told = [controls.vector(table.action(action)) for action in actions[:-1]]
        rows = np.stack([np.zeros(len(controls.controls), np.float32), *told])
        name = f"episode {place.index}"
        yield Episode(name, name, frames, rows, self.fps, place.prompt)

    def _places_of_files(self) -> list[Place]:
        path = self.folder / "meta" / "episodes.jsonl"
        try:
            episodes = [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]
            return [self._file_place(episode) for episode in episodes]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RecordingError(f"{str(path)!r} cannot be read: {error!r}") from error

    def _file_place(self, episode: dict[str, Any]) -> Place:
        index = int(episode["episode_index"])
        keys = {"episode_index": index, "episode_chunk": index // int(self._info["chunks_size"])}
        data = self._path("data_path", keys)
        video = self._path("video_path", {**keys, "video_key": self.camera})
        return Place(index, data, int(episode["length"]), video, 0.0, _first(episode.get("tasks")))

    def _places_of_parts(self) -> list[Place]:
        found = []
        for path in sorted((self.folder / "meta" / "episodes").rglob("*.parquet")):
            rows = _rows(path)
            try:
                found += [self._part_place(row) for row in rows]
            except (KeyError, TypeError, ValueError) as error:
                raise RecordingError(f"{str(path)!r} lacks a column or a value: {error!r}") from error
        return sorted(found, key=lambda place: place.index)

    def _part_place(self, row: dict[str, Any]) -> Place:
        video = {"video_key": self.camera, **_file_of(row, f"videos/{self.camera}")}
        return Place(
            int(row["episode_index"]),
            self._path("data_path", _file_of(row, "data")),
            int(row["length"]),
            self._path("video_path", video),
            float(row[f"videos/{self.camera}/from_timestamp"]),
            _first(row.get("tasks")),
        )

    def _path(self, template: str, keys: dict[str, Any]) -> Path:
        """Within the folder: a dataset must not make its reader open anything elsewhere."""
        path = self.folder / str(self._info[template]).format(**keys)
        if not path.resolve().is_relative_to(self.folder.resolve()):
            raise RecordingError(f"{str(self.folder / INFO)!r}: {template} leads out of the folder, to {str(path)!r}")
        return path

    def _actions(self, place: Place) -> npt.NDArray[np.float64]:
        """float64 [T, A]."""
        rows = _rows(place.data, ("episode_index", "frame_index", "action"), place.index)
        own = sorted(rows, key=lambda row: int(row["frame_index"]))
        if [row["frame_index"] for row in own] != list(range(place.rows)) or not own:
            raise RecordingError(
                f"{str(place.data)!r} has {len(own)} rows of episode {place.index}; its metadata say {place.rows},"
                " counted from 0 without gaps"
            )
        try:
            return np.array([row["action"] for row in own], np.float64).reshape(len(own), -1)
        except (ValueError, TypeError) as error:
            raise RecordingError(f"{str(place.data)!r}: the actions of episode {place.index} are no numbers") from error

    def _names(self, count: int) -> list[str]:
        given = self._info["features"]["action"].get("names")
        if isinstance(given, dict):
            given = next(iter(given.values()), None)
        names = [str(name) for name in given] if isinstance(given, list) else []
        return names if len(set(names)) == count else [f"action_{n}" for n in range(count)]


def _camera(folder: Path, features: dict[str, Any], camera: str | None) -> str:
    cameras = [name for name, feature in features.items() if feature.get("dtype") == "video"]
    if not cameras:
        raise RecordingError(f"{str(folder)!r} has no videos; pictures within parquet files are not read")
    if camera is None and len(cameras) > 1:
        raise OptionError(f"the dataset has the cameras {cameras}; choose one with --camera")
    chosen = cameras[0] if camera is None else camera
    if chosen not in cameras:
        raise OptionError(f"the dataset has no camera {chosen!r}; it has {cameras}")
    return chosen


def _rule(column: int, name: str, low: float, high: float) -> AxisRule:
    if low == high:
        low, high = min(low, 0.0), max(high, 0.0)
    if low == high:
        low, high = -1.0, 1.0
    return AxisRule(column=column, axis=name, low=low, high=high, rest=0.0 if low <= 0 <= high else (low + high) / 2)


def _rows(path: Path, columns: tuple[str, ...] | None = None, episode: int | None = None) -> list[dict[str, Any]]:
    """All rows of a parquet file, or those of an episode."""
    arrow = _import_arrow()
    wanted = None if episode is None else [("episode_index", "=", episode)]
    try:
        table = arrow.read_table(path, columns=None if columns is None else list(columns), filters=wanted)
        rows: list[dict[str, Any]] = table.to_pylist()
    except (OSError, ValueError, KeyError) as error:
        raise RecordingError(f"{str(path)!r} cannot be read as parquet: {error}") from error
    return rows


def _file_of(row: dict[str, Any], what: str) -> dict[str, int]:
    return {"chunk_index": int(row[f"{what}/chunk_index"]), "file_index": int(row[f"{what}/file_index"])}


def _first(tasks: Any) -> str:
    return str(tasks[0]) if isinstance(tasks, list) and tasks else ""


def _import_arrow() -> ModuleType:
    try:
        return importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise DependencyError("LeRobot datasets need pyarrow: pip install pyarrow") from error
