"""Reading and writing the transformer's configuration."""

from __future__ import annotations

import json
from typing import Any

import pytest

from helios_world.errors import CheckpointError
from helios_world.model import TransformerConfig

OFFICIAL: dict[str, Any] = {
    "_class_name": "HeliosTransformer3DModel",
    "_diffusers_version": "0.36.0",
    "patch_size": [1, 2, 2],
    "num_attention_heads": 40,
    "attention_head_dim": 128,
    "in_channels": 16,
    "out_channels": 16,
    "text_dim": 4096,
    "freq_dim": 256,
    "ffn_dim": 13824,
    "num_layers": 40,
    "cross_attn_norm": True,
    "qk_norm": "rms_norm_across_heads",
    "eps": 1e-6,
    "added_kv_proj_dim": None,
    "rope_dim": [44, 42, 42],
    "rope_theta": 10000.0,
    "guidance_cross_attn": True,
    "zero_history_timestep": True,
    "has_multi_term_memory_patch": True,
    "is_amplify_history": False,
    "history_scale_mode": "per_head",
}


def test_an_official_configuration_is_read_and_written_as_it_was() -> None:
    config = TransformerConfig.from_dict(OFFICIAL)
    assert config.width == 5120
    assert config.action_dim is None
    assert not config.restrict_self_attn
    public = {key: value for key, value in OFFICIAL.items() if not key.startswith("_")}
    assert json.loads(json.dumps(config.to_dict())) == public


def test_our_keys_survive_the_round_trip() -> None:
    config = TransformerConfig.from_dict({**OFFICIAL, "action_dim": 3, "restrict_self_attn": True})
    assert TransformerConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_unknown_and_missing_keys_are_named() -> None:
    lacking = {key: value for key, value in OFFICIAL.items() if key != "ffn_dim"}
    with pytest.raises(CheckpointError, match=r"unknown keys \['layers'\], missing keys \['ffn_dim'\]"):
        TransformerConfig.from_dict({**lacking, "layers": 3})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("rope_dim", [44, 42, 40]),
        ("rope_dim", [43, 43, 42]),
        ("qk_norm", None),
        ("added_kv_proj_dim", 128),
        ("history_scale_mode", "per_layer"),
        ("freq_dim", 255),
        ("patch_size", [2, 2, 2]),
    ],
)
def test_values_that_the_architecture_cannot_have_are_refused(key: str, value: object) -> None:
    with pytest.raises(CheckpointError, match=key):
        TransformerConfig.from_dict({**OFFICIAL, key: value})
