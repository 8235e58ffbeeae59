"""Answers that are lost and servers that go away: nothing is stepped twice, and nothing hangs."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from helios_runtime.bench_engines.probe import Probe

Begin = Callable[..., dict[str, Any]]
Same = Callable[[dict[str, Any], dict[str, Any]], None]
GONE = ("connection", "timeout")
ACTIONS = (["forward"], ["turn_left"], [], ["back", "turn_right"])


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_session_goes_on_with_the_next_server(
    probe: Probe, reference: Probe, serve: Any, pattern: Any, begin: Begin, same: Same, number: int, tmp_path: Path
) -> None:
    """Ended between two requests, three times: the frames are those of a run that nothing interrupts."""
    server = serve("--state-dir", str(tmp_path))
    same(begin(probe, server), begin(reference, pattern))
    for _ in range(3):
        for buttons in ACTIONS:
            same(probe.do("step", buttons=buttons), reference.do("step", buttons=buttons))
        server.end(number)
        server.start()
    same(probe.do("step"), reference.do("step"))
    assert probe.do("status")["resumes"] >= 3
    server.close()


def test_a_server_that_is_killed_while_it_steps(
    probe: Probe, reference: Probe, serve: Any, pattern: Any, begin: Begin, same: Same, tmp_path: Path
) -> None:
    server = serve("--state-dir", str(tmp_path), STEP_SECONDS="0.6")
    same(begin(probe, server), begin(reference, pattern))
    same(probe.do("step"), reference.do("step"))
    reborn = server.replace_in(0.3)
    same(probe.do("step", buttons=["forward"]), reference.do("step", buttons=["forward"]))
    reborn.join()
    same(probe.do("step"), reference.do("step"))
    server.close()


def test_answers_that_are_lost(
    probe: Probe, reference: Probe, pattern: Any, fake: Any, serve: Any, begin: Begin, same: Same
) -> None:
    """Every answer is lost once: requests are repeated as they were, and done once."""
    server = serve()
    network = fake("lossy", server.address)
    probe.do("set", repeat_s=0.35)
    same(begin(probe, network, seed=21), begin(reference, pattern, seed=21))
    for buttons in ACTIONS:
        same(probe.do("step", buttons=buttons), reference.do("step", buttons=buttons))
    probe.do("prompt", text="a brick garden at noon")
    probe.do("snapshot", name="a")
    reference.do("prompt", text="a brick garden at noon")
    same(probe.do("step"), reference.do("step"))
    assert server.stepped == [(21, index) for index in range(6)]
    said = [note for note in network.notes if note["t"] in ("RESET", "STEP", "PROMPT", "SNAPSHOT")]
    for seq in {note["seq"] for note in said}:
        same_seq = [note["sha256"] for note in said if note["seq"] == seq]
        assert len(same_seq) >= 2, "it was not repeated"
        assert len(set(same_seq)) == 1, "it was repeated otherwise than it was"
    for each in (network, server):
        each.close()


def test_a_slow_server(probe: Probe, serve: Any, begin: Begin) -> None:
    """A step takes longer than a request waits until it is repeated, several times; the world steps once."""
    server = serve(STEP_SECONDS="1.5")
    probe.do("set", repeat_s=0.4)
    begin(probe, server, seed=5)
    assert probe.do("step", buttons=["forward"])["index"] == 1
    assert server.stepped == [(5, 0), (5, 1)]
    server.close()


def test_a_server_that_is_gone_for_good(
    probe: Probe, serve: Any, begin: Begin, quick: Any, pattern: Any, elapsed: Any
) -> None:
    server = serve()
    quick(probe)
    begin(probe, server)
    quick(probe)
    server.close()
    seconds = elapsed()
    lost = probe.ask("step")
    assert lost["error"] in GONE
    assert lost["retryable"] in (True, False)
    assert seconds() < 12
    probe.do("disconnect")
    assert begin(probe, pattern)["index"] == 0


def test_a_server_that_forgot(probe: Probe, serve: Any, begin: Begin, quick: Any) -> None:
    """Without --state-dir a restart ends all sessions: an error says so, and a new session works."""
    server = serve()
    quick(probe)
    begin(probe, server)
    server.end()
    server.start()
    lost = probe.ask("step")
    assert lost["error"] in ("state", "unknown_session", *GONE)
    probe.do("disconnect")
    assert begin(probe, server)["index"] == 0
    server.close()


def test_idle_clients_give_signs_of_life(probe: Probe, pattern: Any, fake: Any, begin: Begin) -> None:
    """Where nothing is sent for the server's heartbeat, a PING is; and it is no new connection."""
    if probe.name == "python":
        pytest.skip("the Python client sends nothing between calls")
    network = fake("tap", pattern.address)
    begin(probe, network)
    sleep_until(probe, lambda: sum(note["t"] == "PING" for note in network.notes) >= 2)
    assert probe.do("step")["index"] == 1
    assert probe.do("status")["resumes"] == 0
    network.close()


def test_a_connection_that_died_without_a_word(
    probe: Probe, reference: Probe, pattern: Any, fake: Any, begin: Begin, same: Same
) -> None:
    """Nothing comes for three heartbeats, while the connection still looks well: the client takes a new one."""
    network = fake("tap", pattern.address)
    for each, place in ((probe, network), (reference, pattern)):
        begin(each, place)
        each.do("step")
    network.tell(signal.SIGSTOP)
    if probe.name != "python":  # it looks only while a call is under way
        sleep_until(probe, lambda: probe.do("status")["state"] != "connected")
    network.tell(signal.SIGCONT)
    same(probe.do("step", buttons=["forward"]), reference.do("step", buttons=["forward"]))
    if probe.name != "python":
        assert probe.do("status")["resumes"] >= 1
    network.close()


def sleep_until(probe: Probe, happens: Callable[[], bool]) -> None:
    """The client is asked for nothing meanwhile but how it is."""
    for _ in range(100):
        if happens():
            return
        probe.do("sleep", ms=200)
    pytest.fail("it does not come true")
