"""The transformer's work for one chunk, ours against that of diffusers: same weights, same latents, in turns.

What is compared is every call of the transformer that HeliosPyramidPipeline makes for a chunk of a steady session. The
sampler, the text encoder and the codec are left out; they are nearly the same work in both.

Shapes: B batch, C latent channels, F latent frames, h w latent height and width, L text tokens.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from helios_world.memory import HistoryLayout, HistoryViews
from helios_world.model import HeliosTransformer, TransformerConfig
from helios_world.model.fast import FastTransformer
from helios_world.model.joined import JOINED, Joined
from helios_world.official.dependencies import borrow

SMALL = TransformerConfig(
    patch_size=(1, 2, 2),
    num_attention_heads=8,
    attention_head_dim=64,
    in_channels=16,
    out_channels=16,
    text_dim=512,
    freq_dim=256,
    ffn_dim=1408,
    num_layers=8,
    cross_attn_norm=True,
    qk_norm="rms_norm_across_heads",
    eps=1e-6,
    added_kv_proj_dim=None,
    rope_dim=(24, 20, 20),
    rope_theta=10000.0,
    guidance_cross_attn=True,
    zero_history_timestep=True,
    has_multi_term_memory_patch=True,
    is_amplify_history=False,
    history_scale_mode="per_head",
)
"""The 14B, scaled down: its proportions in a tenth of the width and a fifth of the depth."""
STAGES = ((4, (998.0, 833.0)), (2, (742.0, 512.0)), (1, (385.0, 174.0)))
"""Of the Distilled checkpoint with two steps each: how much smaller the stage is along a side, and its timesteps."""

Work = Callable[[], list[Tensor]]


@dataclass(frozen=True)
class Chunk:
    """What the transformer is given for a chunk.

    Args:
        layout: the positions in time.
        history: at full resolution.
        text: what the text encoder made, [B, L, text_dim].
        calls: noisy latents [B, C, F, h, w] and timestep of each call.
    """

    layout: HistoryLayout
    history: HistoryViews
    text: Tensor
    calls: Sequence[tuple[Tensor, float]]


@dataclass(frozen=True)
class Comparison:
    """Milliseconds of each round, by the name of what computed the chunk, and how far its velocities were off.

    Args:
        milliseconds: of each round; a round computes the chunk in every way once.
        differences: the largest from the velocities of the first way.
    """

    milliseconds: dict[str, list[float]] = field(default_factory=dict)
    differences: dict[str, float] = field(default_factory=dict)

    def ratio(self, slow: str, fast: str) -> float:
        """The median, over the rounds, of how many times as long `slow` took as `fast`."""
        pairs = zip(self.milliseconds[slow], self.milliseconds[fast], strict=True)
        return statistics.median(one / other for one, other in pairs)


def make_chunk(
    config: TransformerConfig, height: int, width: int, tokens: int, layout: HistoryLayout | None = None
) -> Chunk:
    """Random latents and text for a chunk of latents height × width at full resolution, B = 1."""
    layout = layout or HistoryLayout(chunk=9)

    def latents(frames: int, shrink: int = 1) -> Tensor:
        return torch.randn(1, config.in_channels, frames, height // shrink, width // shrink)

    history = HistoryViews(*(latents(frames) for frames in (1, layout.long, layout.mid, layout.short)))
    calls = [(latents(layout.chunk, shrink), step) for shrink, steps in STAGES for step in steps]
    return Chunk(layout, history, torch.randn(1, tokens, config.text_dim), calls)


def compare(ways: dict[str, Work], rounds: int, clock: Callable[[], float] = time.process_time) -> Comparison:
    """Compute the chunk in every way, in turns, once without the clock and `rounds` times with it.

    On a CPU the clock is the one of the process, which others on the machine disturb less.
    """
    made = {name: work() for name, work in ways.items()}
    first = next(iter(made.values()))
    told = Comparison({name: [] for name in ways}, {name: _furthest(one, first) for name, one in made.items()})
    for _ in range(rounds):
        for name, work in ways.items():
            began = clock()
            work()
            told.milliseconds[name].append(1e3 * (clock() - began))
    return told


def chunk_ways(config: TransformerConfig, chunk: Chunk, dtype: torch.dtype = torch.float32) -> dict[str, Work]:
    """Ways to compute a chunk, each but the first two with one saving less than "ours".

    "diffusers": its transformer; "plain": our `forward`; "ours": `FastTransformer` with a steady prompt; "text each
    time" and "history each time": what is kept per prompt or per chunk is computed in every call instead.

    Raises:
        DependencyError: diffusers is missing.
    """
    model, theirs = twins(config, dtype)
    fast = FastTransformer(model, chunk.layout)
    text, views = chunk.text.to(dtype), chunk.history
    kept = fast.keep_text(text)

    def ours() -> list[Tensor]:
        past = fast.embed_history(views)
        return [fast.velocity(noisy, step, kept, past) for noisy, step in chunk.calls]

    def text_each_time() -> list[Tensor]:
        past = fast.embed_history(views)
        return [fast.velocity(noisy, step, fast.embed_text(text), past) for noisy, step in chunk.calls]

    def history_each_time() -> list[Tensor]:
        return [fast.velocity(noisy, step, kept, fast.embed_history(views)) for noisy, step in chunk.calls]

    def plain() -> list[Tensor]:
        return [model(noisy, torch.tensor([step]), text, views, chunk.layout) for noisy, step in chunk.calls]

    ways: dict[str, Work] = {
        "diffusers": lambda: call_theirs(theirs, replace(chunk, text=text)),
        "plain": plain,
        "ours": ours,
        "text each time": text_each_time,
        "history each time": history_each_time,
    }
    return {name: torch.no_grad()(work) for name, work in ways.items()}


def twins(config: TransformerConfig, dtype: torch.dtype = torch.float32) -> tuple[HeliosTransformer, Any]:
    """Our transformer and that of diffusers, with the same random weights."""
    theirs: Any = borrow("diffusers", "HeliosTransformer3DModel")(**config.to_dict()).eval()
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter, std=0.02 if parameter.dim() > 1 else 0.1)
    model = HeliosTransformer(config).eval()
    model.load_state_dict(theirs.state_dict())
    for parameter, weight in zip(theirs.parameters(), model.cast(dtype).parameters(), strict=True):
        parameter.data = parameter.data.to(weight.dtype)
    for block in model.blocks:
        for leaf in ("weight", "bias"):
            whole = Joined([block.get_parameter(f"attn1.{layer}.{leaf}") for layer in JOINED])
            whole.data = whole.data
    return model, theirs


def call_theirs(theirs: Any, chunk: Chunk) -> list[Tensor]:
    """The velocities of diffusers' transformer, called as its pipeline does it; in the dtype of the chunk's text."""
    layout, history, dtype, device = chunk.layout, chunk.history, chunk.text.dtype, chunk.text.device
    indices = {
        "indices_hidden_states": layout.noisy_indices,
        "indices_latents_history_short": layout.short_indices,
        "indices_latents_history_mid": layout.mid_indices,
        "indices_latents_history_long": layout.long_indices,
    }
    # Where the pipeline leaves them, on the host.
    told = {name: torch.tensor(row).unsqueeze(0) for name, row in indices.items()}
    past = {
        "latents_history_short": torch.cat((history.anchor, history.short), dim=2).to(dtype),
        "latents_history_mid": history.mid.to(dtype),
        "latents_history_long": history.long.to(dtype),
    }
    steps = [torch.full((1,), int(step), device=device) for _, step in chunk.calls]
    # With the names that the pipeline gives, since what is compiled for others is compiled for these once more.
    return [
        theirs(
            hidden_states=noisy.to(dtype),
            timestep=step,
            encoder_hidden_states=chunk.text,
            **told,
            **past,
            attention_kwargs=None,
            return_dict=False,
        )[0]
        for (noisy, _), step in zip(chunk.calls, steps, strict=True)
    ]


def _furthest(made: Sequence[Tensor], expected: Sequence[Tensor]) -> float:
    pairs = zip(made, expected, strict=True)
    return max(float((one.float() - other.float()).abs().max()) for one, other in pairs)
