"""Official checkpoint folders, written so that diffusers reads them too."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from helios_world.errors import CheckpointError
from helios_world.model import HeliosTransformer
from helios_world.official.layout import INDEX as MODEL_INDEX
from helios_world.official.layout import OfficialFolder
from helios_world.official.settings import TRANSFORMER_CLASS
from helios_world.official.weights import INDEX, SINGLE
from helios_world.snapshot import write_atomically

MAX_SHARD_BYTES = 5_000_000_000


def save_official(
    source: OfficialFolder,
    target: str | Path,
    transformer: HeliosTransformer,
    max_shard_bytes: int = MAX_SHARD_BYTES,
) -> None:
    """Write a whole checkpoint: `transformer`, and copies of the other parts of `source`.

    model_index.json comes last, so that a folder that was not finished is not taken for a checkpoint.

    Raises:
        CheckpointError: `target` is not empty, or the transformer does not fit the other parts.
    """
    target = Path(target)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise CheckpointError(f"{str(target)!r} is not empty; a checkpoint is saved to a new folder")
    ours, theirs = transformer.config, source.transformer
    sizes = (ours.in_channels, ours.out_channels, ours.text_dim)
    if sizes != (theirs.in_channels, theirs.out_channels, theirs.text_dim):
        raise CheckpointError(
            f"the transformer's in_channels, out_channels and text_dim are {sizes}; they do not fit the parts of"
            f" {str(source.path)!r}"
        )
    save_transformer(target / "transformer", transformer, max_shard_bytes)
    for part in (source.path / "scheduler", source.vae_path, source.text_encoder_path, source.tokenizer_path):
        shutil.copytree(part, target / part.name, ignore=shutil.ignore_patterns(".*"))
    write_atomically(target / MODEL_INDEX, (source.path / MODEL_INDEX).read_bytes())


def save_transformer(folder: str | Path, model: HeliosTransformer, max_shard_bytes: int = MAX_SHARD_BYTES) -> None:
    """Write config.json and the weights, as they are, into one file or into shards with an index.

    Args:
        max_shard_bytes: of a file; a single tensor that is larger has a file of its own.

    Raises:
        CheckpointError: the folder has files already, or the model takes actions, which the format does not know.
    """
    folder = Path(folder)
    if model.config.action_dim is not None:
        raise CheckpointError(f"action_dim is {model.config.action_dim}; an official checkpoint has no actions")
    if folder.exists() and any(folder.iterdir()):
        raise CheckpointError(f"{str(folder)!r} is not empty; weights are saved to a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    shards = list(_shards(model.state_dict(), max_shard_bytes))
    names = _names(len(shards))
    for name, shard in zip(names, shards, strict=True):
        _write(folder / name, shard)
    if len(shards) > 1:
        places = {key: name for name, shard in zip(names, shards, strict=True) for key in shard}
        total = sum(tensor.nbytes for shard in shards for tensor in shard.values())
        index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(places.items()))}
        write_atomically(folder / INDEX, _json(index))
    write_atomically(folder / "config.json", _json({"_class_name": TRANSFORMER_CLASS, **model.config.to_dict()}))


def _shards(tensors: Mapping[str, Tensor], limit: int) -> Iterator[dict[str, Tensor]]:
    shard: dict[str, Tensor] = {}
    size = 0
    for name, tensor in tensors.items():
        if shard and size + tensor.nbytes > limit:
            yield shard
            shard, size = {}, 0
        shard[name] = tensor
        size += tensor.nbytes
    yield shard


def _names(count: int) -> list[str]:
    if count == 1:
        return [SINGLE]
    stem, suffix = SINGLE.split(".")
    return [f"{stem}-{number:05}-of-{count:05}.{suffix}" for number in range(1, count + 1)]


def _write(path: Path, shard: Mapping[str, Tensor]) -> None:
    """The file appears complete or not at all."""
    partial = path.with_name(f".{path.name}.part")
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in shard.items()}
    try:
        save_file(tensors, partial, metadata={"format": "pt"})
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _json(data: Mapping[str, object]) -> bytes:
    return json.dumps(data, indent=2).encode() + b"\n"
