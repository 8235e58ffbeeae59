"""Thousands of chunks for clients that come, go, break off and come back: the server holds no more than it did before.

HELIOS_SOAK_SECONDS says for how long; by default 20.
"""

from __future__ import annotations

import math
import os
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from helios_world.testing import PatternWorld

SECONDS = float(os.environ.get("HELIOS_SOAK_SECONDS", "20"))
MOST = 10
"""Worlds at the same time."""
WARM_UP = 600
"""Chunks after which the heap has seen the most that there is at the same time."""
LARGEST_RISE = 1.5 * 2**20 * math.log2(1 + SECONDS / 20)
"""Bytes between the medians of the first and the last third.

Where more is going on at once than ever before, the heap grows by a step of a megabyte, and then stays for ten thousand
chunks as it is; such records come ever more rarely, as a logarithm does, while a leak grows with time. Measured: 0.5
MiB in 20 seconds, 3.3 in 330. What is found in 20 seconds is 1 KiB per chunk (a kept answer has 96) or 10 per client.
"""


class Soak:
    """Clients of all kinds, in turn."""

    def __init__(self, between: Any, remote: Any, peer: Any, walk: Any) -> None:
        self.made: int = 0
        self.visits = self.cuts = 0
        self._between, self._remote, self._peer, self._walk = between, remote, peer, walk
        self._random = random.Random(1)
        self._hikes: list[Any] = []

    @property
    def chunks(self) -> int:
        """That all of them together have got."""
        total: int = sum(hike.made for hike in self._hikes)
        return total + self.made

    def turn(self) -> None:
        kinds = (self.arrive, self.go_on, self.go_on, self.go_on, self.go_on, self.leave, self.fork)
        rare = (self.cut, self.stray, self.stream, self.babble)
        self._random.choice(kinds if self._random.random() < 0.9 else rare)()

    def close(self) -> None:
        while self._hikes:
            self.leave()

    def arrive(self) -> None:
        if len(self._hikes) < MOST:
            self.visits += 1
            self._hikes.append(self._walk(self._remote(self._between), PatternWorld(), self.visits))
            self._hikes[-1].begin()

    def go_on(self) -> None:
        for hike in self._hikes:
            hike.do_anything()

    def leave(self) -> None:
        if self._hikes:
            hike = self._hikes.pop(self._random.randrange(len(self._hikes)))
            self.made += hike.made
            hike.world.close()

    def fork(self) -> None:
        if self._hikes:
            hike = self._random.choice(self._hikes)
            hike.fork()
            hike.step()

    def cut(self) -> None:
        self.cuts += 1
        self._between.cut()

    def stray(self) -> None:
        """A client that is gone without a word; its session is put away."""
        self.visits += 1
        stray = self._peer(self._between)
        stray.open(encoding=self._random.choice(("rgb24", "jpeg")))
        stray.reset()
        stray.close()
        self.made += 1

    def stream(self) -> None:
        self.visits += 1
        client = self._peer(self._between)
        client.open(mode="stream", encoding="jpeg", progressive=True)
        client.reset()
        for number in range(1, 6):
            client.send(t="INPUT", sid=client.sid, epoch=1, n=number, buttons=["forward"])
            client.send(t="CREDIT", sid=client.sid, epoch=1, n=1)
            assert client.await_("CHUNK", index=number)[0].action.buttons == ("forward",)
        client.send(t="CLOSE", sid=client.sid, seq=2)
        client.await_("CLOSED")
        client.close()
        self.made += 6

    def babble(self) -> None:
        client = self._peer(self._between)
        for number in range(20):
            client.send(b"x" * number, t="STEP", sid="0" * 32, seq=number)
        client.ping()
        client.close()


@pytest.mark.timeout(2 * SECONDS + 100)
def test_nothing_is_left_behind(
    serve: Any, proxy: Any, remote: Any, peer: Any, walk: Any, wait: Callable[..., None], tmp_path: Path
) -> None:
    words = ("--rate", "100000", "--max-sessions", "64", "--idle-seconds", "1", "--resume-seconds", "2")
    # With several heaps each grows to its own peak, which takes minutes and looks like a leak.
    server = serve("ledger", *words, "--state-dir", str(tmp_path / "sessions"), MALLOC_ARENA_MAX="1")
    between, watching = proxy(server), peer(server)
    watching.open()
    watching.reset()
    watching.ask("CLOSE")
    before = server.usage
    soak = Soak(between, remote, peer, walk)
    while soak.chunks < WARM_UP:
        soak.turn()
    usages, until = [server.usage], time.monotonic() + SECONDS
    while time.monotonic() < until:
        soak.turn()
        usages.append(server.usage)
    soak.close()
    third = len(usages) // 3
    first, last = usages[:third], usages[-third:]
    rise = statistics.median(usage.rss for usage in last) - statistics.median(usage.rss for usage in first)
    assert rise < LARGEST_RISE
    assert {usage.threads for usage in usages} == {before.threads}
    assert len(server.ledger) == 1 + soak.chunks, "a chunk was made twice, or lost"
    assert min(soak.chunks - WARM_UP, soak.visits, soak.cuts) > 5
    between.cut()
    wait(lambda: watching.ping().sessions == 0)
    wait(lambda: server.usage.handles <= before.handles)
