import numpy as np
import pytest
import torch

from helios_world.codec import CodecConfig, LatentCodec
from helios_world.errors import CheckpointError
from helios_world.lands.tables import Look
from helios_world.train.codec import fit_linear, psnr, random_clips

LOOK = Look(32, 64)


def _codec(channels: int, blocks: int = 0) -> LatentCodec:
    codec = LatentCodec(CodecConfig(channels, 8, 4, 8, blocks))
    fit_linear(codec, random_clips(LOOK, 48, 4, np.random.default_rng(0)))
    return codec


def test_all_components_give_the_frames_back() -> None:
    codec = LatentCodec(CodecConfig(768, 8, 4, 8, 0))
    codec.basis.copy_(torch.linalg.qr(torch.randn(768, 768, generator=torch.Generator().manual_seed(0)))[0])
    frames = torch.randint(0, 256, (2, 8, 16, 24, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    latents = codec.encode(frames)
    assert latents.shape == (2, 768, 2, 2, 3)
    assert torch.equal(codec.decode(latents), frames)


def test_components_are_orthonormal_and_latents_normalised() -> None:
    codec = _codec(12)
    assert torch.allclose(codec.basis @ codec.basis.T, torch.eye(12), atol=1e-4)
    latents = codec.encode(torch.from_numpy(random_clips(LOOK, 48, 4, np.random.default_rng(0))))
    spread = latents.std(dim=(0, 2, 3, 4))
    assert torch.allclose(spread, torch.ones(12), atol=0.02)


def test_more_components_are_better_on_other_frames() -> None:
    clips = torch.from_numpy(random_clips(LOOK, 24, 4, np.random.default_rng(9)))
    truth = clips.float() / 127.5 - 1
    scores = []
    for channels in (4, 12, 36):
        codec = _codec(channels)
        scores.append(psnr(codec.decode_float(codec.encode(clips)), truth))
    assert scores[0] + 1 < scores[1] < scores[2] - 1


def test_the_residual_begins_at_nothing_and_uses_the_latent_before() -> None:
    codec = _codec(12, blocks=1)
    assert codec.residual is not None
    latents = torch.randn(1, 12, 2, 4, 8)
    plain = codec.decode_float(latents, latents[:, :, :1])
    linear = codec.decode_linear(latents)
    assert torch.allclose(plain[0, 0, :, :, 0], linear[0, 0, 0])
    with torch.no_grad():
        codec.residual.leave.weight.normal_(0, 0.1)
    first, second = codec.decode_float(latents), codec.decode_float(latents, torch.randn(1, 12, 1, 4, 8))
    assert not torch.equal(first[:, :4], second[:, :4])
    assert torch.equal(first[:, 4:], second[:, 4:])


def test_chunks_decode_as_the_whole() -> None:
    codec = _codec(12, blocks=1)
    assert codec.residual is not None
    with torch.no_grad():
        codec.residual.leave.weight.normal_(0, 0.1)
    latents = torch.randn(1, 12, 3, 4, 8)
    parts = [codec.decode(latents[:, :, i : i + 1], latents[:, :, i - 1 : i] if i else None) for i in range(3)]
    difference = torch.cat(parts, dim=1).int() - codec.decode(latents).int()
    assert difference.abs().max() <= 1


def test_config_names_the_keys() -> None:
    with pytest.raises(CheckpointError, match="latent_channels"):
        CodecConfig.from_dict({"latent_channels": 4, "colour": 3})
