from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from helios_world.errors import CheckpointError
from helios_world.text import SceneHead, TextConfig, TextEncoder

SMALL = TextConfig(text_dim=8, tokens=3, width=16, heads=2, layers=1, buckets=64, max_words=6)


@pytest.fixture(scope="module")
def encoder() -> TextEncoder:
    torch.manual_seed(0)
    return TextEncoder(SMALL).eval()


@settings(deadline=None, max_examples=60)
@given(prompts=st.lists(st.text(max_size=80), min_size=1, max_size=4))
def test_any_strings_give_finite_tokens(encoder: TextEncoder, prompts: list[str]) -> None:
    text = encoder(prompts)
    assert text.shape == (len(prompts), 3, 8)
    assert torch.isfinite(text).all()


def test_tokens_are_layer_normed(encoder: TextEncoder) -> None:
    text = encoder(["a brick garden at noon", ""])
    torch.testing.assert_close(text.mean(-1), torch.zeros(2, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(text.var(-1, unbiased=False), torch.ones(2, 3), atol=1e-3, rtol=0)


def test_a_prompt_without_words_is_the_null_embedding(encoder: TextEncoder) -> None:
    text = encoder(["", " ?! ", "fog"])
    expected = encoder.norm_out(encoder.null)
    assert torch.equal(text[0], expected)
    assert torch.equal(text[1], expected)
    assert not torch.allclose(text[2], expected)


def test_a_prompt_does_not_depend_on_its_batch(encoder: TextEncoder) -> None:
    prompts = ["ice", "a neon city in thick fog", "", "sand dunes"]
    alone = torch.cat([encoder([prompt]) for prompt in prompts])
    torch.testing.assert_close(encoder(prompts), alone, atol=1e-5, rtol=1e-5)


def test_the_null_embedding_and_the_pieces_learn() -> None:
    encoder = TextEncoder(SMALL)
    encoder(["", "fog over ice"]).square().mul(torch.arange(8)).sum().backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None, name
        assert name.startswith("queries") or parameter.grad.abs().sum() > 0, name


def test_neighbours_matter(encoder: TextEncoder) -> None:
    first, second = encoder(["high sun low clouds", "low sun high clouds"])
    assert not torch.allclose(first, second, atol=1e-4)


def test_words_beyond_the_last_are_not_read(encoder: TextEncoder) -> None:
    first, second = encoder(["one two three four five six", "one two three four five six seven eight"])
    torch.testing.assert_close(first, second)


def test_pieces_drop_out_in_training_only(encoder: TextEncoder) -> None:
    prompts = ["golden dunes at sunset"]
    assert torch.equal(encoder(prompts), encoder(prompts))
    training = TextEncoder(SMALL).train()
    assert not torch.equal(training(prompts), training(prompts))


def test_half_precision_is_close(encoder: TextEncoder) -> None:
    half = TextEncoder(SMALL).eval()
    half.load_state_dict(encoder.state_dict())
    text = half.to(torch.bfloat16)(["an ice palace at night", ""])
    assert text.dtype == torch.bfloat16
    torch.testing.assert_close(text.float(), encoder(["an ice palace at night", ""]), atol=0.15, rtol=0.1)


def test_the_default_encoder_is_small() -> None:
    encoder = TextEncoder(TextConfig())
    assert sum(parameter.numel() for parameter in encoder.parameters()) <= 600_000
    assert encoder(["fog"]).shape == (1, 12, 96)


def test_the_config_round_trips_and_refuses_unknown_keys() -> None:
    assert TextConfig.from_dict(SMALL.to_dict()) == SMALL
    with pytest.raises(CheckpointError, match=r"colour.*text_dim"):
        TextConfig.from_dict({"colour": 3})


def test_the_head_reads_the_mean_token() -> None:
    head = SceneHead(8, lands=4, moments=5)
    text = torch.randn(2, 3, 8)
    land, moment = head(text)
    assert land.shape == (2, 4)
    assert moment.shape == (2, 5)
    torch.testing.assert_close(head(text.flip(1))[0], land)
