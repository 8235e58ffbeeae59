"""The compiled renderer: the same picture as `render.py`, pixel by pixel. Importing this module needs numba."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from helios_world.lands import tables as t
from helios_world.lands.maps import SHAPES, WALL
from helios_world.lands.render import NEAR
from helios_world.lands.tables import EYE, Look, Tables
from helios_world.lands.textures import GROUND_EXTENT, GROUND_SIZE, SKY_HEIGHT, SKY_RISE, SKY_WIDTH

F64 = npt.NDArray[np.float64]
PILLAR, DOME, CONE, ARCH, ORB, BOX, TREE, STEPS = range(len(SHAPES))
X, Y, RADIUS, TALL, SHAPE, BANDS, GLOW = t.X, t.Y, t.RADIUS, t.TALL, t.SHAPE, t.BANDS, t.GLOW
COLOUR, SECOND, OUTSIDE = t.COLOUR, t.SECOND, t.OUTSIDE


def render_numba(tables: Tables, look: Look, poses: F64, scenes: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    """Frames uint8 [N, H, W, 3]; arguments as `render_numpy`."""
    out = np.empty((len(poses), look.height, look.width, 3), np.uint8)
    _render(
        out,
        np.ascontiguousarray(poses, np.float64),
        np.ascontiguousarray(scenes, np.int64),
        look.focal,
        look.horizon,
        tables.sky,
        tables.ground,
        tables.walls,
        tables.landmarks,
        tables.wall_heights,
        tables.wall_glow,
        tables.ambient,
        tables.horizon,
        tables.haze,
        tables.light,
    )
    return out


@njit(cache=True, nogil=True)
def _render(
    out,
    poses,
    scenes,
    focal,
    horizon,
    sky,
    ground,
    walls,
    landmarks,
    tall,
    wall_glow,
    ambient,
    air,
    haze,
    light,
):
    count, height, width, _ = out.shape
    picture = np.empty((height, width, 3))
    order = np.empty(landmarks.shape[1], np.int64)
    for n in range(count):
        land, moment = scenes[n]
        pose, lamp, mist, thick = poses[n], ambient[moment], air[land, moment], haze[moment]
        _sky(picture, pose, focal, horizon, sky[land, moment])
        _ground(picture, pose, focal, horizon, ground[land], lamp, mist, thick)
        used = _sort(order, landmarks[land], pose)
        for i in range(used):
            entry = landmarks[land, order[i]]
            if entry[OUTSIDE] == 1:
                _landmark(picture, pose, focal, horizon, entry, lamp, mist, thick, light[moment])
        _walls(picture, pose, focal, horizon, walls[land], tall[land], wall_glow[land], lamp, mist, thick)
        for i in range(used):
            entry = landmarks[land, order[i]]
            if entry[OUTSIDE] == 0:
                _landmark(picture, pose, focal, horizon, entry, lamp, mist, thick, light[moment])
        for row in range(height):
            for column in range(width):
                for c in range(3):
                    value = min(max(picture[row, column, c], 0.0), 1.0)
                    out[n, row, column, c] = np.uint8(value * 255 + 0.5)


@njit(cache=True, nogil=True)
def _sort(order, entries, pose):
    """Indices of the used landmarks, far to near; returns their number."""
    used = 0
    distance = np.empty(len(entries))
    for i in range(len(entries)):
        if entries[i, RADIUS] <= 0:
            continue
        far = (entries[i, X] - pose[0]) ** 2 + (entries[i, Y] - pose[1]) ** 2
        place = used
        while place > 0 and distance[place - 1] < far:
            distance[place], order[place] = distance[place - 1], order[place - 1]
            place -= 1
        distance[place], order[place] = far, i
        used += 1
    return used


@njit(cache=True, nogil=True)
def _sky(picture, pose, focal, horizon, panorama):
    height, width, _ = picture.shape
    count = math.ceil(horizon)
    for column in range(width):
        across = (column + 0.5 - 0.5 * width) / focal
        angle = pose[2] + math.atan(across)
        place = (math.floor(angle * (SKY_WIDTH / (2 * math.pi)))) % SKY_WIDTH
        tilt = math.sqrt(1 + across * across)
        for row in range(count):
            rise = (horizon - row - 0.5) / focal / tilt
            level = min(max((math.floor(rise * (SKY_HEIGHT / SKY_RISE))), 0), SKY_HEIGHT - 1)
            for c in range(3):
                picture[row, column, c] = panorama[level, place, c]
        for row in range(count, height):
            for c in range(3):
                picture[row, column, c] = 0.0


@njit(cache=True, nogil=True)
def _ground(picture, pose, focal, horizon, texture, lamp, mist, thick):
    height, width, _ = picture.shape
    fx, fy = math.cos(pose[2]), math.sin(pose[2])
    scale = GROUND_SIZE / (2 * GROUND_EXTENT)
    for row in range((math.floor(horizon)), height):
        depth = EYE * focal / max(row + 0.5 - horizon, 0.25)
        share = min(max(row + 1 - horizon, 0.0), 1.0)
        blur = min(max((depth - 2.5) / 7, 0.0), 1.0)
        veil = 1 - math.exp(-thick * depth)
        for column in range(width):
            across = (column + 0.5 - 0.5 * width) / focal
            x = pose[0] + depth * (fx - fy * across)
            y = pose[1] + depth * (fy + fx * across)
            i = min(max((math.floor((x + GROUND_EXTENT) * scale)), 0), GROUND_SIZE - 1)
            j = min(max((math.floor((y + GROUND_EXTENT) * scale)), 0), GROUND_SIZE - 1)
            for c in range(3):
                sharp, soft = np.float64(texture[0, j, i, c]), np.float64(texture[1, j, i, c])
                colour = (sharp + (soft - sharp) * blur) * lamp[c]
                colour += (mist[c] - colour) * veil
                picture[row, column, c] += (colour - picture[row, column, c]) * share


@njit(cache=True, nogil=True)
def _walls(picture, pose, focal, horizon, textures, heights, glow, lamp, mist, thick):
    height, width, _ = picture.shape
    fx, fy = math.cos(pose[2]), math.sin(pose[2])
    rows, columns = textures.shape[2], textures.shape[3]
    for column in range(width):
        across = (column + 0.5 - 0.5 * width) / focal
        dx, dy = fx - fy * across, fy + fx * across
        along_x = (WALL - pose[0] if dx > 0 else -WALL - pose[0]) / (1e-9 if abs(dx) < 1e-9 else dx)
        along_y = (WALL - pose[1] if dy > 0 else -WALL - pose[1]) / (1e-9 if abs(dy) < 1e-9 else dy)
        if abs(along_x) < abs(along_y):
            depth, side = abs(along_x), 0 if dx > 0 else 2
            place = pose[1] + depth * dy
        else:
            depth, side = abs(along_y), 1 if dy > 0 else 3
            place = pose[0] + depth * dx
        tall = heights[side]
        i = min(max((math.floor((place + WALL) * (columns / (2 * WALL)))), 0), columns - 1)
        blur = min(max((depth - 4) / 14, 0.0), 1.0)
        veil = 1 - math.exp(-thick * depth)
        bottom = horizon + EYE * focal / depth
        top = horizon - (tall - EYE) * focal / depth
        for row in range(max((math.floor(top)), 0), min((math.ceil(bottom)), height)):
            cover = min(max(min(row + 1, bottom) - max(row, top), 0.0), 1.0)
            level = EYE - (row + 0.5 - horizon) * (depth / focal)
            j = min(max((math.floor(level / tall * rows)), 0), rows - 1)
            for c in range(3):
                sharp, soft = np.float64(textures[side, 0, j, i, c]), np.float64(textures[side, 1, j, i, c])
                colour = (sharp + (soft - sharp) * blur) * (lamp[c] * (1 - glow) + glow)
                colour += (mist[c] - colour) * veil
                picture[row, column, c] += (colour - picture[row, column, c]) * cover


@njit(cache=True, nogil=True)
def _span(picture, column, focal, horizon, entry, depth, low, high, which, weight, shade, lamp, mist, thick):
    """One vertical run of a landmark in one column; `which` as in `render._banded`."""
    if high <= low or weight <= 0:
        return
    height = picture.shape[0]
    tall, bands, glow = entry[TALL], entry[BANDS], entry[GLOW]
    bottom = horizon - (low - EYE) * focal / depth
    top = horizon - (high - EYE) * focal / depth
    veil = (1 - math.exp(-thick * depth)) * (1 - 0.5 * glow)
    sharpness = tall * focal / depth / bands
    for row in range(max((math.floor(top)), 0), min((math.ceil(bottom)), height)):
        cover = min(max(min(row + 1, bottom) - max(row, top), 0.0), 1.0) * weight
        mix = 0.0 if which == 1 else 1.0
        if which == 0:
            share = min(max((EYE - (row + 0.5 - horizon) * (depth / focal)) / tall, 0.0), 1.0)
            mix = min(max(0.5 - math.sin(2 * math.pi * bands * share) * sharpness * 0.35, 0.0), 1.0)
        for c in range(3):
            colour = (entry[COLOUR + c] + (entry[SECOND + c] - entry[COLOUR + c]) * mix) * shade
            colour *= lamp[c] * (1 - glow) + glow
            colour += (mist[c] - colour) * veil
            picture[row, column, c] += (colour - picture[row, column, c]) * cover


@njit(cache=True, nogil=True)
def _landmark(picture, pose, focal, horizon, entry, lamp, mist, thick, sun):
    shape = int(entry[SHAPE])
    if shape == BOX:
        _box(picture, pose, focal, horizon, entry, lamp, mist, thick, sun)
        return
    width = picture.shape[1]
    fx, fy = math.cos(pose[2]), math.sin(pose[2])
    dx, dy = entry[X] - pose[0], entry[Y] - pose[1]
    depth = dx * fx + dy * fy
    if depth < NEAR:
        return
    tall, radius = entry[TALL], entry[RADIUS]
    half = focal * radius / depth
    middle = 0.5 * width + focal * (dy * fx - dx * fy) / depth
    light = math.atan2(-dy, -dx) - sun
    first, last = max((math.floor(middle - half)) - 1, 0), min((math.ceil(middle + half)) + 2, width)
    for column in range(first, last):
        u = (column + 0.5 - middle) / half
        weight = min(max(half * (1 - abs(u)) + 0.5, 0.0), 1.0)
        u = min(max(u, -1.0), 1.0)
        side, curve = abs(u), math.sqrt(1 - u * u)
        shade = 0.84 + 0.16 * (math.cos(light) * curve + math.sin(light) * u)
        low, high, which = 0.0, tall, 0
        if shape == DOME:
            high = tall * curve
        elif shape == CONE:
            high = tall * (1 - side)
        elif shape == ARCH:
            low = 0.78 * tall * math.sqrt(max(1 - (u / 0.62) ** 2, 0.0))
        elif shape == STEPS:
            high = tall * (1.0 if side < 0.36 else (0.7 if side < 0.68 else 0.4))
        elif shape in (ORB, TREE):
            stem = 0.14 if shape == ORB else 0.16
            foot = tall - radius if shape == ORB else 0.4 * tall
            if side < stem:
                _span(
                    picture,
                    column,
                    focal,
                    horizon,
                    entry,
                    depth,
                    0.0,
                    foot,
                    1,
                    weight,
                    shade,
                    lamp,
                    mist,
                    thick,
                )
            centre = tall - radius if shape == ORB else 0.62 * tall
            reach = radius * curve if shape == ORB else 0.38 * tall * curve
            low, high, which = centre - reach, centre + reach, 2
        _span(picture, column, focal, horizon, entry, depth, low, high, which, weight, shade, lamp, mist, thick)


@njit(cache=True, nogil=True)
def _box(picture, pose, focal, horizon, entry, lamp, mist, thick, sun):
    width = picture.shape[1]
    fx, fy = math.cos(pose[2]), math.sin(pose[2])
    dx, dy, radius = entry[X] - pose[0], entry[Y] - pose[1], entry[RADIUS]
    near, far, left, right = math.inf, -math.inf, math.inf, -math.inf
    for corner in range(4):
        cx = dx + (radius if corner & 1 else -radius)
        cy = dy + (radius if corner & 2 else -radius)
        depth = cx * fx + cy * fy
        if depth < NEAR:
            return
        place = 0.5 * width + focal * (cy * fx - cx * fy) / depth
        near, far = min(near, depth), max(far, depth)
        left, right = min(left, place), max(right, place)
    for column in range(max((math.floor(left)), 0), min((math.ceil(right)), width)):
        weight = min(max(min(column + 1, right) - max(column, left), 0.0), 1.0)
        across = (column + 0.5 - 0.5 * width) / focal
        rx, ry = fx - fy * across, fy + fx * across
        rx = 1e-9 if abs(rx) < 1e-9 else rx
        ry = 1e-9 if abs(ry) < 1e-9 else ry
        enter_x = min((dx - radius) / rx, (dx + radius) / rx)
        enter_y = min((dy - radius) / ry, (dy + radius) / ry)
        depth = min(max(max(enter_x, enter_y), near), far)
        side_x, side_y = (math.pi if rx > 0 else 0.0), (-0.5 * math.pi if ry > 0 else 0.5 * math.pi)
        face = side_x if enter_x > enter_y else side_y
        shade = 0.84 + 0.16 * math.cos(face - sun)
        _span(
            picture,
            column,
            focal,
            horizon,
            entry,
            depth,
            0.0,
            entry[TALL],
            0,
            weight,
            shade,
            lamp,
            mist,
            thick,
        )
