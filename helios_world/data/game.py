"""game.json: what an imported game is. Read strictly, unknown keys are errors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from helios_world.data.table import Table
from helios_world.errors import CheckpointError
from helios_world.snapshot import write_atomically
from helios_world.worldfile import wrong_keys

NAME = "game.json"
TEMPORAL = (4, 3, 2, 1)
"""Frames that one latent may cover."""
SPATIAL = 8
"""Pixels of a latent's side."""
STEP = 16
"""Height and width are multiples of it: a latent's side times the transformer's patch."""

Positive = Annotated[int, Field(gt=0)]
Side = Annotated[int, Field(gt=0, multiple_of=STEP)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class RecordingsPart(_Part):
    """Recordings of this package: an mp4, or a folder of them."""

    kind: Literal["recordings"] = "recordings"
    path: str


class LeRobotPart(_Part):
    """A LeRobot dataset and the camera that is used; None for its only one."""

    kind: Literal["lerobot"] = "lerobot"
    path: str
    camera: str | None = None


class GymPart(_Part):
    """A Gymnasium environment: episodes of at most so many steps, by a random player or by a function's name."""

    kind: Literal["gym"] = "gym"
    environment: str
    episodes: Positive
    steps: Positive = 1000
    seed: Annotated[int, Field(ge=0)] = 0
    policy: str = "random"


SourcePart = Annotated[RecordingsPart | LeRobotPart | GymPart, Field(discriminator="kind")]


class GameFile(_Part):
    """An import, from its source to its clips.

    Args:
        fps, height, width, frames_per_chunk: of the world.
        sections: chunks of a clip at least; shorter ones are left out.
        held_out: share of the recordings that is kept for measuring.
        parts: the world, a name or a folder, whose codec and words are used; None makes new ones.
        channels: of a latent, where the codec is new; codec_steps: of training its decoder.
    """

    format: Literal[1] = 1
    name: str
    fps: Positive
    height: Side
    width: Side
    frames_per_chunk: Positive
    sections: Positive = 24
    held_out: Annotated[float, Field(ge=0, lt=1)] = 0.1
    parts: str | None = None
    channels: Positive = 16
    codec_steps: Annotated[int, Field(ge=0)] = 300
    source: SourcePart
    table: Table

    @property
    def temporal(self) -> int:
        """Frames of a latent, where the codec is new: as many as divide a chunk, at most 4."""
        return next(size for size in TEMPORAL if self.frames_per_chunk % size == 0)

    @classmethod
    def read(cls, folder: Path) -> GameFile:
        """CheckpointError names the file and every wrong key."""
        path = folder / NAME
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            raise CheckpointError(f"{str(path)!r} cannot be read: {error.strerror}; is this an import?") from error
        except ValidationError as error:
            raise CheckpointError(f"{str(path)!r} is not valid: {'; '.join(wrong_keys(error))}") from error

    def write(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / NAME, self.model_dump_json(indent=2).encode() + b"\n")
