"""The engines benchmark: what a probe says becomes figures, and what is missing is said."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from helios_runtime.bench_engines import engines, measure
from helios_runtime.bench_engines.engines import Engine
from helios_runtime.bench_engines.measure import ClientSpeed, EnginesSpeed, measure_engines, pictures, turned
from helios_runtime.bench_engines.probe import Probe, ProbeError, line_of, on_core
from helios_runtime.bench_wire.way import ChunkSize
from helios_runtime.cli import bench_engines
from helios_runtime.cli.app import app
from helios_world.errors import DependencyError

TINY = ChunkSize("tiny", 2, 6, 10)
ECHO = """
import json, sys
for line in sys.stdin:
    command, *words = line.split()
    if command == "quit":
        break
    if command == "crash":
        print("a last word", file=sys.stderr, flush=True)
        sys.exit(3)
    if command == "mumble":
        print("not an answer", flush=True)
    if command == "hang":
        continue
    print("=", "{" if command == "babble" else json.dumps({"ok": command, "words": words}), flush=True)
"""
SPEED = ClientSpeed("godot", "jpeg", 12.5, 20.0, 480.4, main=0.31, decode=1.234)


def a_probe() -> Probe:
    return Probe("echo", [sys.executable, "-c", ECHO])


def test_words_of_a_command() -> None:
    words = {
        "buttons": ["forward", "turn_left"],
        "axes": {"turn": 0.5},
        "prompt": "a=b, 100 % ü",
        "none": None,
        "on": True,
    }
    assert list(line_of(words)) == [
        "buttons=forward,turn_left",
        "axis.turn=0.5",
        "prompt=a%3Db,%20100%20%25%20%C3%BC",
        "on=1",
    ]


def test_a_probe_answers() -> None:
    probe = a_probe()
    assert probe.ask("step", buttons=["forward"]) == {"ok": "step", "words": ["buttons=forward"]}
    assert probe.do("mumble")["ok"] == "mumble"
    assert "not an answer" in probe.log
    assert probe.close() == 0
    assert not probe.is_running


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("crash", r"(?s)exit code 3 before it answered 'crash'.*a last word"),
        ("hang", "no answer to 'hang' in time"),
        ("babble", "answered 'babble' with '= {"),
    ],
)
def test_a_probe_that_fails_says_how(command: str, why: str) -> None:
    probe = a_probe()
    with pytest.raises(ProbeError, match=why):
        probe.ask(command, within=1.0 if command == "hang" else 20.0)
    probe.close()


def test_an_error_is_an_answer_and_no_success() -> None:
    program = 'input(); print(\'= {"error": "option", "message": "no"}\', flush=True)'
    probe = Probe("no", [sys.executable, "-c", f"{program}; {program}"])
    assert probe.ask("open")["error"] == "option"
    with pytest.raises(ProbeError, match="failed to 'open': option: no"):
        probe.do("open")
    probe.close()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system does not bind processes to cores")
def test_a_probe_stays_on_its_core() -> None:
    before = os.sched_getaffinity(0)
    core = max(before)
    program = "import os; input(); print('= {\"cores\": %s}' % sorted(os.sched_getaffinity(0)), flush=True)"
    probe = Probe("bound", [sys.executable, "-c", program], core)
    assert os.sched_getaffinity(0) == before
    assert probe.ask("cores")["cores"] == [core]
    probe.close()
    with on_core(None):
        assert os.sched_getaffinity(0) == before


def python_only() -> tuple[Engine, ...]:
    def never(folder: Path) -> list[str]:
        raise AssertionError("what is missing is not built")

    return (engines.engines()[0], Engine("other", "no such runtime; install it", never))


def test_the_python_client_is_measured_and_the_missing_one_is_named() -> None:
    rounds: list[None] = []
    speed = measure_engines(TINY, python_only(), rounds=2, chunks=3, done=lambda: rounds.append(None))
    assert len(rounds) == 4
    assert speed.chunks == 6
    assert [(each.client, each.encoding) for each in speed.speeds] == [("python", "rgb24"), ("python", "jpeg")]
    for each in speed.speeds:
        assert 0 < each.round_trip <= each.round_trip_p95
        assert each.frames_per_second > 0
        assert (each.main, each.allocated) == (None, None)
    assert dict(speed.missing) == {"other": "no such runtime; install it"}
    assert json.loads(json.dumps(speed.to_dict()))["missing"]["other"]


def test_rounds_are_put_together() -> None:
    rounds = measure._Rounds()
    rounds.add({"round_trip_ms": [1.0, 9.0], "frames": 66, "seconds": 1.0, "main_ms_per_frame": [0.5]})
    rounds.add({"round_trip_ms": [2.0], "frames": 66, "seconds": 2.0, "allocated_bytes_per_frame": 0})
    rounds.add({"round_trip_ms": [3.0], "frames": 66, "seconds": 3.0, "main_ms_per_frame": None})
    speed = rounds.speed("csharp", "rgb24")
    assert (speed.round_trip, speed.frames_per_second) == (2.5, 33.0)
    assert (speed.main, speed.decode, speed.allocated) == (0.5, None, 0)


def test_each_round_begins_with_another_client() -> None:
    items = [("a", "x"), ("b", "x"), ("c", "x")]
    assert [turned(items, number)[0][0] for number in range(4)] == ["a", "b", "c", "a"]
    assert sorted(turned(items, 1)) == items


@pytest.mark.parametrize(("rounds", "chunks"), [(0, 1), (1, 0)])
def test_numbers_below_one_are_refused(rounds: int, chunks: int) -> None:
    with pytest.raises(ValueError, match="at least one round and one chunk"):
        measure_engines(TINY, (), rounds=rounds, chunks=chunks)


def test_pictures_move_and_are_soft() -> None:
    frames = pictures(replace(TINY, height=64, width=64)).astype(int)
    assert abs(frames[0] - frames[1]).mean() > 3
    assert abs(frames[:, 1:] - frames[:, :-1]).mean() < 20
    assert frames.std() > 30


def a_speed(size: ChunkSize, chunks: int) -> EnginesSpeed:
    missing = {"csharp": "mono not found; run bindings/install-engines"}
    return EnginesSpeed(size, chunks, (0, 1), (SPEED,), missing)


def test_the_command_writes_what_it_prints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def without_clients(
        size: ChunkSize, engines: Sequence[Engine], *, rounds: int, chunks: int, done: Callable[[], None]
    ) -> EnginesSpeed:
        done()
        return a_speed(size, rounds * chunks)

    monkeypatch.setattr(measure, "measure_engines", without_clients)
    file = tmp_path / "figures" / "engines.json"
    words = ["bench", "engines", "--rounds", "2", "--chunks", "3"]
    result = CliRunner().invoke(app, [*words, "-o", str(file), "--json"])
    assert result.exit_code == 0, result.output
    assert file.read_text(encoding="utf-8") == result.stdout
    figures: dict[str, Any] = json.loads(result.stdout)
    assert figures["speeds"][0]["main"] == 0.31
    assert set(figures) == {"machine", "size", "chunks", "cores", "speeds", "missing"}
    table = CliRunner().invoke(app, words).stdout
    assert "33 frames of 384 × 640, 24.3 MB raw, 6 timed, clients on core 0, server on core 1" in table
    assert "csharp  left out: mono not found; run bindings/install-engines" in table


def test_a_figure_stands_under_its_heading() -> None:
    row, heading = bench_engines.figures(SPEED), bench_engines.HEADING
    ends = {word: heading.index(word) + len(word) for word in ("ms/frame", "frames/s", "bytes/frame", "median ms")}
    assert row[: ends["median ms"]].endswith(" 12.50")
    assert row[: ends["frames/s"]].endswith(" 480")
    assert row[: ends["ms/frame"]].endswith(" 0.310")
    assert row[: ends["bytes/frame"]].endswith(" -")


def test_outside_of_a_checkout_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(engines, "PYTHON_PROBE", tmp_path / "probe.py")
    with pytest.raises(DependencyError, match="from a source checkout"):
        engines.engines()


def test_a_godot_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HELIOS_GODOT", str(tmp_path / "godot"))
    missing = engines.missing_godot()
    assert missing is not None
    assert str(tmp_path / "godot") in missing
    monkeypatch.delenv("HELIOS_GODOT")
    monkeypatch.setattr(engines, "GODOT_PLACE", tmp_path / "nowhere")
    assert "install-engines" in str(engines.missing_godot())


def test_programs_that_are_missing_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert str(engines.missing_csharp()).startswith("mcs and mono not found")


def test_a_build_that_fails_says_why() -> None:
    with pytest.raises(DependencyError, match=r"(?s)exit code 4:.*no such type"):
        engines.run_once([sys.executable, "-c", "print('no such type'); raise SystemExit(4)"], {})
