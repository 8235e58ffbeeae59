"""`play --headless`: a script in real time, with a report, without pygame."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from helios_demos.play.app import run
from helios_demos.play.headless import play_script
from helios_demos.play.options import PlayOptions
from helios_runtime.lockstep import LockStep
from helios_runtime.script import Script
from helios_world.errors import ActionError, PromptError
from helios_world.spec import Action, Chunk
from helios_world.testing import PatternWorld


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "short.jsonl"
    lines = [
        {"t": 0.05, "press": "forward"},
        {"t": 0.2, "prompt": "a green floor"},
        {"t": 0.45, "release": "forward"},
    ]
    path.write_text("\n".join(json.dumps(line) for line in lines))
    return path


def test_the_report_is_printed_and_returned(script: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = run(PlayOptions(world="pattern", headless=True, script=str(script), seconds=0.9))
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads(json.dumps(report.to_dict()))
    assert printed["world"] == "pattern"
    assert printed["delay_ms"]["count"] >= 2
    assert 5 < printed["frames_per_second"] < 25
    assert {"chunk_ms", "underruns", "late_ms", "seconds"} <= set(printed)


class ListeningWorld(PatternWorld):
    """Remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__(fps=96)
        self.asked: list[tuple[Action, str | None]] = []

    def step(self, action: Action | None = None, prompt: str | None = None) -> Chunk:
        self.asked.append((action or Action(), prompt))
        if prompt == "nonsense":
            raise PromptError("no sense in it")
        return super().step(action, prompt)


def test_the_world_gets_the_scripts_input(capsys: pytest.CaptureFixture[str]) -> None:
    world = ListeningWorld()
    script = Script.parse(
        [
            '{"t": 0.05, "press": "back"}',
            '{"t": 0.1, "axis": ["turn", 0.5]}',
            '{"t": 0.1, "prompt": "nonsense"}',
            '{"t": 0.2, "release": "back"}',
        ]
    )
    play_script(LockStep([world]), script, PlayOptions(seconds=0.35))
    actions = [action for action, _ in world.asked]
    assert actions[0] == Action()
    assert Action({"back"}, {"turn": 0.5}) in actions
    assert actions[-1] == Action(axes={"turn": 0.5})
    assert [prompt for _, prompt in world.asked].count("nonsense") == 1
    assert "no sense in it" in capsys.readouterr().err


def test_a_script_for_other_controls_is_refused_before_it_begins(tmp_path: Path) -> None:
    path = tmp_path / "fly.jsonl"
    path.write_text('{"t": 0, "press": "fly"}')
    with pytest.raises(ActionError, match="fly"):
        run(PlayOptions(world="pattern", headless=True, script=str(path), seconds=0.1))


def test_the_recording_can_be_replayed(script: Path, tmp_path: Path) -> None:
    from helios_world.recording import read_log, verify

    path = tmp_path / "videos" / "session.mp4"
    run(PlayOptions(world="pattern", headless=True, script=str(script), seconds=0.5, record=path))
    log = read_log(path)
    assert log.chunks >= 2
    assert verify(log, PatternWorld()).same


def test_no_pygame_is_loaded(script: Path) -> None:
    code = (
        "import sys; from helios_demos.play.app import run;"
        "from helios_demos.play.options import PlayOptions;"
        f"run(PlayOptions(world='pattern', headless=True, script={str(script)!r}, seconds=0.1));"
        "sys.exit('pygame' in sys.modules or 'torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
