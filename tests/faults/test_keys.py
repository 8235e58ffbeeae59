"""A server with keys lets through who has one, and nobody else; not even the bytes of somebody who had one."""

from __future__ import annotations

import selectors
import socket as sockets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq

from helios_runtime.client import ClientKeys
from helios_runtime.server.security import make_keys
from helios_world.errors import ConnectionLostError, OptionError
from helios_world.testing import PatternWorld

HANDSHAKE = 64 + 2 + 168
"""Bytes of a server's greeting and WELCOME, which anybody gets."""


class Tap:
    """Passes a TCP connection on, and keeps what the client sends."""

    def __init__(self, port: int) -> None:
        self.heard = b""
        self._listener = sockets.create_server(("127.0.0.1", 0))
        self.address = f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"
        self._ends = (self._listener,)
        self._thread = threading.Thread(target=self._run, args=(port,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listener.close()
        self._thread.join(10)

    def _run(self, port: int) -> None:
        client, _ = self._listener.accept()
        with client, sockets.create_connection(("127.0.0.1", port)) as server, selectors.DefaultSelector() as ready:
            ready.register(client, selectors.EVENT_READ, server)
            ready.register(server, selectors.EVENT_READ, client)
            while True:
                for key, _ in ready.select(10):
                    data = key.fileobj.recv(65536)  # type: ignore[union-attr]
                    if not data:
                        return
                    if key.fileobj is client:
                        self.heard += data
                    key.data.sendall(data)


@contextmanager
def tapped(port: int) -> Iterator[Tap]:
    tap = Tap(port)
    try:
        yield tap
    finally:
        tap.close()


def test_who_has_no_key_gets_nowhere(serve: Any, remote: Any, peer: Any, tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    make_keys(folder, ["friend"])
    make_keys(tmp_path / "others", ["stranger"])
    friend = ClientKeys.read(folder / "friend.key_secret", folder / "server.key")
    stranger = ClientKeys.read(tmp_path / "others" / "stranger.key_secret", folder / "server.key")
    elsewhere = ClientKeys.read(folder / "friend.key_secret", tmp_path / "others" / "server.key")
    server = serve("ledger", "--keys", str(folder))
    world, local = remote(server, keys=friend), PatternWorld()
    assert np.array_equal(world.reset(seed=1).frames, local.reset(seed=1).frames)
    before = server.usage
    with pytest.raises(OptionError, match="does not accept"):
        remote(server, keys=stranger, timeout=10)
    for keys in (None, elsewhere):
        with pytest.raises(ConnectionLostError):
            remote(server, keys=keys, timeout=1.0)
    plain = peer(server)
    plain.send(t="HELLO", seq=1, client="plain/1")
    plain.send(t="PING", n=1)
    public, secret = zmq.curve_keypair()
    wrong = peer(server, curve_publickey=public, curve_secretkey=secret, curve_serverkey=friend.server)
    wrong.send(t="PING", n=1)
    for _ in range(20):
        assert np.array_equal(world.step().frames, local.step().frames)
    for nobody in (plain, wrong):
        with pytest.raises(TimeoutError):
            nobody.receive(0.3)
    pong = world.ping()
    assert pong is not None
    assert pong.sessions == 1
    assert server.usage.threads <= before.threads + 2


def test_a_replayed_handshake_opens_nothing(serve: Any, remote: Any, tmp_path: Path) -> None:
    make_keys(tmp_path / "keys", ["friend"])
    friend = ClientKeys.read(tmp_path / "keys" / "friend.key_secret", tmp_path / "keys" / "server.key")
    server = serve("ledger", "--keys", str(tmp_path / "keys"))
    with tapped(server.port) as tap, remote(tap, keys=friend) as world:
        world.reset(seed=5)
        world.step()
    assert len(tap.heard) > 1000
    assert b"RESET" not in tap.heard
    made = server.ledger
    watching = remote(server, keys=friend)
    for size in (len(tap.heard), 64 + 202, 700):
        with sockets.create_connection(("127.0.0.1", server.port), timeout=1.0) as replay:
            answer = b""
            try:
                replay.sendall(tap.heard[:size])
                while data := replay.recv(65536):
                    answer += data
            except OSError:
                pass
        assert len(answer) <= HANDSHAKE
    pong = watching.ping()
    assert pong is not None
    assert pong.sessions == 1
    assert server.ledger == made == [(5, 0), (5, 1)]
