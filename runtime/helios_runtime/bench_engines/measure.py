"""Round trips and frames per second of all clients, in turns, so that what else the machine does falls on all alike."""

from __future__ import annotations

import os
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from helios_runtime.bench_engines.engines import Engine
from helios_runtime.bench_engines.probe import Probe, on_core
from helios_runtime.bench_wire import ours
from helios_runtime.bench_wire.processes import served
from helios_runtime.bench_wire.way import ChunkSize, InstantWorld, Way
from helios_runtime.measure import nothing
from helios_world.spec import Frames

ENCODINGS = ("rgb24", "jpeg")
WARM_UP = 3
SECONDS_OF_A_ROUND = 300.0
SOFTNESS = 24
"""Pixels over which the picture changes; pictures of worlds are smooth, and noise would be the worst case of JPEG."""


@dataclass(frozen=True)
class ClientSpeed:
    """One client with one encoding. Times in milliseconds, medians of all rounds.

    Args:
        round_trip, round_trip_p95: from the request until the chunk is there, decoded where the client decodes.
        frames_per_second: one client that asks for the next chunk as soon as it has one; the median round.
        main: what a shown frame costs the engine's main thread; None where there is none.
        decode: for one frame, on the client's own thread; None where it does not say.
        allocated: bytes for one frame in the steady state; None where it is not counted.
    """

    client: str
    encoding: str
    round_trip: float
    round_trip_p95: float
    frames_per_second: float
    main: float | None = None
    decode: float | None = None
    allocated: float | None = None


@dataclass(frozen=True)
class EnginesSpeed:
    """What was measured.

    Args:
        chunks: timed, of each client and encoding.
        cores: of the clients and of the server, None where the system does not bind processes to cores.
        missing: for each client that could not run, why.
    """

    size: ChunkSize
    chunks: int
    cores: tuple[int, int] | None
    speeds: tuple[ClientSpeed, ...]
    missing: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class _Rounds:
    """What the rounds of one client with one encoding have given."""

    times: list[float] = field(default_factory=list)
    speeds: list[float] = field(default_factory=list)
    main: list[float] = field(default_factory=list)
    decode: list[float] = field(default_factory=list)
    allocated: list[float] = field(default_factory=list)

    def add(self, answer: Mapping[str, Any]) -> None:
        self.times += answer["round_trip_ms"]
        self.speeds.append(answer["frames"] / answer["seconds"])
        self.main += answer.get("main_ms_per_frame") or []
        self.decode += answer.get("decode_ms_per_frame") or []
        if answer.get("allocated_bytes_per_frame") is not None:
            self.allocated.append(answer["allocated_bytes_per_frame"])

    def speed(self, client: str, encoding: str) -> ClientSpeed:
        return ClientSpeed(
            client,
            encoding,
            round_trip=statistics.median(self.times),
            round_trip_p95=float(np.quantile(self.times, 0.95)),
            frames_per_second=statistics.median(self.speeds),
            main=_median(self.main),
            decode=_median(self.decode),
            allocated=_median(self.allocated),
        )


def measure_engines(
    size: ChunkSize,
    engines: Sequence[Engine],
    *,
    rounds: int,
    chunks: int,
    done: Callable[[], None] = nothing,
) -> EnginesSpeed:
    """Let every client that can run here ask for `rounds` times `chunks` chunks, with each encoding, in turns.

    All clients share one core and the server has another, so that a figure is what one core can do.

    Args:
        done: called after each round of one client.

    Raises:
        RuntimeError: the server does not start.
        DependencyError: a client cannot be built.
        ProbeError: a client fails.
    """
    if min(rounds, chunks) < 1:
        raise ValueError(f"at least one round and one chunk are needed; got {rounds} and {chunks}")
    present = [engine for engine in engines if engine.missing is None]
    cores = two_cores()
    found = {(engine.name, encoding): _Rounds() for encoding in ENCODINGS for engine in present}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="helios-engines-")))
        with on_core(cores[1] if cores else None):
            address = stack.enter_context(served(PICTURES, size))
        commands = {engine.name: engine.prepare(folder) for engine in present}
        for number in range(rounds):
            for name, encoding in turned(list(found), number):
                found[name, encoding].add(
                    one_round(name, commands[name], cores[0] if cores else None, address, encoding, chunks)
                )
                done()
    speeds = tuple(each.speed(*which) for which, each in found.items())
    missing = {engine.name: engine.missing for engine in engines if engine.missing is not None}
    return EnginesSpeed(size, rounds * chunks, cores, speeds, missing)


def one_round(
    name: str, command: Sequence[str], core: int | None, address: str, encoding: str, chunks: int
) -> dict[str, Any]:
    """A fresh client, so that none profits from what an earlier round has warmed up but not paid for."""
    probe = Probe(name, command, core)
    try:
        probe.do("connect", address=address)
        probe.do("open", encoding=encoding)
        probe.do("reset", seed=7)
        return probe.do("bench", within=SECONDS_OF_A_ROUND, chunks=chunks, warmup=WARM_UP)
    finally:
        probe.close()


def turned(items: list[tuple[str, str]], by: int) -> list[tuple[str, str]]:
    """Each round begins with another one."""
    start = by % len(items)
    return items[start:] + items[:start]


def two_cores() -> tuple[int, int] | None:
    """One for the clients and one for the server; the same one where there is no other."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    cores = sorted(os.sched_getaffinity(0))
    return cores[0], cores[-1]


def serve_pictures(world: InstantWorld, announce: Callable[[str], None]) -> None:
    """Our own server, with frames that are like pictures."""
    spec = world.spec
    size = ChunkSize("pictures", spec.frames_per_chunk, spec.height, spec.width)
    ours.serve(InstantWorld(size, pictures(size)), announce)


def pictures(size: ChunkSize) -> Frames:
    """Soft shapes that move, with a little grain."""
    random = np.random.default_rng(0)
    frame, row, column = np.ogrid[: size.frames, : size.height, : size.width]
    waves = [np.sin((row * a + column * b + 5 * frame) / SOFTNESS) for a, b in ((1.0, 0.3), (-0.4, 1.0), (0.7, 0.7))]
    grain = random.normal(0, 3, (*size.shape[:3], 3))
    return np.clip(128 + 80 * np.stack(waves, axis=-1) + grain, 0, 255).astype(np.uint8)


def _median(values: Sequence[float]) -> float | None:
    return statistics.median(values) if values else None


PICTURES = Way("engines", "ours", serve_pictures, ours.Client)
