"""Small recordings of each kind, written by the tests themselves."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

from helios_world.data.game import GameFile, GymPart
from helios_world.data.table import DiscreteEntry, DiscreteTable
from helios_world.recording import RecordingWorld, VideoWriter
from helios_world.spec import NO_ACTION, Action
from helios_world.testing import PatternWorld

MOVES = (Action({"forward"}), Action({"turn_left"}), NO_ACTION, Action((), {"turn": 0.5}))
TABLE = DiscreteTable(
    actions=(
        DiscreteEntry(buttons=("turn_left",)),
        DiscreteEntry(buttons=("turn_right",)),
        DiscreteEntry(weight=0.5),
        DiscreteEntry(buttons=("jump",), weight=0.0),
    )
)


class Dot(gymnasium.Env[Any, Any]):
    """A bright column that goes left (0), right (1) or nowhere; its place begins with the seed."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 12}  # noqa: RUF012
    render_mode = "rgb_array"
    action_space: Any = gymnasium.spaces.Discrete(4)
    observation_space: Any = gymnasium.spaces.Discrete(8)

    def __init__(self, render_mode: str | None = None, length: int = 100) -> None:
        self.length = length

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        self.place, self.steps = (seed or 0) % 8, 0
        return self.place, {}

    def step(self, action: int) -> tuple[int, float, bool, bool, dict[str, Any]]:
        self.place = (self.place + {0: -1, 1: 1}.get(int(action), 0)) % 8
        self.steps += 1
        return self.place, 0.0, self.steps >= self.length, False, {}

    def render(self) -> Any:
        picture = np.full((32, 32, 3), 40, np.uint8)
        picture[:, 4 * self.place : 4 * self.place + 4] = (250, 160, 60)
        return picture


@pytest.fixture
def dot() -> Iterator[str]:
    """The name of an environment in Gymnasium's registry."""
    gymnasium.register("HeliosDot-v0", entry_point=Dot, disable_env_checker=True, order_enforce=False)
    yield "HeliosDot-v0"
    del gymnasium.registry["HeliosDot-v0"]


@pytest.fixture
def game(dot: str) -> Callable[..., GameFile]:
    """An import of the dot, with changes."""

    def make(**changes: object) -> GameFile:
        values: dict[str, Any] = {
            "name": "dot",
            "fps": 12,
            "height": 32,
            "width": 32,
            "frames_per_chunk": 1,
            "sections": 6,
            "held_out": 0.3,
            "channels": 8,
            "codec_steps": 2,
            "source": GymPart(environment=dot, episodes=4, steps=12),
            "table": TABLE,
        }
        return GameFile.model_validate({**values, **changes})

    return make


@pytest.fixture
def record(tmp_path: Path) -> Callable[..., Path]:
    """Record the pattern world; `prompts` are told at those chunks."""

    def make(name: str = "walk", chunks: int = 9, prompts: dict[int, str] | None = None, **world: int) -> Path:
        path = tmp_path / f"{name}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        with RecordingWorld(PatternWorld(**world), path, patience=None) as recorded:
            recorded.reset(seed=1)
            for chunk in range(1, chunks):
                recorded.step(MOVES[chunk % len(MOVES)], (prompts or {}).get(chunk))
        return path

    return make


EPISODES = ((9, "push the block"), (12, "open the box"))


def robot_frames(episode: int, count: int) -> Any:
    """Grey frames whose brightness says which one it is."""
    levels = 20 + 100 * episode + 8 * np.arange(count)
    return np.broadcast_to(levels[:, None, None, None], (count, 256, 256, 3)).astype(np.uint8)


def robot_actions(episode: int, count: int) -> list[list[float]]:
    return [[0.1 * row, -1.0 if row % 2 else 1.0, float(episode)] for row in range(count)]


def _write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    import pyarrow
    import pyarrow.parquet

    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)


def _write_video(path: Path, frames: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with VideoWriter(path, fps=10, height=256, width=256) as video:
        video.write(frames)


def _info(version: str, data: str, video: str) -> dict[str, Any]:
    features = {
        "observation.images.top": {"dtype": "video", "shape": [256, 256, 3], "names": ["height", "width", "channels"]},
        "action": {"dtype": "float32", "shape": [3], "names": ["reach", "grip", "lift"]},
    }
    return {
        "codebase_version": version,
        "fps": 10,
        "chunks_size": 1000,
        "data_path": data,
        "video_path": video,
        "features": features,
    }


def _data_rows(episode: int, count: int, first: int) -> list[dict[str, Any]]:
    return [
        {
            "action": action,
            "timestamp": row / 10,
            "frame_index": row,
            "episode_index": episode,
            "index": first + row,
            "task_index": episode,
        }
        for row, action in enumerate(robot_actions(episode, count))
    ]


def write_robots_v2(root: Path) -> Path:
    """Version 2.1: a file of each kind per episode."""
    info = _info(
        "v2.1",
        "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet",
        "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4",
    )
    lines = []
    for episode, (count, task) in enumerate(EPISODES):
        _write_rows(root / f"data/chunk-000/episode_{episode:06d}.parquet", _data_rows(episode, count, 0))
        video = root / f"videos/chunk-000/observation.images.top/episode_{episode:06d}.mp4"
        _write_video(video, robot_frames(episode, count))
        lines.append(json.dumps({"episode_index": episode, "tasks": [task], "length": count}))
    (root / "meta").mkdir()
    (root / "meta/info.json").write_text(json.dumps(info))
    (root / "meta/episodes.jsonl").write_text("\n".join(lines) + "\n")
    return root


def write_robots_v3(root: Path) -> Path:
    """Version 3.0: both episodes in one file of each kind."""
    info = _info(
        "v3.0",
        "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
        "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4",
    )
    rows, frames, told, first = [], [], [], 0
    key = "videos/observation.images.top"
    for episode, (count, task) in enumerate(EPISODES):
        rows += _data_rows(episode, count, first)
        frames.append(robot_frames(episode, count))
        place = {"data/chunk_index": 0, "data/file_index": 0, f"{key}/chunk_index": 0, f"{key}/file_index": 0}
        span = {f"{key}/from_timestamp": first / 10, f"{key}/to_timestamp": (first + count) / 10}
        told.append({"episode_index": episode, "tasks": [task], "length": count, **place, **span})
        first += count
    _write_rows(root / "data/chunk-000/file-000.parquet", rows)
    _write_rows(root / "meta/episodes/chunk-000/file-000.parquet", told)
    _write_video(root / "videos/observation.images.top/chunk-000/file-000.mp4", np.concatenate(frames))
    (root / "meta/info.json").write_text(json.dumps(info))
    return root


@pytest.fixture(params=["v2.1", "v3.0"])
def robots(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A LeRobot dataset of two episodes."""
    pytest.importorskip("pyarrow")
    return {"v2.1": write_robots_v2, "v3.0": write_robots_v3}[request.param](tmp_path / "robots")
