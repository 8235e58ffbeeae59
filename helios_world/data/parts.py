"""The codec and the words of an import: new ones, or those of a world that is to be trained further.

parts/codec/ and parts/text_encoder/ are as in a world's folder.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as to_safetensors
from torch import Tensor, nn

from helios_world.checkpoint import CODEC, TEXT_ENCODER, load_checkpoint
from helios_world.codec import CodecConfig, LatentCodec
from helios_world.data.game import GameFile
from helios_world.errors import CheckpointError, OptionError
from helios_world.snapshot import write_atomically
from helios_world.text import TextConfig, TextEncoder
from helios_world.train.stages.sources import PRESETS

PARTS = "parts"
NEW_TEXT = TextConfig(text_dim=64, tokens=4, width=64, heads=4, layers=1, buckets=512)


def new_words(seed: int = 0) -> TextEncoder:
    """An encoder that was never trained: it tells prompts apart, and a model that is trained on it learns what those
    of its clips mean. It knows nothing of other words."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return TextEncoder(NEW_TEXT).eval().requires_grad_(False)


def borrowed_parts(name: str, game: GameFile) -> tuple[LatentCodec, TextEncoder]:
    """Those of a world: its folder, or the name of one in the package.

    Raises:
        CheckpointError: it cannot be read.
        OptionError: its codec does not fit the game's chunks.
    """
    folder = PRESETS / name if (PRESETS / name).is_dir() else Path(name)
    world = load_checkpoint(folder, torch.device("cpu"), torch.float32)
    temporal = world.codec.config.temporal
    if game.frames_per_chunk % temporal:
        raise OptionError(f"a latent of {str(folder)!r} is {temporal} frames; a chunk has {game.frames_per_chunk}")
    return world.codec, world.text_encoder


def save_parts(folder: Path, codec: LatentCodec, words: TextEncoder) -> None:
    """Write both in float32."""
    made: tuple[tuple[tuple[str, str], nn.Module, dict[str, Any]], ...] = (
        (CODEC, codec, codec.config.to_dict()),
        (TEXT_ENCODER, words, words.config.to_dict()),
    )
    for (name, weights), module, config in made:
        home = folder / PARTS / name
        home.mkdir(parents=True, exist_ok=True)
        tensors = {key: tensor.float().contiguous() for key, tensor in module.state_dict().items()}
        write_atomically(home / weights, to_safetensors(tensors))
        write_atomically(home / "config.json", json.dumps(config, indent=2).encode() + b"\n")


def load_parts(folder: Path) -> tuple[LatentCodec, TextEncoder]:
    """What `save_parts` wrote.

    Raises:
        CheckpointError: something is missing or damaged.
    """
    try:
        codec = LatentCodec(CodecConfig.from_dict(_config(folder, CODEC)))
        words = TextEncoder(TextConfig.from_dict(_config(folder, TEXT_ENCODER)))
        codec.load_state_dict(_weights(folder, CODEC))
        words.load_state_dict(_weights(folder, TEXT_ENCODER))
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise CheckpointError(f"{str(folder / PARTS)!r} cannot be read: {error}; import again") from error
    return codec.eval().requires_grad_(False), words.eval().requires_grad_(False)


def _config(folder: Path, place: tuple[str, str]) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((folder / PARTS / place[0] / "config.json").read_bytes())
    return config


def _weights(folder: Path, place: tuple[str, str]) -> dict[str, Tensor]:
    weights: dict[str, Tensor] = load_file(folder / PARTS / place[0] / place[1])
    return weights
