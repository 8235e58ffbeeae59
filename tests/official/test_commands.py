"""The commands on official checkpoints."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from helios_runtime.cli.app import app
from helios_runtime.cli.info import size_of
from helios_world.options import LoadOptions, Options
from helios_world.recording import read_log, read_video

Make = Callable[..., Path]

SETTINGS = ("--set", "height=64", "--set", "width=64", "--set", "steps=1,1,1", "--set", "text_tokens=256")


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def folder(make_official: Make) -> Path:
    return make_official("distilled")


def test_a_video_of_a_checkpoint_has_its_length_and_is_made_again(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "walk.mp4"
    common = ("--device", "cpu", "--dtype", "float32", *SETTINGS)
    result = run("generate", folder, "--prompt", "a brick garden", "--frames", 70, "-o", out, *common)
    assert result.exit_code == 0, result.output
    assert len(read_video(out)) == 70
    assert read_log(out).chunks == 3
    again = run("replay", out.with_suffix(".jsonl"), "--verify", "--world", folder, *common)
    assert (again.exit_code, again.stdout) == (0, "the same: 3 chunks\n")


def test_the_actions_of_another_world_are_done_in_a_checkpoint(folder: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.jsonl"
    script.write_text('{"t": 0, "press": "forward"}\n{"t": 0.3, "prompt": "a floor"}\n')
    assert run("generate", "pattern", "-o", tmp_path / "a.mp4", "--script", script, "--seconds", 0.5).exit_code == 0
    out = tmp_path / "b.mp4"
    result = run("generate", folder, "--actions", tmp_path / "a.jsonl", "-o", out, *SETTINGS)
    assert result.exit_code == 0, result.output
    taken, done = (read_log(tmp_path / name).records[1:] for name in ("a.jsonl", "b.jsonl"))
    assert [(entry.action, entry.prompt) for entry in done] == [(entry.action, entry.prompt) for entry in taken]
    assert any(entry.action and "forward" in entry.action.buttons for entry in done)


def test_a_video_continues_a_video(folder: Path, tmp_path: Path) -> None:
    film, out = tmp_path / "film.mp4", tmp_path / "next.mp4"
    assert run("generate", "pattern", "-o", film, "--frames", 60).exit_code == 0
    result = run("generate", folder, "--video", film, "--frames", 5, "-o", out, *SETTINGS)
    assert result.exit_code == 0, result.output
    assert len(read_video(out)) == 5


def test_what_a_checkpoint_needs_is_told_without_reading_its_weights(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import helios_world.official.weights as weights

    def refuse(*_: object) -> None:
        raise AssertionError("a weight was read")

    monkeypatch.setattr(weights, "read", refuse)
    result = run("info", folder, "--dtype", "float32", *SETTINGS, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["kind"], found["steps"], found["guidance"]) == ("distilled", [1, 1, 1], 1)
    parameters = {part["name"]: part["parameters"] for part in found["parts"]}
    assert set(parameters) == {"transformer", "vae", "text_encoder"}
    assert all(part["stored"] == 4 * part["parameters"] for part in found["parts"])
    peaks = {name: peak["peak"] for name, peak in found["peaks"].items()}
    assert min(peaks, key=lambda name: peaks[name]) == "offload=group keep_text_encoder=false"
    assert max(peaks, key=lambda name: peaks[name]) == "offload=none keep_text_encoder=true"
    shown = run("info", folder, *SETTINGS).stdout
    assert "distilled" in shown
    assert f"{parameters['transformer']:,}" in shown


def test_a_wrong_choice_is_one_line(folder: Path, tmp_path: Path) -> None:
    for command in (("info", folder), ("generate", folder, "-o", tmp_path / "no.mp4")):
        result = run(*command, "--set", "guidance=7")
        assert result.exit_code == 2
        assert result.stderr.startswith("helios-world: guidance is 7.0; a distilled checkpoint knows only 1")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("count", "told"), [(999, "1.0 kB"), (2_500_000, "2.50 MB"), (28_600_000_000, "28.60 GB")])
def test_sizes_for_people(count: int, told: str) -> None:
    assert size_of(count) == told


def test_the_documented_example_runs(make_official: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a tiny checkpoint of that name, in a small size."""
    text = (Path(__file__).parents[2] / "docs" / "helios.md").read_text(encoding="utf-8")
    code = re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S)
    assert len(code) == 1
    (tmp_path / "Helios-Distilled").symlink_to(make_official("distilled"))
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(code[0].replace("height=384, width=640", 'height=64, width=64, device="cpu"'), names)
    assert names["chunk"].frames.shape == (33, 64, 64, 3)
    assert names["chunk"].index == 2


def test_the_documented_choices_are_those_that_there_are() -> None:
    text = (Path(__file__).parents[2] / "docs" / "helios.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.*?`) \|", text[text.index("## Choices") : text.index("## Little memory")], re.M)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert named == set(Options.model_fields) - {"untrained"}
    assert named | {"untrained"} == set(LoadOptions.__annotations__)
