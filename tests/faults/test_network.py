"""Messages that are lost, repeated and late: the client's frames are those of an undisturbed walk, each made once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from helios_world.spec import Action
from helios_world.testing import PatternWorld, read_code

CHANCES = {
    "lost": {"drop": 0.2},
    "repeated": {"repeat": 0.4},
    "late": {"delay": 0.3},
    "all": {"drop": 0.1, "repeat": 0.2, "delay": 0.2},
}


@pytest.mark.parametrize("chances", CHANCES.values(), ids=CHANCES)
def test_every_chunk_comes_and_is_made_once(
    chances: dict[str, float], serve: Any, proxy: Any, remote: Any, dice: Any
) -> None:
    server = serve("ledger")
    world, twin = remote(proxy(server, dice(5, **chances))), PatternWorld()
    found = [world.reset(seed=3), *(world.step(Action({"forward"})) for _ in range(20))]
    expected = [twin.reset(seed=3), *(twin.step(Action({"forward"})) for _ in range(20))]
    assert [chunk.index for chunk in found] == list(range(21))
    assert all(np.array_equal(one.frames, other.frames) for one, other in zip(found, expected, strict=True))
    assert server.ledger == [(3, index) for index in range(21)]


@pytest.mark.parametrize("seed", range(3))
def test_any_calls_over_a_bad_network(seed: int, serve: Any, proxy: Any, remote: Any, dice: Any, walk: Any) -> None:
    server = serve("ledger")
    between = proxy(server, dice(seed, drop=0.08, repeat=0.1, delay=0.1))
    hike = walk(remote(between), PatternWorld(), seed)
    hike.begin()
    for _ in range(25):
        hike.do_anything()
    assert server.is_running


def test_connections_that_break(serve: Any, proxy: Any, remote: Any, walk: Any) -> None:
    """The client takes its session up again on the next connection, and no chunk is made twice."""
    server = serve("ledger", STEP_SECONDS="0.02")
    between = proxy(server)
    world = remote(between)
    hike = walk(world, PatternWorld(), 1)
    hike.begin()
    for number in range(12):
        hike.step()
        if number % 4 == 3:
            between.cut()
    assert [index for _, index in server.ledger] == list(range(13))


class _Breaking:
    """Lets everything through, but not the next answer of a kind, with which the connection ends."""

    def __init__(self, due: str) -> None:
        self.due = due
        self.met = 0
        self.cut: Callable[[], None] = lambda: None

    def __call__(self, direction: str, header: Mapping[str, Any]) -> Sequence[float]:
        if direction == "down" and header["t"] == self.due:
            self.due = ""
            self.met += 1
            threading.Thread(target=self.cut).start()
            return ()
        return (0.0,)


@pytest.mark.parametrize("due", ["WELCOME", "OPENED"])
def test_a_greeting_that_is_lost_with_its_connection(due: str, serve: Any, proxy: Any, remote: Any, walk: Any) -> None:
    """There is room for one session, and the one that nobody knows of does not take it."""
    fate = _Breaking(due)
    server = serve("ledger", "--max-sessions", "1")
    between = proxy(server, fate)
    fate.cut = between.cut
    hike = walk(remote(between, timeout=10), PatternWorld(), 3)
    hike.begin()
    hike.step()
    assert fate.met == 1
    assert hike.world.ping().sessions == 1


def test_an_answer_that_is_lost_with_its_connection(serve: Any, proxy: Any, remote: Any, walk: Any) -> None:
    fate = _Breaking("")
    server = serve("ledger")
    between = proxy(server, fate)
    fate.cut = between.cut
    hike = walk(remote(between), PatternWorld(), 2)
    hike.begin()
    for number in range(6):
        fate.due = "CHUNK" if number % 2 else ""
        hike.step()
    for kind in ("STATE", "DONE", "OPENED"):
        fate.due = kind
        hike.save()
        hike.step()
        hike.go_back()
        hike.fork()
        hike.step()
    assert fate.met == 6
    assert len(server.ledger) == hike.made == 13


def test_a_stream_over_a_bad_network(serve: Any, proxy: Any, remote: Any, dice: Any, wait: Callable[..., None]) -> None:
    """What is lost is counted; what comes is in order, and every frame is what its number says."""
    server = serve("ledger")
    between = proxy(server)
    with remote(between, mode="stream", encoding="rgb24") as world:
        world.reset(seed=4)
        player = world.stream(fps=400)
        between.fate = dice(6, drop=0.05, repeat=0.1, delay=0.1)
        seen: list[int] = []

        def has_enough() -> bool:
            shown = player.wait(0.05)
            if shown is not None and shown.is_new and shown.number == 0:
                assert read_code(shown.picture).index == shown.chunk.index
                seen.append(shown.chunk.index)
            return len(seen) >= 40

        wait(has_enough)
        figures = player.figures()
    assert seen == sorted(set(seen))
    assert figures.lost_chunks == seen[-1] - seen[0] + 1 - len(seen)
    made = [index for _, index in server.ledger]
    assert made == list(range(len(made)))
