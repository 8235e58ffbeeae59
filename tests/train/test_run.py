import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file

import helios_world
from helios_world.errors import CheckpointError
from helios_world.lands.painters import HostPainter, painter_for
from helios_world.lands.tables import Look
from helios_world.memory import HistoryLayout
from helios_world.model import HeliosTransformer, TransformerConfig
from helios_world.spec import Action, World
from helios_world.text import TextConfig, TextEncoder
from helios_world.train import preview
from helios_world.train.codec import build_codec, empty_codec
from helios_world.train.estimate import PARTS, _Bench, _Watch, estimate
from helios_world.train.objective import Weights
from helios_world.train.optim import learning_rate_share
from helios_world.train.recipe import Recipe
from helios_world.train.run import Run, prepare, train
from helios_world.train.streams import Streams

NANO = Path(preview.__file__).parent / "recipes" / "nano.json"


Recipes = Callable[..., dict[str, Any]]


@pytest.fixture
def tiny(make_recipe: Recipes, tmp_path: Path) -> Path:
    path = tmp_path / "tiny.json"
    path.write_text(json.dumps(make_recipe()))
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


class Stopped(Run):
    """A run that breaks off in its third step."""

    def _step(self, weights: Weights) -> None:
        if self.step == 3:
            raise KeyboardInterrupt
        super()._step(weights)


def test_a_run_that_broke_off_goes_on_exactly(make_recipe: Recipes, tmp_path: Path) -> None:
    recipe = Recipe.model_validate(make_recipe(steps=6, refined=0.5))
    whole, broken = (Run(recipe, tmp_path / name, torch.device("cpu")) for name in ("whole", "broken"))
    whole.load()
    whole.train(math.inf)
    stopped = Stopped(recipe, broken.out, torch.device("cpu"))
    stopped.load()
    with pytest.raises(KeyboardInterrupt):
        stopped.train(math.inf)
    broken.load()
    assert broken.step == 2
    broken.train(math.inf)
    log = (whole.out / "log.csv").read_text().splitlines()[-1].split(",")
    again = (broken.out / "log.csv").read_text().splitlines()[-1].split(",")
    assert log[:3] == again[:3]
    for mine, theirs in zip(whole.learner.modules, broken.learner.modules, strict=True):
        assert all(torch.equal(value, theirs.state_dict()[name]) for name, value in mine.state_dict().items())
    assert torch.equal(whole.streams.made, broken.streams.made)


def test_a_state_without_its_walkers_goes_on_with_new_ones(tiny: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    train(tiny, out, device="cpu", hours=0.0)
    (out / "walkers-0.pt").unlink()
    train(tiny, out, device="cpu", hours=0.0)
    assert torch.load(out / "state.pt", weights_only=True)["step"] == 0


def test_what_is_prepared_on_one_machine_begins_a_run_on_another(tiny: Path, tmp_path: Path) -> None:
    folder = prepare(tiny, tmp_path / "prepared", device="cpu")
    assert (tmp_path / "prepared" / "codec_done").exists()
    train(tiny, tmp_path / "run", device="cpu", hours=0.0, start=folder)
    state = torch.load(tmp_path / "run" / "state.pt", weights_only=True)
    written = load_file(folder / "codec" / "model.safetensors")
    assert all(torch.equal(state["codec"][name], values.float()) for name, values in written.items())
    assert written["residual.leave.weight"].any()


def test_a_recipe_is_measured_before_it_runs(make_recipe: Recipes) -> None:
    measured = estimate(Recipe.model_validate(make_recipe()), torch.device("cpu"), steps=2)
    assert set(measured.parts) == set(PARTS)
    assert all(seconds > 0 for seconds in measured.parts.values())
    assert measured.steps_in(1.0) == int(3600 / measured.step)
    assert measured.lines(0.5)[-1].endswith(f"--steps {measured.steps_in(0.5)}")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_step_never_waits_for_a_gpu(make_recipe: Recipes) -> None:
    device = torch.device("cuda")
    painter = painter_for(Look(32, 64), device)
    measured = _Bench(Recipe.model_validate(make_recipe()), device, _Watch(device), painter)
    measured.watch.waits = False
    for _ in range(4):
        measured.step()
    torch.cuda.set_sync_debug_mode("error")
    try:
        measured.step()
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_the_gpu_recipe_makes_a_world_of_25_megabytes() -> None:
    recipe = Recipe.read(NANO.with_name("nano-gpu.json"))
    with torch.device("meta"):
        model = HeliosTransformer(TransformerConfig.from_dict(recipe.transformer))
        text, codec = TextEncoder(TextConfig()), empty_codec(recipe, torch.device("meta"))
    assert 2 * sum(v.numel() for m in (model, text, codec) for v in m.state_dict().values()) < 24.5e6
    assert recipe.streams.count >= 4 * recipe.batch


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


def test_unknown_keys_of_a_recipe_are_errors(make_recipe: Recipes, tmp_path: Path) -> None:
    path = tmp_path / "wrong.json"
    path.write_text(json.dumps(make_recipe(colour="red")))
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
def streams(make_recipe: Recipes) -> Streams:
    recipe = Recipe.model_validate(make_recipe())
    paint = HostPainter(Look(32, 64))
    codec = build_codec(recipe, torch.device("cpu"), paint, lambda *_: None)
    return Streams(recipe, codec, HistoryLayout(), paint, seed=5)


def test_batches_hold_the_truth_and_its_history(streams: Streams) -> None:
    streams.walkers.own_share = 0.0
    last: dict[int, torch.Tensor] = {}
    for _ in range(12):
        batch = streams.next(4)
        assert batch.target.shape == (4, 6, 1, 4, 8)
        assert batch.actions.shape == (4, 1, 6)
        for row, walker in enumerate(batch.which):
            if walker in last and streams.walkers.length[walker] > 1:
                assert torch.equal(streams.made[walker][:, -1:], last[int(walker)])
            last[int(walker)] = batch.target[row]
        streams.push(batch, torch.zeros_like(batch.target))
    assert torch.equal(streams.made, streams.truth)


def test_walkers_on_their_own_remember_what_the_model_made(streams: Streams) -> None:
    streams.walkers.own_share = 1.0
    streams.walkers.segment[:] = 0
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


def test_preview_measures_a_perfect_and_a_frozen_dream(make_recipe: Recipes) -> None:
    cases = preview.make_cases(Recipe.model_validate(make_recipe()), 4, 3, 6, seed=2)
    truth = cases.frames[:, 12:]
    perfect = preview.measure(cases, truth)
    frozen = preview.measure(cases, np.repeat(cases.frames[:, 11:12], truth.shape[1], axis=1))
    assert perfect["psnr 0.5s"] > 60
    assert frozen["margin 1s"] == 0


def test_a_new_walk_remembers_what_its_past_showed(streams: Streams) -> None:
    streams.walkers.life[:] = 0
    turn = streams.walkers.next(8)
    streams.show(turn)
    shown = streams._latents(turn.past.clips)
    for row, (walker, slot) in enumerate(zip(turn.past.walkers, turn.past.slots, strict=True)):
        assert torch.equal(streams.truth[walker, :, slot], shown[row, :, 0])
        if turn.past.first[row]:
            assert torch.equal(streams.anchor[walker], shown[row])
            assert not streams.truth[walker, :, :slot].any()


def test_noise_falls_on_what_is_remembered_only(streams: Streams) -> None:
    own, length = torch.tensor([False, False]), torch.tensor([0, 3])
    history = streams._history(torch.tensor([0, 1]), own, length)
    streams.made[:2], streams.anchor[:2] = 1.0, 1.0
    history = streams._history(torch.tensor([0, 1]), own, length)
    rest = torch.cat([history.long, history.mid, history.short], dim=2)
    assert torch.equal(rest[0], torch.ones_like(rest[0]))
    assert torch.equal(rest[1][:, :16], torch.ones_like(rest[1][:, :16]))
    levels = torch.stack([streams._history(torch.tensor([1]), own[:1], length[1:]).short.std() for _ in range(24)])
    assert 0 < levels.max() < 0.2
