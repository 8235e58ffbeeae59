"""The cost of remembering: the tokens are those of the model, they grow only without time scales, and it is drawn."""

from __future__ import annotations

import builtins
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from helios_runtime.bench_gpu.bench import Bench, Budget
from helios_runtime.bench_gpu.context import Point, measure_context, plain_layout, seconds_of
from helios_runtime.bench_gpu.context_plot import check_matplotlib
from helios_runtime.bench_gpu.counts import history_tokens, passes
from helios_runtime.bench_gpu.sizes import FULL, TINY
from helios_runtime.cli.app import app
from helios_runtime.cli.bench_context import rows
from helios_world.compute import Compute
from helios_world.errors import DependencyError

CPU = Compute.choose("cpu", "float32", 1)


def test_the_command_measures_and_draws(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    figure, output = tmp_path / "new" / "context.png", tmp_path / "context.json"
    asked = ["bench", "context", "--size", "tiny", "--device", "cpu", "--dtype", "float32"]
    made = CliRunner().invoke(app, [*asked, "--figure", str(figure), "-o", str(output)])
    assert made.exit_code == 0, made.output
    assert figure.read_bytes().startswith(b"\x89PNG")
    found = json.loads(output.read_text(encoding="utf-8"))
    assert found["about"]["size"] == "tiny"
    (steady,), plain = found["points"]["scales"], found["points"]["plain"]
    assert steady["tokens"] == passes(TINY, (1, 1, 1))[-1].tokens
    assert [point["latents"] for point in plain] == list(TINY.contexts)
    for figures in ("tokens", "bytes"):
        values = [point[figures] for point in plain]
        assert values == sorted(set(values))
        assert values[-1] > steady[figures]
    assert all(point["milliseconds"] > 0 for point in plain)


def test_plain_keeps_every_latent_at_full_resolution() -> None:
    height, width = FULL.latent
    for latents in (9, 19):
        tokens = history_tokens(plain_layout(FULL, latents), height, width)
        least = 240 // 2 + 240 // 4
        assert tokens - least * 2 <= latents * (height // 2) * (width // 2) < tokens
    assert seconds_of(FULL, 9) == 33 / 24


def test_what_there_is_no_time_for_is_named() -> None:
    points = measure_context(Bench(TINY, CPU, Budget(0)))
    assert [point["why"] for point in points["plain"]] == ["the time is up"] * len(TINY.contexts)
    assert points["scales"][0]["tokens"]
    assert "not measured: the time is up" in rows(points)[-1][1]


def test_a_point_without_figures_says_why() -> None:
    told = Point(9, 1.4, why="out of memory").to_dict()
    assert told["tokens"] is None
    assert told["why"] == "out of memory"


def test_without_matplotlib_the_command_to_install_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def absent(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("matplotlib"):
            raise ImportError("no module")
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(DependencyError, match=r"helios-world\[eval\]"):
        check_matplotlib()
