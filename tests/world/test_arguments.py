from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from helios_world import arguments
from helios_world.errors import ActionError, FrameError
from helios_world.resize import fit, triangle_weights
from helios_world.testing import PatternWorld


@pytest.mark.parametrize("seed", [-1, 2**63, 1.0, "7", True, None])
def test_wrong_seeds(seed: Any) -> None:
    with pytest.raises(ActionError, match="seed is"):
        arguments.check_seed(seed)


def test_numpy_seeds_become_ints() -> None:
    assert type(arguments.check_seed(np.int64(7))) is int  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("image", "shown"),
    [
        ([[1, 2, 3]], "list"),
        (np.zeros((4, 4, 3)), "float64"),
        (np.zeros((4, 4, 4), np.uint8), r"\[4, 4, 4\]"),
        (np.zeros((4, 3), np.uint8), r"\[4, 3\]"),
        (np.zeros((0, 4, 3), np.uint8), "not empty"),
        (np.zeros((1, 20_000, 3), np.uint8), "20000"),
    ],
)
def test_wrong_images_are_shown(image: Any, shown: str) -> None:
    with pytest.raises(FrameError, match=shown):
        arguments.check_image(image)


def test_a_video_too_short_says_how_long_it_has_to_be() -> None:
    with pytest.raises(FrameError, match="has 3 frames; at least 4"):
        arguments.check_video(np.zeros((3, 8, 8, 3), np.uint8), 4)


def test_the_first_prompt() -> None:
    spec = PatternWorld().spec
    assert arguments.first_prompt(spec, 0, "fog", True) == "fog"
    assert arguments.first_prompt(spec, 0, None, True) == ""
    chosen = {arguments.first_prompt(spec, seed, None, False) for seed in range(3)}
    assert chosen == set(spec.prompts)


def test_pictures_that_fit_stay_as_they_are() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, 8, 16, 3), dtype=np.uint8)
    assert np.array_equal(fit(frames, 8, 16), frames)


@pytest.mark.parametrize("shape", [(8, 16), (64, 128), (65, 128), (300, 200), (1, 1), (1, 500), (7, 9)])
def test_scaling_keeps_a_flat_colour(shape: tuple[int, int]) -> None:
    flat = np.full((*shape, 3), (10, 200, 77), np.uint8)
    scaled = fit(flat, 64, 128)
    assert scaled.shape == (64, 128, 3)
    assert (scaled == (10, 200, 77)).all()


def test_the_middle_is_kept() -> None:
    wide = np.zeros((10, 60, 3), np.uint8)
    wide[:, 20:40] = 255
    assert (fit(wide, 10, 20) == 255).all()


def test_reducing_averages_instead_of_skipping() -> None:
    stripes = np.zeros((32, 32, 3), np.uint8)
    stripes[:, ::2] = 255
    assert np.abs(fit(stripes, 4, 4).astype(int) - 127).max() <= 6


@pytest.mark.parametrize(("size", "result"), [(3, 7), (7, 3), (1, 5), (5, 1), (640, 128)])
def test_triangle_weights_are_averages(size: int, result: int) -> None:
    weights = triangle_weights(size, result)
    assert weights.shape == (result, size)
    assert np.allclose(weights.sum(axis=1), 1, atol=1e-6)
    assert np.allclose(weights, weights[::-1, ::-1], atol=1e-6)
