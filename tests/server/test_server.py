"""A whole server over TCP, with plain sockets on the other side."""

from __future__ import annotations

import socket as sockets
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq

from helios_runtime.server.server import Server
from helios_runtime.server.settings import ServeSettings
from helios_world.errors import CheckpointError
from helios_world.spec import Action, Chunk
from helios_world.testing import PatternWorld, read_code

MakeServer = Callable[..., Server]
Connect = Callable[..., Any]


class Gate:
    """Where worlds wait in the middle of a step until they are let through."""

    def __init__(self) -> None:
        self.may_step = threading.Semaphore(0)
        self.began = threading.Semaphore(0)

    def load(self, name: str) -> PatternWorld:
        return GatedWorld(self)


class GatedWorld(PatternWorld):
    def __init__(self, gate: Gate) -> None:
        super().__init__(height=32, width=48)
        self.gate = gate

    def step(self, action: Action | None = None, prompt: str | None = None) -> Chunk:
        self.gate.began.release()
        assert self.gate.may_step.acquire(timeout=30)
        return super().step(action, prompt)


def _bytes(frames: Any) -> list[bytes]:
    return [bytes(frames)]


def test_a_walk_gives_the_frames_of_the_local_world(make_server: MakeServer, connect: Connect) -> None:
    client, world = connect(make_server()), PatternWorld(height=32, width=48)
    opened = client.open()
    assert opened.world.spec() == world.spec
    head, frames = client.reset(seed=9, prompt="a red floor")
    assert frames == _bytes(world.reset(seed=9, prompt="a red floor").frames.data)
    for held in (("forward",), ("turn_left", "back"), ()):
        head, frames = client.step(*held)
        expected = world.step(Action(held))
        assert frames == _bytes(expected.frames.data)
        assert (head.index, head.first_frame) == (expected.index, expected.first_frame)
        assert head.weights() == expected.prompt
    assert client.ask("CLOSE")[0].t == "CLOSED"


def test_large_chunks_arrive_whole(make_server: MakeServer, connect: Connect) -> None:
    size = {"height": 384, "width": 640, "frames_per_chunk": 33}
    server = make_server(lambda name: PatternWorld(**size))
    client = connect(server)
    client.open()
    head, (data,) = client.reset(seed=1)
    frames = np.frombuffer(data, np.uint8).reshape(head.shape)
    assert [read_code(frame).frame for frame in frames] == list(range(33))


def test_a_repeated_request_over_the_wire(make_server: MakeServer, connect: Connect) -> None:
    client = connect(make_server())
    client.open()
    client.reset(seed=1)
    client.step("forward")
    request = {"t": "STEP", "sid": client.sid, "seq": 3, "epoch": 1, "action": {"buttons": ["back"]}}
    answers = []
    for _ in range(3):
        client.send(**request)
        client.socket.poll(5000)
        answers.append(client.socket.recv_multipart())
    assert answers[0] == answers[1] == answers[2]
    client.seq = 3
    assert client.step()[0].index == 3


def test_ping_is_answered_while_the_device_is_busy(make_server: MakeServer, connect: Connect) -> None:
    gate = Gate()
    server = make_server(gate.load)
    client = connect(server)
    client.open()
    client.reset(seed=1)
    client.send(t="STEP", sid=client.sid, seq=2, epoch=1)
    assert gate.began.acquire(timeout=30)
    client.send(t="PING", n=5, client_time=2.0)
    pong, _ = client.receive()
    assert (pong.t, pong.n, pong.sessions) == ("PONG", 5, 1)
    assert pong.busy_since >= 0
    gate.may_step.release()
    assert client.receive()[0].index == 1
    _wait_for(lambda: _is_idle(client))


def test_a_stream_over_the_wire(make_server: MakeServer, connect: Connect) -> None:
    client = connect(make_server())
    client.open(mode="stream", encoding="jpeg")
    client.reset(seed=1)
    client.send(t="INPUT", sid=client.sid, epoch=1, n=1, buttons=["forward"], client_time=4.0)
    client.send(t="CREDIT", sid=client.sid, epoch=1, n=3)
    heads = [client.receive()[0] for _ in range(3)]
    assert [(head.index, head.seq, head.action.buttons) for head in heads] == [
        (index, None, ("forward",)) for index in (1, 2, 3)
    ]
    assert [head.client_time for head in heads] == [4.0, None, None]
    assert client.is_quiet()


def test_a_client_that_stops_reading_disturbs_nobody(make_server: MakeServer, connect: Connect) -> None:
    size = {"height": 256, "width": 512, "frames_per_chunk": 8}
    server = make_server(lambda name: PatternWorld(**size), rate=10_000.0)
    sleeper, walker = connect(server, rcvhwm=1, rcvbuf=1 << 16), connect(server)
    sleeper.open(mode="stream")
    sleeper.reset(seed=1)
    walker.open()
    walker.reset(seed=1)
    for _ in range(30):
        sleeper.send(t="CREDIT", sid=sleeper.sid, epoch=1, n=4)
        walker.step("forward")
    indices = []
    while not sleeper.is_quiet(0.3):
        indices.append(sleeper.receive()[0].index)
    # What lay in the queues of the sockets and the credit that was kept, not the 120 chunks that were allowed.
    assert indices == list(range(1, len(indices) + 1))
    assert len(indices) < 60
    assert walker.step()[0].index == 31


def test_a_connection_that_breaks_is_resumed(make_server: MakeServer, connect: Connect) -> None:
    server = make_server()
    old, new = connect(server), connect(server)
    old.open()
    old.reset(seed=1)
    old.step("forward")
    old.socket.close()
    thief = connect(server)
    assert thief.resume(old.sid, "0" * 64).code == "auth"
    opened = new.resume(old.sid, old.token, last_seq=1)
    assert (opened.next_seq, opened.index) == (3, 2)
    new.seq = 1
    assert new.step("forward")[0].index == 1
    assert new.step("forward")[0].index == 2


@pytest.mark.parametrize("is_drained", [True, False])
def test_the_next_server_continues(make_server: MakeServer, connect: Connect, tmp_path: Path, is_drained: bool) -> None:
    first = make_server(state_dir=tmp_path)
    old = connect(first)
    old.open()
    old.reset(seed=3, prompt="a red floor")
    old.step("forward")
    head, frames = old.step("turn_left")
    if is_drained:
        assert first.drain()
        bye, _ = old.receive()
        assert (bye.t, bye.reason, bye.resumable) == ("BYE", "draining", True)
    else:
        first.close()
    new = connect(make_server(state_dir=tmp_path))
    opened = new.resume(old.sid, old.token, last_seq=2)
    assert (opened.next_seq, opened.epoch, opened.index) == (4, 1, 3)
    new.seq = 2
    again, same_frames = new.step("turn_left")
    assert (again.index, again.action, again.prompt) == (head.index, head.action, head.prompt)
    assert same_frames == frames
    world = PatternWorld(height=32, width=48)
    world.reset(seed=3, prompt="a red floor")
    for held in ("forward", "turn_left", "back"):
        expected = world.step(Action({held}))
    assert new.step("back")[1] == _bytes(expected.frames.data)


def test_a_server_that_was_killed(make_server: MakeServer, connect: Connect, tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from helios_runtime.server.server import Server\n"
        "from helios_runtime.server.settings import ServeSettings\n"
        "server = Server(ServeSettings(world='pattern', bind='127.0.0.1:0', state_dir=sys.argv[1]))\n"
        "server.start()\n"
        "print(server.address, flush=True)\n"
        "server.serve_forever()\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, tmp_path], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        old = connect(process.stdout.readline().strip())
        old.open()
        old.reset(seed=4)
        frames = [old.step("forward")[1] for _ in range(5)]
        process.kill()
    new = connect(make_server(lambda name: PatternWorld(), state_dir=tmp_path))
    opened = new.resume(old.sid, old.token, last_seq=5)
    assert (opened.next_seq, opened.index) == (7, 6)
    new.seq = 5
    assert new.step("forward")[1] == frames[-1]
    assert new.step("forward")[0].index == 6


def test_drain_finishes_what_runs(make_server: MakeServer, connect: Connect, tmp_path: Path) -> None:
    gate = Gate()
    server = make_server(gate.load, state_dir=tmp_path)
    client, guest = connect(server), connect(server)
    client.open()
    client.reset(seed=1)
    guest.greet()
    client.send(t="STEP", sid=client.sid, seq=2, epoch=1)
    assert gate.began.acquire(timeout=30)
    kept: list[bool] = []
    draining = threading.Thread(target=lambda: kept.append(server.drain()))
    draining.start()
    _wait_for(lambda: _drains(guest))
    gate.may_step.release()
    assert client.receive()[0].index == 1
    assert client.receive()[0].t == "BYE"
    draining.join(30)
    assert kept == [True]
    server.serve_forever()


def test_drain_gives_up_in_time(make_server: MakeServer, connect: Connect) -> None:
    gate = Gate()
    server = make_server(gate.load)
    client = connect(server)
    client.open()
    client.reset(seed=1)
    client.send(t="STEP", sid=client.sid, seq=2, epoch=1)
    assert gate.began.acquire(timeout=30)
    said: list[str] = []

    def let_go() -> None:
        said.append(client.receive()[0].t)
        gate.may_step.release()

    waiting = threading.Thread(target=let_go)
    waiting.start()
    assert not server.drain(0.05)
    waiting.join(30)
    assert said == ["BYE"]


def test_who_has_left_takes_nobodys_place(make_server: MakeServer, connect: Connect, tmp_path: Path) -> None:
    server = make_server(state_dir=tmp_path, max_sessions=2)
    leavers = [connect(server) for _ in range(2)]
    for leaver in leavers:
        leaver.open()
        leaver.reset()
        leaver.socket.close()
    _wait_for(lambda: connect(server).open().t == "OPENED")
    _wait_for(lambda: connect(server).resume(leavers[0].sid, leavers[0].token, last_seq=1).t == "OPENED")


def test_many_clients_at_once(make_server: MakeServer, connect: Connect) -> None:
    server = make_server(max_sessions=8)
    clients = [connect(server) for _ in range(40)]
    for client in clients:
        client.send(t="HELLO", seq=1, client="crowd/1")
        client.send(t="OPEN", seq=2)
    answers = []
    for client in clients:
        assert client.receive()[0].t == "WELCOME"
        answers.append(client.receive()[0])
    assert sorted(answer.t for answer in answers) == ["ERROR"] * 32 + ["OPENED"] * 8
    assert {(answer.code, answer.retryable) for answer in answers if answer.t == "ERROR"} == {("limit", True)}


def test_a_message_that_is_too_large(make_server: MakeServer, connect: Connect) -> None:
    server = make_server(max_message_mb=1)
    client, giant = connect(server), connect(server)
    client.open()
    part = [{"dtype": "u1", "shape": [600, 600, 3]}]
    refused, _ = client.ask("RESET", bytes(600 * 600 * 3), seed=1, start="image", parts=part)
    assert refused.code == "too_large"
    giant.greet()
    giant.send(bytes(4 << 20), t="PING", n=1)
    client.seq = 0
    assert client.reset(seed=1)[0].t == "CHUNK"


def test_strangers_who_speak_something_else(make_server: MakeServer, connect: Connect) -> None:
    server = make_server()
    client = connect(server)
    client.open()
    host, port = server.address.removeprefix("tcp://").split(":")
    with sockets.create_connection((host, int(port))) as web, sockets.create_connection((host, int(port))) as mute:
        web.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        mute.sendall(b"\xff\x00")
        assert client.reset(seed=1)[0].t == "CHUNK"
    request: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.REQ)
    request.linger = 0
    request.connect(server.address)
    request.send(b"rubbish")
    assert client.step()[0].index == 1
    request.close()


def test_a_world_that_cannot_be_opened(make_server: MakeServer) -> None:
    def fail(name: str) -> PatternWorld:
        raise CheckpointError(f"no weights in {name}")

    with pytest.raises(CheckpointError, match="no weights in pattern"):
        make_server(fail)


def test_two_servers_cannot_share_an_address(make_server: MakeServer) -> None:
    first = make_server()
    with pytest.raises(zmq.ZMQError, match="in use"):
        make_server(bind=first.address)


def test_the_default_world_is_opened_by_name(connect: Connect) -> None:
    with Server(ServeSettings(world="pattern", bind="127.0.0.1:0")) as server:
        client = connect(server)
        assert client.open().world.spec() == PatternWorld().spec
        assert client.reset()[0].t == "CHUNK"
    server.close()


@pytest.mark.parametrize("part", ["engine.prepare_together", "desk.Desk.is_blocked"])
def test_a_server_that_can_serve_no_more_ends(
    make_server: MakeServer, connect: Connect, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    monkeypatch.setattr("helios_runtime.server.server._LOOK_SECONDS", 0.01)
    server = make_server()
    guest = connect(server)
    guest.open()
    broken: object = property(_break) if part.startswith("desk") else _break
    monkeypatch.setattr(f"helios_runtime.server.{part}", broken)
    guest.send(t="RESET", sid=guest.sid, seq=1, seed=1)
    server.serve_forever()


def test_nothing_is_left_behind(make_server: MakeServer, connect: Connect, tmp_path: Path) -> None:
    before = set(threading.enumerate())
    server = make_server(state_dir=tmp_path)
    client = connect(server)
    client.open(encoding="jpeg")
    client.reset()
    server.close()
    left = {thread.name for thread in set(threading.enumerate()) - before if thread.name.startswith("helios")}
    assert left == set()


def _break(_: object) -> None:
    raise RuntimeError("broken")


def _wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.005)


def _is_idle(client: Any) -> bool:
    client.send(t="PING", n=6)
    return client.receive()[0].busy_since is None


def _drains(guest: Any) -> bool:
    guest.send(t="OPEN", seq=77, world="no such world")
    return bool(guest.receive()[0].code == "draining")
