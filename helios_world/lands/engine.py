"""Frames of the lands: the compiled renderer where numba is installed, else the reference in numpy."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from helios_world.lands.render import render_numpy
from helios_world.lands.tables import Look, Tables, build_tables

Renderer = Callable[
    [Tables, Look, npt.NDArray[np.float64], npt.NDArray[np.int64]],
    npt.NDArray[np.uint8],
]


@lru_cache(maxsize=1)
def best_renderer() -> Renderer:
    """`render_numba` if numba can be imported, else `render_numpy`."""
    try:
        from helios_world.lands.fast import render_numba
    except ImportError:
        return render_numpy
    return render_numba


def render(look: Look, poses: npt.NDArray[np.float64], scenes: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    """Frames uint8 [N, H, W, 3] for poses [N, 3] (x, y in metres, heading) and scenes [N, 2] (land, moment)."""
    return best_renderer()(build_tables(look.detail), look, poses, scenes)
