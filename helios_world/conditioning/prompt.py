"""The prompt of a session, and the change of prompt that is under way. No torch here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from helios_world.arguments import check_prompt
from helios_world.errors import PromptError
from helios_world.spec import Fade, PromptWeight

MAX_PROMPTS = 8
"""A mixture of more prompts than this loses its smallest ones, so that nothing grows."""


@dataclass(frozen=True)
class PromptTrack:
    """A cross-fade as a value: from the mixture `start` to `target`, `progress` of `blend` chunks done.

    With the fade "early" the chunk that a change arrives with already has 1/blend of the new prompt. With "late", the
    way of the published Helios scripts, it has nothing of it: the shares are 0, ½, 1 for a blend of 3. In both, the
    blend-th chunk has nothing else. A change during a change starts from the present mixture, so that a late fade
    which is changed with every chunk does not move at all.
    """

    blend: int
    start: tuple[PromptWeight, ...]
    target: str
    progress: int
    fade: Fade = "early"

    def __post_init__(self) -> None:
        check_prompt(self.target)
        if self.fade not in get_args(Fade):
            raise PromptError(f"the fade is {self.fade!r}; allowed are {list(get_args(Fade))}")
        total = sum(part.weight for part in self.start)
        if self.blend < 1 or not 1 <= self.progress <= self.blend or len(self.start) >= MAX_PROMPTS:
            raise PromptError(f"no cross-fade is at {self.progress} of {self.blend} from {len(self.start)} prompts")
        if (self.start and abs(total - 1) > 1e-6) or any(not 0 <= part.weight <= 1.000001 for part in self.start):
            raise PromptError(f"the weights {[part.weight for part in self.start]} are not shares of 1")
        if not self.start and self.progress < self.blend:
            raise PromptError(f"the change to {self.target!r} begins at no prompt")

    @classmethod
    def begin(cls, prompt: str, blend: int, fade: Fade = "early") -> PromptTrack:
        """The track of a session that begins with `prompt`."""
        return cls(blend, (), prompt, blend, fade)

    @property
    def share(self) -> float:
        """How much of the way from `start` to `target` is done, in [0, 1]."""
        if self.fade == "early" or self.blend == 1:
            return self.progress / self.blend
        return (self.progress - 1) / (self.blend - 1)

    def next(self, prompt: str | None = None) -> PromptTrack:
        """The track one chunk later, a new prompt having been given or not."""
        if prompt is None or check_prompt(prompt) == self.target:
            progress = min(self.progress + 1, self.blend)
            start = self.start if progress < self.blend else ()
            return PromptTrack(self.blend, start, self.target, progress, self.fade)
        start = _largest(self.weights(), MAX_PROMPTS - 1) if self.blend > 1 else ()
        return PromptTrack(self.blend, start, prompt, 1, self.fade)

    def weights(self) -> tuple[PromptWeight, ...]:
        """The mixture of the present chunk: distinct prompts, the target last, weights that sum to 1.

        Only the target can have the weight 0, at the beginning of a late fade.
        """
        share = self.share
        kept = [PromptWeight(part.text, part.weight * (1 - share)) for part in self.start if part.text != self.target]
        kept = [part for part in kept if part.weight > 0]
        if share == 0:
            before = sum(part.weight for part in self.start if part.text == self.target)
            return (*kept, PromptWeight(self.target, before))
        return (*kept, PromptWeight(self.target, 1 - sum(part.weight for part in kept)))

    def to_dict(self) -> dict[str, Any]:
        start = [[part.text, part.weight] for part in self.start]
        ends = {"blend": self.blend, "start": start, "target": self.target}
        return {**ends, "progress": self.progress, "fade": self.fade}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> PromptTrack:
        start = tuple(PromptWeight(str(text), float(weight)) for text, weight in data["start"])
        fade = data.get("fade", "early")
        return cls(int(data["blend"]), start, data["target"], int(data["progress"]), fade)


def _largest(mixture: Iterable[PromptWeight], count: int) -> tuple[PromptWeight, ...]:
    parts = [part for part in mixture if part.weight > 0]
    while len(parts) > count:
        parts.remove(min(parts, key=lambda part: part.weight))
    total = sum(part.weight for part in parts)
    return tuple(PromptWeight(part.text, part.weight / total) for part in parts)
