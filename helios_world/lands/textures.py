"""Pictures that the renderer looks up: sky panoramas, grounds and walls, painted once from the maps.

`detail` in [0, 1] is the dial of the look: 0 paints plain surfaces, 1 adds brickwork, tiles, grass and more stars.
Arrays are float32 RGB in [0, 1]; the last axis is the colour.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from helios_world.lands.maps import WALL, Land, Peak, Side
from helios_world.lands.moments import Moment

Array = npt.NDArray[np.float32]

SKY_WIDTH, SKY_HEIGHT, SKY_RISE = (
    1024,
    64,
    0.64,
)  # columns of 360 degrees, rows of a tangent from 0 to SKY_RISE
GROUND_SIZE, GROUND_EXTENT = 416, 16.0  # pixels, metres from the middle to the border
WALL_COLUMNS, WALL_ROWS = 312, 32


def paint_sky(land: Land, moment: Moment, detail: float) -> Array:
    """The panorama of a land at a moment: [SKY_HEIGHT, SKY_WIDTH, 3], row 0 at the horizon."""
    heading = (np.arange(SKY_WIDTH) + 0.5) * (360.0 / SKY_WIDTH)
    rise = ((np.arange(SKY_HEIGHT) + 0.5) * (SKY_RISE / SKY_HEIGHT))[:, None]
    tint = np.array(land.sky_tint)
    up = ((rise / SKY_RISE) ** 0.75)[..., None]
    sky = (1 - up) * np.array(moment.horizon) + up * np.array(moment.zenith)
    sky = np.broadcast_to(sky * tint, (SKY_HEIGHT, SKY_WIDTH, 3)).copy()
    sky *= 1 + 0.04 * np.cos(np.radians(heading - 30.0))[None, :, None]
    _add_stars(sky, heading, rise, moment, detail)
    _add_light(sky, heading, rise, moment)
    for peak in land.skyline:
        _add_peak(sky, heading, rise, peak, land, moment)
    painted: Array = np.clip(sky, 0, 1).astype(np.float32)
    return painted


def _add_light(sky: npt.NDArray[np.float64], heading: Array, rise: Array, moment: Moment) -> None:
    centre, height, radius = moment.light
    across = _turn(heading - centre)[None, :]
    above = np.degrees(np.arctan(rise) - np.arctan(height))
    distance = np.hypot(across, above)
    glow = 0.30 * np.exp(-((distance / (3.5 * radius)) ** 2))
    disc = np.clip((radius - distance) / 0.9 + 0.5, 0, 1)
    weight = np.maximum(glow, disc)[..., None]
    sky[:] = (1 - weight) * sky + weight * np.array(moment.disc)


def _add_stars(sky: npt.NDArray[np.float64], heading: Array, rise: Array, moment: Moment, detail: float) -> None:
    if moment.stars == 0.0:
        return
    rng = np.random.default_rng(11)
    for index in range(22 + round(60 * detail)):
        place, height = rng.uniform(0, 360), rng.uniform(0.14, SKY_RISE)
        size = rng.uniform(0.8, 1.3) if index < 22 else 0.5
        distance = np.hypot(_turn(heading - place)[None, :], np.degrees(np.arctan(rise) - np.arctan(height)))
        sky += (moment.stars * np.exp(-((distance / size) ** 2)))[..., None]


def _add_peak(
    sky: npt.NDArray[np.float64], heading: Array, rise: Array, peak: Peak, land: Land, moment: Moment
) -> None:
    offset = np.abs(_turn(heading - peak.heading)) / (0.5 * peak.width)
    inside = offset < 1
    profile = {
        "hill": np.cos(0.5 * np.pi * np.minimum(offset, 1)) ** 1.5,
        "peak": 1 - np.minimum(offset, 1),
        "block": inside * 1.0,
    }[peak.form]
    top = (peak.rise * profile)[None, :]
    weight = (np.clip((top - rise) / 0.012 + 0.5, 0, 1) * inside[None, :])[..., None]
    far = 0.25 + min(0.45, 8 * moment.haze)
    ambient = np.array(moment.ambient) * (1 - land.wall_glow) + land.wall_glow
    colour = (1 - far) * np.array(peak.colour) * ambient + far * np.array(moment.horizon)
    shaded = colour * (1 - 0.10 * np.clip(rise / 0.3, 0, 1))[..., None]
    sky[:] = (1 - weight) * sky + weight * shaded


def paint_ground(land: Land, detail: float) -> Array:
    """The ground from above, sharp and blurred: [2, GROUND_SIZE, GROUND_SIZE, 3], axes (sharpness, y, x)."""
    axis = ((np.arange(GROUND_SIZE) + 0.5) / GROUND_SIZE * 2 - 1) * GROUND_EXTENT
    x, y = axis[None, :], axis[:, None]
    ground = np.broadcast_to(np.array(land.ground), (GROUND_SIZE, GROUND_SIZE, 3)).copy()
    ground *= (1 + 0.10 * np.sin(0.55 * x + 1.0) * np.sin(0.47 * y - 0.6) + 0.07 * (x - 0.6 * y) / WALL)[..., None]
    for index, colour in enumerate(land.arms):
        along, side = ((x, y), (y, -x), (-x, -y), (-y, x))[index]
        _blend(ground, _soft(1.1 - np.abs(side)) * _soft(along - 1.0), colour)
    radius = np.hypot(x, y)
    _blend(ground, _soft(0.7 - np.abs(radius - 6.2)), land.ring)
    _blend(ground, _soft(2.4 - radius), land.plaza)
    _blend(ground, _soft(0.9 - radius), tuple(1.15 * np.array(land.plaza)))
    if detail > 0:
        ground *= 1 + detail * _tiles(x, y)[..., None]
    blurred = _blur(_blur(ground, 15, 0), 15, 1)
    both: Array = np.clip(np.stack([ground, blurred]), 0, 1).astype(np.float32)
    return both


def _tiles(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    joints = np.maximum(np.cos(2 * np.pi * x) ** 16, np.cos(2 * np.pi * y) ** 16)
    grain = np.random.default_rng(5).normal(0, 0.05, (GROUND_SIZE, GROUND_SIZE))
    tiles: npt.NDArray[np.float64] = grain - 0.16 * joints
    return tiles


def paint_wall(land: Land, side: Side, detail: float) -> Array:
    """A wall, sharp and blurred: [2, WALL_ROWS, WALL_COLUMNS, 3]; row 0 at its foot, columns along +x or +y."""
    along = ((np.arange(WALL_COLUMNS) + 0.5) / WALL_COLUMNS * 2 - 1) * WALL
    height = (np.arange(WALL_ROWS) + 0.5) / WALL_ROWS
    phase = np.sin(np.pi * (along + WALL) / side.panel)
    second = np.clip(0.5 + 4 * phase, 0, 1)[None, :, None]
    wall = (1 - second) * np.array(side.colour) + second * np.array(side.second)
    wall = wall * (1 + 0.16 * along / WALL)[None, :, None] * (0.9 + 0.16 * height)[:, None, None]
    trim = np.clip((height - 0.84) / 0.04 + 0.5, 0, 1)[:, None, None]
    wall = (1 - trim) * wall + trim * (0.25 + 0.75 * np.array(side.colour))
    if detail > 0:
        wall = wall * (1 + detail * _bricks(along, height * side.height))[..., None]
    wall = np.clip(wall, 0, 1)
    return np.stack([wall, _blur(wall, 21, 1)]).astype(np.float32)


def _bricks(along: npt.NDArray[np.float64], height: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    course = np.floor(height / 0.22)
    across = along[None, :] / 0.5 + 0.5 * (course[:, None] % 2)
    joints = np.maximum(np.cos(np.pi * across) ** 24, np.cos(np.pi * height[:, None] / 0.22) ** 12)
    bricks: npt.NDArray[np.float64] = -0.22 * joints
    return bricks


def _turn(degrees: npt.NDArray[np.float64] | Array) -> npt.NDArray[np.float64]:
    return (np.asarray(degrees, np.float64) + 180) % 360 - 180


def _soft(distance: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.clip(distance / 0.24 + 0.5, 0, 1)


def _blend(picture: npt.NDArray[np.float64], weight: npt.NDArray[np.float64], colour: tuple[float, ...]) -> None:
    picture[:] = (1 - weight[..., None]) * picture + weight[..., None] * np.array(colour)


def _blur(picture: npt.NDArray[np.float64], size: int, axis: int) -> npt.NDArray[np.float64]:
    """A running mean over `size` pixels along `axis`, the borders repeated."""
    pad = [(0, 0)] * picture.ndim
    pad[axis] = (size // 2 + 1, size // 2)
    total = np.cumsum(np.pad(picture, pad, mode="edge"), axis=axis)
    count = picture.shape[axis]
    upper = np.take(total, range(size, size + count), axis=axis)
    lower = np.take(total, range(count), axis=axis)
    result: npt.NDArray[np.float64] = (upper - lower) / size
    return result
