"""What `play` hands to the demo."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from helios_demos.play import app as demo
from helios_demos.play.options import PlayOptions
from helios_runtime.cli.app import app


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> list[PlayOptions]:
    options: list[PlayOptions] = []
    monkeypatch.setattr(demo, "run", options.append)
    return options


def play(*words: str) -> int:
    return CliRunner().invoke(app, ["play", *words]).exit_code


def test_without_options_nano_is_played_with_the_truth_beside_it(played: list[PlayOptions]) -> None:
    assert play() == 0
    assert played == [PlayOptions(truth="lands")]


def test_every_option_arrives(played: list[PlayOptions]) -> None:
    wanted: dict[str, Any] = {
        "prompt": "fog",
        "seed": 5,
        "truth": "pattern",
        "script": "tour",
        "seconds": 2.5,
        "record": Path("a.mp4"),
        "state": Path("a.state"),
        "scale": 3,
        "device": "cpu",
        "threads": 2,
    }
    words = [word for name, value in wanted.items() for word in (f"--{name}", str(value))]
    assert play("lands", "--headless", *words) == 0
    assert played == [PlayOptions(world="lands", headless=True, **wanted)]


@pytest.mark.parametrize(
    ("words", "truth"),
    [
        (["nano"], "lands"),
        (["nano", "--truth", "none"], None),
        (["lands"], None),
        (["a/folder"], None),
        (["a/folder", "--truth", "lands"], "lands"),
    ],
)
def test_the_truth_beside_a_world(words: list[str], truth: str | None, played: list[PlayOptions]) -> None:
    assert play(*words) == 0
    assert played[0].truth == truth


def test_a_script_is_played_without_a_window(tmp_path: Path) -> None:
    script = tmp_path / "short.jsonl"
    script.write_text('{"t": 0.05, "press": "forward"}\n')
    words = ["play", "pattern", "--headless", "--script", str(script), "--seconds", "0.5"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["world"] == "pattern"
    assert report["frames_per_second"] > 0
