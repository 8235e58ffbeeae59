"""The transformer's configuration: the keys of an official `config.json`, and two of ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any

from helios_world.errors import CheckpointError


@dataclass(frozen=True)
class TransformerConfig:
    """Everything the transformer's shape and computation depend on.

    Args:
        patch_size: latent frames, rows and columns per noisy token.
        num_attention_heads, attention_head_dim: their product is the width D.
        in_channels, out_channels: of the latents.
        text_dim: channels of a text token.
        freq_dim: channels of the sinusoidal timestep embedding.
        ffn_dim: hidden channels of the feed-forward layers.
        cross_attn_norm: normalise the query side of the cross-attention.
        qk_norm: "rms_norm_across_heads", the only one that the architecture has.
        added_kv_proj_dim: None; no checkpoint uses these projections.
        rope_dim: channels of a head that turn with time, row and column.
        guidance_cross_attn: only noisy tokens attend to the text.
        zero_history_timestep: history tokens are conditioned on timestep 0 rather than on the chunk's.
        has_multi_term_memory_patch: there is a history.
        is_amplify_history: history keys are scaled by a learned factor between 1 and 10.
        history_scale_mode: "per_head" or "scalar", how many such factors a layer has.
        action_dim: channels of an action, None for a model without actions.
        restrict_self_attn: history tokens attend to history only, so that they can be computed ahead.
        guided: the model is told what the chunk should look like, by an atlas for one (`helios_world.places`).

    Raises:
        CheckpointError: a value that the architecture cannot have.
    """

    patch_size: tuple[int, int, int]
    num_attention_heads: int
    attention_head_dim: int
    in_channels: int
    out_channels: int
    text_dim: int
    freq_dim: int
    ffn_dim: int
    num_layers: int
    cross_attn_norm: bool
    qk_norm: str | None
    eps: float
    added_kv_proj_dim: int | None
    rope_dim: tuple[int, int, int]
    rope_theta: float
    guidance_cross_attn: bool
    zero_history_timestep: bool
    has_multi_term_memory_patch: bool
    is_amplify_history: bool
    history_scale_mode: str
    action_dim: int | None = None
    restrict_self_attn: bool = False
    guided: bool = False

    def __post_init__(self) -> None:
        if sum(self.rope_dim) != self.attention_head_dim or any(dim % 2 for dim in self.rope_dim):
            raise CheckpointError(
                f"rope_dim is {self.rope_dim}: it needs even parts whose sum is attention_head_dim,"
                f" {self.attention_head_dim}"
            )
        if self.qk_norm != "rms_norm_across_heads":
            raise CheckpointError(f"qk_norm is {self.qk_norm!r}; only 'rms_norm_across_heads' exists")
        if self.added_kv_proj_dim is not None:
            raise CheckpointError(f"added_kv_proj_dim is {self.added_kv_proj_dim}; only null is supported")
        if self.history_scale_mode not in ("per_head", "scalar"):
            raise CheckpointError(f"history_scale_mode is {self.history_scale_mode!r}; use 'per_head', 'scalar'")
        if self.freq_dim % 2:
            raise CheckpointError(f"freq_dim is {self.freq_dim}; it has to be even")
        if self.patch_size[0] != 1:
            raise CheckpointError(f"patch_size is {self.patch_size}; a noisy token covers one latent frame")

    @property
    def width(self) -> int:
        """Channels of a token."""
        return self.num_attention_heads * self.attention_head_dim

    @property
    def ties_to_history(self) -> tuple[str, ...]:
        """The switches that are off and so let the history depend on the chunk; none, if it can be encoded ahead."""
        needed = ("restrict_self_attn", "zero_history_timestep", "guidance_cross_attn")
        return tuple(name for name in needed if not getattr(self, name))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> TransformerConfig:
        """Read a `config.json`. Keys that begin with "_" are private to other programs and are left out."""
        values = {key: value for key, value in data.items() if not key.startswith("_")}
        known = {field.name for field in fields(cls)}
        required = {field.name for field in fields(cls) if field.default is MISSING}
        unknown, missing = set(values) - known, required - set(values)
        if unknown or missing:
            raise CheckpointError(
                f"transformer config: unknown keys {sorted(unknown)}, missing keys {sorted(missing)};"
                " is this the config.json of a Helios transformer?"
            )
        values["patch_size"] = tuple(values["patch_size"])
        values["rope_dim"] = tuple(values["rope_dim"])
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """The configuration as JSON values; our own keys only when set, so that others can read it."""
        values = asdict(self)
        values["patch_size"], values["rope_dim"] = list(self.patch_size), list(self.rope_dim)
        for field in fields(self):
            if field.default is not MISSING and values[field.name] == field.default:
                del values[field.name]
        return values
