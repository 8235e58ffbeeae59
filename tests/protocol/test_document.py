"""PROTOCOL.md says what the code does."""

from __future__ import annotations

import ast
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from helios_runtime.protocol import messages as m
from helios_runtime.protocol import values
from helios_runtime.protocol.errors import CODES
from helios_runtime.protocol.frames import describe, encode_frames
from helios_runtime.protocol.golden import unpack
from helios_runtime.protocol.wire import MAX_HEADER, decode_client, encode
from helios_world.spec import Chunk
from helios_world.testing import PatternWorld

VALUES = {
    "Action": values.WireAction,
    "World": values.WireWorld,
    "Controls": values.WireActions,
    "Timing": values.WireTiming,
}
SID, TOKEN = "0" * 32, "0" * 64


@pytest.fixture(scope="module")
def text(bindings: Path) -> str:
    return (bindings / "PROTOCOL.md").read_text(encoding="utf-8")


def section(text: str, title: str) -> str:
    found = re.search(rf"^##+ {re.escape(title)}\n(.*?)(?=^##|\Z)", text, re.M | re.S)
    assert found is not None, f"no section {title!r}"
    return found[1]


def rows(part: str) -> dict[str, list[str]]:
    """First cell to the others, of the rows whose first cell is in backticks."""
    cells = [re.split(r"(?<!\\)\|", line.strip().strip("|")) for line in part.splitlines() if line.startswith("| `")]
    return {first.strip(" `"): [cell.strip() for cell in rest] for first, *rest in cells}


def test_every_field_of_every_message_is_told(text: str, client_models: Any, server_models: Any) -> None:
    for model in (*client_models, *server_models):
        kind = model.model_fields["t"].default
        assert set(rows(section(text, kind))) | {"t"} == set(model.model_fields), kind


@pytest.mark.parametrize("title", VALUES)
def test_every_field_of_every_value_is_told(text: str, title: str) -> None:
    assert set(rows(section(text, title))) == set(VALUES[title].model_fields)


def test_parts_buttons_axes_and_memory_are_told(text: str) -> None:
    parts = {*values.ArrayPart.model_fields, *values.BytesPart.model_fields}
    assert set(rows(section(text, "Part"))) == parts
    controls, world = rows(section(text, "Controls")), rows(section(text, "World"))
    for model, cells in (
        (values.WireButton, controls["buttons"]),
        (values.WireAxis, controls["axes"]),
        (values.WireMemory, world["memory"]),
    ):
        assert all(f"`{name}`" in " ".join(cells) for name in model.model_fields)


def test_defaults_and_nil_are_told(text: str, client_models: Any, server_models: Any) -> None:
    for model in (*client_models, *server_models):
        told = rows(section(text, model.model_fields["t"].default))
        for name, field in model.model_fields.items():
            if name == "t":
                continue
            kind = told[name][0]
            assert ("nil" in kind) == (not field.is_required() and field.default is None), (model, name)
            assert field.is_required() or kind.count(",") >= 1, (model, name)


def test_there_is_no_section_for_a_message_that_is_none(text: str, client_models: Any, server_models: Any) -> None:
    kinds = {model.model_fields["t"].default for model in (*client_models, *server_models)}
    assert set(re.findall(r"^### ([A-Z]{2,})$", text, re.M)) == kinds


def test_the_codes_are_those_of_the_table(text: str) -> None:
    told = rows(section(text, "Error codes"))
    yes = {True: "yes", False: "no"}
    assert told == {name: [code.meaning, yes[code.retryable], yes[code.answers]] for name, code in CODES.items()}


def test_the_limits_are_those_of_the_code(text: str) -> None:
    limits = section(text, "Limits")
    assert f"| header | {MAX_HEADER:,} bytes |" in limits
    assert f"| buffers | {values.MAX_PARTS} |" in limits
    assert f"| credit | {values.MAX_CREDIT} chunks |" in limits
    assert values.MAX_FRAME_BYTES == 2**28


def test_links_lead_somewhere(text: str, bindings: Path) -> None:
    titles = {
        re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^##+ (.*)$", text, re.M)
    }
    for target in re.findall(r"\]\(([^)]+)\)", text):
        exists = target[1:] in titles if target.startswith("#") else (bindings / target).exists()
        assert exists or target.startswith("https://"), target


def dump(name: str, bindings: Path) -> str:
    lines = []
    for number, part in enumerate(unpack((bindings / name).read_bytes()), start=1):
        shown = part if number < 3 else part[:32]
        lines += [f"part {number}, {len(part)} bytes", *hex_lines(shown), *(["…"] if len(shown) < len(part) else [])]
    return "\n".join(lines) + "\n"


def hex_lines(data: bytes) -> Iterator[str]:
    for start in range(0, len(data), 16):
        row = data[start : start + 16]
        letters = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        yield f"{start:04x}  {row.hex(' '):<47}  {letters}"


def test_the_bytes_on_the_page_are_those_of_the_files(text: str, bindings: Path) -> None:
    shown = dict(re.findall(r"<!-- (wire/\w+\.bin) -->\n```\n(.*?)```\n", text, re.S))
    assert sorted(shown) == ["wire/chunk.bin", "wire/step.bin"]
    assert shown == {name: dump(name, bindings) for name in shown}


@pytest.fixture(scope="module")
def client(text: str) -> str:
    (code,) = re.findall(r"```python\n(.*?)```", text, re.S)
    return str(code)


def test_the_client_is_short_and_plain(client: str) -> None:
    assert len(client.splitlines()) < 60
    imports = {name.name for node in ast.walk(ast.parse(client)) if isinstance(node, ast.Import) for name in node.names}
    assert imports == {"sys", "zmq", "msgpack"}


def answer(message: m.ClientMessage, world: PatternWorld, chunks: list[Chunk]) -> list[Any]:
    """What a server would say; only what the client on the page asks."""
    spec = values.WireWorld.of(world.spec)
    match message:
        case m.Hello(seq=seq):
            limits = {"max_message": 1 << 20, "heartbeat_s": 2.0, "idle_s": 60.0, "session_limit": 1}
            return encode(
                m.Welcome(seq=seq, version=1, server="s", worlds=("p",), capabilities=(), world=spec, **limits)
            )
        case m.Open(seq=seq):
            return encode(m.Opened(seq=seq, sid=SID, token=TOKEN, world=spec))
        case m.Reset(seq=seq, seed=seed, prompt=prompt):
            chunks.append(world.reset(seed=seed, prompt=prompt))
            return chunk_message(seq, chunks[-1])
        case m.Step(seq=seq, action=action, epoch=1):
            chunks.append(world.step(action.action()))
            return chunk_message(seq, chunks[-1])
        case m.Close(seq=seq):
            return encode(m.Closed(sid=SID, seq=seq))
    return encode(m.ErrorMessage(code="protocol", message=f"unexpected {message!r}", retryable=False))


def chunk_message(seq: int, chunk: Chunk) -> list[Any]:
    buffers = encode_frames(chunk.frames, "rgb24")
    count, height, width, _ = chunk.frames.shape
    message = m.ChunkMessage(
        sid=SID,
        seq=seq,
        epoch=1,
        index=chunk.index,
        first_frame=chunk.first_frame,
        frames=count,
        height=height,
        width=width,
        encoding="rgb24",
        parts=describe(buffers, "rgb24", (count, height, width, 3)),
        action=values.WireAction.of(chunk.action),
        prompt=tuple((prompt.text, prompt.weight) for prompt in chunk.prompt),
        timing=values.WireTiming.of(chunk.timing),
    )
    return encode(message, buffers)


def serve(router: Any, chunks: list[Chunk]) -> None:
    world, message = PatternWorld(), None
    while not isinstance(message, m.Close) and router.poll(20_000):
        route, *frames = router.recv_multipart()
        message, _ = decode_client(frames)
        router.send_multipart([route, *answer(message, world, chunks)])


def test_the_client_works(client: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    zmq = pytest.importorskip("zmq")
    with zmq.Context() as context, context.socket(zmq.ROUTER) as router:
        port = router.bind_to_random_port("tcp://127.0.0.1")
        chunks: list[Chunk] = []
        server = threading.Thread(target=serve, args=(router, chunks))
        server.start()
        monkeypatch.setattr("sys.argv", ["client.py", f"tcp://127.0.0.1:{port}"])
        try:
            exec(compile(client, "PROTOCOL.md", "exec"), {})
        finally:
            server.join(30)
    expected = [f"chunk {chunk.index}: mean brightness {chunk.frames.mean():.1f}" for chunk in chunks]
    assert len(expected) == 10
    assert capsys.readouterr().out.splitlines() == expected
