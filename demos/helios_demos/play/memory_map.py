"""Which latents a world remembers, and at which time scale: arithmetic on the layout and an index."""

from __future__ import annotations

from dataclasses import dataclass

from helios_world.spec import MemoryLayout

__all__ = ["MemoryMap", "memory_map"]

Cells = tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class MemoryMap:
    """Latent numbers, oldest first; None where nothing was yet. `now` are those the chunk itself adds."""

    anchor: Cells
    long: Cells
    mid: Cells
    short: Cells
    now: Cells

    @property
    def groups(self) -> tuple[tuple[str, Cells], ...]:
        names = ("anchor", "long", "mid", "short", "now")
        return tuple((name, getattr(self, name)) for name in names)


def memory_map(layout: MemoryLayout, index: int) -> MemoryMap:
    """What chunk `index` of a session was made from, if the session began with words alone."""
    made = index * layout.latents_per_chunk
    short = _before(made, layout.short)
    mid = _before(made - layout.short, layout.mid)
    long = _before(made - layout.short - layout.mid, layout.long)
    anchor = 0 if made else None
    return MemoryMap((anchor,), long, mid, short, tuple(range(made, made + layout.latents_per_chunk)))


def _before(end: int, count: int) -> Cells:
    return tuple(number if number >= 0 else None for number in range(end - count, end))
