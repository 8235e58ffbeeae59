"""Landmarks as columns of the frame: what of a landmark each column of pixels shows, before any pixel is painted.

An upright thing covers one vertical run of pixels per column, an orb's pole or a tree's trunk a second one below it.
All that depends on the column only is computed here, in float64, for all landmarks of all frames at once; what
is left for the pixels is cheap. The formulas are those of `render.py`.

Letters: N frames, M landmarks, W columns.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from helios_world.lands.render import NEAR
from helios_world.lands.tables import EYE, Look
from helios_world.lands.torch_tables import ARCH, BOX, CONE, DOME, ORB, STEPS, TREE, DeviceTables, Marks


@dataclass(frozen=True, slots=True)
class Scenery:
    """What all layers of some frames share, float64.

    Args:
        x, y, heading, fx, fy: [N, 1], where the eye is and the direction that it looks in.
        across: [W], the tangent of each column's angle.
        ambient, mist: [3, N, 1]; haze, sun: [N, 1].
        land, moment: [N].
    """

    x: Tensor
    y: Tensor
    heading: Tensor
    fx: Tensor
    fy: Tensor
    across: Tensor
    ambient: Tensor
    mist: Tensor
    haze: Tensor
    sun: Tensor
    land: Tensor
    moment: Tensor


@dataclass(frozen=True, slots=True)
class Columns:
    """Runs of pixels, float32, the landmarks from far to near.

    Args:
        top, bottom: [N, M, W], the main run in rows of pixels; foot_top, foot_bottom: the one below it, often empty.
        weight: [N, M, W], the share of the column that is covered.
        metres: height of a pixel in metres over the landmark's height, [N, M, W].
        bands: [N, M, 1]; sharpness: of the borders between bands, [N, M, W]; solid: 1 where only the second colour
            shows, [N, M, 1].
        tall: [N, M, 1] in metres.
        first, second: [3, N, M, W], the two colours, shaded, lit and behind the haze.
    """

    top: Tensor
    bottom: Tensor
    foot_top: Tensor
    foot_bottom: Tensor
    weight: Tensor
    metres: Tensor
    bands: Tensor
    sharpness: Tensor
    solid: Tensor
    tall: Tensor
    first: Tensor
    second: Tensor


@dataclass(frozen=True, slots=True)
class _Outline:
    """depth, weight, shade, low, high, foot: [N, M, W], metres and shares."""

    depth: Tensor
    weight: Tensor
    shade: Tensor
    low: Tensor
    high: Tensor
    foot: Tensor


def scenery(tables: DeviceTables, look: Look, poses: Tensor, scenes: Tensor) -> Scenery:
    """Of poses [N, 3] (float64) and scenes [N, 2]."""
    land, moment = scenes[:, 0], scenes[:, 1]
    columns = torch.arange(look.width, dtype=torch.float64, device=poses.device)
    return Scenery(
        x=poses[:, 0:1],
        y=poses[:, 1:2],
        heading=poses[:, 2:3],
        fx=torch.cos(poses[:, 2:3]),
        fy=torch.sin(poses[:, 2:3]),
        across=(columns + 0.5 - 0.5 * look.width) / look.focal,
        ambient=tables.ambient[moment].T[..., None],
        mist=tables.horizon[land, moment].T[..., None],
        haze=tables.haze[moment][:, None],
        sun=tables.light[moment][:, None],
        land=land,
        moment=moment,
    )


def columns_of(marks: Marks, seen: Scenery, look: Look) -> Columns:
    """The columns of all landmarks of one kind."""
    marks = _far_to_near(marks, seen)
    outline = _outline(marks, seen, look)
    tall, bands = marks.places[..., 3:4], marks.bands[..., None]
    scale = look.focal / outline.depth
    first, second = _colours(marks, seen, outline)
    ball = ((marks.shape == ORB) | (marks.shape == TREE))[..., None]
    numbers = (
        look.horizon - (outline.high - EYE) * scale,
        look.horizon - (outline.low - EYE) * scale,
        look.horizon - (outline.foot - EYE) * scale,
        look.horizon + EYE * scale,
        outline.weight,
        1 / (scale * tall.clamp_min(1e-3)),
        bands,
        0.35 * tall * scale / bands.clamp_min(1),
        ball,
        tall.clamp_min(1e-3),
        first,
        second,
    )
    return Columns(*(number.float() for number in numbers))


def _far_to_near(marks: Marks, seen: Scenery) -> Marks:
    """The landmarks of each frame's land, [N, M, …], the farthest first."""
    places = marks.places[seen.land]
    far = (places[..., 0] - seen.x).square() + (places[..., 1] - seen.y).square()
    order = far.argsort(dim=1, descending=True, stable=True)
    wide = order[..., None]
    return Marks(
        places=places.gather(1, wide.expand_as(places)),
        bands=marks.bands[seen.land].gather(1, order),
        glow=marks.glow[seen.land].gather(1, order),
        colour=marks.colour[seen.land].gather(1, wide.expand(-1, -1, 3)),
        second=marks.second[seen.land].gather(1, wide.expand(-1, -1, 3)),
        shape=marks.shape[seen.land].gather(1, order),
    )


def _outline(marks: Marks, seen: Scenery, look: Look) -> _Outline:
    upright, box = _upright(marks, seen, look), _box(marks, seen, look)
    solid = (marks.shape == BOX)[..., None]
    used = (marks.places[..., 2:3] > 0).double()
    return _Outline(
        depth=torch.where(solid, box.depth, upright.depth),
        weight=torch.where(solid, box.weight, upright.weight) * used,
        shade=torch.where(solid, box.shade, upright.shade),
        low=torch.where(solid, box.low, upright.low),
        high=torch.where(solid, box.high, upright.high),
        foot=torch.where(solid, box.foot, upright.foot),
    )


def _upright(marks: Marks, seen: Scenery, look: Look) -> _Outline:
    """Round shapes: pictures that face the viewer."""
    radius, tall = marks.places[..., 2:3].clamp_min(1e-3), marks.places[..., 3:4]
    dx, dy = marks.places[..., 0] - seen.x, marks.places[..., 1] - seen.y
    ahead = (dx * seen.fx + dy * seen.fy)[..., None]
    depth = ahead.clamp_min(NEAR)
    half = look.focal * radius / depth
    middle = 0.5 * look.width + look.focal * (dy * seen.fx - dx * seen.fy)[..., None] / depth
    u = (seen.across * look.focal + 0.5 * look.width - middle) / half
    weight = (half * (1 - u.abs()) + 0.5).clamp(0, 1) * (ahead >= NEAR)
    u = u.clamp(-1, 1)
    light = (torch.atan2(-dy, -dx) - seen.sun)[..., None]
    shade = 0.84 + 0.16 * (torch.cos(light) * (1 - u * u).sqrt() + torch.sin(light) * u)
    low, high, foot = _runs(marks.shape[..., None], u, tall, radius)
    return _Outline(depth.expand_as(u), weight, shade, low, high, foot)


def _runs(shape: Tensor, u: Tensor, tall: Tensor, radius: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(low, high, foot) in metres at the offsets u [N, M, W] from the middle; foot is how high the stem goes."""
    side, curve, zero = u.abs(), (1 - u * u).sqrt(), torch.zeros_like(u)
    low, high, foot = zero, zero + tall, zero
    high = torch.where(shape == DOME, tall * curve, high)
    high = torch.where(shape == CONE, tall * (1 - side), high)
    terrace = torch.where(side < 0.36, 1.0, torch.where(side < 0.68, 0.7, 0.4))
    high = torch.where(shape == STEPS, tall * terrace, high)
    low = torch.where(shape == ARCH, 0.78 * tall * (1 - (u / 0.62).square()).clamp_min(0).sqrt(), low)
    for ball, middle, reach, stem, end in (
        (shape == ORB, tall - radius, radius * curve, 0.14, tall - radius),
        (shape == TREE, 0.62 * tall, 0.38 * tall * curve, 0.16, 0.4 * tall),
    ):
        low, high = torch.where(ball, middle - reach, low), torch.where(ball, middle + reach, high)
        foot = torch.where(ball & (side < stem), end, foot)
    return low, high, foot


def _box(marks: Marks, seen: Scenery, look: Look) -> _Outline:
    """Boxes: each column sees one of two faces."""
    radius, tall = marks.places[..., 2:3].clamp_min(1e-3), marks.places[..., 3:4]
    dx, dy = (marks.places[..., 0] - seen.x)[..., None], (marks.places[..., 1] - seen.y)[..., None]
    signs = torch.tensor([[-1.0, -1.0, 1.0, 1.0], [-1.0, 1.0, -1.0, 1.0]], dtype=radius.dtype, device=radius.device)
    cx, cy, fx, fy = dx + signs[0] * radius, dy + signs[1] * radius, seen.fx[..., None], seen.fy[..., None]
    corners = cx * fx + cy * fy
    near, far = corners.amin(2, keepdim=True), corners.amax(2, keepdim=True)
    edges = 0.5 * look.width + look.focal * (cy * fx - cx * fy) / corners.clamp_min(NEAR)
    pixels = seen.across * look.focal + 0.5 * look.width - 0.5
    weight = torch.minimum(pixels + 1, edges.amax(2, keepdim=True))
    weight = (weight - torch.maximum(pixels, edges.amin(2, keepdim=True))).clamp(0, 1) * (near >= NEAR)
    rx, ry = _apart(fx - fy * seen.across), _apart(fy + fx * seen.across)
    enter_x = torch.minimum((dx - radius) / rx, (dx + radius) / rx)
    enter_y = torch.minimum((dy - radius) / ry, (dy + radius) / ry)
    depth = torch.maximum(enter_x, enter_y).clamp(near, far).clamp_min(NEAR)
    side_x = torch.where(rx > 0, math.pi, 0.0)
    side_y = torch.where(ry > 0, -0.5 * math.pi, 0.5 * math.pi)
    face = torch.where(enter_x > enter_y, side_x, side_y).double()
    shade = 0.84 + 0.16 * torch.cos(face - seen.sun[..., None])
    zero = torch.zeros_like(depth)
    return _Outline(depth, weight, shade, zero, zero + tall, zero)


def _apart(x: Tensor) -> Tensor:
    """x, kept away from 0."""
    return torch.where(x.abs() < 1e-9, 1e-9, x)


def _colours(marks: Marks, seen: Scenery, outline: _Outline) -> tuple[Tensor, Tensor]:
    """Both colours [3, N, M, W], shaded, lit and hazed. All three are linear, so bands may be mixed afterwards."""
    glow = marks.glow[None, ..., None]
    lit = seen.ambient[..., None] * (1 - glow) + glow
    veil = (1 - torch.exp(-seen.haze[..., None] * outline.depth)) * (1 - 0.5 * marks.glow[..., None])
    mist = seen.mist[..., None]
    first, second = (
        (colour.permute(2, 0, 1)[..., None] * lit * outline.shade) for colour in (marks.colour, marks.second)
    )
    return first + (mist - first) * veil, second + (mist - second) * veil
