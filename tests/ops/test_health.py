"""`helios-world health` and `helios-world keys`, with real servers and with what only looks like one."""

from __future__ import annotations

import json
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from helios_runtime.cli.app import app
from helios_runtime.protocol.messages import Ping, Pong
from helios_runtime.protocol.wire import decode_client, encode
from helios_runtime.server.settings import ServeSettings

zmq = pytest.importorskip("zmq")


def invoke(*words: object) -> Any:
    return CliRunner().invoke(app, [str(word) for word in words])


def health(address: str, *words: object) -> tuple[int, dict[str, Any]]:
    result = invoke("health", address, "--json", *words)
    return result.exit_code, json.loads(result.stdout)


@contextmanager
def served(**settings: Any) -> Iterator[str]:
    from helios_runtime.server.server import Server

    with Server(ServeSettings(world="pattern", bind="127.0.0.1:0", **settings)) as server:
        yield server.address


@contextmanager
def answering(*answers: list[bytes]) -> Iterator[str]:
    """A ROUTER that answers a message with each of `answers`, whatever was asked."""
    context = zmq.Context()
    router = context.socket(zmq.ROUTER)
    port = router.bind_to_random_port("tcp://127.0.0.1")

    def work() -> None:
        for answer in answers:
            if not router.poll(5000):
                return
            route, *frames = router.recv_multipart()
            assert isinstance(decode_client(frames)[0], Ping)
            router.send_multipart([route, *answer])

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        thread.join()
        router.close(linger=0)
        context.term()


def pong(number: int, **fields: Any) -> list[bytes]:
    return [bytes(part) for part in encode(Pong(n=number, server_time=1.0, queue=2, sessions=3, **fields))]


def test_a_server_that_is_well() -> None:
    with served() as address:
        code, found = health(address)
        text = invoke("health", address.removeprefix("tcp://"))
    assert code == 0
    assert found.pop("round_trip_ms") > 0
    assert found == {
        "healthy": True,
        "address": address,
        "busy_seconds": None,
        "queue": 0,
        "sessions": 0,
        "problem": None,
    }
    assert text.exit_code == 0
    assert "healthy" in text.stdout
    assert "waiting for work" in text.stdout


def test_nobody_there() -> None:
    with answering() as address:
        pass
    code, found = health(address, "--timeout", 0.05)
    assert code == 1
    assert not found["healthy"]
    assert found["problem"].startswith("no answer within 0.05 s; is the server running")
    assert found["round_trip_ms"] is None


@pytest.mark.parametrize(("limit", "code"), [((), 0), (("--max-busy", 60), 1), (("--max-busy", 120), 0)])
def test_a_device_that_is_stuck(limit: tuple[object, ...], code: int) -> None:
    with answering(pong(1), pong(2, busy_since=90.0)) as address:
        found = health(address, *limit)
    assert found[0] == code
    assert (found[1]["busy_seconds"], found[1]["queue"], found[1]["sessions"]) == (90.0, 2, 3)
    assert found[1]["healthy"] is (code == 0)


def test_a_late_answer_is_not_taken_for_the_next() -> None:
    with answering(pong(1), pong(1)) as address:
        assert health(address, "--timeout", 0.3)[0] == 1


def test_something_else_answers() -> None:
    with answering([b"220 mail.example ESMTP"]) as address:
        code, found = health(address)
    assert code == 1
    assert "something else answers there" in found["problem"]


@pytest.mark.parametrize("address", ["nonsense", "http://127.0.0.1:5555", "127.0.0.1:5555x", "127.0.0.1:99999"])
def test_no_address(address: str) -> None:
    result = invoke("health", address, "--timeout", 0.05)
    assert result.exit_code == 2
    assert f"{address!r}: " in result.stderr


def test_with_keys_only_those_on_the_list_get_an_answer(tmp_path: Path) -> None:
    assert invoke("keys", tmp_path / "ours", "--client", "alice").exit_code == 0
    assert invoke("keys", tmp_path / "others", "--client", "mallory").exit_code == 0
    server = ("--server-key", tmp_path / "ours" / "server.key")
    with served(keys=tmp_path / "ours") as address:
        assert health(address, "--key", tmp_path / "ours" / "alice.key_secret", *server)[0] == 0
        assert health(address, "--key", tmp_path / "others" / "mallory.key_secret", *server, "--timeout", 0.2)[0] == 1
        assert health(address, "--timeout", 0.2)[0] == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--key", "alice.key_secret"), "needs both --key and --server-key"),
        (("--key", "alice.key", "--server-key", "server.key"), "has no secret key"),
        (("--key", "gone", "--server-key", "server.key"), "no key can be read from 'gone'"),
        (("--key", "empty", "--server-key", "server.key"), "no key can be read from 'empty'"),
    ],
)
def test_wrong_keys(words: tuple[str, ...], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    invoke("keys", ".", "--client", "alice")
    (tmp_path / "alice.key").write_bytes((tmp_path / "clients" / "alice.key").read_bytes())
    (tmp_path / "empty").touch()
    result = invoke("health", "127.0.0.1:5", "--timeout", 0.05, *words)
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.replace("│", " ").split())


def test_keys_are_made_once_and_clients_added(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    first = invoke("keys", folder)
    assert "nobody may connect yet" in first.stderr
    secret = (folder / "server.key_secret").read_bytes()
    second = invoke("keys", folder, "--client", "alice", "--client", "bob", "--json")
    assert (folder / "server.key_secret").read_bytes() == secret
    assert second.stderr == ""
    written = {Path(entry["file"]).name: entry["key"] for entry in json.loads(second.stdout)["written"]}
    assert written == {
        "alice.key": "public",
        "alice.key_secret": "secret",
        "bob.key": "public",
        "bob.key_secret": "secret",
    }
    if os.name == "posix":
        modes = {stat.S_IMODE(file.stat().st_mode) for file in folder.rglob("*.key_secret")}
        assert modes == {0o600}


@pytest.mark.parametrize("name", ["../alice", "server", ""])
def test_names_that_are_no_files(name: str, tmp_path: Path) -> None:
    result = invoke("keys", tmp_path / "keys", "--client", name)
    assert result.exit_code == 2
    assert "cannot name a client" in result.stderr


def test_a_client_keeps_its_keys(tmp_path: Path) -> None:
    invoke("keys", tmp_path, "--client", "alice")
    secret = (tmp_path / "alice.key_secret").read_bytes()
    result = invoke("keys", tmp_path, "--client", "alice")
    assert result.exit_code == 2
    assert "exists already" in result.stderr
    assert (tmp_path / "alice.key_secret").read_bytes() == secret
