"""Every message survives the wire, and whatever else comes over it is a ProtocolError."""

from __future__ import annotations

import json
import subprocess
import sys
import tracemalloc
from contextlib import suppress
from typing import Any

import msgpack
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from helios_runtime.protocol import messages as m
from helios_runtime.protocol.errors import CODES, ProtocolError
from helios_runtime.protocol.golden import examples
from helios_runtime.protocol.values import ArrayPart, BytesPart, WireAction, WireTiming, WireWorld
from helios_runtime.protocol.wire import MAX_HEADER, PREFIX, decode_client, decode_server, encode
from helios_world import errors
from helios_world.spec import Action, Timing
from helios_world.testing import PatternWorld

SID = "0" * 32
EXAMPLES = examples()
OUR_SETTINGS = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
STEP = {"t": "STEP", "sid": SID, "seq": 2, "epoch": 1}
RESET = {"t": "RESET", "sid": SID, "seq": 1, "seed": 7}
junk = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=9)
    | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


def client_bytes(header: Any, *buffers: bytes) -> list[bytes]:
    return [PREFIX, msgpack.packb(header), *buffers]


def refusal(frames: list[bytes], decode: Any = decode_client, **limits: int) -> ProtocolError:
    with pytest.raises(ProtocolError) as caught:
        decode(frames, **limits)
    assert caught.value.code in CODES
    assert len(str(caught.value)) < 1500
    return caught.value


@OUR_SETTINGS
@given(data=st.data())
def test_client_messages_come_back(data: st.DataObject, any_client: Any) -> None:
    message, buffers = data.draw(any_client)
    back, views = decode_client(encode(message, buffers))
    assert back == message
    assert list(map(bytes, views)) == buffers


@OUR_SETTINGS
@given(data=st.data())
def test_server_messages_come_back(data: st.DataObject, any_server: Any) -> None:
    message, buffers = data.draw(any_server)
    back, views = decode_server(encode(message, buffers))
    assert back == message
    assert list(map(bytes, views)) == buffers


def test_buffers_are_not_copied() -> None:
    message, (buffer,) = EXAMPLES["restore"]
    frames = encode(message, [buffer])
    assert frames[2] is buffer
    _, (view,) = decode_client(frames)
    assert view.obj is buffer


@pytest.mark.parametrize("decode", [decode_client, decode_server])
@OUR_SETTINGS
@given(frames=st.lists(st.binary(max_size=80), max_size=12), prefixed=st.booleans())
def test_arbitrary_bytes(decode: Any, frames: list[bytes], prefixed: bool) -> None:
    refusal([PREFIX, *frames] if prefixed else frames, decode)


@OUR_SETTINGS
@given(name=st.sampled_from(sorted(EXAMPLES)), key=st.integers(0, 30), value=junk, extra=st.booleans())
def test_wrong_types(name: str, key: int, value: Any, extra: bool) -> None:
    message, buffers = EXAMPLES[name]
    header = message.model_dump()
    keys = sorted(header)
    header["surplus" if extra else keys[key % len(keys)]] = value
    decode_or_refuse(client_bytes(header, *buffers))


@OUR_SETTINGS
@given(data=st.data(), name=st.sampled_from(sorted(EXAMPLES)), part=st.integers(0, 2), cut=st.booleans())
def test_damaged_examples(data: st.DataObject, name: str, part: int, cut: bool) -> None:
    frames = [bytearray(frame) for frame in encode(*EXAMPLES[name])]
    victim = frames[part % len(frames)]
    at = data.draw(st.integers(0, len(victim) - 1))
    if cut:
        del victim[at:]
        refusal([bytes(frame) for frame in frames], decode_client)
        refusal([bytes(frame) for frame in frames], decode_server)
    else:
        victim[at] ^= 1 << data.draw(st.integers(0, 7))
        decode_or_refuse([bytes(frame) for frame in frames])


def decode_or_refuse(frames: list[bytes]) -> None:
    """A change may leave a message valid; it may not raise anything but ProtocolError."""
    for decode in (decode_client, decode_server):
        with suppress(ProtocolError):
            decode(frames)


def test_a_message_has_a_prefix_and_a_header() -> None:
    header = msgpack.packb(STEP)
    assert decode_client([PREFIX, header])[0] == m.Step(sid=SID, seq=2, epoch=1)
    assert refusal([]).code == "protocol"
    assert refusal([PREFIX]).code == "protocol"
    assert refusal([b"HX\x01\x00", header]).code == "protocol"
    assert refusal([PREFIX + b"\x00", header]).code == "protocol"
    assert refusal([PREFIX, header, b""]).code == "protocol"


def test_any_minor_version_and_no_other_major() -> None:
    header = msgpack.packb(STEP)
    assert decode_client([b"HW\x01\x07", header])[0].t == "STEP"
    assert refusal([b"HW\x02\x00", header]).code == "version"


@pytest.mark.parametrize(
    "change",
    [
        {"seq": 0},
        {"seq": True},
        {"seq": 2.0},
        {"seq": "2"},
        {"seq": 2**53},
        {"epoch": -1},
        {"sid": SID[1:]},
        {"sid": SID + "\n"},
        {"sid": "g" * 32},
        {"prompt": "x" * 2001},
        {"prompt": 3},
        {"client_time": float("nan")},
        {"client_time": float("inf")},
        {"action": {"buttons": "forward"}},
        {"action": {"buttons": ["x" * 65]}},
        {"action": {"buttons": ["jump"] * 65}},
        {"action": {"axes": {"turn": "1"}}},
        {"action": {"axes": {"turn": float("inf")}}},
        {"action": {"surplus": 1}},
        {"surplus": None},
    ],
    ids=str,
)
def test_fields_are_strict(change: dict[str, Any]) -> None:
    decode_client(client_bytes(STEP))
    assert refusal(client_bytes({**STEP, **change})).code == "protocol"


def test_an_integer_may_stand_for_a_float() -> None:
    message, _ = decode_client(client_bytes({**STEP, "action": {"axes": {"turn": 1}}, "client_time": 3}))
    assert message == m.Step(sid=SID, seq=2, epoch=1, action=WireAction(axes={"turn": 1.0}), client_time=3.0)


@pytest.mark.parametrize(
    "header",
    [
        [1, 2],
        None,
        {},
        {"t": "NOTHING"},
        {"t": ["STEP"]},
        {"t": {"STEP": 1}},
        {1: 2},
        {"t": "STEP", "sid": b"x"},
        {"t": "STEP", "sid": msgpack.ExtType(4, b"x")},
        {"t": "STEP", "sid": msgpack.ExtType(4, b"")},
        {"t": "STEP", "sid": msgpack.Timestamp(1)},
    ],
    ids=repr,
)
def test_headers_that_are_none(header: Any) -> None:
    assert refusal([PREFIX, msgpack.packb(header, strict_types=True)]).code == "protocol"


@pytest.mark.parametrize("header", [b"", b"\xc1", b"\x81\xa1t\xa2\xff\xfe", b"\x80\x80", b"\xdb\xff\xff\xff\xff"])
def test_headers_that_are_no_msgpack(header: bytes) -> None:
    assert refusal([PREFIX, header]).code == "protocol"


def test_what_is_refused_can_be_answered() -> None:
    error = refusal(client_bytes({**STEP, "surplus": 1}))
    assert (error.seq, error.sid) == (2, SID)
    error = refusal(client_bytes({**STEP, "seq": -1, "sid": "Z" * 32}))
    assert (error.seq, error.sid) == (None, None)


def test_servers_may_say_more_and_clients_may_not(server_models: Any, client_models: Any) -> None:
    kinds = {message.t: (message, buffers) for message, buffers in EXAMPLES.values()}
    for model in server_models:
        message, buffers = kinds[model.model_fields["t"].default]
        assert decode_server(client_bytes({**message.model_dump(), "surplus": [1]}, *buffers))[0] == message
    for model in client_models:
        message, buffers = kinds[model.model_fields["t"].default]
        assert "surplus" in str(refusal(client_bytes({**message.model_dump(), "surplus": [1]}, *buffers)))


def test_the_maps_inside_server_messages_may_grow() -> None:
    message, _ = EXAMPLES["welcome"]
    header = message.model_dump()
    header["world"]["surplus"] = header["world"]["memory"]["surplus"] = header["world"]["actions"]["surplus"] = 1
    assert decode_server(client_bytes(header))[0] == message


@pytest.mark.parametrize("value", [b"x", msgpack.ExtType(4, b"x"), msgpack.Timestamp(1)], ids=repr)
def test_nothing_opaque_is_in_a_header(value: Any) -> None:
    message, _ = EXAMPLES["pong"]
    assert refusal(client_bytes({**message.model_dump(), "surplus": value}), decode_server).code == "protocol"


def test_sizes_are_limited() -> None:
    message = encode(*EXAMPLES["step"])
    size = sum(map(len, message))
    decode_client(message, max_message=size)
    assert refusal(message, max_message=size - 1).code == "too_large"
    assert refusal([*message, *[b""] * 9]).code == "too_large"
    assert refusal([PREFIX, bytes(MAX_HEADER + 1)]).code == "too_large"


@pytest.mark.parametrize(
    ("shape", "length"),
    [
        ([2**52, 256], 16),
        ([2**52] * 4, 16),
        ([2**64 - 1, 4, 3], 16),
        ([2, 4, 3], 23),
        ([0, 4, 3], 0),
        ([-2, -4, 3], 24),
    ],
    ids=str,
)
def test_shapes_are_compared_with_the_buffer(shape: list[int], length: int) -> None:
    parts = [{"dtype": "u1", "shape": shape}]
    assert refusal(client_bytes({**RESET, "start": "image", "parts": parts}, bytes(length))).code == "protocol"


@pytest.mark.parametrize(
    ("start", "shape"),
    [("prompt", (2, 4, 3)), ("image", ()), ("image", (1, 2, 4, 3)), ("image", (2, 4, 4)), ("video", (2, 4, 3))],
)
def test_a_reset_has_what_its_start_needs(start: str, shape: tuple[int, ...]) -> None:
    parts = [{"dtype": "u1", "shape": shape}] if shape else []
    buffers = [bytes(ArrayPart(shape=shape).nbytes)] if shape else []
    assert refusal(client_bytes({**RESET, "start": start, "parts": parts}, *buffers)).code == "protocol"


@pytest.mark.parametrize("dtype", ["u2", "f4", "O", "|O", "u1 ", 1, None])
def test_only_bytes_are_sent(dtype: Any) -> None:
    parts = [{"dtype": dtype, "shape": [1, 1, 3]}]
    assert refusal(client_bytes({**RESET, "start": "image", "parts": parts}, b"abc")).code == "protocol"


@pytest.mark.parametrize(
    "change",
    [
        {"parts": [{"bytes": 384}]},
        {"parts": [{"dtype": "u1", "shape": [1, 8, 8, 6]}]},
        {"encoding": "jpeg"},
        {"encoding": "webp"},
        {"part": 1},
        {"frames": 0, "parts": [{"dtype": "u1", "shape": [0, 8, 8, 3]}]},
    ],
    ids=str,
)
def test_a_chunk_describes_its_frames(change: dict[str, Any]) -> None:
    message, buffers = EXAMPLES["chunk"]
    assert refusal(client_bytes({**message.model_dump(), **change}, *buffers), decode_server).code == "protocol"


def test_frames_that_would_fill_the_memory_are_refused() -> None:
    message, _ = EXAMPLES["chunk_jpeg"]
    header = {**message.model_dump(), "frames": 4096, "height": 8192, "width": 8192, "parts": [{"bytes": 3}]}
    assert refusal(client_bytes(header, b"abc"), decode_server).code == "protocol"


HUGE = {
    "array": b"\x81\xa1t\xdd\xff\xff\xff\xff",
    "map": b"\xdf\xff\xff\xff\xff",
    "string": b"\x81\xa1t\xdb\xff\xff\xff\xff",
    "bytes": b"\x81\xa1t\xc6\xff\xff\xff\xff",
    "extension": b"\x81\xa1t\xc9\xff\xff\xff\xff\x01",
    "deep": b"\x81\xa1t" + b"\x91" * (MAX_HEADER - 4) + b"\x01",
    "deep and wide": b"\x81\xa1t" + b"\xdc\x01\x00" * ((MAX_HEADER - 3) // 3),
    "deep and very wide": b"\x81\xa1t" + b"\xdc\xff\xff" * ((MAX_HEADER - 3) // 3),
    "deep maps": b"\x81\xa1t" + b"\x81\xa1t" * ((MAX_HEADER - 3) // 3),
    "elements": msgpack.packb({**RESET, "start": "image", "parts": [{"dtype": "u1", "shape": [2**30, 2**30, 3]}]}),
}


@pytest.mark.parametrize("kind", HUGE)
def test_claims_allocate_nothing(kind: str) -> None:
    tracemalloc.start()
    try:
        assert refusal([PREFIX, HUGE[kind]]).code == "protocol"
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 << 20


def test_encoding_checks_its_caller() -> None:
    message, buffers = EXAMPLES["restore"]
    with pytest.raises(ValueError, match="describes buffers"):
        encode(message, [])
    with pytest.raises(ValueError, match="describes buffers"):
        encode(message, [*buffers, b""])
    welcome, _ = EXAMPLES["welcome"]
    assert isinstance(welcome, m.Welcome)
    world = welcome.world.model_copy(update={"prompts": ("x" * 2000,) * 40})
    with pytest.raises(ProtocolError, match="header") as caught:
        encode(welcome.model_copy(update={"world": world}))
    assert caught.value.code == "too_large"


def test_the_contract_goes_over_and_comes_back() -> None:
    spec = PatternWorld().spec
    assert WireWorld.of(spec).spec() == spec
    action = Action({"forward", "back"}, {"turn": 0.25})
    assert WireAction.of(action).action() == action
    timing = Timing(1.0, (2.0, 3.0), 4.0, 10.0)
    assert WireTiming.of(timing).timing() == timing


def test_messages_cannot_be_changed(client_models: Any, server_models: Any) -> None:
    models: tuple[type[BaseModel], ...] = (*client_models, *server_models, ArrayPart, BytesPart)
    assert all(model.model_config["frozen"] and model.model_config["strict"] for model in models)


def test_every_error_of_the_package_has_a_code() -> None:
    ours = {kind.code for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)}
    # The base, and what only a client finds: these are never sent.
    assert ours - {"helios", "connection", "server"} <= set(CODES)


def test_importing_the_protocol_loads_little() -> None:
    names = "wire, frames, golden"
    report = "import sys, json; print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"from helios_runtime.protocol import {names}\n{report}"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert not set(json.loads(done.stdout)) & {"torch", "av", "PIL", "zmq"}
