"""The prompt of a session, and the change of prompt that is under way. No torch here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from helios_world.arguments import check_prompt
from helios_world.errors import PromptError
from helios_world.spec import PromptWeight

MAX_PROMPTS = 8
"""A mixture of more prompts than this loses its smallest ones, so that nothing grows."""


@dataclass(frozen=True)
class PromptTrack:
    """A cross-fade as a value: from the mixture `start` to `target`, `progress` of `blend` chunks done.

    The chunk with which a change arrives already has 1/blend of the new prompt; the blend-th has nothing else.
    A change during a change starts from the present mixture.
    """

    blend: int
    start: tuple[PromptWeight, ...]
    target: str
    progress: int

    def __post_init__(self) -> None:
        check_prompt(self.target)
        total = sum(part.weight for part in self.start)
        if self.blend < 1 or not 1 <= self.progress <= self.blend or len(self.start) >= MAX_PROMPTS:
            raise PromptError(f"no cross-fade is at {self.progress} of {self.blend} from {len(self.start)} prompts")
        if (self.start and abs(total - 1) > 1e-6) or any(not 0 <= part.weight <= 1.000001 for part in self.start):
            raise PromptError(f"the weights {[part.weight for part in self.start]} are not shares of 1")
        if not self.start and self.progress < self.blend:
            raise PromptError(f"the change to {self.target!r} begins at no prompt")

    @classmethod
    def begin(cls, prompt: str, blend: int) -> PromptTrack:
        """The track of a session that begins with `prompt`."""
        return cls(blend, (), prompt, blend)

    def next(self, prompt: str | None = None) -> PromptTrack:
        """The track one chunk later, a new prompt having been given or not."""
        if prompt is None or check_prompt(prompt) == self.target:
            progress = min(self.progress + 1, self.blend)
            return PromptTrack(self.blend, self.start if progress < self.blend else (), self.target, progress)
        start = _largest(self.weights(), MAX_PROMPTS - 1) if self.blend > 1 else ()
        return PromptTrack(self.blend, start, prompt, 1)

    def weights(self) -> tuple[PromptWeight, ...]:
        """The mixture of the present chunk: distinct prompts, the target last, weights that sum to 1."""
        share = self.progress / self.blend
        kept = [PromptWeight(part.text, part.weight * (1 - share)) for part in self.start if part.text != self.target]
        kept = [part for part in kept if part.weight > 0]
        return (*kept, PromptWeight(self.target, 1 - sum(part.weight for part in kept)))

    def to_dict(self) -> dict[str, Any]:
        start = [[part.text, part.weight] for part in self.start]
        return {"blend": self.blend, "start": start, "target": self.target, "progress": self.progress}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> PromptTrack:
        start = tuple(PromptWeight(str(text), float(weight)) for text, weight in data["start"])
        return cls(int(data["blend"]), start, data["target"], int(data["progress"]))


def _largest(mixture: Iterable[PromptWeight], count: int) -> tuple[PromptWeight, ...]:
    parts = list(mixture)
    while len(parts) > count:
        parts.remove(min(parts, key=lambda part: part.weight))
    total = sum(part.weight for part in parts)
    return tuple(PromptWeight(part.text, part.weight / total) for part in parts)
