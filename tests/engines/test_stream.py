"""Stream mode: the server makes chunks by itself, the client shows them in order and on time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from helios_runtime.bench_engines.probe import Probe

Begin = Callable[..., dict[str, Any]]
SECONDS = 4.0
"""A pause of two seconds is less than the share of the frames that may be missing."""


def test_frames_are_shown_at_the_worlds_pace(probe: Probe, pattern: Any) -> None:
    """Bounds on counts that a client without a clock, or one that loses chunks, does not keep."""
    probe.do("connect", address=pattern.address)
    fps = probe.do("open", mode="stream")["fps"]
    probe.do("reset", seed=7)
    shown = probe.do("stream", seconds=SECONDS, buttons=["turn_left"])
    assert shown["missing"] == 0
    assert 0.4 * fps * SECONDS < shown["frames_shown"] <= 1.15 * fps * SECONDS + 2
    assert shown["chunks"] >= 2
    assert shown["underruns"] < shown["chunks"]


def test_input_is_applied(probe: Probe, nano: Any, begin: Begin) -> None:
    begin(probe, nano, mode="stream")
    first = streamed(probe, lambda shown: shown["applied"] >= 1, buttons=["turn_left"])
    assert first["input_ms"] is None or first["input_ms"] >= 0
    prompt = "a neon city at night"
    second = streamed(probe, lambda shown: shown["applied"] > first["applied"], buttons=["forward"], prompt=prompt)
    assert second["missing"] == 0


def test_a_slow_world_stalls_and_goes_on(probe: Probe, serve: Any, begin: Begin) -> None:
    """A stall is counted once, and what comes after is shown at its pace again: nothing is hurried through."""
    server = serve(STEP_SECONDS="0.4")
    begin(probe, server, mode="stream")
    shown = streamed(probe, lambda shown: shown["underruns"] >= 1)
    assert shown["missing"] == 0
    assert shown["underruns"] <= shown["chunks"]
    server.close()


def test_requests_between_chunks(probe: Probe, pattern: Any, begin: Begin) -> None:
    first = begin(probe, pattern, mode="stream")
    probe.do("stream", seconds=0.5)
    probe.do("snapshot", name="a")
    assert probe.do("restore", name="a")["epoch"] == first["epoch"] + 1
    streamed(probe, lambda shown: shown["frames_shown"] > 0)
    assert probe.do("reset", seed=9)["index"] == 0
    again = streamed(probe, lambda shown: shown["frames_shown"] > 0)
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
    streamed(
        probe, lambda after: after["frames_shown"] > 0 and after["applied"] > before["applied"], buttons=["forward"]
    )
    assert probe.do("status")["resumes"] >= 1
    server.close()


def streamed(probe: Probe, holds: Callable[[dict[str, Any]], bool], **words: Any) -> dict[str, Any]:
    """What a second of streaming gives, the first that is as it should be: how soon depends on the machine."""
    for _ in range(20):
        shown = probe.do("stream", seconds=1, **words)
        if holds(shown):
            return shown
    return pytest.fail(f"it did not come to that: {shown}")
