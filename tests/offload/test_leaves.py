"""The codec and the text encoder with their layers on the host, and any other module."""

from __future__ import annotations

import gc
import warnings
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from helios_world.errors import StateError
from helios_world.offload import LeafOffloader, live_bytes

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    AutoencoderKLWan: Any = pytest.importorskip("diffusers").AutoencoderKLWan
    transformers: Any = pytest.importorskip("transformers")

VOCABULARY = 500


def make_codec() -> Any:
    torch.manual_seed(0)
    statistics = {"latents_mean": [0.0] * 4, "latents_std": [1.0] * 4}
    codec = AutoencoderKLWan(base_dim=8, z_dim=4, dim_mult=[1, 2, 2, 2], num_res_blocks=1, **statistics).eval()
    for parameter in codec.parameters():
        nn.init.normal_(parameter, std=0.3)
    return codec


def make_encoder() -> Any:
    torch.manual_seed(0)
    sizes = {"vocab_size": VOCABULARY, "d_model": 16, "d_kv": 4, "d_ff": 24, "num_layers": 2, "num_heads": 4}
    encoder = transformers.UMT5EncoderModel(transformers.UMT5Config(**sizes, feed_forward_proj="gated-gelu")).eval()
    for parameter in encoder.parameters():
        nn.init.normal_(parameter, std=0.3)
    return encoder


def decode(codec: Any) -> Tensor:
    torch.manual_seed(1)
    latents = torch.randn(1, 4, 3, 4, 6)
    with torch.inference_mode():
        sample: Tensor = codec.decode(latents.to(codec.dtype)).sample
    return sample


def encode(codec: Any) -> Tensor:
    torch.manual_seed(1)
    with torch.inference_mode():
        mean: Tensor = codec.encode(torch.randn(1, 3, 5, 16, 24).to(codec.dtype)).latent_dist.mean
    return mean


def embed(encoder: Any) -> Tensor:
    ids = torch.arange(12)[None] * 37 % VOCABULARY
    with torch.inference_mode():
        states: Tensor = encoder(ids, (torch.arange(12) < 9).long()[None]).last_hidden_state
    return states


def largest(module: nn.Module, leave_out: int = 0) -> int:
    layers = (sum(weight.nbytes for weight in part.parameters(recurse=False)) for part in module.modules())
    return max(size for size in layers if size != leave_out)


def addresses(module: nn.Module) -> list[int]:
    return [weight.data_ptr() for weight in module.parameters()]


def count_fetches(offloader: LeafOffloader, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """For every layer that is used: whether its weights were there before it was called."""
    carousel, there = offloader._carousel, []
    use = carousel.use

    def watched(number: int, following: tuple[int, ...] = ()) -> None:
        there.append(number in carousel.held)
        use(number, following)

    monkeypatch.setattr(carousel, "use", watched)
    return there


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("run", [decode, encode])
def test_the_codec_gives_the_same_to_the_last_bit(run: Callable[[Any], Tensor], dtype: torch.dtype) -> None:
    codec = make_codec().to(dtype)
    expected, before = run(codec), addresses(codec)
    offloader = LeafOffloader(codec, "cpu")
    for _ in range(2):
        assert torch.equal(run(codec), expected)
        assert addresses(codec) == before
    offloader.close()
    assert torch.equal(run(codec), expected)
    assert addresses(codec) == before


def test_tiles_and_other_sizes_find_their_weights() -> None:
    codec = make_codec()
    codec.enable_tiling(32, 32, 24, 24)
    expected = decode(codec)
    LeafOffloader(codec, "cpu")
    assert torch.equal(decode(codec), expected)
    codec.use_tiling = False
    plain = make_codec()
    assert torch.equal(decode(codec), decode(plain))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_the_text_encoder_gives_the_same_and_its_table_never_travels(dtype: torch.dtype) -> None:
    encoder = make_encoder().to(dtype)
    expected, table = embed(encoder), encoder.shared.weight.nbytes
    assert table > largest(encoder, leave_out=table)
    offloader = LeafOffloader(encoder, "cpu", on_host=(encoder.shared,))
    for _ in range(2):
        assert torch.equal(embed(encoder), expected)
    weights = 2 * largest(encoder, leave_out=table)
    assert weights <= offloader.nbytes < weights + 1024
    offloader.close()
    assert torch.equal(embed(encoder), expected)


def test_the_order_is_learned_in_the_first_pass_and_fetched_ahead_from_then_on(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = make_encoder()
    there = count_fetches(LeafOffloader(encoder, "cpu", on_host=(encoder.shared,)), monkeypatch)
    embed(encoder)
    layers = len(there)
    assert not any(there)
    embed(encoder)
    # The last layer of the first pass did not know yet that it would be followed by the first.
    assert there[layers:] == [False] + [True] * (layers - 1)
    embed(encoder)
    assert all(there[2 * layers :])


def test_most_layers_of_the_codec_are_fetched_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    codec = make_codec()
    there = count_fetches(LeafOffloader(codec, "cpu"), monkeypatch)
    decode(codec)
    there.clear()
    decode(codec)
    # The first latent leaves some layers out, so that a few guesses are wrong.
    assert sum(there) / len(there) > 0.9


def test_nothing_is_allocated_after_the_beginning() -> None:
    codec = make_codec()
    with live_bytes("cpu") as plain:
        decode(codec)
    with live_bytes("cpu") as usage:
        offloader = LeafOffloader(codec, "cpu")
        built = usage.live
        assert built == offloader.nbytes
        for _ in range(2):
            assert decode(codec).shape == (1, 3, 9, 32, 48)
        assert usage.live == built
    assert usage.peak == plain.peak + built


class Nested(nn.Module):
    """Owns a weight, a buffer and two layers, one of which is inside a layer again."""

    def __init__(self, inner: nn.Module | None = None) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.randn(4))
        self.register_buffer("shift", torch.randn(4))
        self.linear = nn.Linear(4, 4)
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        hidden: Tensor = self.linear(x * self.gain) + self.shift
        return hidden if self.inner is None else self.inner(hidden) * self.gain


def test_layers_inside_layers() -> None:
    module, x = Nested(Nested(Nested())), torch.randn(2, 4)
    expected = module(x)
    offloader = LeafOffloader(module, "cpu")
    assert len(offloader._carousel.held) == 5
    with torch.no_grad():
        assert all(torch.equal(module(x), expected) for _ in range(3))


def test_a_failure_leaves_the_module_usable(monkeypatch: pytest.MonkeyPatch) -> None:
    module, x = Nested(Nested()), torch.randn(2, 4)
    expected, before = module(x), addresses(module)
    LeafOffloader(module, "cpu")
    assert module.inner is not None
    with torch.no_grad():
        with monkeypatch.context() as patch:
            patch.setattr(module.inner, "forward", lambda _: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                module(x)
        assert addresses(module) == before
        assert torch.equal(module(x), expected)


def test_offloading_twice_is_refused_until_it_is_closed() -> None:
    module = Nested(Nested())
    assert module.inner is not None
    inner = LeafOffloader(module.inner, "cpu")
    with pytest.raises(StateError, match=r"inner is offloaded already; close\(\)"):
        LeafOffloader(module, "cpu")
    inner.close()
    LeafOffloader(module, "cpu")
    with pytest.raises(StateError, match="Nested is offloaded already"):
        LeafOffloader(module, "cpu")


def test_a_module_without_weights_is_refused() -> None:
    with pytest.raises(ValueError, match="ReLU has no weights"):
        LeafOffloader(nn.ReLU(), "cpu")


def test_a_module_that_is_dropped_is_gone_at_once() -> None:
    encoder = make_encoder()
    LeafOffloader(encoder, "cpu", on_host=(encoder.shared,))
    embed(encoder)
    gone = weakref.ref(encoder.encoder.block[0].layer[0].SelfAttention.q.weight)
    gc.collect()
    gc.disable()
    try:
        del encoder
        assert gone() is None
    finally:
        gc.enable()
