"""`helios-world train --stage`: a recipe, a folder, and the stage's loop in between."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn

from helios_world.errors import CheckpointError
from helios_world.model import HeliosTransformer, TransformerConfig
from helios_world.official.layout import INDEX, OfficialFolder
from helios_world.official.load import load_transformer
from helios_world.official.weights import SINGLE
from helios_world.train.stages.adapters import Adapters
from helios_world.train.stages.adversarial import Discriminator
from helios_world.train.stages.base import train_base
from helios_world.train.stages.blocks import recompute
from helios_world.train.stages.clips import Source
from helios_world.train.stages.distill import tapped, train_matching, train_trajectory
from helios_world.train.stages.learner import Learner
from helios_world.train.stages.mid import train_mid
from helios_world.train.stages.parts import AdapterPart
from helios_world.train.stages.recipe import BaseRecipe, DistillRecipe, MidRecipe, Recipe, read_recipe
from helios_world.train.stages.results import write_results
from helios_world.train.stages.run import Run
from helios_world.train.stages.sharding import joined, shard_module, shard_transformer
from helios_world.train.stages.sources import open_source

NATIVE = "world.json"


def train_stage(
    recipe: str | Path | Recipe,
    out: Path,
    *,
    device: str = "auto",
    hours: float | None = None,
    threads: int = 0,
    source: Source | None = None,
) -> Run:
    """Run a recipe to its last step, or for some hours; goes on by itself where `out` holds a state.

    Args:
        recipe: a file, the name of one in the package, or the recipe itself.
        source: what to train on, in place of the recipe's source.

    Raises:
        CheckpointError: the recipe, the weights that it starts with or its source cannot be read.
        HeliosError: the losses are no numbers any more.
    """
    if not isinstance(recipe, BaseRecipe | MidRecipe | DistillRecipe):
        recipe = read_recipe(recipe)
    if threads:
        torch.set_num_threads(threads)
    place = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)
    with joined(place):
        run, heads = build(recipe, out, place, source)
        run.until = math.inf if hours is None else time.monotonic() + 3600 * hours
        run.resume()
        _train(run, recipe, heads)
        if run.step >= recipe.steps:
            write_results(run)
    return run


def build(
    recipe: Recipe, out: Path, device: torch.device, source: Source | None = None
) -> tuple[Run, Discriminator | None]:
    """A run that is ready to begin or to resume, and the heads where the recipe has an adversarial part."""
    torch.manual_seed(recipe.seed)
    model = open_model(recipe).to(device).train()
    adapters, learned = adapt(model, recipe)
    if recipe.recompute:
        model.walk = recompute(None if adapters is None else adapters.switch)
    heads = _heads(model, recipe)
    shard_transformer(model, device)
    if heads is not None:
        shard_module(heads.to(device), device)
    run = Run(
        recipe,
        out,
        model,
        source or open_source(recipe, device),
        _learners(model, recipe, adapters, learned, heads),
        device=device,
        adapters=adapters,
    )
    return run, heads


def open_model(recipe: Recipe) -> HeliosTransformer:
    """New weights, or those of an official folder, of a world of this package or of a transformer's own folder."""
    if recipe.start is None:
        assert recipe.transformer is not None
        return HeliosTransformer(TransformerConfig.from_dict(recipe.transformer))
    return read_transformer(Path(recipe.start), frozen=recipe.adapter is not None)


def read_transformer(folder: Path, *, frozen: bool = False) -> HeliosTransformer:
    """The transformer of a folder, on the CPU in float32; of an official one in bfloat16 where it stays `frozen`.

    Raises:
        CheckpointError: there is none, or it is damaged.
    """
    if (folder / INDEX).is_file():
        dtype = torch.bfloat16 if frozen else torch.float32
        model = load_transformer(OfficialFolder.read(folder), "cpu", dtype)
        return model.requires_grad_(True)
    home = folder / "transformer" if (folder / NATIVE).is_file() else folder
    try:
        config = TransformerConfig.from_dict(json.loads((home / "config.json").read_bytes()))
        model = HeliosTransformer(config)
        model.load_state_dict({name: tensor.float() for name, tensor in load_file(home / SINGLE).items()})
    except (OSError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{str(home)!r} holds no transformer that can be read: {error}") from error
    return model


def adapt(model: HeliosTransformer, recipe: Recipe) -> tuple[Adapters | None, dict[str, dict[str, nn.Parameter]]]:
    """Give the model its adapters; returns them, and the weights of each by name."""
    if recipe.adapter is None:
        return None, {}
    adapters = Adapters(model, patches=recipe.adapter.patches)
    if not isinstance(recipe, DistillRecipe):
        adapters.switch.active = ("model",)
        for weight in _whole(model, recipe.adapter).values():
            weight.data = weight.data.float()  # steps of training are lost in the rounding of bfloat16
        return adapters, {"model": _add(adapters, "model", recipe.adapter)}
    if recipe.mid is not None:
        adapters.load("mid", Path(recipe.mid))
    names = ("generator", "critic") if recipe.matching else ("generator",)
    return adapters, {name: _add(adapters, name, recipe.adapter) for name in names}


def _add(adapters: Adapters, name: str, part: AdapterPart) -> dict[str, nn.Parameter]:
    return adapters.add(name, part.rank, part.alpha)


def _heads(model: HeliosTransformer, recipe: Recipe) -> Discriminator | None:
    part = recipe.matching.adversarial if isinstance(recipe, DistillRecipe) and recipe.matching else None
    if part is None or not isinstance(recipe, DistillRecipe):
        return None
    count = len(model.blocks)
    if any(number >= count for number in part.blocks):
        raise CheckpointError(f"adversarial.blocks are {part.blocks}; the model has {count} blocks, counted from 0")
    return Discriminator(len(tapped(recipe, count)), model.config.width, model.config.text_dim, part.channels)


def _learners(
    model: HeliosTransformer,
    recipe: Recipe,
    adapters: Adapters | None,
    learned: dict[str, dict[str, nn.Parameter]],
    heads: Discriminator | None,
) -> dict[str, Learner]:
    # Sharing a model puts other parameters in the place of those that there were.
    weights = {name: adapters.weights(name) if adapters else own for name, own in learned.items()}
    if isinstance(recipe, DistillRecipe):
        if heads is not None:
            weights["critic"] |= {f"heads.{name}": weight for name, weight in heads.named_parameters()}
        return {name: Learner(weights[name], part) for name, part in recipe.optimizers().items()}
    if recipe.adapter is None:
        return {"model": Learner(dict(model.named_parameters()), recipe.optimizer)}
    return {"model": Learner(weights["model"] | _whole(model, recipe.adapter), recipe.optimizer)}


def _whole(model: HeliosTransformer, part: AdapterPart) -> dict[str, nn.Parameter]:
    """The weights that are trained whole beside adapters."""
    named = model.named_parameters()
    return {name: weight for name, weight in named if name.startswith(part.full) and ".adapters." not in name}


def _train(run: Run, recipe: Recipe, heads: Discriminator | None) -> None:
    match recipe:
        case BaseRecipe():
            train_base(run, recipe)
        case MidRecipe():
            train_mid(run, recipe)
        case DistillRecipe(trajectory=trajectory, matching=part):
            if trajectory is not None:
                train_trajectory(run, recipe, trajectory)
            if part is not None:
                train_matching(run, recipe, part, heads)
