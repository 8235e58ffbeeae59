"""The renderer on any device, in torch: the same picture as `render.py`, all frames of a chunk at once.

What depends on a column of pixels is computed in float64 (`torch_columns.py`), the pixels in float32; at the border
of two texels that may choose the other one for a very small share of the pixels. No step waits for the device.
`compiled()` lets torch fuse the painting into few kernels.

Letters: N frames, H W pixels. Pictures are planes, [3, N, H, W], until they are done.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from helios_world.lands.maps import WALL
from helios_world.lands.tables import EYE, Look, build_tables
from helios_world.lands.textures import GROUND_EXTENT, GROUND_SIZE, SKY_HEIGHT, SKY_WIDTH
from helios_world.lands.torch_columns import Columns, Scenery, columns_of, scenery
from helios_world.lands.torch_tables import DeviceTables, to_device

CHUNK = 512  # frames painted at once: 128 x 192 pixels take about 2 GiB


class TorchRenderer:
    """Paints frames on a device."""

    def __init__(self, look: Look, device: torch.device, chunk: int = CHUNK) -> None:
        """`chunk` frames are painted at once, whatever the number asked for: it bounds the memory."""
        self.look, self.device, self.chunk = look, device, chunk
        self.tables = to_device(build_tables(look.detail), look, device)
        self._paint: Callable[[DeviceTables, Look, Tensor, Tensor], Tensor] = paint

    def compiled(self) -> TorchRenderer:
        """This renderer with its painting compiled at the first call; every call then paints whole chunks."""
        twin = TorchRenderer(self.look, self.device, self.chunk)
        twin._paint = _whole_chunks(torch.compile(paint, fullgraph=True, dynamic=False), self.chunk)
        return twin

    @torch.no_grad()
    def __call__(self, poses: Tensor, scenes: Tensor) -> Tensor:
        """Frames uint8 [N, H, W, 3] for poses [N, 3] (x, y, heading) and scenes [N, 2] (land, moment), on the device.

        Raises:
            ValueError: other shapes.
        """
        if poses.ndim != 2 or poses.shape[1] != 3 or scenes.shape != (len(poses), 2):
            raise ValueError(f"poses {list(poses.shape)} and scenes {list(scenes.shape)} must be [N, 3] and [N, 2]")
        poses, scenes = poses.to(self.device, torch.float64), scenes.to(self.device)
        out = torch.empty(len(poses), self.look.height, self.look.width, 3, dtype=torch.uint8, device=self.device)
        for first in range(0, len(poses), self.chunk):
            part = slice(first, first + self.chunk)
            out[part] = self._paint(self.tables, self.look, poses[part], scenes[part])
        return out


def _whole_chunks(painter: Callable[[DeviceTables, Look, Tensor, Tensor], Tensor], size: int) -> Callable[..., Tensor]:
    """A painter that is only ever given `size` frames, the last one repeated: one shape, compiled once."""

    def padded(tables: DeviceTables, look: Look, poses: Tensor, scenes: Tensor) -> Tensor:
        count = len(poses)
        if count < size:
            poses = torch.cat([poses, poses[-1:].expand(size - count, -1)])
            scenes = torch.cat([scenes, scenes[-1:].expand(size - count, -1)])
        return painter(tables, look, poses, scenes)[:count]

    return padded


def paint(tables: DeviceTables, look: Look, poses: Tensor, scenes: Tensor) -> Tensor:
    """uint8 [N, H, W, 3] for poses [N, 3] in float64 and scenes [N, 2], in one piece."""
    seen = scenery(tables, look, poses, scenes)
    picture = _ground_and_sky(tables, look, seen)
    picture = _landmarks(picture, columns_of(tables.far, seen, look), look)
    picture = _walls(picture, tables, look, seen)
    picture = _landmarks(picture, columns_of(tables.near, seen, look), look)
    return (picture.clamp(0, 1) * 255 + 0.5).to(torch.uint8).permute(1, 2, 3, 0).contiguous()


def _rows(look: Look, like: Tensor) -> Tensor:
    """The number of each row, [H, 1]."""
    return torch.arange(look.height, dtype=torch.float32, device=like.device)[:, None]


def _ground_and_sky(tables: DeviceTables, look: Look, seen: Scenery) -> Tensor:
    sky, ground = _sky(tables, seen), _ground(tables, look, seen)
    above = int(look.horizon)
    if sky.shape[2] == above:
        return torch.cat([sky, ground], dim=2)
    # The horizon lies inside a row of pixels: that row is sky above ground.
    mixed = torch.lerp(sky[:, :, above:], ground[:, :, :1], above + 1 - look.horizon)
    return torch.cat([sky[:, :, :above], mixed, ground[:, :, 1:]], dim=2)


def _sky(tables: DeviceTables, seen: Scenery) -> Tensor:
    """The panorama down to the horizon: [3, N, rows, W]."""
    angle = seen.heading + torch.atan(seen.across)
    column = torch.floor(angle * (SKY_WIDTH / (2 * math.pi))).long() % SKY_WIDTH
    scene = seen.land * tables.horizon.shape[1] + seen.moment
    index = (scene[:, None, None] * SKY_HEIGHT + tables.sky_rows) * SKY_WIDTH + column[:, None]
    return tables.sky[:, index]


def _ground(tables: DeviceTables, look: Look, seen: Scenery) -> Tensor:
    """The ground from the horizon down: [3, N, rows, W]."""
    rows = torch.arange(int(look.horizon), look.height, dtype=torch.float64, device=seen.x.device)
    depth = EYE * look.focal / (rows + 0.5 - look.horizon).clamp_min(0.25)
    aim_x, aim_y = (seen.fx - seen.fy * seen.across).float(), (seen.fy + seen.fx * seen.across).float()
    far = depth.float()[:, None]
    x = seen.x.float()[..., None] + far * aim_x[:, None]
    y = seen.y.float()[..., None] + far * aim_y[:, None]
    scale = GROUND_SIZE / (2 * GROUND_EXTENT)
    column = torch.floor((x + GROUND_EXTENT) * scale).long().clamp(0, GROUND_SIZE - 1)
    row = torch.floor((y + GROUND_EXTENT) * scale).long().clamp(0, GROUND_SIZE - 1)
    index = (seen.land[:, None, None] * 2 * GROUND_SIZE + row) * GROUND_SIZE + column
    blur = ((depth - 2.5) / 7).clamp(0, 1).float()[:, None]
    colour = torch.lerp(tables.ground[:, index], tables.ground[:, index + GROUND_SIZE**2], blur)
    veil = (1 - torch.exp(-seen.haze * depth)).float()[..., None]
    return torch.lerp(colour * seen.ambient.float()[..., None], seen.mist.float()[..., None], veil)


def _walls(picture: Tensor, tables: DeviceTables, look: Look, seen: Scenery) -> Tensor:
    depth, side, place = _wall_columns(seen)
    tall = tables.wall_heights[seen.land[:, None], side]
    rows, columns = tables.wall_shape
    across = torch.floor((place + WALL) * (columns / (2 * WALL))).long().clamp(0, columns - 1)
    per_pixel = (depth / look.focal / tall * rows).float()[:, None]
    height = (EYE / tall * rows).float()[:, None] - (_rows(look, picture) + 0.5 - look.horizon) * per_pixel
    level = torch.floor(height).long().clamp(0, rows - 1)
    index = ((seen.land[:, None] * 4 + side)[:, None] * 2 * rows + level) * columns + across[:, None]
    blur = ((depth - 4) / 14).clamp(0, 1).float()[:, None]
    colour = torch.lerp(tables.walls[:, index], tables.walls[:, index + rows * columns], blur)
    glow = tables.wall_glow[seen.land][:, None]
    lit = (seen.ambient * (1 - glow) + glow).float()[..., None]
    veil = (1 - torch.exp(-seen.haze * depth)).float()[:, None]
    colour = torch.lerp(colour * lit, seen.mist.float()[..., None], veil)
    scale = look.focal / depth
    top, bottom = look.horizon - (tall - EYE) * scale, look.horizon + EYE * scale
    return torch.lerp(picture, colour, _cover(top.float(), bottom.float(), _rows(look, picture)))


def _wall_columns(seen: Scenery) -> tuple[Tensor, Tensor, Tensor]:
    """Of every column [N, W]: how far the wall is, which of the four it is, and where along it one looks."""
    dx, dy = seen.fx - seen.fy * seen.across, seen.fy + seen.fx * seen.across
    to_x = torch.where(dx > 0, WALL - seen.x, -WALL - seen.x) / torch.where(dx.abs() < 1e-9, 1e-9, dx)
    to_y = torch.where(dy > 0, WALL - seen.y, -WALL - seen.y) / torch.where(dy.abs() < 1e-9, 1e-9, dy)
    on_x = to_x.abs() < to_y.abs()
    depth = torch.where(on_x, to_x, to_y).abs()
    side = torch.where(on_x, torch.where(dx > 0, 0, 2), torch.where(dy > 0, 1, 3))
    return depth, side, torch.where(on_x, seen.y + depth * dy, seen.x + depth * dx)


def _landmarks(picture: Tensor, columns: Columns, look: Look) -> Tensor:
    """Paint the landmarks of one kind, from far to near, each over what is behind it."""
    rows = _rows(look, picture)
    up = look.horizon - 0.5 - rows
    for m in range(columns.weight.shape[1]):
        weight, first = columns.weight[:, m, None], columns.first[:, :, m, None]
        foot = _cover(columns.foot_top[:, m], columns.foot_bottom[:, m], rows) * weight
        picture = torch.lerp(picture, first, foot)
        share = (up * columns.metres[:, m, None] + EYE / columns.tall[:, m, None]).clamp(0, 1)
        wave = torch.sin(2 * math.pi * columns.bands[:, m, None] * share)
        mix = (0.5 - wave * columns.sharpness[:, m, None]).clamp(0, 1).maximum(columns.solid[:, m, None])
        colour = torch.lerp(first, columns.second[:, :, m, None], mix)
        picture = torch.lerp(picture, colour, _cover(columns.top[:, m], columns.bottom[:, m], rows) * weight)
    return picture


def _cover(top: Tensor, bottom: Tensor, rows: Tensor) -> Tensor:
    """Share of each pixel [N, H, W] between two heights [N, W], in rows of pixels."""
    below = torch.minimum(rows + 1, bottom[:, None])
    return (below - torch.maximum(rows, top[:, None])).clamp(0, 1)
