"""The calls of a world as exchanges with a server: arguments to requests, answers to values. No sockets."""

from __future__ import annotations

from functools import partial

import numpy as np

from helios_runtime.client.chunks import Received
from helios_runtime.client.core import Session
from helios_runtime.client.exchange import Exchange
from helios_runtime.client.talk import Answer
from helios_runtime.protocol.messages import (
    Done,
    Fork,
    Opened,
    Prompt,
    Record,
    Reset,
    Restore,
    SnapshotRequest,
    State,
    Step,
)
from helios_runtime.protocol.values import ArrayPart, BytesPart, WireAction
from helios_world import arguments
from helios_world.errors import FrameError, HeliosError, PromptError, SnapshotError, StateError
from helios_world.snapshot import Snapshot
from helios_world.spec import NO_ACTION, Action, Frames, Start

_MAX_SIDE = 8192
_HEADER_ROOM = 1 << 16


def reset(
    session: Session,
    *,
    seed: int = 0,
    prompt: str | None = None,
    image: Frames | None = None,
    video: Frames | None = None,
) -> Exchange[Received]:
    """As World.reset."""
    arguments.check_start(image, video)
    start, frames = _start(image, video)
    parts = () if frames is None else (ArrayPart(shape=frames.shape),)
    # A copy: the request may be repeated when the caller has changed the array.
    buffers = () if frames is None else (frames.tobytes(),)
    _check_room(session, buffers, FrameError)
    make = partial(_reset, session, arguments.check_seed(seed), _checked(prompt), start, parts)
    return _received((yield from session.ask(make, buffers)))


def step(session: Session, action: Action | None = None, prompt: str | None = None) -> Exchange[Received]:
    """As World.step."""
    if session.options.mode == "stream":
        raise StateError("in stream mode the server steps by itself; use stream(), or connect with mode='lockstep'")
    wire = WireAction.of(session.spec.actions.check(NO_ACTION if action is None else action))
    text = _checked(prompt)
    answer = yield from session.ask(
        lambda seq: Step(sid=session.sid, seq=seq, epoch=session.epoch, action=wire, prompt=text)
    )
    return _received(answer)


def say(session: Session, prompt: str) -> Exchange[None]:
    """The prompt of the chunks from the next one on."""
    text = arguments.check_prompt(prompt)
    _check_text(text)
    yield from session.ask(lambda seq: Prompt(sid=session.sid, seq=seq, prompt=text))


def snapshot(session: Session) -> Exchange[Snapshot]:
    """As World.snapshot."""
    answer = yield from session.ask(lambda seq: SnapshotRequest(sid=session.sid, seq=seq))
    assert isinstance(answer.message, State)
    return Snapshot.from_bytes(bytes(answer.buffers[0]))


def restore(session: Session, state: Snapshot) -> Exchange[None]:
    """As World.restore."""
    if not isinstance(state, Snapshot):
        raise SnapshotError(f"a state is a Snapshot; got {type(state).__name__}")
    data = bytes(state)
    _check_room(session, (data,), SnapshotError)
    part = BytesPart(bytes=len(data))
    yield from session.ask(lambda seq: Restore(sid=session.sid, seq=seq, parts=(part,)), (data,))
    session.arrived.clear()


def fork(session: Session) -> Exchange[Session]:
    """A second session in the same state, which has yet to be attached to a connection of its own."""
    answer = yield from session.ask(lambda seq: Fork(sid=session.sid, seq=seq))
    assert isinstance(answer.message, Opened)
    return session.twin(answer.message)


def record(session: Session, on: bool) -> Exchange[str | None]:
    """Begin or end the server's recording; the video's file there."""
    answer = yield from session.ask(lambda seq: Record(sid=session.sid, seq=seq, on=on))
    assert isinstance(answer.message, Done)
    return answer.message.path


def _reset(
    session: Session, seed: int, prompt: str | None, start: Start, parts: tuple[ArrayPart, ...], seq: int
) -> Reset:
    return Reset(sid=session.sid, seq=seq, seed=seed, prompt=prompt, start=start, parts=parts)


def _start(image: Frames | None, video: Frames | None) -> tuple[Start, Frames | None]:
    if image is not None:
        return "image", _fitting(arguments.check_image(image))
    if video is not None:
        return "video", _fitting(arguments.check_video(video, 1))
    return "prompt", None


def _fitting(frames: Frames) -> Frames:
    if max(frames.shape[-3:-1]) > _MAX_SIDE:
        raise FrameError(f"frames of {list(frames.shape)} cannot be sent: at most {_MAX_SIDE} wide and high")
    return np.ascontiguousarray(frames)


def _checked(prompt: str | None) -> str | None:
    if prompt is None:
        return None
    _check_text(arguments.check_prompt(prompt))
    return prompt


def _check_text(prompt: str) -> None:
    try:
        prompt.encode()
    except UnicodeEncodeError as error:
        raise PromptError(f"the prompt cannot be sent as UTF-8: {error}") from error


def _check_room(session: Session, buffers: tuple[bytes, ...], kind: type[HeliosError]) -> None:
    """What is too large for the server is refused here; ZeroMQ would end the connection without a word."""
    welcome, size = session.line.welcome, sum(map(len, buffers))
    if welcome is not None and size > welcome.max_message - _HEADER_ROOM:
        raise kind(f"{size} bytes are more than the server takes ({welcome.max_message} with the header)")


def _received(answer: Answer) -> Received:
    assert answer.received is not None
    return answer.received
