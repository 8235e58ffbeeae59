"""The command line, on the pattern world."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from helios_runtime.cli.app import app

COMMANDS = ("play", "generate", "replay", "serve", "health", "keys", "train", "eval", "data", "bench", "info", "doctor")
HEAVY = {"torch", "numba", "av", "pygame", "matplotlib", "rich.progress"}


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def run_json(*words: str | Path) -> Any:
    result = run(*words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_helps_with_an_example(command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert f"Example: helios-world {command}" in result.stdout


def test_the_list_of_commands_is_complete() -> None:
    single = [command.name or command.callback.__name__ for command in app.registered_commands if command.callback]
    assert sorted([*single, *(group.typer_instance.info.name for group in app.registered_groups)]) == sorted(COMMANDS)


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['helios-world', '--help']\n"
        "from helios_runtime.cli import main\n"
        "try:\n    main()\n"
        "except SystemExit as leave:\n    assert not leave.code\n"
        "print(*sorted(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "generate" in done.stdout
    assert not HEAVY & set(done.stderr.split())


def test_an_error_is_one_line_with_the_way_out() -> None:
    result = run("info", "no-such-world")
    assert result.exit_code == 2
    assert len(result.stderr.strip().splitlines()) == 1
    assert result.stderr.startswith("helios-world: ")
    assert "no-such-world" in result.stderr
    assert "nano" in result.stderr


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    result = run("generate", "pattern", "-o", tmp_path / "a.mp4", "--image", tmp_path / "none.png")
    assert result.exit_code == 2
    assert result.stderr == f"helios-world: there is no file {tmp_path / 'none.png'}\n"


def test_version() -> None:
    assert run("--version").stdout.strip().count(".") == 2


def test_info_tells_size_and_controls() -> None:
    result = run("info", "pattern")
    assert result.exit_code == 0
    assert "128 × 64 pixels, 24 per second" in result.stdout
    assert "strafe_left" in result.stdout
    data = run_json("info", "pattern")
    assert data["height"] == 64
    assert data["parameters"] == {}


def test_doctor_names_what_it_found() -> None:
    data = run_json("doctor")
    assert data["healthy"] is True
    found = {finding["name"]: finding["value"] for finding in data["findings"]}
    assert found["python"].startswith(f"{sys.version_info.major}.{sys.version_info.minor}")
    assert {"torch", "device", "pygame-ce", "video", "numba", "display", "nano"} <= set(found)
    assert run("doctor").exit_code == 0


def test_bench_writes_what_it_prints(tmp_path: Path) -> None:
    file = tmp_path / "figures" / "bench.json"
    printed = run_json("bench", "pattern", "--chunks", 40, "--compare", 2, "-o", file)
    assert json.loads(file.read_text()) == printed
    assert printed["one_thread"]["threads"] == 1
    assert printed["several_threads"]["threads"] == 2
    assert [held["after_chunks"] for held in printed["one_thread"]["held"]] == [20, 40]


def test_bench_is_a_group_with_a_default() -> None:
    small = ("pattern", "--chunks", 21, "--compare", 1)
    assert set(run_json("bench", "world", *small)) == set(run_json("bench", *small))
    assert run("bench", "--chunks", 3).exit_code == 2
    assert "no-such-world" in run("bench", "no-such-world").stderr


def test_bench_sessions_writes_what_it_prints(tmp_path: Path) -> None:
    file = tmp_path / "figures" / "sessions.json"
    printed = run_json("bench", "sessions", "pattern", "--counts", "3,1", "--rounds", 2, "-o", file)
    assert json.loads(file.read_text()) == printed
    assert [one["sessions"] for one in printed["sessions"]] == [1, 3]
    assert {one["difference"] for one in printed["sessions"]} == {0}
    words = run("bench", "sessions", "pattern", "--counts", "2", "--rounds", 1).stdout
    assert "times as fast" in words
    assert "not at all" in words


@pytest.mark.parametrize("counts", ["0", "1,two", ""])
def test_bench_sessions_needs_numbers(counts: str) -> None:
    result = run("bench", "sessions", "pattern", "--counts", counts)
    assert result.exit_code == 2
    assert "1,2,4,8,16" in result.stderr


def test_bench_in_words() -> None:
    result = run("bench", "pattern", "--chunks", 30, "--compare", 1)
    assert result.exit_code == 0
    assert "frames/s" in result.stdout
    assert "held after 30" in result.stdout
