"""The clients' own unit tests, in their own languages, and the benchmark with all clients."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from helios_runtime.cli.app import app

ROOT = Path(__file__).parents[2]
WIRE = ROOT / "bindings" / "wire"
SECONDS = 280

pytestmark = pytest.mark.timeout(300)


def run(command: list[str], **environment: str) -> str:
    done = subprocess.run(
        command,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=SECONDS,
        text=True,
        errors="replace",
    )
    assert done.returncode == 0, done.stdout[-6000:]
    return done.stdout


def test_gdscript(godot_command: list[str]) -> None:
    said = run([*godot_command, "-s", "res://tests/run.gd", "--", str(WIRE)])
    assert "SCRIPT ERROR" not in said, said[-6000:]


def test_csharp(mono_build: Path, tmp_path: Path) -> None:
    if shutil.which("nunit-console") is None:
        pytest.fail("nunit-console is missing: run bindings/install-engines")
    suites = sorted(str(file) for file in mono_build.glob("*Tests.dll"))
    assert suites, sorted(file.name for file in mono_build.iterdir())
    said = run(
        ["nunit-console", "-nologo", "-nodots", f"-result={tmp_path / 'result.xml'}", *suites], HELIOS_WIRE=str(WIRE)
    )
    assert "Failures: 0" in said, said[-6000:]


def test_the_benchmark(fleet: Any, tmp_path: Path) -> None:
    """All clients, briefly; the targets themselves are for a quiet machine and not asserted."""
    for name in ("csharp", "godot"):
        fleet.command(name)
    file = tmp_path / "engines.json"
    result = CliRunner().invoke(app, ["bench", "engines", "--rounds", "1", "--chunks", "2", "-o", str(file)])
    assert result.exit_code == 0, result.output
    figures = json.loads(file.read_text(encoding="utf-8"))
    assert not figures["missing"]
    measured = {(each["client"], each["encoding"]): each for each in figures["speeds"]}
    assert set(measured) == {(name, how) for name in ("python", "csharp", "godot") for how in ("rgb24", "jpeg")}
    assert all(each["frames_per_second"] > 0 for each in measured.values())
    assert measured["godot", "rgb24"]["main"] is not None
    assert measured["csharp", "rgb24"]["allocated"] is not None
