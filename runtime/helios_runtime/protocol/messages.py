"""Every message of the protocol, and what its fields may hold. bindings/PROTOCOL.md says what they mean.

A message is a pydantic model whose `t` is its type. A field with a default may be left out.
What clients send may have no other keys; unknown keys in what servers send are ignored, so that they may grow.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, model_validator

from helios_runtime.protocol.values import (
    MAX_CREDIT,
    MAX_FRAME_BYTES,
    SUPPORTED,
    ArrayPart,
    Axes,
    BytesPart,
    ClientModel,
    Counter,
    Details,
    Duration,
    Encoding,
    Label,
    Mode,
    Name,
    Names,
    Parts,
    Seq,
    ServerModel,
    SessionId,
    Share,
    Side,
    Text,
    Token,
    WireAction,
    WireTiming,
    WireWorld,
)
from helios_world.spec import PromptWeight, Start


class _Request(ClientModel):
    """What is executed at most once per seq."""

    sid: SessionId
    seq: Seq


class Hello(ClientModel):
    t: Literal["HELLO"] = "HELLO"
    seq: Seq
    versions: Annotated[tuple[Annotated[int, Field(ge=0, le=255)], ...], Field(min_length=1, max_length=16)] = SUPPORTED
    client: Label


class Open(ClientModel):
    t: Literal["OPEN"] = "OPEN"
    seq: Seq
    world: Label | None = None
    mode: Mode = "lockstep"
    encoding: Encoding = "rgb24"
    quality: Annotated[int, Field(ge=1, le=100)] = 90
    progressive: bool = False
    record: bool = False
    nonce: SessionId | None = None


class Resume(_Request):
    t: Literal["RESUME"] = "RESUME"
    token: Token
    last_seq: Counter


class Close(_Request):
    t: Literal["CLOSE"] = "CLOSE"


class Reset(_Request):
    t: Literal["RESET"] = "RESET"
    seed: Annotated[int, Field(ge=0, lt=2**63)]
    prompt: Text | None = None
    start: Start = "prompt"
    parts: Annotated[tuple[ArrayPart, ...], Field(max_length=1)] = ()

    @model_validator(mode="after")
    def _fits(self) -> Reset:
        shape = self.parts[0].shape if self.parts else ()
        dimensions = {"prompt": 0, "image": 3, "video": 4}[self.start]
        if len(shape) != dimensions or (shape and (shape[-1] != 3 or min(shape) < 1 or max(shape[-3:-1]) > 8192)):
            raise ValueError(f"start {self.start!r} with a part of shape {shape}; see the limits of RESET")
        return self


class Step(_Request):
    t: Literal["STEP"] = "STEP"
    epoch: Counter
    action: WireAction = WireAction()
    prompt: Text | None = None
    client_time: float | None = None


class Input(ClientModel):
    t: Literal["INPUT"] = "INPUT"
    sid: SessionId
    epoch: Counter
    n: Seq
    buttons: Names = ()
    pressed: Names = ()
    axes: Axes = Field(default_factory=dict)
    prompt: Text | None = None
    client_time: float | None = None


class Credit(ClientModel):
    t: Literal["CREDIT"] = "CREDIT"
    sid: SessionId
    epoch: Counter
    n: Annotated[int, Field(ge=1, le=MAX_CREDIT)]


class Prompt(_Request):
    t: Literal["PROMPT"] = "PROMPT"
    prompt: Text


class SnapshotRequest(_Request):
    t: Literal["SNAPSHOT"] = "SNAPSHOT"


class Restore(_Request):
    t: Literal["RESTORE"] = "RESTORE"
    parts: Annotated[tuple[BytesPart, ...], Field(min_length=1, max_length=1)]


class Fork(_Request):
    t: Literal["FORK"] = "FORK"


class Record(_Request):
    t: Literal["RECORD"] = "RECORD"
    on: bool


class Ping(ClientModel):
    t: Literal["PING"] = "PING"
    n: Counter
    client_time: float | None = None


class Welcome(ServerModel):
    t: Literal["WELCOME"] = "WELCOME"
    seq: Seq
    version: Counter
    server: Label
    worlds: Annotated[tuple[Label, ...], Field(min_length=1, max_length=256)]
    capabilities: Annotated[tuple[Name, ...], Field(max_length=256)]
    max_message: Counter
    heartbeat_s: Annotated[float, Field(gt=0)]
    idle_s: Annotated[float, Field(gt=0)]
    lifetime_s: Annotated[float, Field(gt=0)] | None = None
    session_limit: Counter
    world: WireWorld


class Opened(ServerModel):
    t: Literal["OPENED"] = "OPENED"
    seq: Seq
    sid: SessionId
    token: Token
    epoch: Counter = 0
    next_seq: Seq = 1
    index: Counter = 0
    parent: SessionId | None = None
    world: WireWorld


class Closed(ServerModel):
    t: Literal["CLOSED"] = "CLOSED"
    sid: SessionId
    seq: Seq


class State(ServerModel):
    t: Literal["STATE"] = "STATE"
    sid: SessionId
    seq: Seq
    epoch: Counter
    index: Counter
    parts: Annotated[tuple[BytesPart, ...], Field(min_length=1, max_length=1)]


class Done(ServerModel):
    t: Literal["DONE"] = "DONE"
    sid: SessionId
    seq: Seq
    epoch: Counter
    index: Counter
    path: Annotated[str, Field(max_length=4096)] | None = None


class ChunkMessage(ServerModel):
    t: Literal["CHUNK"] = "CHUNK"
    sid: SessionId
    seq: Seq | None = None
    epoch: Counter
    index: Counter
    first_frame: Counter
    frames: Annotated[int, Field(ge=1, le=4096)]
    height: Side
    width: Side
    encoding: Encoding
    part: Counter = 0
    of: Annotated[int, Field(ge=1, le=4096)] = 1
    parts: Annotated[Parts, Field(min_length=1)]
    action: WireAction
    prompt: Annotated[tuple[tuple[Text, Share], ...], Field(max_length=64)]
    timing: WireTiming
    queue_ms: Duration = 0.0
    input_ms: Duration | None = None
    applied: Seq | None = None
    client_time: float | None = None

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Of this message's frames, [T, H, W, 3]."""
        return self.frames, self.height, self.width, 3

    def weights(self) -> tuple[PromptWeight, ...]:
        return tuple(PromptWeight(text, weight) for text, weight in self.prompt)

    @model_validator(mode="after")
    def _fits(self) -> ChunkMessage:
        expected = ArrayPart(shape=self.shape) if self.encoding == "rgb24" else None
        if expected and self.parts != (expected,):
            raise ValueError(f"the part of rgb24 frames is {expected!r}")
        if not expected and not (len(self.parts) == 1 and isinstance(self.parts[0], BytesPart)):
            raise ValueError(f"{self.encoding} frames are one part of bytes")
        if math.prod(self.shape) > MAX_FRAME_BYTES or self.part >= self.of:
            raise ValueError(f"frames of shape {self.shape}, part {self.part} of {self.of}")
        return self


class Pong(ServerModel):
    t: Literal["PONG"] = "PONG"
    n: Counter
    client_time: float | None = None
    server_time: float
    busy_since: Duration | None = None
    queue: Counter
    sessions: Counter


class ErrorMessage(ServerModel):
    t: Literal["ERROR"] = "ERROR"
    seq: Seq | None = None
    sid: SessionId | None = None
    code: Name
    message: Annotated[str, Field(max_length=4096)]
    retryable: bool
    details: Details = Field(default_factory=dict)


class Bye(ServerModel):
    t: Literal["BYE"] = "BYE"
    sid: SessionId | None = None
    reason: Name
    resumable: bool


ClientMessage = Annotated[
    Hello
    | Open
    | Resume
    | Close
    | Reset
    | Step
    | Input
    | Credit
    | Prompt
    | SnapshotRequest
    | Restore
    | Fork
    | Record
    | Ping,
    Field(discriminator="t"),
]
ServerMessage = Annotated[
    Welcome | Opened | Closed | State | Done | ChunkMessage | Pong | ErrorMessage | Bye, Field(discriminator="t")
]
Message = ClientMessage | ServerMessage


def parts_of(message: BaseModel) -> tuple[Any, ...]:
    """The buffers that a message says it has."""
    return tuple(getattr(message, "parts", ()))
