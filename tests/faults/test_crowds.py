"""Clients that do not read, come all at once, or are none: they cost the others nothing, and the server little."""

from __future__ import annotations

import socket as sockets
import statistics
import struct
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from helios_world.errors import ServerError
from helios_world.spec import Action
from helios_world.testing import PatternWorld

MIB = 2**20
GREETING = b"\xff" + bytes(8) + b"\x7f" + b"\x03\x00" + b"NULL".ljust(20, b"\0") + b"\0" + bytes(31)
"""Of ZMTP 3.0, 64 bytes."""
READY = b"\x04\x19\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER"


def latency(world: Any, seconds: float) -> float:
    """Median seconds of a step."""
    until, times = time.monotonic() + seconds, []
    while time.monotonic() < until:
        began = time.monotonic()
        world.step(Action({"forward"}))
        times.append(time.monotonic() - began)
    return statistics.median(times)


@pytest.mark.parametrize("mode", ["stream", "lockstep"])
def test_a_client_that_does_not_read(mode: str, serve: Any, peer: Any, remote: Any) -> None:
    """What waits for it is bounded by its connection's queue, however much it asks for."""
    server = serve("ledger", "--rate", "100000", SIDE="512")
    chunk = 4 * 512 * 512 * 3
    world = remote(server)
    world.reset(seed=1)
    latency(world, 0.5)
    alone, before = latency(world, 0.7), server.usage.rss
    deaf = peer(server, rcvhwm=1)
    deaf.open(mode=mode)
    deaf.reset(seed=2)
    sizes = []
    made = 1
    for number in range(40):
        if mode == "stream":
            deaf.send(t="CREDIT", sid=deaf.sid, epoch=1, n=4)
        else:
            deaf.send(t="STEP", sid=deaf.sid, seq=made, epoch=1)
            deaf.send(t="STEP", sid=deaf.sid, seq=made + 1, epoch=1)
        deaf.send(t="PING", n=number)
        latency(world, 0.05)
        sizes.append(server.usage.rss - before)
        made = sum(seed == 2 for seed, _ in server.ledger)
    crowded = latency(world, 0.7)
    indices = [index for seed, index in server.ledger if seed == 2]
    assert indices == list(range(len(indices)))
    assert 2 < made < 30
    assert max(sizes) < 16 * chunk
    assert max(sizes[30:]) - max(sizes[20:30]) < 2 * chunk
    assert crowded < 5 * alone + 0.05


def test_a_crowd_at_once(serve: Any, peer: Any) -> None:
    """200 clients: as many as there is room for are served, all others are told so, and then there is room again."""
    most, count = 50, 200
    server = serve("pattern", "--max-sessions", str(most))
    first = peer(server)
    first.open()
    first.reset()  # after the first large message there is one thread more, for good
    first.ask("CLOSE")
    before = server.usage
    crowd = [peer(server) for _ in range(count)]
    for client in crowd:
        client.send(t="HELLO", seq=1, client="crowd/1")
        client.send(t="OPEN", seq=2)
    answers = []
    for client in crowd:
        assert client.receive()[0].t == "WELCOME"
        answers.append(client.receive()[0])
    told = Counter(getattr(answer, "code", answer.t) for answer in answers)
    assert told == {"OPENED": most, "limit": count - most}
    assert all(answer.retryable for answer in answers if answer.t == "ERROR")
    lucky = [(client, answer) for client, answer in zip(crowd, answers, strict=True) if answer.t == "OPENED"]
    for number, (client, answer) in enumerate(lucky):
        client.send(t="RESET", sid=answer.sid, seq=1, seed=number)
    for number, (client, _) in enumerate(lucky):
        chunk, (frames,) = client.receive()
        assert chunk.index == 0
        assert bytes(frames) == PatternWorld().reset(seed=number).frames.tobytes()
    for client, answer in lucky:
        client.send(t="CLOSE", sid=answer.sid, seq=2)
    for client, _ in lucky:
        assert client.receive()[0].t == "CLOSED"
    late = peer(server)
    assert late.open().t == "OPENED"
    assert late.reset()[0].index == 0
    for client in crowd:
        client.close()
    until = time.monotonic() + 30
    while server.usage.handles > before.handles + 4:
        assert time.monotonic() < until, server.usage
        time.sleep(0.05)
    assert server.usage.threads == before.threads


def test_a_crowd_of_worlds(serve: Any) -> None:
    """The same with the asynchronous client: those that find no room are told at once."""
    import asyncio

    from helios_runtime.client import aio

    server = serve("pattern", "--max-sessions", "20")

    async def visit(number: int) -> int:
        async with await aio.connect(server.address, timeout=30) as world:
            await world.reset(seed=number)
            chunk = await world.step()
            await meeting.wait()
            return chunk.index

    async def leave_when_all_are_there(visits: list[Any]) -> None:
        while sum(visit.done() for visit in visits) < 40:
            await asyncio.sleep(0.01)
        meeting.set()

    async def gather() -> list[Any]:
        visits = [asyncio.ensure_future(visit(number)) for number in range(60)]
        results = await asyncio.gather(*visits, leave_when_all_are_there(visits), return_exceptions=True)
        return results[:-1]

    meeting = asyncio.Event()
    results = asyncio.run(asyncio.wait_for(gather(), 60))
    assert results.count(1) == 20
    refused = [result for result in results if result != 1]
    assert all(isinstance(result, ServerError) and result.code == "limit" for result in refused), refused


def dial(server: Any) -> sockets.socket:
    return sockets.create_connection(("127.0.0.1", server.port), timeout=10)


def hang_up(connection: sockets.socket) -> None:
    with connection:
        try:
            connection.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError:
            return


STRANGERS = {
    "nothing": b"",
    "half a greeting": GREETING[:13],
    "a greeting": GREETING,
    "half a handshake": GREETING + READY[:9],
    "http": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 4,
    "noise": bytes(range(256)) * 8,
    "an endless frame": GREETING + READY + b"\x02" + struct.pack(">Q", 2**63 - 1) + b"x" * 100,
    "a huge frame": GREETING + READY + b"\x02" + struct.pack(">Q", 2**31) + b"x" * 100,
    "half a message": GREETING + READY + b"\x01\x04HW\x01\x00" + b"\x00\x40abc",
    "unknown flags": GREETING + READY + b"\xf8\x04HW\x01\x00",
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
}


def test_connections_that_are_no_clients(serve: Any, peer: Any, wait: Callable[..., None]) -> None:
    """Those that never finish the handshake are closed after a while; none holds up a client or wastes memory."""
    server = serve("pattern")
    client = peer(server)
    client.open()
    client.reset()
    before = server.usage
    strangers = [dial(server) for _ in range(10 * len(STRANGERS))]
    for stranger, data in zip(strangers, 10 * list(STRANGERS.values()), strict=True):
        stranger.sendall(data)
    began = time.monotonic()
    for _ in range(50):
        assert client.step()[0].t == "CHUNK"
    assert time.monotonic() - began < 10
    assert peer(server).open().t == "OPENED"
    assert server.usage.rss < before.rss + 32 * MIB
    # What is left are those that have said READY and are in the middle of a message, and the second client.
    wait(lambda: server.usage.handles <= before.handles + 2 * 10 + 1, 22)
    for stranger in strangers:
        hang_up(stranger)
    wait(lambda: server.usage.handles <= before.handles + 1)
    assert server.usage.threads == before.threads
    assert client.step()[0].t == "CHUNK"


def test_connections_that_come_and_go(serve: Any, peer: Any, wait: Callable[..., None]) -> None:
    """Hundreds that end in the middle of the handshake leave nothing behind."""
    server = serve("pattern")
    client = peer(server)
    client.open()
    client.reset()
    before = server.usage
    for number in range(300):
        connection = dial(server)
        connection.sendall((GREETING + READY)[: number % 91])
        hang_up(connection)
        if number % 10 == 0:
            assert client.step()[0].t == "CHUNK"
    wait(lambda: server.usage.handles <= before.handles + 1)
    assert server.usage.threads == before.threads
    assert server.usage.rss < before.rss + 16 * MIB
