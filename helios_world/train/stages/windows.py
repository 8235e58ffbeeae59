"""From clips to what the model is trained on: a chunk, and what of the past it is shown.

History dropping makes one model that begins from words, from a picture or from a video (Helios, arXiv 2603.04379):
the same history with all, nearly all or a part of it set to zero, which is what it is at the start of a session.

Shapes: B batch, C channels, F latent frames, h w latent height and width, M = 1 + layout.length remembered latents, the
anchor first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from helios_world.memory import HistoryLayout, HistoryViews
from helios_world.model import HeliosTransformer
from helios_world.train.stages.clips import Clips
from helios_world.train.stages.dice import Dice, place
from helios_world.train.stages.parts import DroppingPart


@dataclass(frozen=True)
class Window:
    """A chunk and its past.

    Args:
        target: [B, C, F, h, w], F the layout's chunk.
        past: [B, C, M, h, w]; present: [B, M], on the host, which of it the model is shown.
        text: [B, L, E]; actions: [B, F, A] of the chunk, or None.
    """

    target: Tensor
    past: Tensor
    present: Tensor
    text: Tensor
    actions: Tensor | None


@dataclass(frozen=True)
class Told:
    """Everything that a velocity depends on besides the noisy latents and the timestep."""

    text: Tensor
    history: HistoryViews
    layout: HistoryLayout
    actions: Tensor | None

    def velocity(self, model: HeliosTransformer, noisy: Tensor, timestep: Tensor) -> Tensor:
        """The model's velocity of `noisy` [B, C, F, h, w], float32."""
        found: Tensor = model(noisy, timestep, self.text, self.history, self.layout, self.actions)
        return found.float()

    def rows(self, rows: Sequence[int]) -> Told:
        """Of these rows of the batch only."""
        parts = (self.history.anchor, self.history.long, self.history.mid, self.history.short)
        actions = None if self.actions is None else rows_of(self.actions, rows)
        history = HistoryViews(*(rows_of(part, rows) for part in parts))
        return Told(rows_of(self.text, rows), history, self.layout, actions)

    def silent(self, empty: Tensor) -> Told:
        """The same without words; `empty` is [L, E]."""
        return replace(self, text=empty.expand_as(self.text))


def count_sections(clips: Clips, layout: HistoryLayout) -> int:
    """Whole chunks of the clips."""
    return clips.latents.shape[2] // layout.chunk


def cut_windows(clips: Clips, sections: Sequence[int], layout: HistoryLayout) -> Window:
    """The chunk of each row's section, all of its past as far as the history reaches, and the clip's first latent.

    A section of 0 has no past and no anchor, as the first chunk of a session that begins with words.
    """
    rows, chunk = [], layout.chunk
    padded = torch.nn.functional.pad(clips.latents, (0, 0, 0, 0, layout.length, 0))
    present = torch.zeros(len(sections), 1 + layout.length, dtype=torch.bool)
    for row, section in enumerate(sections):
        begin = section * chunk
        past = torch.cat((clips.latents[row, :, :1], padded[row, :, begin : begin + layout.length]), dim=1)
        rows.append((clips.latents[row, :, begin : begin + chunk], past))
        present[row, max(1, 1 + layout.length - begin) :] = section > 0
        present[row, 0] = section > 0
    actions = clips.actions
    if actions is not None:
        actions = torch.stack([actions[row, s * chunk : (s + 1) * chunk] for row, s in enumerate(sections)])
    target, past = (torch.stack(parts) for parts in zip(*rows, strict=True))
    return Window(target, past, present, clips.text, actions)


def drop_history(window: Window, part: DroppingPart, dice: Dice, layout: HistoryLayout) -> Window:
    """Hide all, all but the newest and the anchor, or the oldest part of the past, row by row.

    The published window of 19 is 1 + 2 × 9 latents, and the oldest 1, 10 or 19 are dropped; a history of another length
    loses its remainder and a number of whole chunks in the same way.
    """
    present = window.present.clone()
    whole, tail = divmod(layout.length, layout.chunk)
    chances, cuts = dice.uniform(3), dice.below(whole + 1)
    for row, (text, image, partial) in enumerate(chances.tolist()):
        if text < part.text:
            present[row] = False
        elif image < part.image:
            present[row, 1:-1] = False
        elif partial < part.partial:
            present[row, 1 : 1 + tail + cuts[row] * layout.chunk] = False
    return replace(window, present=present)


def drop_captions(window: Window, share: float, empty: Tensor, dice: Dice) -> Window:
    """Take the words from a share of the rows; `empty` is [L, E]."""
    kept = place(dice.uniform() >= share, window.text.device)
    return replace(window, text=torch.where(kept[:, None, None], window.text, empty))


def told(window: Window, layout: HistoryLayout) -> Told:
    """What the model is given of a window: latents that are not present are zero."""
    shown = place(window.present, window.past.device)[:, None, :, None, None]
    past = torch.where(shown, window.past, 0.0)
    parts = torch.split(past, [1, layout.long, layout.mid, layout.short], dim=2)
    return Told(window.text, HistoryViews(*parts), layout, window.actions)


def rows_of(tensor: Tensor, rows: Sequence[int]) -> Tensor:
    """Some rows of a batch, without a list of indices that a GPU would have to wait for."""
    return torch.stack([tensor[row] for row in rows])
