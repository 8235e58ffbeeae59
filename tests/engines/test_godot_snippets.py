"""The code in the documentation of the Godot addon is run as it stands there, against a server."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.engines

ROOT = Path(__file__).parents[2]
OBSERVER = Path(__file__).with_name("godot_observer.gd")
SNIPPETS = ROOT / "bindings" / "godot" / "example" / "snippets"
PATIENCE = 60.0
BAD_SIGNS = ("ERROR: ", "Parse Error", "leaked", "handle_crash")
RUNS: dict[str, dict[str, str]] = {
    "quick_start": {},
    "turn_based": {"OBSERVED_CHUNKS": "5"},
    "save_game": {"OBSERVED_CALLS": "save,load_saved", "OBSERVED_CHUNKS": "20"},
    "two_futures": {"OBSERVED_MODE": "lockstep", "OBSERVED_CALLS": "look_ahead", "OBSERVED_CHUNKS": "1"},
    "own_controls": {"OBSERVED_CALLS": "_on_touch_button_pressed,_on_touch_button_released"},
    "on_a_mesh": {},
    "say_what_is_wrong": {},
}
"""How to run each snippet, and for how long: by default three chunks in stream mode."""


@pytest.mark.parametrize("name", RUNS)
def test_a_snippet_runs(name: str, godot_command: list[str], nano: Any, tmp_path: Path) -> None:
    script = tmp_path / f"{name}.gd"
    text = (SNIPPETS / f"{name}.gd").read_text(encoding="utf-8")
    script.write_text(text.replace("tcp://127.0.0.1:5555", nano.address), encoding="utf-8")
    run = {"OBSERVED_MODE": "stream", "OBSERVED_CHUNKS": "3", "OBSERVED_CALLS": "", **RUNS[name]}
    done = subprocess.run(
        [*godot_command, "-s", str(OBSERVER)],
        env={**os.environ, "OBSERVED_SCENE": str(script), "OBSERVED_ADDRESS": nano.address, **run},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=PATIENCE,
        text=True,
        check=False,
    )
    others = [line for line in done.stdout.splitlines() if not line.startswith("@ ")]
    assert done.returncode == 0, others
    assert not [line for line in others if any(sign in line for sign in BAD_SIGNS)], others
    check(name, [json.loads(line[2:]) for line in done.stdout.splitlines() if line.startswith("@ ")], others)


def check(name: str, reports: list[dict[str, Any]], others: list[str]) -> None:
    """What a snippet promises."""
    chunks = [report["chunk"] for report in reports if "chunk" in report]
    results = {report["called"]: report["result"] for report in reports if "called" in report}
    assert chunks
    if name == "turn_based":
        assert [line.split(":")[0] for line in others if line.startswith("turn ")] == [f"turn {n}" for n in range(4)]
    elif name == "two_futures":
        assert "Image" in results["look_ahead"]
    elif name == "save_game":
        assert chunks[-1]["epoch"] > chunks[0]["epoch"]


def test_every_snippet_is_run() -> None:
    assert {file.stem for file in SNIPPETS.glob("*.gd")} == set(RUNS)


def test_the_code_in_the_documentation_is_the_code_that_was_run() -> None:
    page = (ROOT / "docs" / "godot.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```gdscript\n(.*?)^```$", page, re.M | re.S)
    tried = {file.read_text(encoding="utf-8") for file in SNIPPETS.glob("*.gd")}
    assert blocks
    assert [block for block in blocks if block not in tried] == []
