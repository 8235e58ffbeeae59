"""Jumps from one latent's frames to the next one's, smoothed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from helios_world.codec import CodecConfig, LatentCodec
from helios_world.errors import CheckpointError
from helios_world.train import recipe as recipes
from helios_world.train.codec import empty_codec
from helios_world.train.recipe import Recipe

SHARES = (0.5, 0.25)
HEIGHT, WIDTH = 16, 24


def _codec(*deblock: float, blocks: int = 0, channels: int = 768) -> LatentCodec:
    """One whose components are random; all 768 of them lose nothing."""
    random = torch.Generator().manual_seed(0)
    codec = LatentCodec(CodecConfig(channels, 8, 4, 8, blocks, deblock)).requires_grad_(False)
    codec.basis.copy_(torch.linalg.qr(torch.randn(768, channels, generator=random)).Q.T)
    if codec.residual is not None:
        for weight in codec.residual.parameters():
            torch.nn.init.normal_(weight, std=0.1, generator=random)
    return codec


def _encoded(codec: LatentCodec, frames: Tensor) -> Tensor:
    """Latents of frames [T, H, W, 3] in [-1, 1], unrounded."""
    patches = frames.view(-1, 4, HEIGHT // 8, 8, WIDTH // 8, 8, 3).permute(0, 2, 4, 1, 3, 5, 6).flatten(3)
    return (patches @ codec.basis.T).permute(3, 0, 1, 2)[None]


def _still(count: int) -> Tensor:
    picture = 0.5 * torch.randn(HEIGHT, WIDTH, 3, generator=torch.Generator().manual_seed(1))
    return picture.expand(count, -1, -1, -1).clone()


def _ramp(count: int) -> Tensor:
    """Every pixel changes by an amount of its own with every frame."""
    slope = 0.1 * torch.randn(HEIGHT, WIDTH, 3, generator=torch.Generator().manual_seed(2))
    return _still(count) + torch.arange(count).view(-1, 1, 1, 1) * slope


@pytest.mark.parametrize("frames", [_still(12), _ramp(12)])
def test_what_stands_still_or_moves_evenly_is_not_changed(frames: Tensor) -> None:
    codec = _codec(*SHARES)
    found = codec.decode_float(_encoded(codec, frames))[0]
    torch.testing.assert_close(found, frames, atol=1e-5, rtol=0)


@pytest.mark.parametrize("shares", [(), (0.5,), SHARES, (1.0, 0.0)])
@pytest.mark.parametrize("moving", [_still, _ramp])
def test_an_offset_between_latents_is_taken_off_by_the_shares(shares: tuple[float, ...], moving: type) -> None:
    codec, frames = _codec(*shares), moving(12)
    offset = 0.3 * torch.randn(HEIGHT, WIDTH, 3, generator=torch.Generator().manual_seed(3))
    found = codec.decode_float(_encoded(codec, frames + offset * (torch.arange(12) // 4).view(-1, 1, 1, 1)))[0]
    left = torch.tensor([1 - share for share in shares] + [1.0] * (4 - len(shares)))
    wrong = torch.cat([torch.zeros(4), left, 1 + left])
    torch.testing.assert_close(found - frames, wrong.view(-1, 1, 1, 1) * offset, atol=1e-5, rtol=0)


@pytest.mark.parametrize("blocks", [0, 1])
def test_the_first_chunk_has_nothing_to_be_smoothed_to(blocks: int) -> None:
    codec, latents = _codec(*SHARES, blocks=blocks, channels=12), torch.randn(2, 12, 1, 2, 3)
    assert torch.equal(codec.decode_float(latents), codec.decode_blocks(latents))


@pytest.mark.parametrize("blocks", [0, 1])
@pytest.mark.parametrize("chunk", [1, 2, 3])
@pytest.mark.parametrize("told", [2, 3, 6])
def test_chunk_by_chunk_is_as_all_at_once(blocks: int, chunk: int, told: int) -> None:
    codec, latents = _codec(*SHARES, blocks=blocks, channels=12), torch.randn(2, 12, 6, 2, 3)
    whole = codec.decode_float(latents)
    parts = [
        codec.decode_float(latents[:, :, at : at + chunk], latents[:, :, max(at - told, 0) : at] if at else None)
        for at in range(0, 6, chunk)
    ]
    torch.testing.assert_close(torch.cat(parts, dim=1), whole, atol=1e-5, rtol=0)
    assert (whole - codec.decode_blocks(latents)).abs().max() > 0.1


def test_shares_of_a_config_survive_as_data() -> None:
    config = CodecConfig(4, 8, 4, 8, 1, SHARES)
    assert config.to_dict()["deblock"] == [0.5, 0.25]
    assert CodecConfig.from_dict(config.to_dict()) == config
    plain = CodecConfig(4, 8, 4, 8, 1)
    assert "deblock" not in plain.to_dict()
    assert CodecConfig.from_dict(plain.to_dict()) == plain


@pytest.mark.parametrize(("temporal", "shares"), [(4, (0.5, 0.25, 0.1)), (4, (1.5,)), (4, (-0.1,)), (1, (0.5,))])
def test_shares_that_cannot_be_are_named(temporal: int, shares: tuple[float, ...]) -> None:
    with pytest.raises(CheckpointError, match="deblock"):
        CodecConfig(4, 8, temporal, 8, 0, shares)


def test_a_recipe_says_how_its_codec_smooths() -> None:
    recipe = Recipe.read(Path(recipes.__file__).parent / "recipes" / "nano.json")
    assert empty_codec(recipe, torch.device("cpu")).config.deblock == recipe.codec.deblock == SHARES
