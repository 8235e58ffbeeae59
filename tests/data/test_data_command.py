"""`helios-world data`, as it is typed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from helios_runtime.cli.app import app
from helios_world.data.table import DiscreteTable, read_table


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(app, ["data", *(str(word) for word in words)])


def test_from_an_environment_to_a_sheet(dot: str, tmp_path: Path) -> None:
    table, out, sheet = tmp_path / "table.json", tmp_path / "shards", tmp_path / "sheet.png"
    assert run("table", "--gym", dot, "-o", table).exit_code == 0
    assert isinstance(read_table(table), DiscreteTable)
    small = ("--size", "32x48", "--frames-per-chunk", "2", "--sections", "4", "--codec-steps", "2", "--steps", "12")
    made = run("import", "--gym", dot, "--table", table, *small, "--episodes", "3", "-o", out, "--json")
    assert made.exit_code == 0, made.output
    assert json.loads(made.stdout) == {"train": 2, "held_out": 1, "chunks": 14, "short": 0, "broken": []}
    told = json.loads(run("info", out, "--json").stdout)
    assert told["frames"] == "32x48, 12 per second, 2 per chunk"
    assert told["actions"] == ["action_0", "action_1", "action_2", "action_3"]
    assert run("show", out, "-o", sheet, "--clips", "2", "--chunks", "5").exit_code == 0
    with Image.open(sheet) as picture:
        assert picture.width == 6 + 5 * (128 + 6)
    assert run("world", out, tmp_path / "nowhere").exit_code == 2


def test_a_recording(record: Callable[..., Path], tmp_path: Path) -> None:
    path = record(chunks=7)
    small = ("--size", "32x64", "--sections", "4", "--codec-steps", "0", "--held-out", "0")
    made = run("import", path, *small, "-o", tmp_path / "shards")
    assert made.exit_code == 0, made.output
    assert "1 clips of 7 chunks" in made.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "give a SOURCE or --gym"),
        (("nowhere",), "does not exist"),
        (("nowhere", "--gym", "Dot-v0"), "one of the two"),
        (("--gym", "Dot-v0", "--camera", "top"), "for LeRobot datasets"),
        (("--gym", "HeliosDot-v0", "--size", "32"), "--size is '32'"),
        (("--gym", "HeliosDot-v0", "--size", "32x30"), "multiple of 16"),
    ],
)
def test_wrong_requests_say_what_is_wrong(words: tuple[str, ...], says: str, dot: str, tmp_path: Path) -> None:
    result = run("import", *words, "-o", tmp_path / "shards")
    assert result.exit_code == 2
    assert says in " ".join(result.stderr.replace("│", " ").split())
