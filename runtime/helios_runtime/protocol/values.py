"""What messages are made of: limits, kinds of fields, and the values that stand inside messages."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from helios_world.spec import Action, Fade, Start, Timing, WorldSpec

VERSION = 1
"""Of the protocol: the major number."""
MAX_PARTS = 8
MAX_FRAME_BYTES = 256 << 20
"""That the frames of one message take once they are decoded."""
MAX_CREDIT = 4
SUPPORTED = (VERSION,)

Counter = Annotated[int, Field(ge=0, lt=2**53)]
Seq = Annotated[int, Field(ge=1, lt=2**53)]
Side = Annotated[int, Field(ge=1, le=8192)]
Share = Annotated[float, Field(ge=0, le=1)]
Duration = Annotated[float, Field(ge=0)]
Name = Annotated[str, Field(min_length=1, max_length=64)]
Label = Annotated[str, Field(max_length=256)]
Text = Annotated[str, Field(max_length=2000)]
SessionId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
Token = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Mode = Literal["lockstep", "stream"]
Encoding = Literal["rgb24", "jpeg", "h264"]
Names = Annotated[tuple[Name, ...], Field(max_length=64)]
Axes = Annotated[dict[Name, float], Field(max_length=64)]
Scalar = str | int | float | bool | None
Details = Annotated[dict[Name, Scalar | tuple[Scalar, ...]], Field(max_length=32)]


class ClientModel(BaseModel):
    """What a client sends, or both sides do. Frozen; takes no unknown keys and converts no types."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)


class ServerModel(BaseModel):
    """What only a server sends. Frozen; ignores unknown keys."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", allow_inf_nan=False)


class ArrayPart(ClientModel):
    """A buffer of elements in C order."""

    dtype: Literal["u1"] = "u1"
    shape: Annotated[tuple[Counter, ...], Field(min_length=1, max_length=4)]

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape)


class BytesPart(ClientModel):
    """A buffer of so many bytes, whose meaning is the message's."""

    bytes: Counter

    @property
    def nbytes(self) -> int:
        return self.bytes


Part = ArrayPart | BytesPart
Parts = Annotated[tuple[Part, ...], Field(max_length=MAX_PARTS)]


class WireAction(ClientModel):
    """An action; unlike other parts of server messages it never gains keys."""

    buttons: Names = ()
    axes: Axes = Field(default_factory=dict)

    @classmethod
    def of(cls, action: Action) -> WireAction:
        return cls(buttons=tuple(sorted(action.buttons)), axes=dict(action.axes))

    def action(self) -> Action:
        return Action(self.buttons, self.axes)


class WireButton(ServerModel):
    name: Name
    meaning: Text


class WireAxis(ServerModel):
    name: Name
    meaning: Text
    unit: Label
    low: float
    high: float
    combine: Literal["sum", "latest"]


class WireActions(ServerModel):
    """The controls of a world."""

    buttons: Annotated[tuple[WireButton, ...], Field(max_length=64)]
    axes: Annotated[tuple[WireAxis, ...], Field(max_length=64)]
    steering: Literal["trained", "prompt"]


class WireMemory(ServerModel):
    long: Counter
    mid: Counter
    short: Counter
    latents_per_chunk: Counter


class WireWorld(ServerModel):
    """What a client must know of a world."""

    name: Label
    fps: Annotated[int, Field(ge=1, le=1000)]
    height: Side
    width: Side
    frames_per_chunk: Annotated[int, Field(ge=1, le=4096)]
    actions: WireActions
    prompts: Annotated[tuple[Text, ...], Field(max_length=256)]
    blend: Counter
    fingerprint: Label
    memory: WireMemory | None
    starts: tuple[Start, ...]
    fade: Fade

    @classmethod
    def of(cls, spec: WorldSpec) -> WireWorld:
        return cls.model_validate(spec.to_dict())

    def spec(self) -> WorldSpec:
        return WorldSpec.from_dict(self.model_dump())


class WireTiming(ServerModel):
    """Milliseconds."""

    encode: Duration
    denoise: Annotated[tuple[Duration, ...], Field(max_length=16)]
    decode: Duration
    total: Duration

    @classmethod
    def of(cls, timing: Timing) -> WireTiming:
        return cls(encode=timing.encode, denoise=timing.denoise, decode=timing.decode, total=timing.total)

    def timing(self) -> Timing:
        return Timing(self.encode, self.denoise, self.decode, self.total)
