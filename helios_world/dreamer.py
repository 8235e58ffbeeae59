"""What makes the chunks of a session. A dreamer holds weights and settings, and nothing of any session.

Shapes: C latent channels, F latent frames, h w latent height and width, T frames, H W pixels.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import Tensor

from helios_world.compute import Compute
from helios_world.conditioning.steering import Steering
from helios_world.memory import HistoryViews, RollingMemory
from helios_world.model import HistoryCache
from helios_world.spec import Action, Frames, PromptWeight, Start, WorldSpec

SCHEMA = 1
"""Of the snapshots. It goes up whenever the same snapshot, or the same seed, would give other frames."""

Mixture = tuple[PromptWeight, ...]


@dataclass(frozen=True)
class Request:
    """A chunk to be made.

    Args:
        seed, index: of the session and of the chunk; they are all that the noise depends on.
        words: the prompts and their shares.
        before, action: of the previous chunk and of this one.
        start: what the session began with, in its first chunk; None in all later ones.
        place: where the session stood after the chunk before, as `helios_world.places` has it; None without an atlas.
    """

    seed: int
    index: int
    words: Mixture
    before: Action
    action: Action
    start: Start | None
    place: Tensor | None = None


class Dreamer(Protocol):
    """The parts of a checkpoint, put together. Worlds that were forked share one."""

    @property
    def spec(self) -> WorldSpec:
        """What the world is."""
        ...

    @property
    def compute(self) -> Compute:
        """Where it computes."""
        ...

    @property
    def steering(self) -> Steering | None:
        """How actions become words; None where the model was trained on actions."""
        ...

    @property
    def looks_ahead(self) -> bool:
        """Whether the history can be encoded before the input is known."""
        ...

    def memory(self) -> RollingMemory:
        """An empty memory of the right size."""
        ...

    def remember(self, seed: int, image: Frames | None, video: Frames | None) -> RollingMemory:
        """The memory of a session that begins with a picture or a video of any size, or with neither.

        Raises:
            FrameError: not uint8 [H, W, 3] or [T, H, W, 3], or too few frames.
        """
        ...

    def encode_history(self, memory: RollingMemory) -> HistoryCache:
        """What a step needs of the past, when `looks_ahead`."""
        ...

    def sample(self, request: Request, past: HistoryCache | HistoryViews) -> tuple[Tensor, tuple[float, ...]]:
        """The chunk's latents, float32 [1, C, F, h, w], and the milliseconds of each stage."""
        ...

    def decode(self, latents: Tensor, previous: Tensor | None) -> Frames:
        """Latents [1, C, F, h, w] to uint8 [T, H, W, 3]; `previous` are the last latents before them."""
        ...

    def keep(self, memory: RollingMemory, latents: Tensor, request: Request) -> None:
        """Remember the latents that were made for a request."""
        ...


@runtime_checkable
class ManyDreamer(Dreamer, Protocol):
    """A dreamer that makes the chunks of several sessions in one pass, each as it would be made alone.

    Alone and together give the same bytes as far as the device's kernels sum a row in the same order whatever the
    batch; the dreamer says how far that is.
    """

    def encode_histories(self, memories: Sequence[RollingMemory]) -> list[HistoryCache]:
        """`encode_history` of each."""
        ...

    def sample_many(
        self, requests: Sequence[Request], pasts: Sequence[HistoryCache | HistoryViews]
    ) -> list[tuple[Tensor, tuple[float, ...]]]:
        """`sample` of each; the milliseconds are those of the pass that made the chunk."""
        ...

    def decode_many(self, latents: Sequence[Tensor], previous: Sequence[Tensor | None]) -> list[Frames]:
        """`decode` of each."""
        ...


@runtime_checkable
class StreamingDreamer(Dreamer, Protocol):
    """A dreamer that decodes a chunk group by group, and can do it while it samples the next one."""

    @property
    def group_sizes(self) -> tuple[int, ...]:
        """How many frames of a chunk come at a time; one number if all come at once."""
        ...

    @property
    def decodes_beside(self) -> bool:
        """Whether to decode in a thread, on a stream of its own, while other methods are called in another one."""
        ...

    def decode_groups(self, latents: Tensor, previous: Tensor | None) -> Iterator[Frames]:
        """What `decode` gives, in groups of `group_sizes`, each made when it is taken.

        Raises:
            HeliosError: at once, for latents that cannot be decoded.
        """
        ...


def fingerprint(*parts: str) -> str:
    """Identifies everything that the frames depend on besides the session."""
    return hashlib.sha256(" ".join((str(SCHEMA), *parts)).encode()).hexdigest()
