"""`helios-world eval` as it is typed."""

from __future__ import annotations

import json

import pytest
from PIL import Image
from typer.testing import CliRunner

from helios_runtime.cli.app import app
from helios_world.evaluate import ablations, run


@pytest.fixture
def typed():
    return lambda *words: CliRunner().invoke(app, ["eval", *map(str, words)])


def test_heliosbench(typed, tmp_path):
    (tmp_path / "videos" / "a").mkdir(parents=True)
    for number in range(8):
        Image.new("RGB", (8, 8)).save(tmp_path / "videos" / "a" / f"{number}.png")
    (tmp_path / "p.csv").write_text("id,prompt,duration\na,night,120\n")
    (tmp_path / "mine.py").write_text("def zero(frames, prompt):\n    return 0.0\n")
    metric = f"aesthetic={tmp_path / 'mine.py'}:zero"
    out = tmp_path / "new" / "result.json"
    files = ("--prompts", tmp_path / "p.csv", "--videos", tmp_path / "videos", "-o", out)
    done = typed("heliosbench", *files, "--metric", metric, "--fps", "10", "--json")
    assert done.exit_code == 0, done.output
    result = json.loads(out.read_text(encoding="utf-8"))
    assert result["groups"]["short"]["scores"]["aesthetic"] == 1
    assert result["throughput"]["score"] == 4
    assert "semantic" in result["not_run"]
    assert typed("heliosbench").exit_code == 2


def test_options_reach_the_evaluation(typed, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(run, "evaluate", lambda job: asked.append(job) or {})
    monkeypatch.setattr(ablations, "compare", lambda *given: asked.append(given) or {})
    assert typed("lands", "-o", tmp_path, "--quick", "--detail", "0.5", "--seed", "3").exit_code == 0
    assert typed("lands", "-o", tmp_path, "--ablate", "rope", "--ablate", "long").exit_code == 0
    assert typed("lands", "-o", tmp_path, "--against", "other").exit_code == 0
    assert asked[0] == run.Job("lands", tmp_path, run.QUICK, "auto", 3, 0.5)
    assert [given[1] for given in asked[1:]] == [["rope", "long"], []]
    assert asked[2][2].name == "other"


def test_an_unknown_part_is_one_line(typed, tmp_path):
    done = typed("pattern", "-o", tmp_path, "--ablate", "feet")
    assert done.exit_code == 2
    assert "there is no ablation" in done.output
