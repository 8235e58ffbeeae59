"""What a session of a model is, and a chunk of it that is about to be made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from helios_world import arguments
from helios_world.conditioning.prompt import PromptTrack
from helios_world.dreamer import Request
from helios_world.memory import RollingMemory
from helios_world.model import HistoryCache
from helios_world.spec import Action


@dataclass(frozen=True)
class Session:
    """Everything but the memory: which chunk is the present one, and what it was made with.

    Args:
        steer: the words that the actions became, with a cross-fade of their own; None for trained actions.
    """

    seed: int
    index: int
    track: PromptTrack
    action: Action
    steer: PromptTrack | None

    def to_dict(self) -> dict[str, Any]:
        return {
            "seed": self.seed,
            "index": self.index,
            "prompt": self.track.to_dict(),
            "action": self.action.to_dict(),
            "steer": None if self.steer is None else self.steer.to_dict(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Session:
        track, action = PromptTrack.from_dict(data["prompt"]), Action.from_dict(data["action"])
        steer = data.get("steer")
        words = None if steer is None else PromptTrack.from_dict(steer)
        return cls(arguments.check_seed(data["seed"]), int(data["index"]), track, action, words)


@dataclass(frozen=True, eq=False)
class Draft:
    """A chunk that is about to be made. Nothing of its world has changed yet.

    Args:
        session: what the world will be once the chunk is there.
        request: what is asked of the dreamer.
        memory: what the chunk continues, and is added to.
        ahead: the memory's encoding where there is one already.
    """

    session: Session
    request: Request
    memory: RollingMemory
    ahead: HistoryCache | None

    @property
    def previous(self) -> Tensor | None:
        """The last latents before the chunk, two at most: [1, C, P, h, w]; None at the very start."""
        return self.memory.newest(2) if self.memory.count else None

    @property
    def kept_previous(self) -> Tensor | None:
        """`previous`, whatever becomes of the memory."""
        return None if self.previous is None else self.previous.clone()
