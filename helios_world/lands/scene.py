"""A scene: one of four lands at one of four moments."""

from __future__ import annotations

from dataclasses import dataclass

LANDS = ("brick garden", "desert ruins", "ice palace", "neon city")
MOMENTS = ("noon", "sunset", "night", "fog")

_LAND_PHRASES = ("a brick garden", "desert ruins", "an ice palace", "a neon city")
_MOMENT_PHRASES = ("at noon", "at sunset", "at night", "in fog")


@dataclass(frozen=True, slots=True)
class Scene:
    """`land` indexes LANDS, `moment` indexes MOMENTS."""

    land: int
    moment: int

    def __post_init__(self) -> None:
        if not (0 <= self.land < len(LANDS) and 0 <= self.moment < len(MOMENTS)):
            raise ValueError(f"a scene has a land in 0..3 and a moment in 0..3; got {self.land} and {self.moment}")


def all_scenes() -> tuple[Scene, ...]:
    """The sixteen scenes, land by land."""
    return tuple(Scene(land, moment) for land in range(len(LANDS)) for moment in range(len(MOMENTS)))


def canonical(scene: Scene) -> str:
    """The plainest description.

    >>> canonical(Scene(0, 0))
    'a brick garden at noon'
    """
    return f"{_LAND_PHRASES[scene.land]} {_MOMENT_PHRASES[scene.moment]}"
