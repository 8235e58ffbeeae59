"""Worlds in another thread behind real sockets, as the contract has them."""

from __future__ import annotations

import asyncio
import gc
import inspect
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import zmq

import helios_runtime
from helios_runtime.client import ClientKeys, RemoteWorld, aio, connect
from helios_runtime.server.security import make_keys
from helios_runtime.server.server import Server
from helios_runtime.server.settings import ServeSettings
from helios_world.errors import ActionError, ConnectionLostError, FrameError, OptionError, ServerError, StateError
from helios_world.spec import Action, Chunk, World
from helios_world.testing import PatternWorld, check_world, read_code


@pytest.fixture(scope="module")
def make_server() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def make(world: Callable[[], World] = PatternWorld, **settings: Any) -> Server:
        given = {"world": "pattern", "bind": "tcp://127.0.0.1:0", "max_sessions": 64} | settings
        server = Server(ServeSettings(**given), lambda name: world())
        servers.append(server)
        server.start()
        return server

    yield make
    for server in servers:
        server.close()


@pytest.fixture(scope="module")
def address(make_server: Callable[..., Server]) -> str:
    return make_server().address


class Gate:
    """Where the steps of worlds wait until they may end."""

    def __init__(self) -> None:
        self.has_begun, self.may_end = threading.Event(), threading.Event()

    def world(self) -> World:
        return GatedWorld(self)


class GatedWorld(PatternWorld):
    def __init__(self, gate: Gate) -> None:
        super().__init__()
        self._gate = gate

    def step(self, action: Action | None = None, prompt: str | None = None) -> Chunk:
        self._gate.has_begun.set()
        assert self._gate.may_end.wait(30)
        return super().step(action, prompt)


def test_the_contract_is_kept(address: str) -> None:
    check_world(lambda: connect(address))


class Waiting(World):
    """An asynchronous world, waited for."""

    def __init__(self, loop: asyncio.AbstractEventLoop, world: aio.AsyncRemoteWorld) -> None:
        self._loop, self._world = loop, world

    @property
    def spec(self) -> Any:
        return self._world.spec

    def fork(self) -> Waiting:
        return Waiting(self._loop, self._loop.run_until_complete(self._world.fork()))


def _wait_for(name: str) -> Callable[..., Any]:
    def call(self: Any, *arguments: Any, **options: Any) -> Any:
        return self._loop.run_until_complete(getattr(self._world, name)(*arguments, **options))

    return call


for _name in ("reset", "step", "prepare", "snapshot", "restore", "close"):
    setattr(Waiting, _name, _wait_for(_name))


def test_the_asynchronous_twin_keeps_the_contract(address: str) -> None:
    loop = asyncio.new_event_loop()
    try:
        check_world(lambda: Waiting(loop, loop.run_until_complete(aio.connect(address))))
    finally:
        loop.close()


def test_the_twins_have_the_same_names() -> None:
    def names(kind: type) -> dict[str, list[str]]:
        methods = {name: value for name, value in vars(kind).items() if inspect.isfunction(value) and name[0] != "_"}
        return {name: list(inspect.signature(value).parameters) for name, value in methods.items()}

    twin = names(aio.AsyncRemoteWorld)
    del twin["go_on"]
    assert twin == names(RemoteWorld)


def test_many_at_once_in_one_event_loop(address: str) -> None:
    async def walk(seed: int) -> list[int]:
        async with await aio.connect(address) as world:
            chunks = [await world.reset(seed=seed)]
            chunks += [await world.step(Action({"forward"})) for _ in range(5)]
            return [read_code(chunk.frames[0]).seed for chunk in chunks]

    async def all_of_them() -> list[list[int]]:
        return await asyncio.gather(*(walk(seed) for seed in range(16)))

    assert asyncio.run(all_of_them()) == [[seed] * 6 for seed in range(16)]


def test_two_tasks_in_one_world_are_told(address: str) -> None:
    async def misuse() -> None:
        async with await aio.connect(address) as world:
            await world.reset()
            first, second = await asyncio.gather(world.step(), world.step(), return_exceptions=True)
            assert getattr(first, "index", None) == 1
            assert isinstance(second, StateError)
            assert "another task" in str(second)

    asyncio.run(misuse())


def test_a_cancelled_call_is_settled_by_the_next(make_server: Callable[..., Server]) -> None:
    gate = Gate()

    async def cancel(address: str) -> int:
        async with await aio.connect(address) as world:
            await world.reset()
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(world.step(), 0.03)
            gate.may_end.set()
            return (await world.step(Action({"back"}))).index

    assert asyncio.run(cancel(make_server(gate.world).address)) == 2


def test_the_spec_and_what_the_server_says(address: str) -> None:
    with helios_runtime.connect(address.removeprefix("tcp://")) as world:
        assert world.spec == PatternWorld().spec
        assert world.server.worlds == ("pattern",)
        assert world.newest is None
        chunk = world.reset(seed=3)
        assert world.newest is not None
        assert world.newest.chunk is chunk
        pong = world.ping()
        assert pong is not None
        assert pong.sessions >= 1
        world.say("a green floor")
        assert world.step().prompt[-1].text == "a green floor"


@pytest.mark.parametrize(("encoding", "least"), [("jpeg", 30.0), ("h264", 25.0)])
@pytest.mark.parametrize("progressive", [False, True])
def test_frames_that_were_compressed(address: str, encoding: Any, least: float, progressive: bool) -> None:
    truth = PatternWorld().reset(seed=5).frames.astype(np.float64)
    with connect(address, encoding=encoding, quality=95, progressive=progressive) as world:
        found = world.reset(seed=5).frames
        assert found.flags.c_contiguous
    error = np.mean((found.astype(np.float64) - truth) ** 2)
    assert 10 * np.log10(255**2 / error) > least


def test_pictures_and_films(address: str) -> None:
    film = np.random.default_rng(3).integers(0, 256, (6, 80, 100, 3), np.uint8)
    with connect(address) as world:
        local = PatternWorld()
        for start in ({"image": film[0]}, {"video": film[:, ::-1]}):
            assert np.array_equal(world.reset(seed=1, **start).frames, local.reset(seed=1, **start).frames)
        with pytest.raises(FrameError, match="at least 4"):
            world.reset(video=film[:2])
        assert world.step().index == 1


def test_frames_belong_to_the_caller(address: str) -> None:
    with connect(address) as world:
        first = world.reset(seed=1).frames
        copy = first.copy()
        for _ in range(20):
            world.step(Action({"forward"}))
    gc.collect()
    assert np.array_equal(first, copy)


def test_two_threads_in_one_world_are_told(make_server: Callable[..., Server]) -> None:
    gate = Gate()
    with connect(make_server(gate.world).address) as world:
        world.reset()
        thread = threading.Thread(target=world.step)
        thread.start()
        assert gate.has_begun.wait(30)
        with pytest.raises(StateError, match=r"another thread.*fork"):
            world.snapshot()
        gate.may_end.set()
        thread.join()
        assert world.step().index == 2


def test_a_fork_may_be_used_by_another_thread(address: str) -> None:
    with connect(address) as world, ThreadPoolExecutor(4) as pool:
        world.reset(seed=2)
        twins = [world.fork() for _ in range(4)]
        walks = list(pool.map(lambda twin: [twin.step(Action({"forward"})).frames for _ in range(10)], twins))
        mine = [world.step(Action({"forward"})).frames for _ in range(10)]
        assert all(np.array_equal(mine, walk) for walk in walks)
        for twin in twins:
            twin.close()


def test_another_process_is_told(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    world = connect(address)
    world.reset()
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: -1)
        with pytest.raises(StateError, match="connect again"):
            world.step()
        world.close()
    assert world.step().index == 1
    world.close()


def test_after_close(address: str) -> None:
    world = connect(address, mode="stream")
    world.reset()
    player = world.stream()
    world.close()
    world.close()
    for call in (world.step, world.snapshot, world.fork, world.stream, world.ping, player.poll):
        with pytest.raises(StateError, match="closed"):
            call()
    assert world.spec.name == "pattern"


def test_nobody_answers() -> None:
    began = time.monotonic()
    with pytest.raises(ConnectionLostError, match=r"127\.0\.0\.1:1 within 0\.3 s"):
        connect("tcp://127.0.0.1:1", timeout=0.3, retry_seconds=0.1)
    assert time.monotonic() - began < 5.0


@pytest.mark.parametrize("wrong", ["tcp://nowhere", "http://127.0.0.1:1", "tcp://127.0.0.1:http", ""])
def test_an_address_that_is_none(wrong: str) -> None:
    with pytest.raises(OptionError, match="cannot connect"):
        connect(wrong, timeout=0.3)


def test_someone_else_answers() -> None:
    with zmq.Context() as context, context.socket(zmq.REP) as socket:
        port = socket.bind_to_random_port("tcp://127.0.0.1")
        with pytest.raises(ConnectionLostError):
            connect(f"tcp://127.0.0.1:{port}", timeout=0.3, retry_seconds=0.1)
        socket.close(linger=0)


def test_a_server_that_is_full(make_server: Callable[..., Server]) -> None:
    address = make_server(max_sessions=2).address
    with connect(address), connect(address), pytest.raises(ServerError, match="all 2 sessions") as caught:
        connect(address)
    assert (caught.value.code, caught.value.retryable) == ("limit", True)
    connect(address).close()


def test_a_forgotten_world_leaves_no_session(make_server: Callable[..., Server]) -> None:
    address = make_server(max_sessions=1).address
    for _ in range(5):
        world = connect_when_there_is_room(address)
        world.reset()
        del world
        gc.collect()


def connect_when_there_is_room(address: str) -> RemoteWorld:
    deadline = time.monotonic() + 10.0
    while True:
        try:
            return connect(address)
        except ServerError as error:
            if error.code != "limit" or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def test_what_the_server_does_not_have(address: str) -> None:
    with pytest.raises(OptionError, match="mars"):
        connect(address, world="mars")
    with pytest.raises(OptionError, match="record"):
        connect(address, record=True)


def test_a_recording(make_server: Callable[..., Server], tmp_path: Path) -> None:
    with connect(make_server(record_dir=tmp_path).address) as world:
        world.record()
        world.reset(seed=1)
        world.step(Action({"forward"}))
        name = world.record(False)
    assert name is not None
    assert (tmp_path / Path(name).name).stat().st_size > 0


def test_close_does_not_wait_for_a_server_that_is_gone(make_server: Callable[..., Server]) -> None:
    server = make_server()
    world = connect(server.address)
    world.reset()
    server.close()
    began = time.monotonic()
    world.close()
    assert time.monotonic() - began < 8.0


def test_a_restarted_server_goes_on(make_server: Callable[..., Server], tmp_path: Path) -> None:
    first = make_server(state_dir=tmp_path)
    port = first.address.rpartition(":")[2]
    truth = PatternWorld()
    with connect(first.address) as world:
        chunks = [world.reset(seed=9), world.step(Action({"forward"}))]
        first.drain()
        second = make_server(state_dir=tmp_path, bind=f"tcp://127.0.0.1:{port}")
        chunks += [world.step(Action({"back"})), world.step()]
        second.close()  # in the middle of nothing, and without a word
        make_server(state_dir=tmp_path, bind=f"tcp://127.0.0.1:{port}")
        chunks += [world.step(), world.step(Action({"forward"}))]
    expected = [truth.reset(seed=9)]
    expected += [truth.step(Action(held)) for held in ({"forward"}, {"back"}, (), (), {"forward"})]
    assert all(np.array_equal(left.frames, right.frames) for left, right in zip(expected, chunks, strict=True))


def test_a_restarted_server_without_memory_says_so(make_server: Callable[..., Server]) -> None:
    first = make_server()
    port = first.address.rpartition(":")[2]
    with connect(first.address, timeout=5.0) as world:
        world.reset()
        first.close()
        make_server(bind=f"tcp://127.0.0.1:{port}")
        with pytest.raises(StateError, match="lost the session"):
            world.step()


def test_keys(make_server: Callable[..., Server], tmp_path: Path) -> None:
    make_keys(tmp_path, ["anna"])
    make_keys(tmp_path / "other", ["mallory"])
    address = make_server(keys=tmp_path).address
    keys = ClientKeys.read(tmp_path / "anna.key_secret", tmp_path / "server.key")
    assert "secret" not in repr(keys)
    with connect(address, keys=keys) as world:
        assert world.reset().index == 0
        with world.fork() as twin:
            assert twin.step().index == 1
    stranger = ClientKeys.read(tmp_path / "other" / "mallory.key_secret", tmp_path / "server.key")
    began = time.monotonic()
    with pytest.raises((OptionError, ConnectionLostError), match="keys"):
        connect(address, keys=stranger, timeout=1.0)
    wrong_server = ClientKeys.read(tmp_path / "anna.key_secret", tmp_path / "other" / "server.key")
    for bad in (wrong_server, None):
        with pytest.raises(ConnectionLostError, match="keys"):
            connect(address, keys=bad, timeout=0.5, retry_seconds=0.2)
    assert time.monotonic() - began < 15.0


def test_key_files_that_are_none(tmp_path: Path) -> None:
    make_keys(tmp_path, ["anna"])
    with pytest.raises(OptionError, match="nobody"):
        ClientKeys.read(tmp_path / "nobody.key_secret", tmp_path / "server.key")
    with pytest.raises(OptionError, match="no secret key"):
        ClientKeys.read(tmp_path / "clients" / "anna.key", tmp_path / "server.key")


def test_nothing_is_left_behind(address: str) -> None:
    process = psutil.Process()
    connect(address).close()
    files, threads = process.num_fds(), process.num_threads()
    for number in range(40):
        world = connect(address, mode="stream")
        world.reset()
        world.stream().poll()
        if number % 2:
            world.close()
        del world
    gc.collect()
    deadline = time.monotonic() + 20.0
    while process.num_fds() > files + 2 or process.num_threads() > threads:
        if time.monotonic() > deadline:
            break
        time.sleep(0.02)
    assert process.num_fds() <= files + 2
    assert process.num_threads() <= threads


def test_a_stream_in_real_time(address: str) -> None:
    with connect(address, mode="stream") as world:
        world.reset(seed=1)
        player = world.stream(fps=48)
        times, shown = [time.monotonic()], []
        for frame in player:
            times.append(time.monotonic())
            shown.append((frame.chunk.index, frame.number))
            assert frame.picture.shape == (64, 128, 3)
            if len(shown) == 8:
                player.inputs.press("forward")
            if len(shown) == 40:
                break
    assert shown == sorted(set(shown))
    seconds, story = times[-1] - times[0], shown[-1][0] * 4 / 48
    stalls = sum(max(after - before - 1.5 / 48, 0.0) for before, after in pairwise(times))  # of a busy machine
    assert story - 0.15 < seconds < story + stalls + 0.3
    assert "forward" in read_code(frame.chunk.frames[0]).buttons
    assert player.figures().delay_ms.count == 1


def test_input_from_another_thread_is_sent_at_once(
    make_server: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("helios_runtime.client.playback._A_WHILE", 60.0)
    with connect(make_server().address, mode="stream") as world:
        world.reset(seed=1)
        player = world.stream(fps=0.05)  # nothing else happens for 20 seconds
        player.wait(0.1)
        threading.Timer(0.05, lambda: player.inputs.press("forward")).start()
        player.wait(2.5)
        assert world._session.last_input == 1
        assert player.wait(0.0) is not None


def test_two_players_of_one_world(address: str) -> None:
    with connect(address, mode="stream") as world:
        world.reset(seed=1)
        first = world.stream(fps=96)
        while first.figures().chunks < 3:
            first.wait(0.1)
        second = world.stream(fps=96)
        while second.figures().chunks < 3:
            second.wait(0.1)
        assert first.figures().chunks == 3


def test_an_asynchronous_stream(address: str) -> None:
    async def watch() -> list[tuple[int, int]]:
        async with await aio.connect(address, mode="stream") as world:
            await world.reset(seed=1)
            player = world.stream(fps=96)
            player.inputs.press("forward")
            shown = []
            async for frame in player:
                shown.append((frame.chunk.index, frame.number))
                if len(shown) == 24:
                    break
            assert player.figures().chunks == shown[-1][0] + 1
            assert "forward" in read_code(frame.chunk.frames[0]).buttons
            player.pause()
            player.resume()
            return shown

    shown = asyncio.run(watch())
    assert shown == sorted(set(shown))


def test_a_stream_needs_stream_mode(address: str) -> None:
    with connect(address) as world:
        world.reset()
        with pytest.raises(StateError, match="mode='stream'"):
            world.stream()
        with pytest.raises(ActionError, match="forward"):
            world.step(Action({"fly"}))


@pytest.mark.parametrize(
    "statement",
    [
        "import helios_runtime.client.aio",
        "import helios_runtime; helios_runtime.connect",
        "import helios_runtime.client",
    ],
)
def test_the_client_needs_no_model(statement: str) -> None:
    report = "import sys, json; print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"{statement}\n{report}"], capture_output=True, text=True, check=True
    )
    assert not set(json.loads(done.stdout)) & {"torch", "av", "PIL", "numba", "safetensors", "helios_kernels"}


def test_the_package_has_one_name() -> None:
    assert dir(helios_runtime) == ["connect"]
    with pytest.raises(AttributeError, match="conect"):
        helios_runtime.conect  # noqa: B018
