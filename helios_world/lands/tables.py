"""The maps and moments as arrays, the form in which both renderers read them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from helios_world.lands.maps import ALL_LANDS, SHAPES, WALL, Land, Landmark
from helios_world.lands.moments import ALL_MOMENTS, Moment
from helios_world.lands.textures import Array, paint_ground, paint_sky, paint_wall

EYE = 1.5  # metres above the ground
HORIZON = 0.47  # of the frame's height, from the top


@dataclass(frozen=True, slots=True)
class Look:
    """How the lands look. `detail` is a dial from 0 (plain) to 1 (rich); sizes in pixels."""

    height: int = 64
    width: int = 128
    detail: float = 0.0

    @property
    def focal(self) -> float:
        """In pixels; the view is 90 degrees wide."""
        return self.width / 2

    @property
    def horizon(self) -> float:
        return HORIZON * self.height


# Columns of `landmarks`; colours take three.
X, Y, RADIUS, TALL, SHAPE, BANDS, GLOW, COLOUR, SECOND, OUTSIDE, NUM_COLUMNS = (
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    10,
    13,
    14,
)


@dataclass(frozen=True, slots=True)
class Tables:
    """Lookup arrays: L lands, M moments.

    Args:
        sky: [L, M, rows, columns, 3]; ground: [L, 2, size, size, 3]; walls: [L, 4, 2, rows, columns, 3].
        landmarks: [L, N, NUM_COLUMNS], unused rows have radius 0; wall_heights: [L, 4]; wall_glow: [L].
        ambient: [M, 3]; horizon: [L, M, 3]; haze: [M]; light: [M], the heading of the sun or moon in radians.
    """

    sky: Array
    ground: Array
    walls: Array
    landmarks: npt.NDArray[np.float64]
    wall_heights: npt.NDArray[np.float64]
    wall_glow: npt.NDArray[np.float64]
    ambient: npt.NDArray[np.float64]
    horizon: npt.NDArray[np.float64]
    haze: npt.NDArray[np.float64]
    light: npt.NDArray[np.float64]


@lru_cache(maxsize=4)
def build_tables(detail: float) -> Tables:
    """Paint and pack everything for one setting of the dial (about half a second)."""
    return Tables(
        sky=np.stack([np.stack([paint_sky(a, m, detail) for m in ALL_MOMENTS]) for a in ALL_LANDS]),
        ground=np.stack([paint_ground(land, detail) for land in ALL_LANDS]),
        walls=np.stack([np.stack([paint_wall(land, s, detail) for s in land.sides]) for land in ALL_LANDS]),
        landmarks=_pack_landmarks(ALL_LANDS, 0.55 + 0.45 * detail),
        wall_heights=np.array([[side.height for side in land.sides] for land in ALL_LANDS]),
        wall_glow=np.array([land.wall_glow for land in ALL_LANDS]),
        ambient=np.array([moment.ambient for moment in ALL_MOMENTS]),
        horizon=np.array([[_tinted(land, m) for m in ALL_MOMENTS] for land in ALL_LANDS]),
        haze=np.array([moment.haze for moment in ALL_MOMENTS]),
        light=np.radians([moment.light[0] for moment in ALL_MOMENTS]),
    )


def _tinted(land: Land, moment: Moment) -> npt.NDArray[np.float64]:
    tinted: npt.NDArray[np.float64] = np.clip(np.array(moment.horizon) * np.array(land.sky_tint), 0, 1)
    return tinted


def _pack_landmarks(lands: tuple[Land, ...], contrast: float) -> npt.NDArray[np.float64]:
    table = np.zeros((len(lands), max(len(land.landmarks) for land in lands), NUM_COLUMNS))
    for row, land in zip(table, lands, strict=True):
        for entry, landmark in zip(row, land.landmarks, strict=False):
            entry[:] = _pack(landmark, contrast)
    return table


def _pack(landmark: Landmark, contrast: float) -> list[float]:
    outside = max(abs(landmark.x), abs(landmark.y)) > WALL
    shape = SHAPES.index(landmark.shape)
    numbers = (landmark.x, landmark.y, landmark.radius, landmark.height, shape, landmark.bands, landmark.glow)
    share = contrast if landmark.bands > 1 else 1.0
    second = [a + (b - a) * share for a, b in zip(landmark.colour, landmark.second, strict=True)]
    return [*numbers, *landmark.colour, *second, float(outside)]
