from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helios_world.evaluate import pixels
from helios_world.evaluate.drift import theil_sen


def test_psnr_of_a_known_error():
    black = np.zeros((2, 4, 4, 3), np.uint8)
    assert pixels.psnr(black + np.uint8(16), black) == pytest.approx(20 * np.log10(255 / 16))
    assert np.all(pixels.psnr(black, black) == pixels.BEST_PSNR)


def test_measures_of_plain_pictures():
    red = np.zeros((8, 8, 3), np.uint8)
    red[..., 0] = 100
    assert pixels.brightness(red) == pytest.approx(29.9)
    assert pixels.saturation(red) == 100
    assert pixels.contrast(red) == pytest.approx(0, abs=1e-9)
    assert pixels.sharpness(red) == pytest.approx(0, abs=1e-9)


def test_blur_lowers_sharpness_and_contrast():
    sharp = np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype(np.uint8)
    rolled = [np.roll(sharp.astype(float), shift, axis) for axis in (0, 1) for shift in (-1, 0, 1)]
    soft = np.mean(rolled, axis=0).astype(np.uint8)
    assert pixels.sharpness(soft) < pixels.sharpness(sharp)
    assert pixels.contrast(soft) < pixels.contrast(sharp)


@settings(deadline=None, max_examples=50)
@given(st.floats(-5, 5), st.floats(-100, 100), st.integers(10, 40), st.integers(0, 39))
def test_theil_sen_is_the_slope_of_a_line_and_shrugs_at_one_outlier(slope, offset, count, wild):
    values = offset + slope * np.arange(count)
    assert theil_sen(values) == pytest.approx(slope, abs=1e-9)
    values[wild % count] += 1e6
    assert theil_sen(values) == pytest.approx(slope, abs=1e-6)
