import json
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file

import helios_world
from helios_world.errors import CheckpointError
from helios_world.memory import HistoryLayout
from helios_world.spec import Action, World
from helios_world.train import preview
from helios_world.train.codec import build_codec
from helios_world.train.optim import learning_rate_share
from helios_world.train.recipe import Recipe
from helios_world.train.run import train
from helios_world.train.streams import Streams

NANO = Path(preview.__file__).parent / "recipes" / "nano.json"


def _tiny(**changes: object) -> dict[str, object]:
    recipe = json.loads(NANO.read_text())
    recipe |= {"name": "tiny", "steps": 4, "batch": 4, "save_every": 2, "sheet_every": 25}
    recipe["world"] |= {"height": 32, "width": 64}
    recipe["codec"] |= {"latent_channels": 6, "hidden": 8, "blocks": 1, "clips": 24, "steps": 2, "batch": 2}
    recipe["text"] |= {"steps": 2}
    recipe["transformer"] |= {
        "num_attention_heads": 2,
        "attention_head_dim": 16,
        "in_channels": 6,
        "out_channels": 6,
        "ffn_dim": 32,
        "num_layers": 2,
        "rope_dim": [4, 6, 6],
        "freq_dim": 32,
    }
    recipe["streams"] |= {"count": 8, "own": 1.0, "own_from": 0, "own_to": 1}
    recipe["optimizer"] |= {"warmup": 1, "decay": 2}
    return recipe | changes


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.json"
    path.write_text(json.dumps(_tiny()))
    return path


def test_a_run_stops_goes_on_and_becomes_a_world(tiny: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    train(tiny, out, device="cpu", hours=0.0)
    assert torch.load(out / "state.pt", weights_only=True)["step"] == 0
    train(tiny, out, device="cpu")
    state = torch.load(out / "state.pt", weights_only=True)
    assert state["step"] == 4
    world = World.load(str(out / "world"), device="cpu", dtype="float32")
    first = world.reset(seed=3, prompt="an ice palace at night")
    chunk = world.step(Action({"forward"}, {"turn": 0.5}))
    assert first.frames.shape == chunk.frames.shape == (4, 32, 64, 3)
    assert (out / "world" / "training" / "recipe.json").exists()
    assert (out / "world" / "training" / "curves.png").stat().st_size > 5000


def test_a_run_begins_with_the_weights_of_a_world(tiny: Path, tmp_path: Path) -> None:
    train(tiny, tmp_path / "first", device="cpu")
    folder = tmp_path / "first" / "world"
    train(tiny, tmp_path / "second", device="cpu", hours=0.0, start=folder)
    state = torch.load(tmp_path / "second" / "state.pt", weights_only=True)
    written = load_file(folder / "transformer" / "diffusion_pytorch_model.safetensors")
    assert state["step"] == 0
    assert all(torch.equal(state["modules"][0][name], values.float()) for name, values in written.items())


def test_a_world_of_another_size_is_refused(tiny: Path, tmp_path: Path) -> None:
    shipped = Path(helios_world.__file__).parent / "presets" / "nano"
    with pytest.raises(CheckpointError, match="does not fit the recipe 'tiny'"):
        train(tiny, tmp_path / "run", device="cpu", start=shipped)


def test_the_same_seed_gives_the_same_weights(tiny: Path, tmp_path: Path) -> None:
    weights = []
    for name in ("a", "b"):
        train(tiny, tmp_path / name, device="cpu", threads=1)
        weights.append(torch.load(tmp_path / name / "state.pt", weights_only=True)["modules"][0])
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])


def test_unknown_keys_of_a_recipe_are_errors(tmp_path: Path) -> None:
    path = tmp_path / "wrong.json"
    path.write_text(json.dumps(_tiny(colour="red")))
    with pytest.raises(ValidationError, match="colour"):
        Recipe.read(path)


def test_the_rate_rises_stays_and_falls() -> None:
    recipe = Recipe.read(NANO)
    shares = [learning_rate_share(recipe, step) for step in range(recipe.steps)]
    assert shares[0] < 0.05
    assert max(shares) == 1.0
    assert shares[-1] < 0.01
    assert shares[recipe.steps - recipe.optimizer.decay] == 1.0


@pytest.fixture(scope="module")
def streams() -> Streams:
    recipe = Recipe.model_validate(_tiny())
    codec = build_codec(recipe, torch.device("cpu"), lambda *_: None)
    return Streams(recipe, codec, HistoryLayout(), seed=5)


def test_batches_hold_the_truth_and_its_history(streams: Streams) -> None:
    streams.own_share = 0.0
    last: dict[int, torch.Tensor] = {}
    for _ in range(12):
        batch = streams.next(4)
        assert batch.target.shape == (4, 6, 1, 4, 8)
        assert batch.actions.shape == (4, 1, 6)
        for row, walker in enumerate(batch.which):
            if walker in last and streams.length[walker] > 1:
                assert torch.equal(streams.made[walker][:, -1:], last[int(walker)])
            last[int(walker)] = batch.target[row]
        streams.push(batch, torch.zeros_like(batch.target))
    assert torch.equal(streams.made, streams.truth)


def test_walkers_on_their_own_remember_what_the_model_made(streams: Streams) -> None:
    streams.own_share = 1.0
    streams.segment[:] = 0
    batch = streams.next(4)
    assert batch.own.all()
    made = torch.full_like(batch.target, 7.0)
    streams.push(batch, made)
    index = torch.from_numpy(batch.which)
    assert torch.equal(streams.made[index][:, :, -1:], made)
    assert torch.equal(streams.truth[index][:, :, -1:], batch.target)


def test_every_walker_takes_its_turn(streams: Streams) -> None:
    seen = np.concatenate([streams.next(4).which for _ in range(4)])
    assert np.bincount(seen, minlength=8).min() >= 1


def test_preview_measures_a_perfect_and_a_frozen_dream() -> None:
    cases = preview.make_cases(Recipe.model_validate(_tiny()), 4, 3, 6, seed=2)
    truth = cases.frames[:, 12:]
    perfect = preview.measure(cases, truth)
    frozen = preview.measure(cases, np.repeat(cases.frames[:, 11:12], truth.shape[1], axis=1))
    assert perfect["psnr 0.5s"] > 60
    assert frozen["margin 1s"] == 0
