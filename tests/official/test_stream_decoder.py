"""Decoding group by group: bit for bit what diffusers decodes at once, and nothing kept in the module."""

from __future__ import annotations

import copy
import inspect
import subprocess
import sys
from collections.abc import Callable
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from helios_world.errors import CheckpointError
from helios_world.official.stream_decoder import StreamDecoder, to_host
from helios_world.official.video_codec import VideoCodec
from helios_world.sampling.noise import chunk_noise

diffusers: Any = pytest.importorskip("diffusers")
Make = Callable[..., Path]


@pytest.fixture(scope="module")
def folder(make_official: Make) -> Path:
    return make_official() / "vae"


@pytest.fixture(scope="module")
def codec(folder: Path) -> VideoCodec:
    return VideoCodec.load(folder, "cpu")


def noise(latents: int, height: int = 2, width: int = 3, level: int = 0) -> Tensor:
    return 2 * chunk_noise(4, level, (1, 4, latents, height, width))


def make_vae(**choices: Any) -> Any:
    """Of the forms that diffusers knows, such as that of Wan 2.2."""
    torch.manual_seed(0)
    sizes = {"base_dim": 4, "z_dim": 4, "dim_mult": [1, 1, 1, 1], "num_res_blocks": 1}
    statistics = {"latents_mean": [0.0] * 4, "latents_std": [1.0] * 4}
    vae = diffusers.AutoencoderKLWan(**sizes, **statistics, temperal_downsample=[False, True, True], **choices)
    return vae.eval().requires_grad_(False)


RESIDUAL = {"is_residual": True, "in_channels": 12, "out_channels": 12, "patch_size": 2, "scale_factor_spatial": 16}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("count", "height", "width"), [(1, 2, 3), (2, 1, 1), (3, 3, 2), (9, 2, 2)])
def test_the_groups_are_the_frames(folder: Path, dtype: torch.dtype, count: int, height: int, width: int) -> None:
    codec, latents = VideoCodec.load(folder, "cpu", dtype), noise(count, height, width)
    groups = [*codec.decode_groups(latents)]
    assert tuple(map(len, groups)) == codec.group_sizes(count, height, width) == (1, *(4,) * (count - 1))
    assert all(group.dtype == np.uint8 and group.flags.c_contiguous for group in groups)
    assert np.array_equal(np.concatenate(groups), codec.decode(latents))


@pytest.mark.parametrize("choices", [{}, RESIDUAL], ids=["2.1", "2.2"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_pixels_are_those_of_diffusers_bit_for_bit(choices: dict[str, Any], dtype: torch.dtype) -> None:
    vae, latents = make_vae(**choices).to(dtype), noise(4).to(dtype)
    expected = vae.decode(latents).sample
    assert expected.std() > 0.01
    assert torch.equal(torch.cat([*StreamDecoder(vae)(latents)], dim=2), expected)


def test_each_group_is_there_before_the_next_is_computed(codec: VideoCodec) -> None:
    calls: list[int] = []
    decoder: Any = codec.module.decoder
    hook = decoder.register_forward_hook(lambda *_: calls.append(1))
    seen = [len(calls) for _ in codec.decode_groups(noise(4))]
    hook.remove()
    assert seen == [1, 2, 3, 4]


def test_several_decodings_do_not_disturb_each_other(codec: VideoCodec) -> None:
    """Taken by turns, while the module decodes and encodes something else."""
    many = [noise(3, level=1), noise(4, level=2)]
    alone = [codec.decode(latents) for latents in many]
    found: list[list[Any]] = [[], []]
    for pair in zip_longest(*map(codec.decode_groups, many)):
        codec.decode(noise(2, level=3))
        codec.encode(np.zeros((5, 16, 16, 3), np.uint8), lambda shape: torch.zeros(shape))
        for groups, group in zip(found, pair, strict=True):
            groups.extend([] if group is None else [group])
    for groups, whole in zip(found, alone, strict=True):
        assert np.array_equal(np.concatenate(groups), whole)


def test_a_decoding_can_be_left_alone(codec: VideoCodec) -> None:
    latents = noise(3)
    expected = codec.decode(latents)
    next(codec.decode_groups(noise(3, level=1)))
    assert np.array_equal(codec.decode(latents), expected)
    assert np.array_equal(np.concatenate([*codec.decode_groups(latents)]), expected)


def test_gradients_are_off_inside_and_as_before_outside(codec: VideoCodec) -> None:
    for _ in StreamDecoder(codec.module)(noise(2)):
        assert torch.is_grad_enabled()


def test_frames_in_tiles_come_as_one_group(folder: Path) -> None:
    tiled = VideoCodec.load(folder, "cpu", tiling=True)
    latents = noise(2, 36, 4)
    assert tiled.group_sizes(2, 36, 4) == (5,)
    assert tiled.group_sizes(2, 4, 36) == (5,)
    assert tiled.group_sizes(2, 32, 32) == (1, 4)  # no larger than a tile
    (group,) = tiled.decode_groups(latents)
    assert np.array_equal(group, tiled.decode(latents))


def test_what_counts_as_tiled_is_what_diffusers_tiles(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiled = VideoCodec.load(folder, "cpu", tiling=True)
    module, in_tiles = tiled.module, []
    whole = module.tiled_decode
    monkeypatch.setattr(module, "tiled_decode", lambda *a, **k: in_tiles.append(1) or whole(*a, **k))
    for height, width in ((32, 2), (33, 2), (2, 32), (2, 33)):
        in_tiles.clear()
        tiled.decode(noise(1, height, width))
        assert (tiled.group_sizes(2, height, width) == (5,)) is bool(in_tiles)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_latents_that_are_not_finite_are_refused_at_once(codec: VideoCodec, value: float) -> None:
    latents = noise(2)
    latents[0, 0, 1, 0, 0] = value
    with pytest.raises(CheckpointError, match="hold 1 of 48 numbers that are not finite"):
        codec.decode_groups(latents)


@pytest.mark.parametrize("shape", [(1, 3, 1, 2, 2), (2, 4, 1, 2, 2)])
def test_latents_of_another_shape_are_refused_at_once(codec: VideoCodec, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"\[1, 4, F, h, w\]; got"):
        codec.decode_groups(torch.zeros(shape))


def test_bfloat16_is_as_close_as_is_said(make_official: Make) -> None:
    """Of the small codec with its random weights; says nothing of a trained one."""
    folder = make_official() / "vae"
    wide, narrow = VideoCodec.load(folder, "cpu"), VideoCodec.load(folder, "cpu", torch.bfloat16)
    latents = noise(9, 4, 4)
    difference = np.abs(wide.decode(latents).astype(int) - np.concatenate([*narrow.decode_groups(latents)]))
    assert difference.mean() < 1.5
    assert np.percentile(difference, 99) <= 8


def test_channels_last_is_the_same_up_to_rounding(folder: Path, codec: VideoCodec) -> None:
    other = VideoCodec.load(folder, "cpu").channels_last()
    weights = [p for p in other.module.parameters() if p.ndim == 5 and min(p.shape[:2]) > 1 and p.shape[2] > 1]
    assert weights
    assert all(weight.is_contiguous(memory_format=torch.channels_last_3d) for weight in weights)
    assert other.module.state_dict().keys() == codec.module.state_dict().keys()
    difference = np.concatenate([*other.decode_groups(noise(3))]).astype(int) - codec.decode(noise(3))
    assert np.abs(difference).max() <= 1


COMPILED = """
import sys, warnings
from pathlib import Path
import numpy as np
from helios_world.official.video_codec import VideoCodec
from helios_world.sampling.noise import chunk_noise
warnings.simplefilter("ignore")
codec = VideoCodec.load(Path(sys.argv[1]), "cpu")
compiled = codec.compiled(backend="eager")
for level in (1, 2):
    latents = chunk_noise(4, level, (1, 4, 4, 2, 3))
    difference = np.concatenate([*compiled.decode_groups(latents)]).astype(int) - codec.decode(latents)
    assert np.abs(difference).max() <= 1
"""


def test_a_compiled_decoder_is_the_same_up_to_rounding(folder: Path) -> None:
    """Without a backend: what is tested is that it can be traced, with the state in a list.

    In a process of its own, since the compiler keeps tensors of its own for ever.
    """
    subprocess.run([sys.executable, "-c", COMPILED, str(folder)], check=True, timeout=300)


def test_what_is_used_of_diffusers_is_as_it_was() -> None:
    """If this fails, diffusers has changed how its decoder keeps state: look at StreamDecoder again."""
    vae = make_vae()
    assert [*inspect.signature(vae.decoder.forward).parameters] == ["x", "feat_cache", "feat_idx", "first_chunk"]
    state: list[Any] = [None] * sum(isinstance(part, nn.Conv3d) for part in vae.decoder.modules())
    used = [0]
    vae.decoder(vae.post_quant_conv(noise(1)), feat_cache=state, feat_idx=used, first_chunk=True)
    assert used == [len(state) - shortcuts(vae.decoder)]
    assert {name for name in ("use_tiling", "tile_sample_min_height", "tile_sample_min_width") if hasattr(vae, name)}


def shortcuts(decoder: Any) -> int:
    """Convolutions that look at one latent only, and remember nothing."""
    return sum(name.endswith("conv_shortcut") for name, part in decoder.named_modules() if isinstance(part, nn.Conv3d))


def test_a_decoding_leaves_the_module_as_it_was() -> None:
    vae = make_vae()
    before = copy.copy(vae.__dict__)
    [*StreamDecoder(vae)(noise(2))]
    assert vae.__dict__.keys() == before.keys()
    assert all(vae.__dict__[name] is value for name, value in before.items())


def test_frames_on_the_host_come_one_by_one() -> None:
    taken: list[int] = []

    def groups() -> Any:
        for number in range(3):
            taken.append(number)
            yield torch.full((1, 2, 2, 3), number, dtype=torch.uint8)

    for number, frames in enumerate(to_host(groups())):
        assert taken == [*range(number + 1)]
        assert (frames == number).all()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_on_a_device_the_groups_are_the_frames(folder: Path, dtype: torch.dtype) -> None:
    codec = VideoCodec.load(folder, "cuda", dtype)
    latents = [noise(4, level=level).cuda() for level in (1, 2)]
    expected = [codec.decode(each) for each in latents]
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        first, second = (codec.decode_groups(each) for each in latents)
        pairs = [*zip(first, second, strict=True)]
    found = [np.concatenate(groups) for groups in zip(*pairs, strict=True)]
    assert all(np.array_equal(*pair) for pair in zip(found, expected, strict=True))
    assert len([*chain(*pairs)]) == 8
