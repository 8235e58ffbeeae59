"""What is measured: the architecture of the official model, and two scaled-down ones for machines without a GPU."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from helios_world.errors import OptionError
from helios_world.memory import HistoryLayout
from helios_world.model import TransformerConfig
from helios_world.official.timing import SMALL as SMALL_TRANSFORMER


@dataclass(frozen=True)
class Size:
    """A checkpoint of random weights, and how much of it is measured.

    Args:
        transformer: its configuration.
        vae, text: settings of diffusers' AutoencoderKLWan and of transformers' UMT5Config; the rest are their defaults.
        height, width: of the frames, in pixels.
        text_tokens: of a prompt.
        chunks: timed chunks of each way, at most.
        sustained: chunks in a row without a pause.
        growth: chunks between the first and the last count of the bytes held.
        contexts: latents remembered, at which `bench context` measures.
        settle: seconds that a round of the device's limits takes at the least.
        layout: of the history, and latents per chunk.
    """

    name: str
    transformer: TransformerConfig
    height: int
    width: int
    text_tokens: int
    chunks: int
    sustained: int
    growth: int
    contexts: tuple[int, ...]
    settle: float = 0.2
    vae: dict[str, Any] = field(default_factory=dict)
    text: dict[str, Any] = field(default_factory=dict)
    layout: HistoryLayout = field(default_factory=lambda: HistoryLayout(chunk=9))

    @property
    def latent(self) -> tuple[int, int]:
        """Rows and columns of a latent at full resolution."""
        return self.height // 8, self.width // 8

    @property
    def frames(self) -> int:
        """Of a chunk."""
        return 4 * (self.layout.chunk - 1) + 1


FULL_TRANSFORMER = replace(
    SMALL_TRANSFORMER,
    num_attention_heads=40,
    attention_head_dim=128,
    text_dim=4096,
    ffn_dim=13824,
    num_layers=40,
    rope_dim=(44, 42, 42),
)
"""The 14 billion parameters of the published checkpoints."""
_TEXT = {"feed_forward_proj": "gated-gelu", "pad_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 0}
FULL = Size(
    name="full",
    transformer=FULL_TRANSFORMER,
    height=384,
    width=640,
    text_tokens=512,
    chunks=10,
    sustained=20,
    growth=200,
    contexts=(9, 19, 37, 73),
    text={**_TEXT, "vocab_size": 256384, "d_model": 4096, "d_kv": 64, "d_ff": 10240, "num_layers": 24, "num_heads": 64},
)
SMALL = Size(
    name="small",
    transformer=SMALL_TRANSFORMER,
    height=64,
    width=64,
    text_tokens=512,
    chunks=10,
    sustained=20,
    growth=40,
    contexts=(9, 19, 37, 73),
    vae={"base_dim": 4},
    text={**_TEXT, "vocab_size": 512, "d_model": 512, "d_kv": 64, "d_ff": 1280, "num_layers": 4, "num_heads": 8},
)
TINY = Size(
    name="tiny",
    transformer=replace(
        SMALL_TRANSFORMER,
        num_attention_heads=2,
        attention_head_dim=12,
        text_dim=16,
        freq_dim=16,
        ffn_dim=48,
        num_layers=3,
        rope_dim=(4, 4, 4),
    ),
    height=64,
    width=64,
    text_tokens=256,
    chunks=2,
    sustained=3,
    growth=3,
    contexts=(9, 18, 36),
    settle=0.002,
    layout=HistoryLayout(chunk=2),
    vae={"base_dim": 4, "dim_mult": [1, 1, 1, 1], "num_res_blocks": 1},
    text={**_TEXT, "vocab_size": 512, "d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 1, "num_heads": 2},
)
SIZES = {size.name: size for size in (FULL, SMALL, TINY)}


def size_of(name: str) -> Size:
    """OptionError for a name that there is not."""
    if name not in SIZES:
        raise OptionError(f"the size is {name!r}; there are {', '.join(SIZES)}")
    return SIZES[name]
