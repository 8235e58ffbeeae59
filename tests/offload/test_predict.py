"""Predicted memory against what computations really have alive: small ones here, those of 14 billion on meta."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from helios_world.memory import HistoryLayout
from helios_world.model import HeliosTransformer, TransformerConfig
from helios_world.offload import (
    BlockOffloader,
    CodecSize,
    LeafOffloader,
    Mode,
    Plan,
    TextSize,
    TransformerBytes,
    Weights,
    live_bytes,
    predict_peak,
)
from helios_world.offload import activations as formulas

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    AutoencoderKLWan: Any = pytest.importorskip("diffusers").AutoencoderKLWan
    transformers: Any = pytest.importorskip("transformers")

Make = Callable[..., Any]
PeakOf = Callable[[str, Callable[[], object]], int]
LAYOUT = HistoryLayout(16, 2, 1, 9)
DTYPES = (torch.float32, torch.bfloat16)
TOLERANCE = 0.05
SMALL: dict[str, Any] = {"attention_head_dim": 64, "rope_dim": (24, 20, 20), "text_dim": 32, "freq_dim": 32}


def shapes(module: nn.Module) -> dict[str, torch.Size]:
    return {name: weight.shape for name, weight in module.named_parameters()}


def make_codec(device: str, dtype: torch.dtype, **changes: Any) -> tuple[Any, CodecSize]:
    with torch.device(device):
        codec = AutoencoderKLWan(**changes).eval()
    for weight in codec.parameters():
        weight.data = weight.data.to(dtype)
    return codec, CodecSize.read(dict(codec.config), shapes(codec))


def make_encoder(device: str, **sizes: int) -> tuple[Any, TextSize]:
    config = transformers.UMT5Config(feed_forward_proj="gated-gelu", **sizes)
    with torch.device(device):
        encoder = transformers.UMT5EncoderModel(config).eval()
    return encoder, TextSize.read(config.to_dict(), shapes(encoder))


OFFICIAL_TEXT = {"vocab_size": 256384, "d_model": 4096, "d_kv": 64, "d_ff": 10240, "num_layers": 24, "num_heads": 64}


@pytest.fixture(scope="module")
def make_plan(official: TransformerConfig) -> Callable[..., Plan]:
    codec, text = make_codec("meta", torch.float32)[1], make_encoder("meta", **OFFICIAL_TEXT)[1]

    def make(mode: Mode, **changes: Any) -> Plan:
        return replace(Plan(official, codec, text, 384, 640, LAYOUT, torch.bfloat16, mode), **changes)

    return make


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("stage", [(12, 20), (24, 40), (48, 80)])
def test_a_pass_of_14_billion_parameters(
    official: TransformerConfig,
    make_inputs: Make,
    peak_of: PeakOf,
    stage: tuple[int, int],
    dtype: torch.dtype,
) -> None:
    config = replace(official, num_layers=2)
    with torch.device("meta"):
        model = HeliosTransformer(config).cast(dtype)
    inputs = make_inputs(config, full=(48, 80), stage=stage, text=512, device="meta")
    history, noisy = formulas.tokens(config, LAYOUT, 48, 80)
    assert (history, noisy) == (2400, 8640)
    noisy = noisy * stage[0] // 48 * stage[1] // 80
    predicted = formulas.transformer_pass(config, history, noisy, 512, dtype)
    assert predicted == pytest.approx(peak_of("meta", lambda: inputs.velocity(model)), rel=TOLERANCE)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(("full", "heads", "ffn"), [((16, 24), 4, 344), ((10, 14), 2, 400), ((22, 34), 3, 100)])
def test_a_pass_on_this_machine(
    official: TransformerConfig,
    make_model: Make,
    make_inputs: Make,
    peak_of: PeakOf,
    full: tuple[int, int],
    heads: int,
    ffn: int,
    dtype: torch.dtype,
) -> None:
    config = replace(official, num_attention_heads=heads, ffn_dim=ffn, num_layers=2, **SMALL)
    model = make_model(config).cast(dtype)
    inputs = make_inputs(config, full=full, stage=full, text=16, device="cpu")
    predicted = formulas.transformer_pass(config, *formulas.tokens(config, LAYOUT, *full), 16, dtype)
    assert predicted == pytest.approx(peak_of("cpu", lambda: inputs.velocity(model)), rel=TOLERANCE)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("size", [(48, 80), (90, 160)])
def test_decoding_at_full_width(peak_of: PeakOf, size: tuple[int, int], dtype: torch.dtype) -> None:
    codec, measures = make_codec("meta", dtype)
    latents = torch.empty(1, 16, 4, *size, device="meta", dtype=dtype)
    predicted = formulas.codec_pass(measures, 4, *size, dtype)
    assert predicted == pytest.approx(peak_of("meta", lambda: codec.decode(latents)), rel=TOLERANCE)


@pytest.mark.parametrize(("size", "dtype"), [((48, 60), torch.float32), ((24, 56), torch.bfloat16)], ids=str)
def test_decoding_in_tiles(peak_of: PeakOf, size: tuple[int, int], dtype: torch.dtype) -> None:
    codec, measures = make_codec("meta", dtype)
    codec.enable_tiling()
    latents = torch.empty(1, 16, 3, *size, device="meta", dtype=dtype)
    predicted = formulas.tiled_codec_pass(measures, 3, *size, dtype)
    assert predicted == pytest.approx(peak_of("meta", lambda: codec.decode(latents)), rel=TOLERANCE)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("changes", [{}, {"dim_mult": [1, 3, 3, 3]}, {"num_res_blocks": 1}], ids=str)
def test_decoding_on_this_machine(peak_of: PeakOf, changes: dict[str, Any], dtype: torch.dtype) -> None:
    statistics = {"latents_mean": [0.0] * 4, "latents_std": [1.0] * 4}
    codec, measures = make_codec("cpu", dtype, base_dim=8, z_dim=4, **statistics, **changes)
    predicted = formulas.codec_pass(measures, 4, 6, 10, dtype)
    latents = torch.randn(1, 4, 4, 6, 10, dtype=dtype)
    assert predicted == pytest.approx(peak_of("cpu", lambda: codec.decode(latents)), rel=0.1)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(("heads", "width", "length"), [(16, 128, 96), (64, 64, 128)])
def test_a_prompt_on_this_machine(peak_of: PeakOf, heads: int, width: int, length: int, dtype: torch.dtype) -> None:
    sizes = {"vocab_size": 100, "d_kv": 8, "d_ff": 160, "num_layers": 2}
    encoder, measures = make_encoder("cpu", num_heads=heads, d_model=width, **sizes)
    encoder.to(dtype)
    ids = torch.zeros(1, length, dtype=torch.long)
    predicted = formulas.text_pass(measures, length, dtype)
    assert predicted == pytest.approx(peak_of("cpu", lambda: encoder(ids, torch.ones_like(ids))), rel=TOLERANCE)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_weights_are_counted_without_reading_them(
    config: TransformerConfig, make_model: Make, dtype: torch.dtype
) -> None:
    model = make_model().cast(dtype)
    size = TransformerBytes.of(config, dtype)
    assert size.rest + config.num_layers * size.block == sum(weight.nbytes for weight in model.parameters())
    layers = {"a.weight": (2, 3), "a.bias": (3,), "b.c.weight": (5,), "table.weight": (100, 2)}
    assert Weights.of(layers, {"table.weight"}) == Weights(count=214, largest=9, on_host=200)
    assert Weights.of({}) == Weights(0, 0)


def test_slots_are_what_the_offloaders_hold(config: TransformerConfig, make_model: Make, make_plan: Make) -> None:
    codec, codec_size = make_codec("cpu", torch.float32, base_dim=8)
    encoder, text_size = make_encoder("cpu", vocab_size=900, d_model=16, d_kv=4, d_ff=24, num_layers=1, num_heads=4)
    parts = {"transformer": config, "codec": codec_size, "text": text_size}
    predicted = predict_peak(make_plan("group", dtype=torch.float32, **parts))
    held = {
        predicted.transformer: BlockOffloader(make_model(), "cpu").nbytes,
        predicted.codec: LeafOffloader(codec, "cpu").nbytes,
        predicted.text: LeafOffloader(encoder, "cpu", on_host=(encoder.shared,)).nbytes,
    }
    for expected, nbytes in held.items():
        # Every tensor begins at a multiple of 256 bytes, which is much for these small ones.
        assert expected <= nbytes <= expected + 2 * 256 * 30
    whole = predict_peak(make_plan("none", dtype=torch.float32, **parts))
    assert whole.codec == sum(weight.nbytes for weight in codec.parameters())
    assert whole.text == sum(weight.nbytes for weight in encoder.parameters())


def test_an_offloaded_pass_as_a_whole(
    official: TransformerConfig, make_model: Make, make_inputs: Make, make_plan: Make
) -> None:
    small = {**SMALL, "num_attention_heads": 4, "ffn_dim": 688}
    config = replace(official, **small, num_layers=6)
    inputs = make_inputs(config, full=(16, 24), stage=(16, 24), text=16, device="cpu")
    model = make_model(config)
    with live_bytes("cpu") as usage:
        offloader = BlockOffloader(model, "cpu", torch.bfloat16)
        inputs.velocity(model)
    plan = make_plan("group", transformer=config, height=128, width=192, text_tokens=16)
    predicted = predict_peak(plan)
    assert usage.peak == pytest.approx(predicted.transformer + predicted.denoising, rel=0.15)
    assert predicted.transformer == pytest.approx(offloader.nbytes, rel=0.01)


def test_14_billion_parameters_in_6_gigabytes(make_plan: Make) -> None:
    plan = make_plan("group", codec_tiling=True)
    tiled = predict_peak(plan)
    assert tiled.peak < 4.5e9
    assert tiled.phases["denoise"] < 4e9
    assert predict_peak(replace(plan, codec_tiling=False)).peak > 6e9
    assert predict_peak(replace(plan, mode="none")).peak > 40e9


def test_the_peak_is_that_of_the_fullest_phase(make_plan: Make) -> None:
    predicted = predict_peak(make_plan("none"))
    assert predicted.peak == max(predicted.phases.values()) == predicted.phases["encode"]
    kept = predict_peak(make_plan("none", keep_text=True))
    assert kept.peak == kept.phases["decode"] == predicted.phases["decode"] + predicted.text
    assert kept.phases["encode"] == predicted.phases["encode"]


def test_decoding_on_an_a100_as_others_measured_it(make_plan: Make) -> None:
    for dtype, gibibytes in ((torch.float32, 6.2), (torch.bfloat16, 4.0)):
        predicted = predict_peak(make_plan("none", codec_dtype=dtype))
        assert predicted.codec + predicted.decoding == pytest.approx(gibibytes * 2**30, rel=0.1)
