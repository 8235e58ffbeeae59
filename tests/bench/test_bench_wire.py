"""The wire benchmark: every way brings the world's frames, what is not installed is said, and the ratios are right."""

from __future__ import annotations

import json
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from helios_runtime.bench_wire import measure
from helios_runtime.bench_wire.groot import GROOT
from helios_runtime.bench_wire.measure import WAYS, SizeSpeed, WaySpeed, calls, measure_wire, round_trips
from helios_runtime.bench_wire.processes import served
from helios_runtime.bench_wire.way import WALK, ChunkSize, InstantWorld, Way, prepared
from helios_runtime.cli import bench_wire
from helios_runtime.cli.app import app
from helios_world.errors import SnapshotError
from helios_world.snapshot import Snapshot
from helios_world.spec import Action, Frames

TINY = ChunkSize("tiny", 2, 6, 10)


class Slow:
    """A connection that takes its time, and notes when it was asked."""

    def __init__(self, name: str, asked: list[str], seconds: float = 0.0) -> None:
        self._name, self._asked, self._seconds = name, asked, seconds

    def step(self, action: Action) -> Frames:
        self._asked.append(self._name)
        time.sleep(self._seconds)
        return prepared(TINY)

    def close(self) -> None:
        pass


def fail_to_start(world: InstantWorld, announce: Callable[[str], None]) -> None:
    sys.stderr.close()
    sys.exit(1)


def serve_other_frames(world: InstantWorld, announce: Callable[[str], None]) -> None:
    GROOT.serve(InstantWorld(TINY, np.zeros(TINY.shape, np.uint8)), announce)


def test_every_way_brings_the_frames_of_the_world() -> None:
    for way in WAYS:
        pytest.importorskip(way.module or "numpy")
    rounds: list[None] = []
    speed = measure_wire(TINY, rounds=3, clients=2, done=lambda: rounds.append(None))
    assert len(rounds) == calls(3)
    assert [way.name for way in speed.ways] == [way.name for way in WAYS]
    for way in speed.ways:
        assert 0 < way.median <= way.p95
        assert way.added == pytest.approx(way.median - speed.local)
        assert way.megabytes_per_second == pytest.approx(way.chunks_per_second * TINY.megabytes)
        assert way.together > 0
    assert speed.time_ratio is not None
    assert speed.to_dict()["best_peer"] in [way.name for way in WAYS[1:]]


def test_a_missing_package_is_named() -> None:
    absent = replace(GROOT, name="absent", module="no_such_module", package="no-such-package")
    speed = measure_wire(TINY, rounds=1, clients=1, ways=(GROOT, absent))
    assert [way.missing for way in speed.ways] == [None, "no-such-package"]
    assert (speed.best_peer, speed.time_ratio, speed.throughput_ratio, speed.together_ratio) == (None,) * 4
    table = dict(bench_wire.rows(speed))
    assert table["absent"] == "not installed: pip install no-such-package"
    assert "ours" not in table


def test_other_frames_are_found() -> None:
    liar = replace(GROOT, name="liar", serve=serve_other_frames)
    with pytest.raises(RuntimeError, match="'liar' answers with other frames"):
        measure_wire(TINY, rounds=1, clients=1, ways=(liar,))


def test_a_server_that_does_not_start_is_named() -> None:
    broken = replace(GROOT, name="broken", serve=fail_to_start)
    with pytest.raises(RuntimeError, match="'broken' ended while it started"), served(broken, TINY):
        pass


def test_a_server_ends_with_its_block() -> None:
    with served(GROOT, TINY) as address:
        host, port = address.removeprefix("tcp://").split(":")
        assert listens(host, int(port))
    assert not listens(host, int(port))


def listens(host: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) == 0


def test_ways_take_turns() -> None:
    asked: list[str] = []
    times = round_trips({name: Slow(name, asked, 0.002 * (name == "b")) for name in "abc"}, 4)
    assert "".join(asked) == "abc" + "bca" + "cab" + "abc"
    assert min(times["b"]) >= 2
    assert [len(each) for each in times.values()] == [4, 4, 4]


@pytest.mark.parametrize(("rounds", "clients"), [(0, 1), (1, 0)])
def test_numbers_below_one_are_refused(rounds: int, clients: int) -> None:
    with pytest.raises(ValueError, match="at least one round and one client"):
        measure_wire(TINY, rounds=rounds, clients=clients)


def a_speed(**changes: Any) -> SizeSpeed:
    ours = WaySpeed("ours", "", median=4.0, chunks_per_second=200.0, together=300.0)
    quick = WaySpeed("quick", "", median=8.0, chunks_per_second=100.0, together=400.0)
    steady = WaySpeed("steady", "", median=9.0, chunks_per_second=125.0, together=100.0)
    absent = WaySpeed("absent", "", missing="absent")
    return replace(SizeSpeed(TINY, 30, 4, 0.01, (ours, absent, steady, quick)), **changes)


def test_ratios_are_those_to_the_best_of_the_others() -> None:
    speed = a_speed()
    assert speed.best_peer is not None
    assert speed.best_peer.name == "quick"
    assert speed.time_ratio == 0.5
    assert speed.throughput_ratio == 1.6
    assert speed.together_ratio == 0.75
    words = bench_wire.verdict(speed)[0][1]
    assert words == (
        "0.50 of the time of the best other (quick), 1.60 times the chunks/s of the fastest, 0.75 times with 4 clients"
    )


def test_the_command_writes_what_it_prints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def without_servers(size: ChunkSize, *, rounds: int, clients: int, done: Callable[[], None]) -> SizeSpeed:
        for _ in range(calls(rounds)):
            done()
        return a_speed(size=size, rounds=rounds, clients=clients)

    monkeypatch.setattr(measure, "measure_wire", without_servers)
    file = tmp_path / "figures" / "wire.json"
    result = CliRunner().invoke(app, ["bench", "wire", "--rounds", "3", "-o", str(file), "--json"])
    assert result.exit_code == 0, result.output
    assert file.read_text(encoding="utf-8") == result.stdout
    assert '"rounds": 30' in result.stdout
    assert set(json.loads(result.stdout)) == {"machine", "tcp", "sizes"}
    words = CliRunner().invoke(app, ["bench", "wire", "--rounds", "3"]).stdout
    assert "large chunk, 33 frames of 384 × 640, 24.3 MB, 3 round trips" in words
    assert "small chunk, 4 frames of 64 × 128, 0.1 MB, 30 round trips" in words


def test_the_instant_world_can_be_saved_and_forked() -> None:
    world = InstantWorld(TINY)
    assert world.reset().index == 0
    assert world.step(WALK).first_frame == TINY.frames
    twin, state = world.fork(), Snapshot.from_bytes(bytes(world.snapshot()))
    world.step()
    assert twin.step().index == world.reset().index + 2
    world.restore(state)
    chunk = world.step(WALK)
    assert (chunk.index, chunk.action) == (2, WALK)
    assert chunk.frames.shape == TINY.shape
    strange = Snapshot(state.schema, state.world, state.fingerprint, {}, {})
    with pytest.raises(SnapshotError, match="without an index"):
        world.restore(strange)


def test_every_way_says_how_it_is_written() -> None:
    assert len({way.name for way in WAYS}) == len(WAYS)
    assert all(isinstance(way, Way) and way.like for way in WAYS)
