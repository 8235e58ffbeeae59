"""The transformer against the implementation in diffusers, on random small configurations in float32."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from helios_world.memory import HistoryLayout, HistoryViews
from helios_world.model import HeliosTransformer, TransformerConfig

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    Theirs: Any = pytest.importorskip("diffusers").HeliosTransformer3DModel

CONFIG = TransformerConfig(
    patch_size=(1, 2, 2),
    num_attention_heads=2,
    attention_head_dim=12,
    in_channels=3,
    out_channels=3,
    text_dim=10,
    freq_dim=16,
    ffn_dim=40,
    num_layers=2,
    cross_attn_norm=True,
    qk_norm="rms_norm_across_heads",
    eps=1e-6,
    added_kv_proj_dim=None,
    rope_dim=(4, 4, 4),
    rope_theta=10000.0,
    guidance_cross_attn=True,
    zero_history_timestep=True,
    has_multi_term_memory_patch=True,
    is_amplify_history=False,
    history_scale_mode="per_head",
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
)
BATCH = 2


def twins(config: TransformerConfig, seed: int = 0) -> tuple[HeliosTransformer, Any]:
    """Our model and diffusers', with the same random weights."""
    torch.manual_seed(seed)
    ours, theirs = HeliosTransformer(config).eval(), Theirs(**config.to_dict()).eval()
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    return ours, theirs


def make_history(layout: HistoryLayout, height: int, width: int, channels: int = 3) -> HistoryViews:
    def latents(frames: int) -> Tensor:
        return torch.randn(BATCH, channels, frames, height, width)

    return HistoryViews(latents(1), latents(layout.long), latents(layout.mid), latents(layout.short))


def run_theirs(
    theirs: Any, noisy: Tensor, timestep: Tensor, text: Tensor, history: HistoryViews, layout: HistoryLayout
) -> Tensor:
    def rows(indices: tuple[int, ...]) -> Tensor:
        return torch.tensor(indices).expand(noisy.shape[0], -1)

    (velocity,) = theirs(
        noisy,
        timestep,
        text,
        indices_hidden_states=rows(layout.noisy_indices),
        indices_latents_history_short=rows(layout.short_indices),
        indices_latents_history_mid=rows(layout.mid_indices),
        indices_latents_history_long=rows(layout.long_indices),
        latents_history_short=torch.cat((history.anchor, history.short), dim=2),
        latents_history_mid=history.mid,
        latents_history_long=history.long,
        return_dict=False,
    )
    assert isinstance(velocity, Tensor)
    return velocity


@torch.no_grad()
def largest_difference(
    config: TransformerConfig, layout: HistoryLayout, size: tuple[int, int], shrink: int = 1
) -> float:
    ours, theirs = twins(config)
    height, width = size
    noisy = torch.randn(BATCH, config.in_channels, layout.chunk, height // shrink, width // shrink)
    text, timestep = torch.randn(BATCH, 5, config.text_dim), torch.tensor([998, 385])
    history = make_history(layout, height, width, config.in_channels)
    expected = run_theirs(theirs, noisy, timestep, text, history, layout)
    return float((ours(noisy, timestep, text, history, layout) - expected).abs().max())


VARIANTS = {
    "official": {},
    "text for all": {"guidance_cross_attn": False},
    "one timestep": {"zero_history_timestep": False},
    "amplified per head": {"is_amplify_history": True},
    "amplified as one": {"is_amplify_history": True, "history_scale_mode": "scalar"},
    "no cross norm": {"cross_attn_norm": False},
    "uneven heads": {"num_attention_heads": 3, "attention_head_dim": 14, "rope_dim": (6, 4, 4)},
    "other frequencies": {"rope_theta": 500.0, "freq_dim": 20},
    "other channels": {"in_channels": 4, "out_channels": 5},
    "everything else": {
        "guidance_cross_attn": False,
        "zero_history_timestep": False,
        "is_amplify_history": True,
        "cross_attn_norm": False,
        "num_layers": 3,
        "eps": 1e-4,
    },
}


@pytest.mark.parametrize("changes", VARIANTS.values(), ids=VARIANTS.keys())
def test_variants_equal(changes: dict[str, Any]) -> None:
    config = replace(CONFIG, **changes)
    assert largest_difference(config, HistoryLayout(4, 2, 1, chunk=2), (8, 16)) <= 1e-5


@pytest.mark.parametrize("shrink", [1, 2, 4])
@pytest.mark.parametrize("size", [(8, 16), (8, 8), (24, 16)])
def test_every_stage_of_the_pyramid_equals(shrink: int, size: tuple[int, int]) -> None:
    assert largest_difference(CONFIG, HistoryLayout(16, 2, 1, chunk=1), size, shrink) <= 1e-5


@pytest.mark.parametrize("size", [(2, 2), (4, 6), (10, 12), (18, 2)])
@pytest.mark.parametrize("frames", [(5, 3, 1, 1), (16, 2, 1, 9), (1, 1, 2, 3)])
def test_sizes_that_need_padding_equal(frames: tuple[int, int, int, int], size: tuple[int, int]) -> None:
    assert largest_difference(CONFIG, HistoryLayout(*frames), size) <= 1e-5


@torch.no_grad()
def test_a_model_without_history_equals() -> None:
    ours, theirs = twins(replace(CONFIG, has_multi_term_memory_patch=False, is_amplify_history=True))
    layout = HistoryLayout(16, 2, 1, chunk=3)
    noisy, text, timestep = torch.randn(BATCH, 3, 3, 4, 6), torch.randn(BATCH, 5, 10), torch.tensor([10, 500])
    indices = torch.tensor(layout.noisy_indices).expand(BATCH, -1)
    (expected,) = theirs(noisy, timestep, text, indices_hidden_states=indices, return_dict=False)
    torch.testing.assert_close(ours(noisy, timestep, text, None, layout), expected, atol=1e-5, rtol=0)


@torch.no_grad()
def test_bfloat16_weights_stay_as_near_as_rounding_allows() -> None:
    ours, theirs = twins(CONFIG)
    exact, _ = twins(CONFIG)
    kept = theirs._keep_in_fp32_modules
    for name, parameter in theirs.named_parameters():
        if not any(part in kept for part in name.split(".")):
            parameter.data = parameter.data.bfloat16()
    ours.cast(torch.bfloat16)
    for (name, mine), (_, other) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        assert mine.dtype == other.dtype, name
    layout = HistoryLayout(16, 2, 1, chunk=1)
    noisy, text, timestep = torch.randn(BATCH, 3, 1, 8, 8), torch.randn(BATCH, 5, 10), torch.tensor([10, 500])
    history = make_history(layout, 8, 8)
    truth = exact(noisy, timestep, text, history, layout)
    rounded = HistoryViews(*(latents.bfloat16() for latents in vars(history).values()))
    expected = run_theirs(theirs, noisy.bfloat16(), timestep, text.bfloat16(), rounded, layout).float()
    allowed = 1.5 * (expected - truth).abs().mean()
    assert (ours(noisy, timestep, text, history, layout) - truth).abs().mean() <= allowed


@pytest.mark.parametrize("changes", VARIANTS.values(), ids=VARIANTS.keys())
def test_state_dicts_load_both_ways(changes: dict[str, Any]) -> None:
    config = replace(CONFIG, **changes)
    ours, theirs = twins(config)
    theirs.load_state_dict(ours.state_dict(), strict=True)
    shapes = {name: weight.shape for name, weight in ours.state_dict().items()}
    assert shapes == {name: weight.shape for name, weight in theirs.state_dict().items()}


def test_the_14b_configuration_has_the_published_keys() -> None:
    with torch.device("meta"):
        ours, theirs = HeliosTransformer(OFFICIAL), Theirs(**OFFICIAL.to_dict())
    shapes = {name: weight.shape for name, weight in ours.state_dict().items()}
    assert len(shapes) == 1101
    assert shapes == {name: weight.shape for name, weight in theirs.state_dict().items()}


def test_a_configuration_that_diffusers_wrote_is_read() -> None:
    theirs = Theirs(**CONFIG.to_dict())
    assert TransformerConfig.from_dict(dict(theirs.config)) == CONFIG
