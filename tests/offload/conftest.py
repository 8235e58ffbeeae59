from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from helios_world.memory import HistoryLayout, HistoryViews
from helios_world.model import HeliosTransformer, TransformerConfig
from helios_world.offload import live_bytes

CONFIG = TransformerConfig(
    patch_size=(1, 2, 2),
    num_attention_heads=2,
    attention_head_dim=12,
    in_channels=4,
    out_channels=4,
    text_dim=10,
    freq_dim=16,
    ffn_dim=40,
    num_layers=4,
    cross_attn_norm=True,
    qk_norm="rms_norm_across_heads",
    eps=1e-6,
    added_kv_proj_dim=None,
    rope_dim=(4, 4, 4),
    rope_theta=10000.0,
    guidance_cross_attn=True,
    zero_history_timestep=True,
    has_multi_term_memory_patch=True,
    is_amplify_history=True,
    history_scale_mode="per_head",
    restrict_self_attn=True,
)
OFFICIAL = replace(
    CONFIG,
    num_attention_heads=40,
    attention_head_dim=128,
    in_channels=16,
    out_channels=16,
    text_dim=4096,
    freq_dim=256,
    ffn_dim=13824,
    num_layers=40,
    rope_dim=(44, 42, 42),
    is_amplify_history=False,
    restrict_self_attn=False,
)


@pytest.fixture(scope="session")
def config() -> TransformerConfig:
    return CONFIG


@pytest.fixture(scope="session")
def official() -> TransformerConfig:
    """The published size: 14 billion parameters."""
    return OFFICIAL


@dataclass(frozen=True)
class Inputs:
    """Of a pass, with random values."""

    noisy: Tensor
    timestep: Tensor
    text: Tensor
    history: HistoryViews
    layout: HistoryLayout

    @classmethod
    def random(
        cls, config: TransformerConfig, *, full: tuple[int, int], stage: tuple[int, int], text: int, device: str
    ) -> Inputs:
        layout, channels = HistoryLayout(16, 2, 1, 9), config.in_channels
        parts = [torch.randn(1, channels, frames, *full, device=device) for frames in (1, 16, 2, 1)]
        noisy = torch.randn(1, channels, layout.chunk, *stage, device=device)
        words = torch.randn(1, text, config.text_dim, device=device)
        return cls(noisy, torch.rand(1, device=device) * 1000, words, HistoryViews(*parts), layout)

    def velocity(self, model: HeliosTransformer) -> Tensor:
        with torch.inference_mode():
            velocity: Tensor = model(self.noisy, self.timestep, self.text, self.history, self.layout)
        return velocity

    def in_parts(self, model: HeliosTransformer) -> tuple[Tensor, Tensor]:
        """The same by way of the caches, with the tokens after the last block."""
        with torch.inference_mode():
            text, past = model.embed_text(self.text), model.encode_history(self.history, self.layout)
            return model.denoise(self.noisy, self.timestep, text, past, self.layout, return_hidden=True)


@pytest.fixture(scope="session")
def inputs() -> Inputs:
    torch.manual_seed(1)
    return Inputs.random(CONFIG, full=(8, 4), stage=(4, 2), text=5, device="cpu")


@pytest.fixture(scope="session")
def make_inputs() -> Callable[..., Inputs]:
    return Inputs.random


def _model(config: TransformerConfig = CONFIG, seed: int = 0, device: str = "cpu") -> HeliosTransformer:
    torch.manual_seed(seed)
    with torch.device(device):
        model = HeliosTransformer(config).requires_grad_(False)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return model


@pytest.fixture(scope="session")
def make_model() -> Callable[..., HeliosTransformer]:
    return _model


class _FusedAttention(TorchFunctionMode):
    """Lets attention make what a fused kernel makes: the result, and no matrix of scores."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.nn.functional.scaled_dot_product_attention:
            query, _, value = args[:3]
            by_token = query.transpose(1, 2)
            return by_token.new_empty(*by_token.shape[:-1], value.shape[-1]).transpose(1, 2)
        return func(*args, **(kwargs or {}))


@pytest.fixture
def peak_of(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """The most bytes that a computation has alive, on the CPU or, for sizes that no test could hold, on meta."""

    def measure(device: str, computation: Callable[[], object]) -> int:
        with monkeypatch.context() as patch, live_bytes(device) as usage, torch.inference_mode():
            if device == "meta":
                # torch knows no autocast for meta tensors, not even one that is off.
                patch.setattr(torch, "autocast", lambda *_, **__: nullcontext())
            with _FusedAttention() if device == "meta" else nullcontext():
                computation()
        return usage.peak

    return measure
