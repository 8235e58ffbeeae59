"""`world.json`: what the world of a checkpoint folder is. Read strictly, unknown keys are errors."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from helios_world.arguments import MAX_PROMPT
from helios_world.conditioning.action import Control, ControlMap
from helios_world.errors import CheckpointError
from helios_world.memory import HistoryLayout
from helios_world.spec import ActionSpec, MemoryLayout, WorldSpec

NAME = "world.json"

Positive = Annotated[int, Field(gt=0)]
Text = Annotated[str, Field(max_length=MAX_PROMPT)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class ButtonPart(_Part):
    name: str
    meaning: str


class AxisPart(_Part):
    name: str
    meaning: str
    unit: str
    low: float
    high: float
    combine: Literal["sum", "latest"] = "latest"

    @model_validator(mode="after")
    def _rests(self) -> AxisPart:
        if not self.low <= 0 <= self.high or self.low == self.high:
            raise ValueError(f"axis {self.name!r} goes from {self.low} to {self.high}; 0, at rest, has to be within")
        return self


class ActionsPart(_Part):
    """The controls, for people."""

    buttons: tuple[ButtonPart, ...]
    axes: tuple[AxisPart, ...] = ()
    steering: Literal["trained", "prompt"] = "trained"


class ControlPart(_Part):
    """One component of what the model is told, as in `helios_world.conditioning.action.Control`."""

    name: str
    buttons: dict[str, float] = {}
    axes: dict[str, float] = {}


class SamplingPart(_Part):
    """Noise levels from 1 to 0: of any chunk, and of the first one of a session that begins with words."""

    sigmas: tuple[float, ...]
    first_sigmas: tuple[float, ...]

    @field_validator("sigmas", "first_sigmas")
    @classmethod
    def _fall(cls, levels: tuple[float, ...]) -> tuple[float, ...]:
        falling = all(high > low for high, low in pairwise(levels))
        if len(levels) < 2 or levels[0] != 1 or levels[-1] != 0 or not falling:
            raise ValueError(f"noise levels fall from 1.0 to 0.0; got {list(levels)}")
        return levels


class HistoryPart(_Part):
    """Latents remembered at each time scale."""

    long: Positive
    mid: Positive
    short: Positive


class WorldFile(_Part):
    """Everything about a world that is not a weight."""

    format: Literal[1] = 1
    name: str
    fps: Positive
    height: Positive
    width: Positive
    frames_per_chunk: Positive
    blend: Positive
    prompts: Annotated[tuple[Text, ...], Field(min_length=1)]
    actions: ActionsPart
    controls: tuple[ControlPart, ...]
    sampling: SamplingPart
    history: HistoryPart

    @classmethod
    def read(cls, folder: Path) -> WorldFile:
        """CheckpointError names the file and every wrong key."""
        path = folder / NAME
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            raise CheckpointError(f"{str(path)!r} cannot be read: {error.strerror}") from error
        except ValidationError as error:
            raise CheckpointError(f"{str(path)!r} is not valid: {'; '.join(wrong_keys(error))}") from error

    def to_bytes(self) -> bytes:
        return self.model_dump_json(indent=2).encode() + b"\n"

    def action_spec(self) -> ActionSpec:
        return ActionSpec.from_dict(self.actions.model_dump())

    def control_map(self) -> ControlMap:
        """CheckpointError when the controls do not fit the actions."""
        controls = ControlMap(tuple(Control(c.name, c.buttons, c.axes) for c in self.controls))
        controls.check(self.action_spec())
        return controls

    def layout(self, temporal: int) -> HistoryLayout:
        """The history, for latents of `temporal` frames each."""
        chunk = self.frames_per_chunk // temporal
        return HistoryLayout(self.history.long, self.history.mid, self.history.short, chunk)

    def spec(self, fingerprint: str, temporal: int) -> WorldSpec:
        history = self.history
        return WorldSpec(
            name=self.name,
            fps=self.fps,
            height=self.height,
            width=self.width,
            frames_per_chunk=self.frames_per_chunk,
            actions=self.action_spec(),
            prompts=self.prompts,
            blend=self.blend,
            fingerprint=fingerprint,
            memory=MemoryLayout(history.long, history.mid, history.short, self.frames_per_chunk // temporal),
        )


def wrong_keys(error: ValidationError) -> list[str]:
    """Each wrong key with what is wrong with it."""
    return [f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors()]
