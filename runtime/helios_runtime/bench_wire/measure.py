"""Round trips of a chunk over several ways, in turns, so that what else the machine does falls on all alike."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from helios_runtime.bench_wire.groot import GROOT
from helios_runtime.bench_wire.grpc_bytes import GRPC
from helios_runtime.bench_wire.openpi import OPENPI
from helios_runtime.bench_wire.ours import OURS
from helios_runtime.bench_wire.processes import served
from helios_runtime.bench_wire.way import WALK, ChunkSize, Connection, InstantWorld, Way
from helios_runtime.measure import nothing
from helios_world.spec import Frames

WAYS = (OURS, GROOT, OPENPI, GRPC)
WARM_UP = 5
BLOCKS = 5
"""Of the measurement with several clients; the median of them counts."""


@dataclass(frozen=True)
class WaySpeed:
    """How fast one way is. Times in milliseconds.

    Args:
        name, like: as in Way.
        missing: the package that is not installed; then there are no figures.
        median, p95: of a round trip: from the call with the action until the frames are there as an array.
        added: what the median has over the same world called in this process.
        chunks_per_second, megabytes_per_second: one client that asks for the next chunk as soon as it has one.
        together: chunks per second of all clients, each in a thread of one process.
    """

    name: str
    like: str
    missing: str | None = None
    median: float = 0.0
    p95: float = 0.0
    added: float = 0.0
    chunks_per_second: float = 0.0
    megabytes_per_second: float = 0.0
    together: float = 0.0


@dataclass(frozen=True)
class SizeSpeed:
    """All ways with one size of chunk; the first of them is ours.

    Args:
        rounds: timed round trips of each way.
        clients: of the measurement with several.
        local: median milliseconds of the same world, called in this process.
    """

    size: ChunkSize
    rounds: int
    clients: int
    local: float
    ways: tuple[WaySpeed, ...]

    @property
    def best_peer(self) -> WaySpeed | None:
        """The one with the shortest median; None if none is installed."""
        measured = [way for way in self.ways[1:] if way.missing is None]
        return min(measured, key=lambda way: way.median, default=None)

    @property
    def time_ratio(self) -> float | None:
        """Our median, of that of the best peer."""
        return None if self.best_peer is None else self.ways[0].median / self.best_peer.median

    @property
    def throughput_ratio(self) -> float | None:
        """Our chunks per second, of those of the fastest peer, with one client."""
        fastest = max((way.chunks_per_second for way in self.ways[1:]), default=0.0)
        return self.ways[0].chunks_per_second / fastest if fastest else None

    @property
    def together_ratio(self) -> float | None:
        """The same with several clients."""
        fastest = max((way.together for way in self.ways[1:]), default=0.0)
        return self.ways[0].together / fastest if fastest else None

    def to_dict(self) -> dict[str, Any]:
        ratios = ("time_ratio", "throughput_ratio", "together_ratio")
        best = self.best_peer
        return {
            **asdict(self),
            "megabytes": self.size.megabytes,
            "best_peer": None if best is None else best.name,
            **{name: getattr(self, name) for name in ratios},
        }


def measure_wire(
    size: ChunkSize,
    *,
    rounds: int,
    clients: int = 4,
    ways: Sequence[Way] = WAYS,
    done: Callable[[], None] = nothing,
) -> SizeSpeed:
    """Time `rounds` round trips of each way, after a few that warm up and are compared with what was sent.

    Args:
        clients: at once, in the second part of the measurement.
        ways: ours is the first.
        done: called after each round of round trips.

    Raises:
        RuntimeError: a server does not start, or answers with other frames.
    """
    if rounds < 1 or clients < 1:
        raise ValueError(f"at least one round and one client are needed; got {rounds} and {clients}")
    world = InstantWorld(size)
    local = statistics.median(local_times(world, rounds))
    present = [way for way in ways if way.missing is None]
    with ExitStack() as stack:
        addresses = {way.name: stack.enter_context(served(way, size)) for way in present}
        with connected(present, addresses, 1) as single:
            warm_up(single, world.reset().frames)
            alone = round_trips({name: each[0] for name, each in single.items()}, rounds, done)
        with connected(present, addresses, clients) as several:
            warm_up(several, world.reset().frames)
            together = at_once(several, max(1, rounds // BLOCKS), done)
    speeds = [
        speed_of(way, size, local, alone[way.name], together[way.name])
        if way in present
        else WaySpeed(way.name, way.like, way.missing)
        for way in ways
    ]
    return SizeSpeed(size, rounds, clients, local, tuple(speeds))


def congestion_control() -> str | None:
    """How the system paces TCP, which differs over loopback too: "bbr" sends slower than "cubic". None if unknown."""
    try:
        return Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text(encoding="ascii").strip()
    except OSError:
        return None


def calls(rounds: int) -> int:
    """How often `measure_wire` calls `done`."""
    return rounds + BLOCKS


@contextmanager
def connected(ways: Sequence[Way], addresses: Mapping[str, str], clients: int) -> Iterator[dict[str, list[Connection]]]:
    """Some clients of each way."""
    with ExitStack() as stack:
        connections: dict[str, list[Connection]] = {way.name: [] for way in ways}
        for way in [*ways] * clients:
            connection = way.connect(addresses[way.name])
            stack.callback(connection.close)
            connections[way.name].append(connection)
        yield connections


def warm_up(connections: Mapping[str, Sequence[Connection]], expected: Frames) -> None:
    for name, each in connections.items():
        for number in range(max(WARM_UP, len(each))):
            if not np.array_equal(each[number % len(each)].step(WALK), expected):
                raise RuntimeError(f"{name!r} answers with other frames than the world's")


def local_times(world: InstantWorld, rounds: int) -> list[float]:
    """Milliseconds of the same call without a wire."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        world.step(WALK)
        times.append(1000 * (time.perf_counter() - start))
    return times


def round_trips(
    connections: Mapping[str, Connection], rounds: int, done: Callable[[], None] = nothing
) -> dict[str, list[float]]:
    """Milliseconds of each round trip; one of every way per round, and another way begins each time."""
    names = list(connections)
    times: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            start = time.perf_counter()
            frames = connections[name].step(WALK)
            times[name].append(1000 * (time.perf_counter() - start))
            del frames  # not while the next one is being timed
        done()
    return times


def at_once(
    connections: Mapping[str, Sequence[Connection]], steps: int, done: Callable[[], None] = nothing
) -> dict[str, float]:
    """Chunks per second of all clients of a way at the same time: the median over blocks of `steps` each."""
    rates: dict[str, list[float]] = {name: [] for name in connections}
    for _ in range(BLOCKS):
        for name, each in connections.items():
            rates[name].append(rate_of(each, steps))
        done()
    return {name: statistics.median(found) for name, found in rates.items()}


def rate_of(connections: Sequence[Connection], steps: int) -> float:
    gate = threading.Barrier(len(connections) + 1)

    def walk(connection: Connection) -> None:
        gate.wait()
        for _ in range(steps):
            connection.step(WALK)

    with ThreadPoolExecutor(len(connections)) as pool:
        walks = [pool.submit(walk, connection) for connection in connections]
        gate.wait()
        start = time.perf_counter()
        for each in walks:
            each.result()
        return steps * len(connections) / (time.perf_counter() - start)


def speed_of(way: Way, size: ChunkSize, local: float, times: Sequence[float], together: float) -> WaySpeed:
    """From the milliseconds of round trips."""
    median, rate = statistics.median(times), 1000 * len(times) / sum(times)
    return WaySpeed(
        name=way.name,
        like=way.like,
        median=median,
        p95=float(np.percentile(times, 95)),
        added=median - local,
        chunks_per_second=rate,
        megabytes_per_second=rate * size.megabytes,
        together=together,
    )
