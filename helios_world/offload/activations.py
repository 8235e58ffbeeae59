"""What the passes of the networks have alive at once, in bytes, beside weights.

The formulas follow the code: they count the tensors that exist at the fullest moment of a pass without
gradients. Attention is taken to be computed by a fused kernel, which makes no matrix of scores; that holds for
CUDA in float16 and bfloat16 (flash), in float32 (memory-efficient), and for torch's kernel for CPUs.

Letters: B batch, S tokens of history and chunk together, M of the history, N noisy, L of the text; D width,
E width of a head, H heads; e bytes of an element.
"""

from __future__ import annotations

import torch

from helios_world.memory import HistoryLayout
from helios_world.model.config import TransformerConfig
from helios_world.offload.sizes import CodecSize, TextSize

WORKSPACE = 64
"""Bytes per channel and pixel that convolutions on a GPU take beside tensors.

No formula of ours: decoding a chunk of 33 frames at 384×640 has been measured on an A100 at 6.2 GiB in float32 and
4.0 GiB in bfloat16, which is 1.3 and 1.5 GB more than the weights and the tensors; the larger is taken.
"""
TILE, TILE_STRIDE = 256, 192
"""Pixels along a side of a tile, and between the beginnings of two, as diffusers has them by default."""


def tokens(config: TransformerConfig, layout: HistoryLayout, height: int, width: int) -> tuple[int, int]:
    """M and N for latents of height × width at full resolution."""
    _, y, x = config.patch_size
    parts = ((1 + layout.short, 1), (layout.mid, 2), (layout.long, 4))
    history = sum(-(-n // pool) * -(-height // (y * pool)) * -(-width // (x * pool)) for n, pool in parts)
    return history * config.has_multi_term_memory_patch, layout.chunk * (height // y) * (width // x)


def transformer_pass(config: TransformerConfig, history: int, noisy: int, text: int, dtype: torch.dtype) -> int:
    """Of `forward`, with B = 1.

    The fullest moment is in a block's feed-forward part, of the noisy tokens or of the history's. Alive are the
    tokens, normalised tokens, query, key, value and what was attended to, 6 S D e; the history's new tokens, M D e;
    and of the part in work, whose tokens are n, the larger of
    - its tokens, normalised tokens and both sides of the activation: n (2 D + 2 ffn) e,
    - at the residual addition, in float32: n D (3 e + 4), and 8 n D more where e < 4 because of the copies.
    Besides, the positions, 4 S E each, are there twice, and the text three times, 3 L D e.
    """
    e, width, total = dtype.itemsize, config.width, history + noisy
    copies = 8 if e < 4 else 0
    per_token = max((2 * width + 2 * config.ffn_dim) * e, width * (3 * e + 4 + copies))
    shared = 6 * total * width * e + 2 * 4 * total * config.attention_head_dim + 3 * text * width * e
    return shared + max(history * per_token, history * width * e + noisy * per_token)


def codec_pass(size: CodecSize, frames: int, height: int, width: int, dtype: torch.dtype) -> int:
    """Of decoding `frames` latents of height × width, which diffusers does latent by latent.

    Alive are the cached inputs of all convolutions in time, two frames each; the frames made so far; and, at the
    resolution of the pixels, in units u of an activation of what one latent becomes, where the level is entered with
    r times the channels that it has, the largest of
    - r + 5.5, in a residual block: what entered the level, the block's input, the present one, two cached frames, and
      twice itself with such frames before it; r + 6 in less than float32, at a normalisation in float32;
    - 1 + 5.5 r, the same in the level's first block;
    - 1 + 3 r, where rows and columns are doubled; 7 r in less than float32, since that is done in float32.
    """
    e, last = dtype.itemsize, size.channels[-1]
    unit = last * _steps(size) * _enlarged(size) * height * width
    entering = size.channels[-2] / 2 / last
    exact = e == torch.float32.itemsize
    doubling = 1 + 3 * entering if exact else 7 * entering
    temporaries = max(entering + (5.5 if exact else 6.0), 1 + 5.5 * entering, doubling)
    return int((_cached(size, height, width) + temporaries * unit) * e) + _made(size, frames, height, width, dtype)


def tiled_codec_pass(size: CodecSize, frames: int, height: int, width: int, dtype: torch.dtype) -> int:
    """As `codec_pass`, in tiles. Tiles that are ready wait until they are joined."""
    side, stride = TILE // size.spatial, TILE_STRIDE // size.spatial
    ready = peak = 0
    for y in range(0, height, stride):
        for x in range(0, width, stride):
            tile = (min(side, height - y), min(side, width - x))
            peak = max(peak, ready + codec_pass(size, frames, *tile, dtype))
            ready += _made(size, frames, *tile, dtype)
    return max(peak, ready + 2 * _made(size, frames, height, width, dtype))


def _made(size: CodecSize, frames: int, height: int, width: int, dtype: torch.dtype) -> int:
    """Bytes of the pixels that `frames` latents become."""
    pixels = _enlarged(size) * height * width
    return 3 * (1 + _steps(size) * (frames - 1)) * pixels * dtype.itemsize


def _steps(size: CodecSize) -> int:
    """Frames that one latent becomes."""
    return 1 << sum(size.in_time)


def _enlarged(size: CodecSize) -> int:
    """Pixels that one place of a latent becomes."""
    return 1 << 2 * (len(size.channels) - 1)


def _cached(size: CodecSize, height: int, width: int) -> int:
    """Elements of the cached inputs: two frames for each convolution in time."""
    levels = size.channels
    channels = (size.latent + 4 * levels[0]) * height * width
    entering = levels[0]
    for level, wide in enumerate(levels):
        area = (1 << 2 * level) * height * width
        channels += (entering + (2 * size.layers + 1) * wide) * area
        if level < len(size.in_time) and size.in_time[level]:
            channels += wide * area
        entering = wide // 2
    return 2 * (channels + levels[-1] * _enlarged(size) * height * width)


def codec_workspace(size: CodecSize, height: int, width: int) -> int:
    """What convolutions take beside tensors, for pixels of height × width; see `WORKSPACE`."""
    return WORKSPACE * size.channels[-1] * height * width


def text_pass(size: TextSize, length: int, dtype: torch.dtype) -> int:
    """Of a prompt: two biases of H L L, and 3 D + 4 H E channels per token, at the attention."""
    inner = size.heads * size.head_width
    return (2 * size.heads * length**2 + length * (3 * size.width + 4 * inner)) * dtype.itemsize
