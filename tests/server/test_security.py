"""Who gets in, and who does not."""

from __future__ import annotations

import os
import socket as sockets
import stat
import struct
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import zmq
import zmq.auth

from helios_runtime.server.security import AllowList, Keys, check_bind, full_address, make_keys
from helios_world.errors import OptionError

QUIET = 0.4  # seconds in which a handshake that could succeed would have


@pytest.mark.parametrize("bind", ["127.0.0.1:5555", "localhost:0", "tcp://127.8.9.10:*", "[::1]:5555", "ipc:///tmp/x"])
def test_this_machine_needs_no_keys(bind: str) -> None:
    check_bind(full_address(bind), keys=None, insecure=False)


@pytest.mark.parametrize("bind", ["0.0.0.0:5555", "*:5555", "tcp://192.168.0.7:1", "[::]:5555", "eth0:5555", "host:1"])
def test_other_machines_need_keys_or_consent(bind: str, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="helios-world keys FOLDER"):
        check_bind(full_address(bind), keys=None, insecure=False)
    check_bind(full_address(bind), keys=tmp_path, insecure=False)
    check_bind(full_address(bind), keys=None, insecure=True)


def test_other_transports() -> None:
    with pytest.raises(OptionError, match="udp"):
        check_bind("udp://127.0.0.1:1", keys=None, insecure=True)


def test_keys_on_disk(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    written = make_keys(folder, ["game", "agent-2"])
    names = {str(path.relative_to(folder)) for path in written}
    assert names == {
        "server.key",
        "server.key_secret",
        "clients/game.key",
        "game.key_secret",
        "clients/agent-2.key",
        "agent-2.key_secret",
    }
    public, secret = zmq.auth.load_certificate(folder / "server.key_secret")
    assert zmq.auth.load_certificate(folder / "server.key") == (public, None)
    assert secret is not None
    assert zmq.curve_public(secret) == public
    assert set(zmq.auth.load_certificates(folder / "clients")) == {
        zmq.auth.load_certificate(folder / f"{name}.key_secret")[0] for name in ("game", "agent-2")
    }
    if os.name == "posix":
        assert {stat.S_IMODE(path.stat().st_mode) for path in written} == {0o600}


def test_more_clients_later(tmp_path: Path) -> None:
    make_keys(tmp_path)
    before = (tmp_path / "server.key_secret").read_text()
    assert [path.name for path in make_keys(tmp_path, ["game"])] == ["game.key", "game.key_secret"]
    assert (tmp_path / "server.key_secret").read_text() == before
    with pytest.raises(FileExistsError):
        make_keys(tmp_path, ["game"])
    assert make_keys(tmp_path) == []


@pytest.mark.parametrize("name", ["", "server", "../evil", "a/b", "a b", "."])
def test_a_client_is_named_like_a_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(OptionError, match="cannot name a client"):
        make_keys(tmp_path, [name])


def test_keys_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="helios-world keys"):
        Keys.read(tmp_path)
    make_keys(tmp_path)
    (tmp_path / "server.key_secret").write_text((tmp_path / "server.key").read_text())
    with pytest.raises(OptionError, match="no secret key"):
        Keys.read(tmp_path)


@pytest.mark.skipif(os.name != "posix", reason="Windows has other rights")
def test_keys_that_others_can_read_are_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    make_keys(tmp_path)
    Keys.read(tmp_path)
    assert caplog.text == ""
    (tmp_path / "server.key_secret").chmod(0o644)
    Keys.read(tmp_path)
    assert "chmod 600" in caplog.text


def test_a_list_that_cannot_be_read_allows_nobody(tmp_path: Path) -> None:
    assert not AllowList(tmp_path / "none").callback("*", b"x" * 40)
    (tmp_path / "broken.key").write_text("nothing")
    assert not AllowList(tmp_path).callback("*", b"x" * 40)


def _curve(folder: Path, name: str) -> dict[str, bytes]:
    public, secret = zmq.auth.load_certificate(folder / f"{name}.key_secret")
    assert secret is not None
    server, _ = zmq.auth.load_certificate(folder / "server.key")
    return {"curve_publickey": public, "curve_secretkey": secret, "curve_serverkey": server}


def test_only_allowed_keys_get_in(
    tmp_path: Path, make_server: Callable[..., Any], connect: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    make_keys(ours, ["game", "late"])
    make_keys(theirs, ["thief"])
    late = ours / "clients" / "late.key"
    late_key = late.read_text()
    late.unlink()
    server = make_server(keys=ours)
    game = connect(server, **_curve(ours, "game"))
    assert game.open().t == "OPENED"
    server_key = {"curve_serverkey": _curve(ours, "game")["curve_serverkey"]}
    outsiders = [
        connect(server),
        connect(server, **{**_curve(theirs, "thief"), **server_key}),
        connect(server, **_curve(theirs, "thief")),
        connect(server, **_curve(ours, "late")),
    ]
    for outsider in outsiders:
        outsider.socket.sndtimeo = 0
        with suppress(zmq.Again):  # a socket that was refused by now takes no message any more
            outsider.send(t="PING", n=1)
    assert all(outsider.is_quiet(QUIET / len(outsiders)) for outsider in outsiders)
    assert "unknown key" in caplog.text
    late.write_text(late_key)
    friend = connect(server, **_curve(ours, "late"))
    assert friend.open().t == "OPENED"
    assert game.reset()[0].t == "CHUNK"


def _flood(attacker: sockets.socket, piece: bytes) -> None:
    for number in range(2000):
        attacker.sendall(piece)
        if number > 20:
            time.sleep(0.02)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells how much a connection has sent")
def test_a_message_without_end_is_cut(
    make_server: Callable[..., Any], connect: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    server = make_server(max_message_mb=1)
    client = connect(server)
    client.open()
    host, port = server.address.removeprefix("tcp://").split(":")
    piece = b"\x03" + struct.pack(">Q", 1 << 20) + bytes(1 << 20)  # a part of 1 MiB, with more to come
    with sockets.create_connection((host, int(port))) as attacker:
        attacker.sendall(b"\xff" + bytes(8)[1:] + b"\x01\x7f\x03\x01" + b"NULL".ljust(20, b"\0") + bytes(32))
        ready = b"\x05READY\x0bSocket-Type" + struct.pack(">I", 6) + b"DEALER"
        attacker.sendall(b"\x04" + bytes([len(ready)]) + ready)
        with pytest.raises(OSError, match=r"reset|[Bb]roken"):
            _flood(attacker, piece)
    assert "without end" in caplog.text
    for _ in range(50):
        client.reset(seed=1)


def test_a_server_refuses_to_be_open(make_server: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="insecure"):
        make_server(bind="0.0.0.0:0")
    with pytest.raises(OptionError, match="no server keys"):
        make_server(bind="0.0.0.0:0", keys=tmp_path)
    assert make_server(bind="0.0.0.0:0", insecure=True).address.startswith("tcp://0.0.0.0:")


def test_a_stranger_does_not_fill_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    make_keys(tmp_path)
    allowed = AllowList(tmp_path / "clients")
    assert not any(allowed.callback("*", b"x" * 40) for _ in range(100))
    assert 1 <= caplog.text.count("unknown key") < 10
