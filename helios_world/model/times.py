"""What the model is told of the time, which is the same in every chunk: embedded once for each timestep.

Shapes: D width, R rows of conditions: of the history and of the noisy tokens.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from helios_world.model.block import Modulation
from helios_world.model.bounded import Kept
from helios_world.model.sequence import Scale
from helios_world.model.transformer import HeliosTransformer

TIMESTEPS = 256
"""That are kept; of the 14B 0.3 MB each."""


@dataclass(frozen=True)
class Time:
    """A timestep as the model reads it.

    Args:
        out: scale and shift of the output's normalisation, [2, D], float32.
        rows: conditions of history and noisy tokens, for all blocks alike, [6, 2, D], float32.
    """

    out: Tensor
    rows: Tensor


class Times:
    """The embedded timesteps of a model, and the modulation of its blocks.

    It reads the blocks' tables when it is made, so that those of offloaded blocks are there for the block before.
    """

    def __init__(self, model: HeliosTransformer) -> None:
        self._model = model
        device = model.proj_out.weight.device
        tables = [table for name, table in model.named_parameters() if name.endswith("scale_shift_table")]
        *blocks, self._out = (table.detach().to(device, torch.float32) for table in tables)
        self._tables = torch.stack(blocks).transpose(1, 2)
        self._kept: Kept[Time] = Kept(TIMESTEPS)

    def at(self, timestep: float) -> Time:
        """What is told at a timestep in [0, 1000]."""
        return self._kept.get(timestep, lambda: self._embed(timestep))

    def modulations(self, time: Time) -> list[Modulation]:
        """Of every block, each [1, 2, D]: a row for the history and one for the noisy tokens."""
        rows = (self._tables + time.rows).unbind(0)
        return [Modulation(*(part.unsqueeze(0) for part in row.unbind(0))) for row in rows]

    def output(self, time: Time) -> Scale:
        """Scale and shift of the output's normalisation, each [1, 1, D]."""
        return time.out[:1].unsqueeze(0), time.out[1:].unsqueeze(0)

    def _embed(self, timestep: float) -> Time:
        embedder, model = self._model.condition_embedder, self._model
        past = 0.0 if model.config.zero_history_timestep else timestep
        told = torch.tensor([past, timestep], device=model.proj_out.weight.device)
        history, noisy = (embedder.time(row) for row in torch.split(told, 1))
        rows = [embedder.modulation(row.unsqueeze(1))[0, 0] for row in (history, noisy)]
        # The published model rounds the time to the weights' type before it modulates the output with it.
        shift, scale = (self._out[0] + noisy.to(model.dtype).float()).unbind(0)
        return Time(torch.stack((scale, shift)), torch.stack(rows, dim=1))
