"""Stream mode: the server makes chunks by itself, the client shows them in order and on time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from helios_runtime.bench_engines.probe import Probe

Begin = Callable[..., dict[str, Any]]
SECONDS = 1.5


def test_frames_are_shown_at_the_worlds_pace(probe: Probe, nano: Any, begin: Begin) -> None:
    """Bounds on counts that a client without a clock, or one that loses chunks, does not keep."""
    probe.do("connect", address=nano.address)
    fps = probe.do("open", mode="stream")["fps"]
    probe.do("reset", seed=7)
    shown = probe.do("stream", seconds=SECONDS, buttons=["turn_left"])
    assert shown["missing"] == 0
    assert 0.4 * fps * SECONDS < shown["frames_shown"] <= 1.15 * fps * SECONDS + 2
    assert shown["chunks"] >= 2
    assert shown["underruns"] < shown["chunks"]


def test_input_is_applied(probe: Probe, nano: Any, begin: Begin) -> None:
    begin(probe, nano, mode="stream")
    first = probe.do("stream", seconds=1, buttons=["turn_left"])
    assert first["applied"] >= 1
    assert first["input_ms"] is None or first["input_ms"] >= 0
    second = probe.do("stream", seconds=1, buttons=["forward"], prompt="a neon city at night")
    assert second["applied"] > first["applied"]
    assert second["missing"] == 0


def test_a_slow_world_stalls_and_goes_on(probe: Probe, serve: Any, begin: Begin) -> None:
    """A stall is counted once, and what comes after is shown at its pace again: nothing is hurried through."""
    server = serve(STEP_SECONDS="0.4")
    begin(probe, server, mode="stream")
    shown = probe.do("stream", seconds=1.6)
    assert shown["missing"] == 0
    assert 1 <= shown["underruns"] <= shown["chunks"]
    server.close()


def test_requests_between_chunks(probe: Probe, pattern: Any, begin: Begin) -> None:
    first = begin(probe, pattern, mode="stream")
    probe.do("stream", seconds=0.5)
    probe.do("snapshot", name="a")
    assert probe.do("restore", name="a")["epoch"] == first["epoch"] + 1
    assert probe.do("stream", seconds=0.5)["frames_shown"] > 0
    assert probe.do("reset", seed=9)["index"] == 0
    again = probe.do("stream", seconds=0.5)
    assert again["frames_shown"] > 0
    assert again["missing"] == 0


def test_a_step_is_refused(probe: Probe, pattern: Any, begin: Begin) -> None:
    begin(probe, pattern, mode="stream")
    assert probe.ask("step")["error"] in ("state", "usage")


def test_a_stream_outlives_its_server(probe: Probe, serve: Any, begin: Begin, quick: Any, tmp_path: Any) -> None:
    server = serve("--state-dir", str(tmp_path))
    begin(probe, server, mode="stream")
    before = probe.do("stream", seconds=0.5)
    server.end()
    server.start()
    after = probe.do("stream", seconds=2, buttons=["forward"])
    assert after["frames_shown"] > 0
    assert after["applied"] > before["applied"]
    assert probe.do("status")["resumes"] >= 1
    server.close()
