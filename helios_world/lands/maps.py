"""The four maps: what stands where. Pure data, in metres and degrees; colours are RGB in [0, 1].

Every land is a square yard, walled at `WALL` metres from its middle; one can walk up to `REACH` metres from the
middle and never comes close enough to a wall or a landmark for it to fill the view. Landmarks inside differ in shape
and colour, towers stand outside the wall, and the skyline is different in every direction. x grows to the east and y
to the south; heading 0 looks east and grows clockwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

RGB = tuple[float, float, float]
Shape = Literal["pillar", "dome", "cone", "arch", "orb", "box", "tree", "steps"]

WALL = 13.0
REACH = 5.0
CLEARANCE = 1.3  # from a landmark's surface to the eye

SHAPES: tuple[Shape, ...] = ("pillar", "dome", "cone", "arch", "orb", "box", "tree", "steps")


@dataclass(frozen=True, slots=True)
class Landmark:
    """A thing that stands on the ground. `bands` horizontal stripes alternate between the two colours."""

    shape: Shape
    x: float
    y: float
    radius: float
    height: float
    colour: RGB
    second: RGB
    bands: int = 1
    glow: float = 0.0


@dataclass(frozen=True, slots=True)
class Peak:
    """A part of the skyline. `heading` and `width` in degrees, `rise` is the tangent of its elevation."""

    heading: float
    width: float
    rise: float
    form: Literal["hill", "peak", "block"]
    colour: RGB


@dataclass(frozen=True, slots=True)
class Side:
    """One of the four walls: panels of two colours, `panel` metres wide, `height` metres high."""

    colour: RGB
    second: RGB
    panel: float
    height: float


@dataclass(frozen=True, slots=True)
class Land:
    """A land. `sides` are east, south, west, north; `arms` the paths from the middle in the same order."""

    name: str
    ground: RGB
    plaza: RGB
    ring: RGB
    arms: tuple[RGB, RGB, RGB, RGB]
    sides: tuple[Side, Side, Side, Side]
    landmarks: tuple[Landmark, ...]
    skyline: tuple[Peak, ...]
    sky_tint: RGB
    spawn: tuple[float, float, float]
    wall_glow: float = 0.0


GARDEN = Land(
    name="brick garden",
    ground=(0.36, 0.58, 0.26),
    plaza=(0.72, 0.62, 0.48),
    ring=(0.62, 0.44, 0.36),
    arms=((0.74, 0.50, 0.40), (0.66, 0.62, 0.42), (0.50, 0.48, 0.50), (0.78, 0.70, 0.58)),
    sides=(
        Side((0.70, 0.30, 0.22), (0.56, 0.22, 0.17), 3.25, 2.0),
        Side((0.62, 0.40, 0.26), (0.74, 0.52, 0.34), 2.17, 2.0),
        Side((0.48, 0.20, 0.20), (0.62, 0.32, 0.28), 4.33, 2.0),
        Side((0.80, 0.46, 0.32), (0.62, 0.30, 0.22), 2.6, 2.0),
    ),
    landmarks=(
        Landmark("tree", 5.5, -4.5, 1.5, 4.2, (0.40, 0.26, 0.16), (0.20, 0.50, 0.18)),
        Landmark("tree", -6.0, -5.5, 1.3, 3.4, (0.36, 0.24, 0.16), (0.86, 0.56, 0.70)),
        Landmark("dome", 6.0, 5.0, 1.6, 2.2, (0.76, 0.36, 0.26), (0.86, 0.80, 0.66), 2),
        Landmark("pillar", -5.0, 4.5, 0.7, 3.6, (0.74, 0.32, 0.24), (0.90, 0.86, 0.78), 4),
        Landmark("arch", 0.0, -7.5, 1.8, 3.4, (0.66, 0.28, 0.22), (0.80, 0.44, 0.34), 2),
        Landmark("cone", 0.5, 7.5, 1.2, 3.2, (0.16, 0.42, 0.24), (0.24, 0.54, 0.28), 3),
        Landmark("orb", -8.0, 0.0, 0.9, 2.6, (0.50, 0.50, 0.54), (0.94, 0.78, 0.26)),
        Landmark("box", 17.5, 2.0, 2.2, 7.0, (0.66, 0.30, 0.24), (0.54, 0.22, 0.18), 4),
        Landmark("cone", -3.0, 18.5, 2.6, 8.0, (0.50, 0.24, 0.22), (0.36, 0.38, 0.46), 2),
        Landmark("pillar", -17.5, -5.0, 1.8, 8.5, (0.86, 0.84, 0.80), (0.78, 0.26, 0.22), 5),
        Landmark("tree", 6.0, -18.0, 3.2, 8.0, (0.38, 0.26, 0.18), (0.26, 0.52, 0.22)),
    ),
    skyline=(
        Peak(10, 60, 0.16, "hill", (0.34, 0.56, 0.36)),
        Peak(62, 30, 0.24, "hill", (0.28, 0.46, 0.38)),
        Peak(100, 44, 0.12, "hill", (0.46, 0.62, 0.34)),
        Peak(150, 40, 0.28, "peak", (0.44, 0.50, 0.54)),
        Peak(190, 50, 0.14, "hill", (0.30, 0.52, 0.46)),
        Peak(238, 34, 0.22, "peak", (0.56, 0.52, 0.46)),
        Peak(280, 56, 0.13, "hill", (0.42, 0.58, 0.30)),
        Peak(330, 46, 0.20, "hill", (0.36, 0.46, 0.50)),
    ),
    sky_tint=(1.0, 1.0, 1.0),
    spawn=(-1.0, 4.2, -1.35),
)

DESERT = Land(
    name="desert ruins",
    ground=(0.86, 0.72, 0.46),
    plaza=(0.70, 0.54, 0.36),
    ring=(0.94, 0.84, 0.62),
    arms=((0.78, 0.58, 0.36), (0.92, 0.80, 0.56), (0.66, 0.52, 0.38), (0.88, 0.66, 0.42)),
    sides=(
        Side((0.80, 0.60, 0.36), (0.68, 0.48, 0.28), 4.33, 1.7),
        Side((0.90, 0.74, 0.50), (0.76, 0.58, 0.38), 2.6, 1.7),
        Side((0.66, 0.44, 0.30), (0.80, 0.56, 0.38), 3.25, 1.7),
        Side((0.74, 0.62, 0.46), (0.60, 0.48, 0.36), 5.2, 1.7),
    ),
    landmarks=(
        Landmark("pillar", 4.5, -5.5, 0.6, 4.4, (0.92, 0.82, 0.62), (0.78, 0.62, 0.42), 3),
        Landmark("pillar", 7.0, -3.0, 0.6, 2.8, (0.84, 0.66, 0.44), (0.62, 0.42, 0.28), 2),
        Landmark("steps", -6.0, -5.0, 1.8, 3.4, (0.84, 0.62, 0.36), (0.72, 0.48, 0.28), 3),
        Landmark("arch", -5.5, 5.5, 1.7, 3.6, (0.88, 0.74, 0.54), (0.70, 0.52, 0.34), 2),
        Landmark("cone", 6.0, 5.5, 1.7, 3.0, (0.78, 0.50, 0.28), (0.90, 0.68, 0.42), 3),
        Landmark("orb", 0.0, 8.0, 0.9, 2.4, (0.56, 0.44, 0.34), (0.28, 0.62, 0.62)),
        Landmark("tree", -8.0, 0.5, 1.2, 3.6, (0.56, 0.42, 0.26), (0.34, 0.52, 0.24)),
        Landmark("cone", 19.0, 4.0, 5.0, 7.5, (0.86, 0.66, 0.38), (0.80, 0.60, 0.34), 4),
        Landmark("steps", -19.0, -4.0, 4.0, 7.0, (0.70, 0.46, 0.32), (0.60, 0.38, 0.26), 3),
        Landmark("pillar", 3.0, -18.0, 1.2, 9.0, (0.92, 0.84, 0.68), (0.82, 0.66, 0.46), 6),
        Landmark("dome", -5.0, 18.5, 3.6, 5.6, (0.32, 0.58, 0.62), (0.88, 0.76, 0.52), 2),
    ),
    skyline=(
        Peak(20, 36, 0.14, "block", (0.74, 0.44, 0.28)),
        Peak(66, 50, 0.10, "hill", (0.88, 0.70, 0.44)),
        Peak(112, 30, 0.24, "peak", (0.66, 0.42, 0.32)),
        Peak(150, 44, 0.12, "hill", (0.80, 0.58, 0.36)),
        Peak(196, 40, 0.20, "block", (0.62, 0.36, 0.28)),
        Peak(244, 60, 0.11, "hill", (0.90, 0.74, 0.50)),
        Peak(292, 34, 0.26, "peak", (0.72, 0.52, 0.40)),
        Peak(336, 44, 0.10, "hill", (0.78, 0.60, 0.42)),
    ),
    sky_tint=(1.06, 0.98, 0.86),
    spawn=(1.0, 4.6, -1.9),
)

ICE = Land(
    name="ice palace",
    ground=(0.84, 0.91, 0.96),
    plaza=(0.56, 0.74, 0.90),
    ring=(0.70, 0.84, 0.94),
    arms=((0.62, 0.80, 0.92), (0.74, 0.76, 0.94), (0.56, 0.84, 0.86), (0.90, 0.84, 0.94)),
    sides=(
        Side((0.56, 0.76, 0.92), (0.70, 0.86, 0.96), 2.6, 2.2),
        Side((0.66, 0.68, 0.92), (0.80, 0.82, 0.96), 4.33, 2.2),
        Side((0.46, 0.78, 0.84), (0.62, 0.88, 0.90), 3.25, 2.2),
        Side((0.78, 0.84, 0.96), (0.60, 0.70, 0.88), 2.17, 2.2),
    ),
    landmarks=(
        Landmark("cone", 5.0, -5.5, 1.1, 4.6, (0.48, 0.72, 0.94), (0.64, 0.84, 0.98), 3),
        Landmark("cone", -7.0, -3.5, 0.9, 3.2, (0.62, 0.54, 0.92), (0.76, 0.70, 0.96), 2),
        Landmark("dome", -4.5, 5.5, 1.9, 2.6, (0.90, 0.95, 1.00), (0.66, 0.82, 0.94), 3),
        Landmark("arch", 6.5, 3.5, 1.8, 3.8, (0.40, 0.66, 0.88), (0.60, 0.82, 0.96), 2),
        Landmark("pillar", 0.0, -8.0, 0.8, 4.0, (0.34, 0.78, 0.84), (0.84, 0.94, 0.98), 4),
        Landmark("orb", 1.5, 8.0, 1.1, 3.0, (0.60, 0.66, 0.78), (0.56, 0.90, 0.96)),
        Landmark("steps", -8.0, 1.5, 1.2, 3.4, (0.66, 0.76, 0.92), (0.50, 0.62, 0.86), 3),
        Landmark("cone", 18.0, -3.0, 3.0, 9.5, (0.50, 0.64, 0.90), (0.70, 0.82, 0.96), 4),
        Landmark("dome", 4.0, 18.5, 4.2, 6.4, (0.72, 0.86, 0.96), (0.54, 0.72, 0.92), 3),
        Landmark("pillar", -18.0, 5.0, 2.0, 9.0, (0.56, 0.80, 0.92), (0.82, 0.92, 0.98), 5),
        Landmark("arch", -4.0, -18.5, 4.0, 8.0, (0.70, 0.66, 0.92), (0.84, 0.82, 0.98), 2),
    ),
    skyline=(
        Peak(0, 40, 0.26, "peak", (0.62, 0.74, 0.90)),
        Peak(44, 34, 0.14, "peak", (0.74, 0.84, 0.94)),
        Peak(86, 56, 0.12, "hill", (0.86, 0.92, 0.98)),
        Peak(130, 36, 0.30, "peak", (0.54, 0.66, 0.86)),
        Peak(172, 40, 0.16, "hill", (0.78, 0.78, 0.94)),
        Peak(214, 30, 0.22, "peak", (0.60, 0.80, 0.88)),
        Peak(258, 58, 0.12, "hill", (0.82, 0.90, 0.96)),
        Peak(306, 44, 0.24, "peak", (0.66, 0.66, 0.88)),
    ),
    sky_tint=(0.94, 1.0, 1.06),
    spawn=(0.5, 4.8, -1.25),
)

CITY = Land(
    name="neon city",
    ground=(0.21, 0.20, 0.29),
    plaza=(0.36, 0.22, 0.46),
    ring=(0.16, 0.44, 0.54),
    arms=((0.54, 0.18, 0.44), (0.16, 0.46, 0.50), (0.48, 0.42, 0.18), (0.26, 0.28, 0.58)),
    sides=(
        Side((0.66, 0.16, 0.54), (0.28, 0.16, 0.34), 3.25, 2.0),
        Side((0.12, 0.60, 0.66), (0.16, 0.24, 0.36), 2.6, 2.0),
        Side((0.70, 0.54, 0.14), (0.30, 0.22, 0.28), 4.33, 2.0),
        Side((0.28, 0.34, 0.80), (0.18, 0.18, 0.34), 2.17, 2.0),
    ),
    landmarks=(
        Landmark("box", 5.5, -5.5, 1.2, 4.6, (0.24, 0.22, 0.36), (0.94, 0.26, 0.66), 5, 0.8),
        Landmark("box", -6.0, -4.5, 1.3, 3.4, (0.20, 0.26, 0.36), (0.18, 0.84, 0.88), 4, 0.8),
        Landmark("pillar", -5.0, 5.5, 0.8, 4.2, (0.30, 0.22, 0.34), (0.96, 0.76, 0.20), 5, 0.8),
        Landmark("orb", 6.0, 4.0, 1.0, 3.2, (0.34, 0.34, 0.46), (0.46, 0.94, 0.42), 1, 0.9),
        Landmark("arch", 0.0, -8.0, 1.9, 3.8, (0.46, 0.30, 0.90), (0.22, 0.20, 0.40), 2, 0.7),
        Landmark("steps", 0.5, 8.0, 1.6, 3.4, (0.90, 0.34, 0.24), (0.30, 0.18, 0.28), 3, 0.7),
        Landmark("cone", -8.5, 0.5, 1.1, 3.4, (0.22, 0.50, 0.94), (0.20, 0.22, 0.42), 4, 0.7),
        Landmark("box", 18.0, -3.0, 2.6, 11.0, (0.22, 0.20, 0.34), (0.86, 0.30, 0.58), 7, 0.7),
        Landmark("box", 4.0, 18.5, 2.8, 8.5, (0.18, 0.24, 0.34), (0.24, 0.80, 0.78), 6, 0.7),
        Landmark("pillar", -18.0, 6.0, 2.4, 10.5, (0.26, 0.22, 0.32), (0.92, 0.70, 0.24), 7, 0.7),
        Landmark("box", -4.0, -18.5, 2.6, 9.5, (0.20, 0.20, 0.36), (0.44, 0.46, 0.96), 6, 0.7),
    ),
    skyline=(
        Peak(6, 24, 0.20, "block", (0.40, 0.22, 0.46)),
        Peak(40, 20, 0.30, "block", (0.26, 0.28, 0.50)),
        Peak(76, 34, 0.14, "block", (0.20, 0.36, 0.48)),
        Peak(118, 22, 0.26, "block", (0.30, 0.24, 0.42)),
        Peak(152, 30, 0.12, "block", (0.44, 0.30, 0.32)),
        Peak(188, 22, 0.32, "block", (0.34, 0.20, 0.40)),
        Peak(228, 36, 0.16, "block", (0.22, 0.26, 0.54)),
        Peak(270, 24, 0.24, "block", (0.24, 0.40, 0.44)),
        Peak(304, 28, 0.12, "block", (0.42, 0.20, 0.36)),
        Peak(338, 20, 0.28, "block", (0.24, 0.22, 0.44)),
    ),
    sky_tint=(0.92, 0.86, 1.06),
    spawn=(-0.8, 4.4, -1.75),
    wall_glow=0.35,
)

ALL_LANDS: tuple[Land, ...] = (GARDEN, DESERT, ICE, CITY)
