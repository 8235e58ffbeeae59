"""Runs whose model has an atlas."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from helios_world.codec import LatentCodec
from helios_world.dream import DreamWorld
from helios_world.errors import CheckpointError
from helios_world.lands.painters import HostPainter
from helios_world.lands.tables import Look
from helios_world.model import HeliosTransformer, TransformerConfig
from helios_world.places.place import KNOWN
from helios_world.spec import Action, World
from helios_world.text import TextConfig, TextEncoder
from helios_world.train import preview
from helios_world.train.atlas import empty_atlas, fit_atlas
from helios_world.train.codec import empty_codec
from helios_world.train.learner import LAYOUT
from helios_world.train.objective import Weights
from helios_world.train.recipe import Recipe
from helios_world.train.run import Run, prepare, train

CPU = torch.device("cpu")
Recipes = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("atlas")


@pytest.fixture(scope="module")
def plain(make_recipe: Recipes, folder: Path) -> Path:
    return _written(folder / "plain.json", make_recipe())


@pytest.fixture(scope="module")
def guided(make_recipe: Recipes, folder: Path) -> Path:
    return _written(folder / "guided.json", make_recipe(guided=True))


@pytest.fixture(scope="module")
def without(plain: Path, folder: Path) -> Path:
    """The folder of a world without an atlas."""
    return prepare(plain, folder / "without", device="cpu")


@pytest.fixture(scope="module")
def charted(guided: Path, folder: Path) -> Path:
    """The folder of a world with an atlas."""
    return prepare(guided, folder / "with", device="cpu")


def _written(path: Path, recipe: dict[str, Any]) -> Path:
    path.write_text(json.dumps(recipe))
    return path


def _stored(world: Path, part: str) -> dict[str, torch.Tensor]:
    return {name: values.float() for name, values in load_file(next((world / part).glob("*.safetensors"))).items()}


class Quiet(Run):
    """A run that shows no previews."""

    def _preview(self) -> None:
        pass


class Stopped(Quiet):
    """A run that breaks off in its third step."""

    def _step(self, weights: Weights) -> None:
        if self.step == 3:
            raise KeyboardInterrupt
        super()._step(weights)


def _begin(kind: type[Run], recipe: Path, out: Path, start: Path | None = None) -> Run:
    run = kind(Recipe.read(recipe), out, CPU)
    run.load(start)
    return run


def test_a_guided_run_becomes_a_world_that_knows_where_it_is(
    guided: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, cases = tmp_path / "run", preview.make_cases
    monkeypatch.setattr(preview, "make_cases", lambda recipe, count, *others, seed: cases(recipe, 2, *others, seed))
    train(guided, out, device="cpu", hours=0.0)
    atlas = torch.load(out / "state.pt", weights_only=True)["atlas"]
    assert atlas["doubt"].isfinite()
    train(guided, out, device="cpu")
    state = torch.load(out / "state.pt", weights_only=True)
    assert state["step"] == 4
    assert all(torch.equal(value, state["atlas"][name]) for name, value in atlas.items())
    world = World.load(str(out / "world"), device="cpu", dtype="float32")
    assert isinstance(world, DreamWorld)
    world.reset(seed=3, prompt="an ice palace at night")
    chunk = world.step(Action({"forward"}, {"turn": 0.5}))
    assert chunk.frames.shape == (4, 32, 64, 3)
    assert world._memory.place is not None
    assert world._memory.place[:, KNOWN] == 1
    assert (out / "sheets" / "000004.png").exists()


def test_a_guided_run_that_broke_off_goes_on_exactly(make_recipe: Recipes, charted: Path, tmp_path: Path) -> None:
    recipe = _written(tmp_path / "tiny.json", make_recipe(guided=True, steps=6, refined=0.5))
    whole = _begin(Quiet, recipe, tmp_path / "whole", charted)
    whole.train(math.inf)
    with pytest.raises(KeyboardInterrupt):
        _begin(Stopped, recipe, tmp_path / "broken", charted).train(math.inf)
    broken = _begin(Quiet, recipe, tmp_path / "broken")
    assert broken.step == 2
    broken.train(math.inf)
    for mine, theirs in zip(whole.learner.modules, broken.learner.modules, strict=True):
        assert all(torch.equal(value, theirs.state_dict()[name]) for name, value in mine.state_dict().items())
    assert torch.equal(whole.streams.made, broken.streams.made)
    assert whole.learner.model.guide_layer is not None
    trained, begun = whole.learner.model.guide_layer.state_dict(), _stored(charted, "transformer")
    assert all(not torch.equal(value, begun[f"guide_layer.{name}"]) for name, value in trained.items())


def test_a_run_takes_over_a_world_and_its_atlas(
    guided: Path, charted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("helios_world.train.run.fit_atlas", lambda *_: pytest.fail("charted again"))
    run = _begin(Quiet, guided, tmp_path / "run", charted)
    assert run.atlas is not None
    written = _stored(charted, "atlas")
    assert written["doubt"].isfinite()
    assert all(torch.equal(value, written[name]) for name, value in run.atlas.state_dict().items())
    assert run.streams.atlas is run.atlas


def test_words_that_were_learned_further_are_read_anew(
    guided: Path, charted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, read = _begin(Quiet, guided, tmp_path / "run", charted), []
    monkeypatch.setattr("helios_world.train.run.fit_reader", lambda *told: read.append(told))
    run.train(math.inf)
    ((atlas, encoder, *_),) = read
    assert atlas is run.atlas
    averaged = run.learner.averaged()[1].state_dict()
    assert all(torch.equal(value, averaged[name]) for name, value in encoder.state_dict().items())


@pytest.mark.parametrize("guided", [False, True])
def test_a_guided_transformer_and_an_atlas_go_together(make_recipe: Recipes, guided: bool) -> None:
    recipe = make_recipe(guided=guided)
    recipe["transformer"] = {**recipe["transformer"], "guided": not guided}
    with pytest.raises(ValueError, match="with an atlas and only then"):
        Recipe.model_validate(recipe)


def test_a_world_without_an_atlas_gets_one(guided: Path, without: Path, tmp_path: Path) -> None:
    run = _begin(Quiet, guided, tmp_path / "run", without)
    taken, written = run.learner.model.state_dict(), _stored(without, "transformer")
    new = {name for name in taken if name.startswith("guide_layer.")}
    assert new
    assert set(taken) == set(written) | new
    assert all(torch.equal(taken[name], value) for name, value in written.items())
    assert run.atlas is not None
    assert run.atlas.doubt.isfinite()
    run.train(math.inf)
    world = World.load(str(run.out / "world"), device="cpu", dtype="float32")
    assert world.reset(seed=1, prompt="an ice palace at night").frames.shape == (4, 32, 64, 3)
    assert (run.out / "world" / "atlas" / "config.json").exists()


def test_a_world_with_an_atlas_is_not_for_a_recipe_without(plain: Path, charted: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="does not fit the recipe 'tiny'"):
        _begin(Quiet, plain, tmp_path / "run", charted)


def test_an_atlas_of_another_size_is_refused(make_recipe: Recipes, charted: Path, tmp_path: Path) -> None:
    recipe = make_recipe(guided=True)
    recipe["atlas"] = {**recipe["atlas"], "hidden": 24}
    with pytest.raises(CheckpointError, match="does not fit the recipe 'tiny'"):
        _begin(Quiet, _written(tmp_path / "other.json", recipe), tmp_path / "run", charted)


def _parts(recipe: Recipe) -> tuple[HeliosTransformer, LatentCodec, TextEncoder]:
    torch.manual_seed(1)
    model = HeliosTransformer(TransformerConfig.from_dict(recipe.transformer)).eval()
    codec = empty_codec(recipe, CPU)
    codec.basis.copy_(torch.linalg.qr(torch.randn(768, 6)).Q.T * 4)
    return model, codec, TextEncoder(TextConfig()).eval()


def test_a_preview_of_somewhere_unknown_is_one_without_an_atlas(make_recipe: Recipes) -> None:
    recipe = Recipe.model_validate(make_recipe(guided=True))
    model, codec, encoder = _parts(recipe)
    atlas = empty_atlas(recipe, codec, encoder.config.text_dim)
    assert atlas is not None
    fit_atlas(atlas, recipe, codec, encoder, HostPainter(Look(32, 64)), lambda *_: None)
    cases = preview.make_cases(recipe, 2, 3, 3, seed=2)

    def dream(doubt: float) -> np.ndarray[Any, Any]:
        atlas.doubt.fill_(doubt)
        return preview.dream((model, codec, encoder, atlas), cases, LAYOUT, recipe.sigmas)

    bare = preview.dream((model, codec, encoder, None), cases, LAYOUT, recipe.sigmas)
    assert bare.shape == (2, 12, 32, 64, 3)
    assert np.array_equal(dream(0.0), bare)
    assert not np.array_equal(dream(math.inf), bare)
