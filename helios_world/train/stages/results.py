"""What a finished run leaves: an adapter folder, a transformer, or the world that it began with and its new weights.

Averaged weights, where the run kept an average.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import torch
from safetensors.torch import save as to_safetensors
from torch import Tensor

from helios_world.checkpoint import CLASS_NAME, TRANSFORMER, load_checkpoint, save_world
from helios_world.errors import CheckpointError
from helios_world.model import HeliosTransformer
from helios_world.official.layout import INDEX, OfficialFolder
from helios_world.official.load import LoraChoice, load_transformer
from helios_world.official.save import save_official
from helios_world.snapshot import write_atomically
from helios_world.train.stages.adapters import Adapters, Pair, save_adapter
from helios_world.train.stages.recipe import DistillRecipe
from helios_world.train.stages.run import Run
from helios_world.train.stages.sharding import gathered
from helios_world.worldfile import NAME


def write_results(run: Run) -> list[Path]:
    """Write what the run made; all processes call it, one of them writes. Returns the folders."""
    name = "generator" if isinstance(run.recipe, DistillRecipe) else "model"
    best = run.learners[name].best()
    whole = {key: gathered(weight.detach()) for key, weight in run.model.named_parameters()} | best
    part, made = run.recipe.adapter, []
    if part is not None:
        made.append(run.out / "adapter")
        pairs = {key: tensor for key, tensor in best.items() if ".lora_" in key}
        rank, alpha = part.rank, part.alpha
        if isinstance(run.recipe, DistillRecipe) and run.recipe.mid is not None:
            pairs = with_mid(run, pairs, (rank if alpha is None else alpha) / rank)
            rank, alpha = max(tensor.shape[0] for key, tensor in pairs.items() if ".lora_A." in key), None
        if run.writes:
            save_adapter(made[-1], pairs, rank, alpha)
    if part is None or part.full:
        made.append(run.out / ("world" if _is_world(run.recipe.start) else "transformer"))
        if run.writes:
            _write_whole(made[-1], run, whole)
    return made


def with_mid(run: Run, pairs: Mapping[str, Tensor], factor: float) -> dict[str, Tensor]:
    """The generator's adapter and the mid stage's as one of the factor 1, which adds to `start` what both add."""
    assert run.adapters is not None
    total: dict[str, Tensor] = {}
    for place, layer in run.adapters.layers.items():
        down_key, up_key = f"{place}.lora_A.weight", f"{place}.lora_B.weight"
        down, up = pairs[down_key], factor * pairs[up_key]
        if "mid" in layer.adapters:
            mid = cast(Pair, layer.adapters["mid"])
            down = torch.cat((gathered(mid.down.weight.detach()), down))
            up = torch.cat((mid.factor * gathered(mid.up.weight.detach()), up), dim=1)
        total |= {down_key: down, up_key: up}
    return total


def merge(start: Path, adapter: Path, out: Path) -> Path:
    """Write the world or the official checkpoint of `start` with an adapter merged into its weights to `out`.

    Raises:
        CheckpointError: `start` is neither, the adapter does not fit, or an official checkpoint's `out` is not empty.
    """
    if (start / INDEX).is_file():
        folder = OfficialFolder.read(start)
        merged = load_transformer(folder, "cpu", torch.float32, loras=[LoraChoice(adapter)])
        save_official(folder, out, merged)
        return out
    if not _is_world(str(start)):
        raise CheckpointError(f"{str(start)!r} holds neither {INDEX} nor {NAME}; an adapter is merged into one of them")
    world = load_checkpoint(start, torch.device("cpu"), torch.float32)
    config, weights = world.transformer.config, world.transformer.state_dict()
    adapters = Adapters(world.transformer, patches=("patch_embedding", "patch_short", "patch_mid", "patch_long"))
    adapters.load("merged", adapter)
    adapters.merge("merged")
    plain = plain_transformer(world.transformer, weights)
    assert plain.config == config
    save_world(out, world.world, plain, world.codec, world.text_encoder, world.atlas)
    return out


def plain_transformer(model: HeliosTransformer, weights: Mapping[str, Tensor]) -> HeliosTransformer:
    """A transformer of the same shape without adapters, with these weights; others that are given are passed over."""
    with torch.device("meta"):
        plain = HeliosTransformer(model.config)
    names = plain.state_dict()
    plain.load_state_dict({name: weights[name].detach().cpu().clone() for name in names}, assign=True)
    return plain


def _write_whole(folder: Path, run: Run, weights: Mapping[str, Tensor]) -> None:
    model = plain_transformer(run.model, _merged(run, weights))
    if _is_world(run.recipe.start):
        assert run.recipe.start is not None
        world = load_checkpoint(Path(run.recipe.start), torch.device("cpu"), torch.float32)
        save_world(folder, world.world, model, world.codec, world.text_encoder, world.atlas)
        return
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    write_atomically(folder / TRANSFORMER[1], to_safetensors(tensors, metadata={"format": "pt"}))
    config = {"_class_name": CLASS_NAME, **model.config.to_dict()}
    write_atomically(folder / "config.json", json.dumps(config, indent=2).encode() + b"\n")


def _merged(run: Run, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights with the run's own adapter added to those that it changes."""
    total, part = dict(weights), run.recipe.adapter
    if part is None:
        return total
    factor = (part.rank if part.alpha is None else part.alpha) / part.rank
    for name in [key.removesuffix(".lora_A.weight") for key in weights if key.endswith(".lora_A.weight")]:
        up, down = weights[f"{name}.lora_B.weight"], weights[f"{name}.lora_A.weight"].flatten(1)
        before = weights[f"{name}.weight"]
        total[f"{name}.weight"] = before.float() + factor * (up.float() @ down.float()).view_as(before)
    return total


def _is_world(start: str | None) -> bool:
    return start is not None and (Path(start) / NAME).is_file()
