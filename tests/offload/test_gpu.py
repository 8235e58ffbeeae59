"""The stream of copies beside the computation, on a GPU."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from helios_world.model import TransformerConfig
from helios_world.offload import BlockOffloader, LeafOffloader, TransformerBytes, live_bytes
from helios_world.offload import activations as formulas

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
FULL = (24, 40)


@pytest.fixture(scope="module")
def large(official: TransformerConfig) -> TransformerConfig:
    """Blocks of 14 million parameters, whose copies take long enough to be overtaken."""
    return replace(official, num_attention_heads=8, ffn_dim=2816, text_dim=256, num_layers=8)


@pytest.mark.parametrize("ahead", [0, 1, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_results_are_the_same_to_the_last_bit(
    large: TransformerConfig, make_model: Callable[..., Any], make_inputs: Callable[..., Any], dtype: Any, ahead: int
) -> None:
    inputs = make_inputs(large, full=FULL, stage=FULL, text=64, device="cuda")
    model = make_model(large).cast(dtype)
    expected = inputs.velocity(model.to("cuda"))
    model.to("cpu")
    offloader = BlockOffloader(model, "cuda", ahead=ahead)
    for _ in range(5):
        assert torch.equal(inputs.velocity(model), expected)
    assert all(weight.is_pinned() for weight in model.blocks.parameters())
    offloader.close()
    assert all(weight.device.type == "cpu" and not weight.is_pinned() for weight in model.parameters())
    BlockOffloader(model, "cuda", ahead=ahead, pin=False)
    assert torch.equal(inputs.velocity(model), expected)


def test_the_peak_is_below_the_prediction(
    large: TransformerConfig, make_model: Callable[..., Any], make_inputs: Callable[..., Any]
) -> None:
    inputs = make_inputs(large, full=FULL, stage=FULL, text=64, device="cuda")
    model, size = make_model(large), TransformerBytes.of(large, torch.bfloat16)
    # What the libraries take once and keep is no part of the prediction.
    torch.ones(256, 256, device="cuda", dtype=torch.bfloat16).matmul(torch.ones(256, device="cuda").bfloat16())
    with live_bytes("cuda") as usage:
        BlockOffloader(model, "cuda", torch.bfloat16)
        for _ in range(3):
            inputs.velocity(model)
    tokens = formulas.tokens(large, inputs.layout, *FULL)
    predicted = size.rest + 2 * size.block + formulas.transformer_pass(large, *tokens, 64, torch.bfloat16)
    assert usage.peak < 1.15 * predicted


def test_the_codec_gives_the_same_to_the_last_bit() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        build: Any = pytest.importorskip("diffusers").AutoencoderKLWan
    torch.manual_seed(0)
    codec, latents = build(base_dim=32).eval(), torch.randn(1, 16, 3, 16, 16, device="cuda")
    # cuDNN may choose another algorithm each time, and with it other roundings.
    with torch.backends.cudnn.flags(deterministic=True, benchmark=False), torch.inference_mode():
        expected = codec.to("cuda").decode(latents).sample
        codec.to("cpu")
        offloader = LeafOffloader(codec, "cuda")
        for _ in range(3):
            assert torch.equal(codec.decode(latents).sample, expected)
    weights = sum(weight.nbytes for weight in codec.parameters())
    assert offloader.nbytes < weights / 4
