"""The clients in other languages: whether they can run here, and the command that does it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from helios_world.errors import DependencyError

ROOT = Path(__file__).parents[3]
BINDINGS = ROOT / "bindings"
PYTHON_PROBE = BINDINGS / "python" / "probe.py"
GODOT_PROJECT = BINDINGS / "godot"
GODOT_PROBE = GODOT_PROJECT / "tests" / "probe.gd"
CSHARP_BUILD = BINDINGS / "unity" / "Tests~" / "Core" / "build.sh"
GODOT_PLACE = ROOT / ".engines" / "godot" / "godot"
INSTALL = "run bindings/install-engines"
BUILD_SECONDS = 120
DISPLAY = ("xvfb-run", "--auto-servernum", "--server-args=-screen 0 1280x720x24")
DRAWING = ("--rendering-method", "gl_compatibility", "--rendering-driver", "opengl3", "--audio-driver", "Dummy")


@dataclass(frozen=True)
class Engine:
    """One client with its runtime.

    Args:
        name: what it is called in a report.
        missing: why it cannot run here, and what to do about it; None if it can.
        prepare: makes what has to be made once in a folder for results, and returns the probe's command.
    """

    name: str
    missing: str | None
    prepare: Callable[[Path], list[str]]


def engines(*, window: bool = False) -> tuple[Engine, ...]:
    """All that there are, whether they can run here or not; the Python client is the first.

    Args:
        window: let Godot draw on a virtual display; without one its frames go nowhere, and showing them costs nothing.

    Raises:
        DependencyError: this is not a source checkout, which alone has the probes.
    """
    if not PYTHON_PROBE.is_file():
        raise DependencyError(
            f"the probes of the engines are not part of the installed package, and {BINDINGS} has none; run this from "
            "a source checkout that is installed with: pip install -e ."
        )
    return (
        Engine("python", None, prepare_python),
        Engine("csharp", missing_csharp(), prepare_csharp),
        Engine("godot", missing_godot(window), partial(prepare_godot, window)),
    )


def godot() -> str | None:
    """The program of Godot 4: what HELIOS_GODOT names, else what install-engines unpacked; None if there is neither.

    Another Godot that happens to be installed is not taken, since it may be one of version 3.
    """
    named = os.environ.get("HELIOS_GODOT")
    if named:
        return shutil.which(named)
    return str(GODOT_PLACE) if os.access(GODOT_PLACE, os.X_OK) else None


def missing_godot(window: bool = False) -> str | None:
    if godot() is None:
        named = os.environ.get("HELIOS_GODOT")
        found = f"HELIOS_GODOT is {named!r}, which is no program" if named else f"there is no {GODOT_PLACE}"
        return f"{found}; {INSTALL}, or set HELIOS_GODOT to the program of Godot 4"
    if window and shutil.which("xvfb-run") is None:
        return f"xvfb-run not found; {INSTALL}, or install xvfb and xauth"
    return None if GODOT_PROBE.is_file() else f"there is no {GODOT_PROBE}"


def missing_csharp() -> str | None:
    absent = [program for program in ("mcs", "mono") if shutil.which(program) is None]
    if absent:
        return f"{' and '.join(absent)} not found; {INSTALL}, or install mono-mcs and mono-runtime"
    return None if CSHARP_BUILD.is_file() else f"there is no {CSHARP_BUILD}"


def prepare_python(folder: Path) -> list[str]:
    return [sys.executable, str(PYTHON_PROBE)]


def prepare_csharp(folder: Path) -> list[str]:
    build = folder / "csharp"
    build.mkdir(parents=True, exist_ok=True)
    run_once(["bash", str(CSHARP_BUILD), str(build), "probe"], {})
    return ["mono", str(build / "probe.exe")]


def prepare_godot(window: bool, folder: Path) -> list[str]:
    """Godot keeps settings in the home folder; they go to the folder for results instead."""
    program = godot()
    assert program is not None
    homes = {name: str(folder / "godot-home") for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME")}
    run_once([program, "--headless", "--path", str(GODOT_PROJECT), "--import"], homes)
    settings = ["env", *(f"{name}={value}" for name, value in homes.items())]
    script = ["--path", str(GODOT_PROJECT), "-s", "res://tests/probe.gd"]
    if window:
        return [*settings, *DISPLAY, program, *DRAWING, *script]
    return [*settings, program, "--headless", *script]


def run_once(command: list[str], environment: Mapping[str, str]) -> None:
    """Run a command that makes something.

    Raises:
        DependencyError: it failed; with what it said.
    """
    done = subprocess.run(
        command,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=BUILD_SECONDS,
        text=True,
        errors="replace",
    )
    if done.returncode != 0:
        raise DependencyError(f"{' '.join(command)} failed with exit code {done.returncode}:\n{done.stdout[-4000:]}")
