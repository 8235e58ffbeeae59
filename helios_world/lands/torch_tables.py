"""The maps, moments and pictures of the lands as tensors, the form in which `torch_render.py` reads them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from helios_world.lands import tables as t
from helios_world.lands.maps import SHAPES
from helios_world.lands.tables import Look, Tables
from helios_world.lands.textures import SKY_HEIGHT, SKY_RISE


@dataclass(frozen=True, slots=True)
class Marks:
    """Landmarks of all lands, one kind (outside or inside the wall): L lands, M the most that a land has.

    Args:
        places: x, y, radius and height, [L, M, 4], float64; unused rows have the radius 0.
        bands, glow: [L, M]; colour, second: [L, M, 3]; shape: [L, M], an index of SHAPES.
    """

    places: Tensor
    bands: Tensor
    glow: Tensor
    colour: Tensor
    second: Tensor
    shape: Tensor


@dataclass(frozen=True, slots=True)
class DeviceTables:
    """`Tables` on a device. Pictures are planes: the colour comes first, all other axes are one, row by row.

    Args:
        sky: [3, L·M·SKY_HEIGHT·SKY_WIDTH]; ground: [3, L·2·size·size]; walls: [3, L·4·2·rows·columns].
        wall_shape: (rows, columns) of a wall's picture.
        far, near: the landmarks outside and inside the wall.
        wall_heights: [L, 4]; wall_glow: [L]; ambient: [M, 3]; horizon: [L, M, 3]; haze, light: [M]; all float64.
        sky_rows: [rows down to the horizon, W], where in the panorama each pixel looks.
    """

    sky: Tensor
    ground: Tensor
    walls: Tensor
    wall_shape: tuple[int, int]
    far: Marks
    near: Marks
    wall_heights: Tensor
    wall_glow: Tensor
    ambient: Tensor
    horizon: Tensor
    haze: Tensor
    light: Tensor
    sky_rows: Tensor


def to_device(tables: Tables, look: Look, device: torch.device) -> DeviceTables:
    """Copy the tables to a device."""

    def exact(values: npt.NDArray[np.float64]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values, np.float64)).to(device)

    def planes(picture: npt.NDArray[np.float32]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(np.moveaxis(picture, -1, 0))).reshape(3, -1).to(device)

    return DeviceTables(
        sky=planes(tables.sky),
        ground=planes(tables.ground),
        walls=planes(tables.walls),
        wall_shape=(tables.walls.shape[3], tables.walls.shape[4]),
        far=_marks(tables.landmarks, 1.0, device),
        near=_marks(tables.landmarks, 0.0, device),
        wall_heights=exact(tables.wall_heights),
        wall_glow=exact(tables.wall_glow),
        ambient=exact(tables.ambient),
        horizon=exact(tables.horizon),
        haze=exact(tables.haze),
        light=exact(tables.light),
        sky_rows=torch.from_numpy(_sky_rows(look)).to(device),
    )


def _sky_rows(look: Look) -> npt.NDArray[np.int64]:
    """They do not depend on the pose: a pixel's elevation follows from its place in the frame."""
    across = (np.arange(look.width) + 0.5 - 0.5 * look.width) / look.focal
    rows = np.arange(int(np.ceil(look.horizon)), dtype=np.float64)[:, None]
    rise = (look.horizon - rows - 0.5) / look.focal / np.sqrt(1 + across**2)
    level: npt.NDArray[np.int64] = np.floor(rise * (SKY_HEIGHT / SKY_RISE)).astype(np.int64)
    return np.clip(level, 0, SKY_HEIGHT - 1)


def _marks(landmarks: npt.NDArray[np.float64], outside: float, device: torch.device) -> Marks:
    kept = [land[(land[:, t.RADIUS] > 0) & (land[:, t.OUTSIDE] == outside)] for land in landmarks]
    packed = np.zeros((len(kept), max(map(len, kept)), landmarks.shape[2]))
    for row, entries in zip(packed, kept, strict=True):
        row[: len(entries)] = entries
    values = torch.from_numpy(packed).to(device)
    return Marks(
        places=values[..., [t.X, t.Y, t.RADIUS, t.TALL]],
        bands=values[..., t.BANDS],
        glow=values[..., t.GLOW],
        colour=values[..., t.COLOUR : t.COLOUR + 3],
        second=values[..., t.SECOND : t.SECOND + 3],
        shape=values[..., t.SHAPE].long(),
    )


PILLAR, DOME, CONE, ARCH, ORB, BOX, TREE, STEPS = range(len(SHAPES))
