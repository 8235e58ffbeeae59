"""The reference renderer, in numpy: one frame after another, layer over layer.

Layers, far to near: sky panorama and ground; landmarks outside the wall; the wall; landmarks inside. Landmarks are
upright pictures that face the viewer (boxes are solid). Borders are smoothed by the share of a pixel that is covered.
`fast.py` is the compiled twin; both must paint the same picture.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from helios_world.lands import tables as t
from helios_world.lands.maps import SHAPES, WALL
from helios_world.lands.tables import EYE, Look, Tables
from helios_world.lands.textures import GROUND_EXTENT, GROUND_SIZE, SKY_HEIGHT, SKY_RISE, SKY_WIDTH

F64 = npt.NDArray[np.float64]
NEAR = 0.3  # metres; what is nearer is not drawn


def render_numpy(tables: Tables, look: Look, poses: F64, scenes: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    """Frames uint8 [N, H, W, 3] for poses [N, 3] (x, y, heading in radians) and scenes [N, 2] (land, moment)."""
    frames = [
        _frame(tables, look, pose, int(land), int(moment)) for pose, (land, moment) in zip(poses, scenes, strict=True)
    ]
    return np.stack(frames) if frames else np.zeros((0, look.height, look.width, 3), np.uint8)


class _View:
    """What the layers of one frame share."""

    def __init__(self, tables: Tables, look: Look, pose: F64, land: int, moment: int) -> None:
        self.tables, self.look, self.land, self.moment = tables, look, land, moment
        self.x, self.y, self.heading = (float(value) for value in pose)
        self.forward = (np.cos(self.heading), np.sin(self.heading))
        self.across = (np.arange(look.width) + 0.5 - 0.5 * look.width) / look.focal
        self.rows = np.arange(look.height, dtype=np.float64)
        self.picture = np.zeros((look.height, look.width, 3))
        self.ambient = tables.ambient[moment]
        self.horizon = tables.horizon[land, moment]
        self.haze = tables.haze[moment]

    def lit(self, colour: F64, glow: float) -> F64:
        lit: F64 = colour * (self.ambient * (1 - glow) + glow)
        return lit

    def hazy(self, colour: F64, depth: F64, glow: float = 0.0) -> F64:
        share = (1 - np.exp(-self.haze * depth)) * (1 - 0.5 * glow)
        hazy: F64 = colour + (self.horizon - colour) * share[..., None]
        return hazy

    def cover(self, low: F64, high: F64, depth: F64) -> F64:
        """Share of each pixel [H, W] between two heights (metres) at a depth, all [W]."""
        scale = self.look.focal / depth
        bottom = self.look.horizon - (low - EYE) * scale
        top = self.look.horizon - (high - EYE) * scale
        rows = self.rows[:, None]
        share: F64 = np.clip(np.minimum(rows + 1, bottom) - np.maximum(rows, top), 0, 1)
        return share

    def heights(self, depth: F64) -> F64:
        """Height in metres seen in the middle of each pixel [H, W] at depth [W]."""
        heights: F64 = EYE - (self.rows[:, None] + 0.5 - self.look.horizon) * (depth / self.look.focal)
        return heights

    def paint(self, colour: F64, weight: F64) -> None:
        self.picture += (colour - self.picture) * weight[..., None]


def _frame(tables: Tables, look: Look, pose: F64, land: int, moment: int) -> npt.NDArray[np.uint8]:
    view = _View(tables, look, pose, land, moment)
    _paint_sky(view)
    _paint_ground(view)
    order = _far_to_near(view)
    for entry in order:
        if entry[t.OUTSIDE] == 1:
            _paint_landmark(view, entry)
    _paint_walls(view)
    for entry in order:
        if entry[t.OUTSIDE] == 0:
            _paint_landmark(view, entry)
    return (np.clip(view.picture, 0, 1) * 255 + 0.5).astype(np.uint8)


def _far_to_near(view: _View) -> list[F64]:
    entries = [entry for entry in view.tables.landmarks[view.land] if entry[t.RADIUS] > 0]
    return sorted(entries, key=lambda e: -((e[t.X] - view.x) ** 2 + (e[t.Y] - view.y) ** 2))


def _paint_sky(view: _View) -> None:
    look = view.look
    angle = view.heading + np.arctan(view.across)
    column = (np.floor(angle * (SKY_WIDTH / (2 * np.pi))).astype(np.int64)) % SKY_WIDTH
    count = int(np.ceil(look.horizon))
    rise = (look.horizon - view.rows[:count, None] - 0.5) / look.focal / np.sqrt(1 + view.across**2)
    row = np.clip(np.floor(rise * (SKY_HEIGHT / SKY_RISE)).astype(np.int64), 0, SKY_HEIGHT - 1)
    view.picture[:count] = view.tables.sky[view.land, view.moment][row, column[None, :]]


def _paint_ground(view: _View) -> None:
    look = view.look
    first = int(np.floor(look.horizon))
    rows = view.rows[first:]
    depth = EYE * look.focal / np.maximum(rows + 0.5 - look.horizon, 0.25)
    (fx, fy), wide = view.forward, view.across[None, :]
    x = view.x + depth[:, None] * (fx - fy * wide)
    y = view.y + depth[:, None] * (fy + fx * wide)
    scale = GROUND_SIZE / (2 * GROUND_EXTENT)
    column = np.clip(np.floor((x + GROUND_EXTENT) * scale).astype(np.int64), 0, GROUND_SIZE - 1)
    row = np.clip(np.floor((y + GROUND_EXTENT) * scale).astype(np.int64), 0, GROUND_SIZE - 1)
    sharp, blurred = view.tables.ground[view.land][:, row, column].astype(np.float64)
    blur = np.clip((depth - 2.5) / 7, 0, 1)[:, None, None]
    colour = view.hazy(view.lit(sharp + (blurred - sharp) * blur, 0.0), np.broadcast_to(depth[:, None], x.shape))
    share = np.clip(rows + 1 - look.horizon, 0, 1)[:, None]
    view.picture[first:] += (colour - view.picture[first:]) * share[..., None]


def _paint_walls(view: _View) -> None:
    look = view.look
    (fx, fy) = view.forward
    dx, dy = fx - fy * view.across, fy + fx * view.across
    along_x = np.where(dx > 0, WALL - view.x, -WALL - view.x) / np.where(np.abs(dx) < 1e-9, 1e-9, dx)
    along_y = np.where(dy > 0, WALL - view.y, -WALL - view.y) / np.where(np.abs(dy) < 1e-9, 1e-9, dy)
    on_x = np.abs(along_x) < np.abs(along_y)
    depth = np.abs(np.where(on_x, along_x, along_y))
    side = np.where(on_x, np.where(dx > 0, 0, 2), np.where(dy > 0, 1, 3))
    place = np.where(on_x, view.y + depth * dy, view.x + depth * dx)
    tall = view.tables.wall_heights[view.land][side]
    textures = view.tables.walls[view.land]
    rows, columns = textures.shape[2:4]
    column = np.clip(np.floor((place + WALL) * (columns / (2 * WALL))).astype(np.int64), 0, columns - 1)
    row = np.clip(np.floor(view.heights(depth) / tall * rows).astype(np.int64), 0, rows - 1)
    sharp, blurred = (textures[side[None, :], level, row, column[None, :]].astype(np.float64) for level in (0, 1))
    blur = np.clip((depth - 4) / 14, 0, 1)[None, :, None]
    glow = float(view.tables.wall_glow[view.land])
    colour = view.lit(sharp + (blurred - sharp) * blur, glow)
    colour = view.hazy(colour, np.broadcast_to(depth, (look.height, look.width)))
    view.paint(colour, view.cover(np.zeros_like(depth), tall, depth))


def _paint_landmark(view: _View, entry: F64) -> None:
    if SHAPES[int(entry[t.SHAPE])] == "box":
        _paint_box(view, entry)
        return
    dx, dy = entry[t.X] - view.x, entry[t.Y] - view.y
    (fx, fy), look = view.forward, view.look
    depth = dx * fx + dy * fy
    if depth < NEAR:
        return
    half = look.focal * entry[t.RADIUS] / depth
    middle = 0.5 * look.width + look.focal * (dy * fx - dx * fy) / depth
    u = (np.arange(look.width) + 0.5 - middle) / half
    inside = np.clip(half * (1 - np.abs(u)) + 0.5, 0, 1)
    u = np.clip(u, -1, 1)
    light = np.arctan2(-dy, -dx) - view.tables.light[view.moment]
    shade = 0.84 + 0.16 * (np.cos(light) * np.sqrt(1 - u * u) + np.sin(light) * u)
    at = np.full(look.width, depth)
    for low, high, which in _spans(SHAPES[int(entry[t.SHAPE])], u, entry[t.TALL], entry[t.RADIUS]):
        colour = _banded(view, entry, at, which) * shade[None, :, None]
        glow = entry[t.GLOW]
        colour = view.hazy(view.lit(colour, glow), np.broadcast_to(at, colour.shape[:2]), glow)
        view.paint(colour, view.cover(low, high, at) * inside)


def _banded(view: _View, entry: F64, depth: F64, which: int) -> F64:
    """Colours [H, W, 3]: which = 0 stripes of both, 1 the first colour only, 2 the second only."""
    first, second = entry[t.COLOUR : t.COLOUR + 3], entry[t.SECOND : t.SECOND + 3]
    shape = (view.look.height, view.look.width, 3)
    if which:
        return np.broadcast_to(first if which == 1 else second, shape)
    bands, tall = entry[t.BANDS], entry[t.TALL]
    share = np.clip(view.heights(depth) / tall, 0, 1)
    sharpness = tall * view.look.focal / depth / bands
    weight = np.clip(0.5 - np.sin(2 * np.pi * bands * share) * sharpness * 0.35, 0, 1)
    banded: F64 = first + (second - first) * weight[..., None]
    return banded


def _spans(shape: str, u: F64, tall: float, radius: float) -> list[tuple[F64, F64, int]]:
    """Vertical spans (low, high, which colour) of a round shape at the offsets u in [-1, 1] from its middle."""
    zero, side, curve = np.zeros_like(u), np.abs(u), np.sqrt(1 - u * u)
    if shape == "pillar":
        return [(zero, zero + tall, 0)]
    if shape == "dome":
        return [(zero, tall * curve, 0)]
    if shape == "cone":
        return [(zero, tall * (1 - side), 0)]
    if shape == "arch":
        opening = 0.78 * tall * np.sqrt(np.maximum(1 - (u / 0.62) ** 2, 0))
        return [(opening, zero + tall, 0)]
    if shape == "orb":
        pole = np.where(side < 0.14, tall - radius, 0.0)
        return [(zero, pole, 1), (tall - radius - radius * curve, tall - radius + radius * curve, 2)]
    if shape == "tree":
        trunk = np.where(side < 0.16, 0.4 * tall, 0.0)
        return [(zero, trunk, 1), (tall * (0.62 - 0.38 * curve), tall * (0.62 + 0.38 * curve), 2)]
    return [(zero, tall * np.where(side < 0.36, 1.0, np.where(side < 0.68, 0.7, 0.4)), 0)]


def _paint_box(view: _View, entry: F64) -> None:
    look, (fx, fy), radius = view.look, view.forward, entry[t.RADIUS]
    dx, dy = entry[t.X] - view.x, entry[t.Y] - view.y
    corners = np.array([(dx + sx * radius, dy + sy * radius) for sx in (-1, 1) for sy in (-1, 1)])
    depths = corners[:, 0] * fx + corners[:, 1] * fy
    if depths.min() < NEAR:
        return
    columns = 0.5 * look.width + look.focal * (corners[:, 1] * fx - corners[:, 0] * fy) / depths
    pixels = np.arange(look.width)
    inside = np.clip(np.minimum(pixels + 1, columns.max()) - np.maximum(pixels, columns.min()), 0, 1)
    rx, ry = fx - fy * view.across, fy + fx * view.across
    rx, ry = np.where(np.abs(rx) < 1e-9, 1e-9, rx), np.where(np.abs(ry) < 1e-9, 1e-9, ry)
    enter_x = np.minimum((dx - radius) / rx, (dx + radius) / rx)
    enter_y = np.minimum((dy - radius) / ry, (dy + radius) / ry)
    depth = np.clip(np.maximum(enter_x, enter_y), depths.min(), depths.max())
    face = np.where(enter_x > enter_y, np.where(rx > 0, np.pi, 0.0), np.where(ry > 0, -0.5 * np.pi, 0.5 * np.pi))
    shade = 0.84 + 0.16 * np.cos(face - view.tables.light[view.moment])
    glow = entry[t.GLOW]
    colour = view.lit(_banded(view, entry, depth, 0) * shade[None, :, None], glow)
    colour = view.hazy(colour, np.broadcast_to(depth, colour.shape[:2]), glow)
    view.paint(colour, view.cover(np.zeros_like(depth), np.full_like(depth, entry[t.TALL]), depth) * inside)
