"""Adapters: they change nothing until they have learned, share one base, and are saved as others read them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from helios_runtime.cli.app import app
from helios_world.memory import HistoryLayout
from helios_world.model import HeliosTransformer
from helios_world.spec import Action, World
from helios_world.train.stages.adapters import Adapters, save_adapter
from helios_world.train.stages.blocks import recompute
from helios_world.train.stages.clips import Shuffled
from helios_world.train.stages.dice import Rows
from helios_world.train.stages.windows import Told, cut_windows, told

LAYOUT = HistoryLayout(4, 2, 1, 2)
EMBEDDINGS = ("patch_embedding", "patch_short", "patch_mid", "patch_long")
NANO = Path(__file__).parents[3] / "helios_world" / "presets" / "nano"


@pytest.fixture
def given(source: Callable[..., Shuffled]) -> Told:
    return told(cut_windows(source().next(Rows(2, 0, 2)), [1, 2], LAYOUT), LAYOUT)


def velocity(model: HeliosTransformer, given: Told) -> torch.Tensor:
    noisy = torch.randn(2, 4, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    return given.velocity(model, noisy, torch.tensor([100.0, 900.0]))


def disturb(adapters: Adapters, name: str) -> None:
    with torch.no_grad():
        for weight in adapters.weights(name).values():
            weight.normal_(std=0.2, generator=torch.Generator().manual_seed(weight.numel()))


def test_off_is_the_base_exactly_and_merged_is_on(model: HeliosTransformer, given: Told) -> None:
    with torch.no_grad():
        plain = velocity(model, given)
        adapters = Adapters(model, patches=EMBEDDINGS)
        for name in ("one", "other"):
            adapters.add(name, 3, alpha=6.0)
            with adapters.switch.using(name):
                assert torch.equal(velocity(model, given), plain), "a new adapter changes nothing"
            disturb(adapters, name)
        assert torch.equal(velocity(model, given), plain)
        with adapters.switch.using("one"):
            changed = velocity(model, given)
        assert (changed - plain).abs().max() > 0.05
        adapters.merge("one")
        torch.testing.assert_close(velocity(model, given), changed, atol=1e-4, rtol=1e-4)


def test_recomputing_uses_the_adapters_of_the_forward_pass(model: HeliosTransformer, given: Told) -> None:
    adapters = Adapters(model)
    gradients = []
    adapters.add("one", 2)
    adapters.add("other", 2)
    disturb(adapters, "one")
    disturb(adapters, "other")
    for walk in (iter, recompute(adapters.switch)):
        model.walk = walk
        with adapters.switch.using("one"):
            loss = velocity(model, given).square().mean()
        with adapters.switch.using("other"):
            gradients.append(torch.autograd.grad(loss, list(adapters.weights("one").values()), allow_unused=True))
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True) if a is not None)
    assert sum(gradient is not None for gradient in gradients[0]) > 20


def test_what_is_saved_is_loaded(model: HeliosTransformer, given: Told, tmp_path: Path) -> None:
    adapters = Adapters(model, patches=EMBEDDINGS)
    adapters.add("mine", 3, alpha=6.0)
    disturb(adapters, "mine")
    save_adapter(tmp_path, dict(adapters.weights("mine")), 3, 6.0)
    adapters.load("again", tmp_path)
    with torch.no_grad(), adapters.switch.using("mine"):
        mine = velocity(model, given)
    with torch.no_grad(), adapters.switch.using("again"):
        torch.testing.assert_close(velocity(model, given), mine)


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """A copy of nano: the adapter of a world of this package."""
    return Path(shutil.copytree(NANO, tmp_path / "nano"))


def test_an_adapter_of_a_world_is_trained_and_merged(world: Path, tmp_path: Path) -> None:
    layout = {"long": 16, "mid": 2, "short": 1, "chunk": 1}
    recipe = {
        "stage": "base",
        "name": "style",
        "start": str(world),
        "layout": layout,
        "source": {"kind": "lands", "parts": str(world), "sections": 3},
        "batch": 2,
        "steps": 2,
        "optimizer": {"learning_rate": 0.1},
        "recompute": False,
    }
    (tmp_path / "style.json").write_text(json.dumps(recipe))
    runner = CliRunner()
    out, merged = tmp_path / "run", tmp_path / "merged"
    words = ["train", str(tmp_path / "style.json"), "--stage", "base", "--adapter", "2", "-o", str(out)]
    assert runner.invoke(app, [*words, "--device", "cpu"], catch_exceptions=False).exit_code == 0
    words = ["train", "--merge", str(out / "adapter"), "--start", str(world), "-o", str(merged)]
    assert runner.invoke(app, words, catch_exceptions=False).exit_code == 0
    frames = []
    for folder in (world, merged):
        opened = World.load(str(folder), device="cpu", dtype="float32")
        opened.reset(seed=1, prompt="a brick garden at noon")
        frames.append(opened.step(Action({"forward"})).frames.astype(int))
    assert np.abs(frames[0] - frames[1]).max() > 5


def test_a_stage_of_another_recipe_is_refused(tmp_path: Path) -> None:
    found = CliRunner().invoke(app, ["train", "lands-mid", "--stage", "base", "-o", str(tmp_path)])
    assert found.exit_code == 2
