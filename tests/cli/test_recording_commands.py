"""generate and replay, on the pattern world."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from helios_runtime.cli.app import app
from helios_runtime.cli.generate import frames_wanted, read_ends
from helios_runtime.cli.inputs import ScriptedInputs
from helios_runtime.cli.options import settings_of
from helios_runtime.script import Script
from helios_world.recording import read_log, read_video
from helios_world.testing import PatternWorld

SCRIPT = """\
{"t": 0.1, "press": "forward"}
{"t": 0.4, "prompt": "a blue floor"}
{"t": 0.6, "release": "forward"}
{"t": 0.6, "axis": ["turn", 0.5]}
"""


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "script.jsonl"
    path.write_text(SCRIPT)
    return path


@pytest.fixture
def walk(tmp_path: Path, script: Path) -> Path:
    result = run("generate", "pattern", "-o", tmp_path / "walk.mp4", "--script", script, "--seconds", "1.5", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["chunks"] == 9
    return tmp_path / "walk.jsonl"


def test_generate_writes_a_video_and_its_log(walk: Path) -> None:
    assert len(read_video(walk.with_suffix(".mp4"))) == 36
    assert read_log(walk).chunks == 9


def test_a_script_is_felt_in_the_chunk_after_it() -> None:
    world = PatternWorld()
    chunks = list(ScriptedInputs(Script.parse(SCRIPT.splitlines())).play(world, 6, {"seed": 3}))
    assert [sorted(chunk.action.buttons) for chunk in chunks] == [
        [],
        ["forward"],
        ["forward"],
        ["forward"],
        [],
        [],
    ]
    assert [dict(chunk.action.axes).get("turn", 0.0) for chunk in chunks] == [0, 0, 0, 0, 0.5, 0.5]
    assert chunks[2].prompt[-1].text != "a blue floor"
    assert chunks[3].prompt[-1].text == "a blue floor"


def test_replay_verifies(walk: Path) -> None:
    result = run("replay", walk, "--verify")
    assert (result.exit_code, result.stdout) == (0, "the same: 9 chunks\n")


def test_replay_finds_a_difference(walk: Path) -> None:
    lines = walk.read_text().splitlines()
    lines[4] = lines[4].replace('"forward"', '"back"')
    walk.write_text("\n".join(lines) + "\n")
    result = run("replay", walk, "--verify", "--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert found["same"] is False
    assert found["mismatches"][0]["position"] == 3


def test_replay_writes_the_video_again(walk: Path, tmp_path: Path) -> None:
    assert run("replay", walk, "-o", tmp_path / "new" / "again.mp4").exit_code == 0
    again = tmp_path / "new" / "again.jsonl"
    assert again.with_suffix(".mp4").is_file()
    assert read_log(again).records == read_log(walk).records


def test_replay_refuses_to_replace_its_log(walk: Path) -> None:
    before = walk.read_bytes()
    assert run("replay", walk, "-o", walk.with_suffix(".mp4")).exit_code == 2
    assert run("replay", walk).exit_code == 2
    assert walk.read_bytes() == before


def test_generate_starts_from_a_video(walk: Path, tmp_path: Path) -> None:
    out = tmp_path / "next.mp4"
    result = run("generate", "pattern", "-o", out, "--video", walk.with_suffix(".mp4"), "--seconds", "0.2")
    assert result.exit_code == 0, result.output
    assert run("replay", out.with_suffix(".jsonl"), "--verify").exit_code == 0


def test_generate_starts_from_a_picture(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    image.fromarray(np.full((90, 120, 3), 200, np.uint8)).save(tmp_path / "grey.png")
    result = run(
        "generate",
        "pattern",
        "-o",
        tmp_path / "out.mp4",
        "--image",
        tmp_path / "grey.png",
        "--seconds",
        "0.5",
    )
    assert result.exit_code == 0, result.output
    with np.load(next(tmp_path.glob("out.*.npz"))) as start:
        assert start["image"].shape == (90, 120, 3)


def test_a_picture_and_a_video_are_one_too_many(walk: Path, tmp_path: Path) -> None:
    video = walk.with_suffix(".mp4")
    assert run("generate", "pattern", "-o", tmp_path / "b.mp4", "--image", video, "--video", video).exit_code == 2


def test_a_bad_script_is_one_line(tmp_path: Path) -> None:
    script = tmp_path / "bad.jsonl"
    script.write_text('{"t": 0, "press": "fly"}\n')
    result = run("generate", "pattern", "-o", tmp_path / "c.mp4", "--script", script)
    assert result.exit_code == 2
    assert result.stderr.startswith("helios-world: unknown button ['fly']")
    assert not (tmp_path / "c.mp4").exists()


@pytest.mark.parametrize(("seconds", "frames"), [(0.1, 3), (1 / 6, 4), (0.2, 5), (1.0, 24), (10.0, 240), (None, 240)])
def test_length(seconds: float | None, frames: int) -> None:
    assert frames_wanted(PatternWorld().spec, seconds, None, ScriptedInputs(Script(()))) == frames


@pytest.mark.parametrize("frames", [1, 3, 4, 5, 30])
def test_a_video_has_exactly_the_frames_that_were_asked_for(tmp_path: Path, frames: int) -> None:
    out = tmp_path / "exact.mp4"
    assert run("generate", "pattern", "-o", out, "--frames", frames).exit_code == 0
    assert len(read_video(out)) == frames
    assert run("replay", out.with_suffix(".jsonl"), "--verify").exit_code == 0


def test_the_actions_of_a_log_are_done_again(walk: Path, tmp_path: Path) -> None:
    out = tmp_path / "same.mp4"
    result = run("generate", "pattern", "-o", out, "--actions", walk, "--seed", 1)
    assert result.exit_code == 0, result.output
    done = [(entry.action, entry.prompt) for entry in read_log(walk).records]
    assert [(entry.action, entry.prompt) for entry in read_log(out).records][1:] == done[1:]
    longer = run("generate", "pattern", "-o", out, "--actions", walk, "--frames", 4 * 9 + 1)
    assert longer.exit_code == 0
    assert read_log(out).chunks == 10


@pytest.mark.parametrize(
    "arguments",
    [
        ("--seconds", "1", "--frames", "4"),
        ("--script", "a", "--actions", "b"),
        ("--set", "steps"),
        ("--set", "=3"),
        ("--frames", "0"),
    ],
)
def test_requests_that_contradict_themselves(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert run("generate", "pattern", "-o", tmp_path / "no.mp4", *arguments).exit_code == 2
    assert not list(tmp_path.iterdir())


def test_a_choice_that_the_world_does_not_have(tmp_path: Path) -> None:
    result = run("generate", "pattern", "-o", tmp_path / "no.mp4", "--set", "guidance=3")
    assert result.exit_code == 2
    assert "'pattern' has nothing to choose; ['guidance']" in result.stderr


def test_values_of_choices() -> None:
    given = ["steps=1,1,1", "guidance=2.5", "vae-tiling=true", "negative_prompt=rain = bad", "offload=group", "fps=24"]
    assert settings_of(given) == {
        "steps": [1, 1, 1],
        "guidance": 2.5,
        "vae_tiling": True,
        "negative_prompt": "rain = bad",
        "offload": "group",
        "fps": 24,
    }


def test_of_a_video_the_ends_are_read(walk: Path) -> None:
    video, spec = walk.with_suffix(".mp4"), PatternWorld().spec
    whole = read_video(video)
    assert len(whole) == 36
    assert np.array_equal(read_ends(video, spec), np.concatenate([whole[:4], whole[-4:]]))
    remembering = {**spec.to_dict(), "memory": {"long": 2, "mid": 2, "short": 1, "latents_per_chunk": 2}}
    ends = read_ends(video, type(spec).from_dict(remembering))
    assert np.array_equal(ends, np.concatenate([whole[:4], whole[-12:]]))
    assert np.array_equal(read_video(video, first=30, last=30), whole)
