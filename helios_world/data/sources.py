"""The three kinds of recordings behind one contract."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from helios_world.data.episodes import Episode
from helios_world.data.game import GymPart, LeRobotPart, RecordingsPart
from helios_world.data.gym import (
    frame_rate,
    gym_table,
    load_player,
    open_environment,
    play_episode,
    random_player,
)
from helios_world.data.lerobot import INFO, Dataset
from helios_world.data.recordings import find_recordings, read_recording, recording_table
from helios_world.data.table import AnyTable
from helios_world.errors import OptionError
from helios_world.recording import read_log


class Source(Protocol):
    """Recordings that are read one by one."""

    @property
    def fps(self) -> float:
        """Their frame rate, or the first one's."""

    @property
    def frames_per_chunk(self) -> int:
        """What suits them."""

    def __len__(self) -> int: ...

    def name(self, number: int) -> str:
        """Of a recording, for messages."""

    def table(self) -> AnyTable:
        """A first table of its actions, to be edited."""

    def read(self, number: int, table: AnyTable, hold: int) -> Iterator[Episode]:
        """The episodes of a recording; `hold` is the length of a chunk in steps, for what is played here."""


def detect(path: Path) -> RecordingsPart | LeRobotPart:
    """What lies at a path.

    Raises:
        OptionError: nothing.
    """
    if not path.exists():
        raise OptionError(f"{str(path)!r} does not exist; give an mp4, a folder of recordings or a LeRobot dataset")
    if (path / INFO).is_file():
        return LeRobotPart(path=str(path))
    return RecordingsPart(path=str(path))


def open_source(part: RecordingsPart | LeRobotPart | GymPart) -> Source:
    """The recordings of a part of game.json."""
    match part:
        case RecordingsPart():
            return Recordings(Path(part.path))
        case LeRobotPart():
            return Robots(Path(part.path), part.camera)
        case GymPart():
            return Plays(part)


class Recordings:
    """As `helios_world.data.recordings` reads them."""

    frames_per_chunk: int

    def __init__(self, path: Path) -> None:
        self._root, self._paths = path, find_recordings(path)
        spec = read_log(self._paths[0]).header.spec
        self.fps, self.frames_per_chunk = float(spec.fps), spec.frames_per_chunk

    def __len__(self) -> int:
        return len(self._paths)

    def name(self, number: int) -> str:
        return str(self._paths[number])

    def table(self) -> AnyTable:
        return recording_table(self._paths[0])

    def read(self, number: int, table: AnyTable, hold: int) -> Iterator[Episode]:
        path = self._paths[number]
        group = path.name if path == self._root else str(path.relative_to(self._root))
        return read_recording(path, table, group)


class Robots:
    """As `helios_world.data.lerobot` reads them."""

    frames_per_chunk = 4

    def __init__(self, path: Path, camera: str | None) -> None:
        self._dataset = Dataset(path, camera)
        self._places = self._dataset.places()
        self.fps = self._dataset.fps

    def __len__(self) -> int:
        return len(self._places)

    def name(self, number: int) -> str:
        return f"episode {self._places[number].index}"

    def table(self) -> AnyTable:
        return self._dataset.table()

    def read(self, number: int, table: AnyTable, hold: int) -> Iterator[Episode]:
        return self._dataset.read(self._places[number], table)


class Plays:
    """Episodes that are played when they are read; recording n has the seed n more than the first."""

    frames_per_chunk = 4

    def __init__(self, part: GymPart) -> None:
        self._part, self._environment = part, open_environment(part.environment)
        self.fps = frame_rate(self._environment)

    def __len__(self) -> int:
        return self._part.episodes

    def name(self, number: int) -> str:
        return f"seed {self._part.seed + number}"

    def table(self) -> AnyTable:
        return gym_table(self._environment.action_space)

    def read(self, number: int, table: AnyTable, hold: int) -> Iterator[Episode]:
        part = self._part
        random = part.policy == "random"
        player = random_player(self._environment.action_space, table) if random else load_player(part.policy)
        seed = part.seed + number
        yield play_episode(self._environment, table, player, seed, hold=hold, most=part.steps)
