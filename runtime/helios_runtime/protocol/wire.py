"""Messages to the parts of a ZeroMQ multipart message and back: prefix, msgpack header, raw buffers.

Whatever comes in, decoding gives a valid message or a ProtocolError, and allocates no more than the header's size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import msgpack
from pydantic import TypeAdapter, ValidationError

from helios_runtime.protocol.errors import ProtocolError
from helios_runtime.protocol.messages import ClientMessage, Message, ServerMessage, parts_of
from helios_runtime.protocol.values import MAX_FRAME_BYTES, MAX_PARTS, VERSION

MAGIC = b"HW"
MINOR = 0
PREFIX = MAGIC + bytes([VERSION, MINOR])
MAX_HEADER = 64 << 10
MAX_MESSAGE = MAX_FRAME_BYTES + (1 << 20)
"""Bytes of a whole message, unless the server says less."""

Buffer = bytes | memoryview

# Before an array's items are read, msgpack allocates as many as it claims to have, at every depth of nesting.
_MOST_ITEMS = 256
_CLIENT: TypeAdapter[ClientMessage] = TypeAdapter(ClientMessage)
_SERVER: TypeAdapter[ServerMessage] = TypeAdapter(ServerMessage)


def encode(message: Message, buffers: Sequence[Buffer] = ()) -> list[Buffer]:
    """The parts of a multipart message; the buffers are not copied.

    Raises:
        ProtocolError: the header is too large.
        ValueError: the buffers are not those that `message.parts` describes.
    """
    described = [part.nbytes for part in parts_of(message)]
    given = [memoryview(buffer).nbytes for buffer in buffers]
    if described != given:
        raise ValueError(f"the header describes buffers of {described} bytes; given are {given}")
    header: bytes = msgpack.packb(message.model_dump())
    if len(header) > MAX_HEADER:
        raise ProtocolError("too_large", f"a header of {len(header)} bytes; at most {MAX_HEADER} are allowed")
    return [PREFIX, header, *buffers]


def decode_client(frames: Sequence[Buffer], max_message: int = MAX_MESSAGE) -> tuple[ClientMessage, list[memoryview]]:
    """A client's message and its buffers, which share memory with `frames`; ProtocolError for anything else."""
    header, buffers = _open(frames, max_message)
    return _validate(_CLIENT, header, buffers), buffers


def decode_server(frames: Sequence[Buffer], max_message: int = MAX_MESSAGE) -> tuple[ServerMessage, list[memoryview]]:
    """A server's message and its buffers, which share memory with `frames`; ProtocolError for anything else."""
    header, buffers = _open(frames, max_message)
    return _validate(_SERVER, header, buffers), buffers


def _open(frames: Sequence[Buffer], max_message: int) -> tuple[dict[str, Any], list[memoryview]]:
    views = [memoryview(frame).cast("B") for frame in frames]
    if not views or len(views[0]) != len(PREFIX) or views[0][:2] != MAGIC:
        raise ProtocolError("protocol", f"the first of {len(views)} parts is not {MAGIC!r}, major and minor version")
    if views[0][2] != VERSION:
        raise ProtocolError("version", f"version {views[0][2]} of the protocol; this side speaks {VERSION}")
    if len(views) < 2:
        raise ProtocolError("protocol", "a message without a header")
    _check_size(views, max_message)
    return _unpack(views[1]), views[2:]


def _check_size(views: Sequence[memoryview], max_message: int) -> None:
    total, header, buffers = sum(map(len, views)), len(views[1]), len(views) - 2
    if header > MAX_HEADER:
        raise ProtocolError("too_large", f"a header of {header} bytes; at most {MAX_HEADER} are allowed")
    if buffers > MAX_PARTS:
        raise ProtocolError("too_large", f"{buffers} buffers; at most {MAX_PARTS} are allowed")
    if total > max_message:
        raise ProtocolError("too_large", f"a message of {total} bytes; at most {max_message} are allowed")


def _unpack(header: memoryview) -> dict[str, Any]:
    try:
        fields = msgpack.unpackb(
            header,
            use_list=False,
            strict_map_key=True,
            max_str_len=MAX_HEADER,
            max_bin_len=0,
            max_ext_len=0,
            max_array_len=_MOST_ITEMS,
            max_map_len=_MOST_ITEMS,
        )
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException) as error:
        why = str(error) or type(error).__name__
        raise ProtocolError("protocol", f"the header is not the msgpack that is allowed: {why}"[:200]) from error
    if not isinstance(fields, dict):
        raise ProtocolError("protocol", f"the header is a {type(fields).__name__}, not a map")
    return fields


def _validate(adapter: TypeAdapter[Any], header: dict[str, Any], buffers: Sequence[memoryview]) -> Any:
    try:
        message = adapter.validate_python(header)
    except ValidationError as error:
        _refuse(header, _explain(error))
    described = [part.nbytes for part in parts_of(message)]
    found = [len(buffer) for buffer in buffers]
    if described != found:
        _refuse(header, f"the header describes buffers of {described} bytes; {found} came")
    return message


def _refuse(header: dict[str, Any], why: str) -> NoReturn:
    """Raise, with what the sender needs to find its request."""
    seq, sid = header.get("seq"), header.get("sid")
    known_seq = seq if type(seq) is int and 0 < seq < 2**53 else None
    known_sid = sid if isinstance(sid, str) and len(sid) == 32 and set(sid) <= set("0123456789abcdef") else None
    raise ProtocolError("protocol", why, seq=known_seq, sid=known_sid)


def _explain(error: ValidationError) -> str:
    """The first faults, without the values, which may be long."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    told = [f"{'.'.join(map(str, fault['loc']))[:100]}: {fault['msg'][:200]}" for fault in faults[:3]]
    return "; ".join(told) + ("; …" if len(faults) > 3 else "")
