"""A complete checkpoint folder with random weights, small enough to be made for every test run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from helios_world.checkpoint import save_world
from helios_world.codec import CodecConfig, LatentCodec
from helios_world.lands.controls import LANDS_ACTIONS
from helios_world.model import HeliosTransformer, TransformerConfig
from helios_world.places import Atlas, AtlasConfig
from helios_world.text import TextConfig, TextEncoder
from helios_world.worldfile import WorldFile

TRANSFORMER = {
    "patch_size": [1, 2, 2],
    "num_attention_heads": 2,
    "attention_head_dim": 12,
    "in_channels": 4,
    "out_channels": 4,
    "text_dim": 8,
    "freq_dim": 8,
    "ffn_dim": 32,
    "num_layers": 2,
    "cross_attn_norm": True,
    "qk_norm": "rms_norm_across_heads",
    "eps": 1e-6,
    "added_kv_proj_dim": None,
    "rope_dim": [4, 4, 4],
    "rope_theta": 10_000.0,
    "guidance_cross_attn": True,
    "zero_history_timestep": True,
    "has_multi_term_memory_patch": True,
    "is_amplify_history": False,
    "history_scale_mode": "per_head",
    "action_dim": 6,
    "restrict_self_attn": True,
}
WORLD = {
    "name": "tiny",
    "fps": 24,
    "height": 32,
    "width": 64,
    "frames_per_chunk": 4,
    "blend": 3,
    "prompts": ["a brick garden at noon", "an ice palace in fog"],
    "actions": LANDS_ACTIONS.to_dict(),
    "controls": [
        {"name": "forward", "buttons": {"forward": 1, "back": -1}},
        {"name": "strafe", "buttons": {"strafe_right": 1, "strafe_left": -1}},
        {"name": "turn", "buttons": {"turn_right": 1, "turn_left": -1}, "axes": {"turn": 1}},
    ],
    "sampling": {"sigmas": [1.0, 0.5, 0.0], "first_sigmas": [1.0, 0.75, 0.5, 0.0]},
    "history": {"long": 16, "mid": 2, "short": 1},
}


ATLAS = AtlasConfig(
    lands=3,
    moments=2,
    controls=3,
    text_dim=8,
    latent_channels=4,
    height=4,
    width=8,
    view=90.0,
    hidden=24,
    depth=2,
    stride=8,
    landmarks=6,
)


def _parts(**changes: object) -> tuple[HeliosTransformer, LatentCodec, TextEncoder]:
    torch.manual_seed(0)
    transformer = HeliosTransformer(TransformerConfig.from_dict({**TRANSFORMER, **changes}))
    if transformer.action_embedder is not None:
        torch.nn.init.normal_(transformer.action_embedder.linear_2.weight)
    codec = LatentCodec(CodecConfig(latent_channels=4, spatial=8, temporal=4, hidden=8, blocks=1))
    codec.basis.copy_(torch.linalg.qr(torch.randn(768, 4)).Q.T * 4)
    text = TextEncoder(TextConfig(text_dim=8, tokens=3, width=16, heads=2, buckets=64))
    return transformer, codec, text


def write_tiny(folder: Path, **changes: object) -> Path:
    """A tiny world's folder; `changes` are those of the transformer's configuration."""
    save_world(folder, WorldFile.model_validate_json(json.dumps(WORLD)), *_parts(**changes))
    return folder


def write_guided(folder: Path, **changes: object) -> Path:
    """A tiny world that has an atlas, which tells prompts apart; `changes` as for `write_tiny`."""
    parts = _parts(**{"guided": True, **changes})
    atlas = Atlas(ATLAS).requires_grad_(False)
    words = parts[2].eval().requires_grad_(False)(["ice", "fog", "a garden", "snow", "night"]).mean(1)
    atlas.reader.weight.copy_(torch.randn(6, 8) / words.std(0))
    atlas.reader.bias.copy_(-atlas.reader.weight @ words.mean(0))
    atlas.reader.bias[ATLAS.lands] -= 1e3  # every prompt names a land
    torch.nn.init.normal_(atlas.odometry.leave, std=0.3)
    atlas.entrances.copy_(torch.tensor([[2.0, 1.0, 1.0, 0.0], [-3.0, 4.0, 0.0, 1.0], [5.0, -6.0, -0.6, 0.8]]))
    atlas.channels.copy_(torch.tensor([2.0, 1.0, 0.5, 0.5]))
    for weight in parts[0].guide_layer.parameters() if parts[0].guide_layer is not None else ():
        torch.nn.init.normal_(weight, std=0.2)
    save_world(folder, WorldFile.model_validate_json(json.dumps(WORLD)), *parts, atlas)
    return folder


@pytest.fixture(scope="session")
def make_tiny() -> Callable[..., Path]:
    """`write_tiny`, for tests that need another configuration."""
    return write_tiny


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def make_guided() -> Callable[..., Path]:
    """`write_guided`, for tests that need another configuration."""
    return write_guided


@pytest.fixture(scope="session")
def guided(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_guided(tmp_path_factory.mktemp("guided"))
