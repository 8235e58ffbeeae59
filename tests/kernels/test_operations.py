"""Each operation against its formula, written out element by element in float64."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from helios_kernels import gated_residual, modulated_layer_norm, rms_norm, rotary

Array = npt.NDArray[np.float64]
BATCH, WIDTH, EPS = 3, 8, 1e-5
rows_and_group = st.tuples(st.integers(1, 4), st.integers(1, 5))
condition_batch = st.sampled_from([1, BATCH])


def exact(tensor: Tensor) -> Array:
    return tensor.detach().double().numpy()


def spread(conditions: Tensor, group: int) -> Array:
    """Conditions [B, R, D] as one row for each token, [B, R·group, D]."""
    return np.repeat(exact(conditions), group, axis=1)


def assert_near(actual: Tensor, expected: Array) -> None:
    tolerance = {torch.float32: 2e-6, torch.bfloat16: 1e-2}[actual.dtype]
    np.testing.assert_allclose(exact(actual), expected, atol=tolerance * max(1.0, np.abs(expected).max()))


@settings(deadline=None, max_examples=30)
@given(rows_and_group, condition_batch, st.sampled_from([torch.float32, torch.bfloat16]))
def test_modulated_layer_norm(shape: tuple[int, int], batch: int, dtype: torch.dtype) -> None:
    rows, group = shape
    x = torch.randn(BATCH, rows * group, WIDTH).to(dtype)
    scale, shift = torch.randn(2, batch, rows, WIDTH).unbind()
    values = exact(x)
    centred = values - values.mean(-1, keepdims=True)
    normed = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + EPS)
    actual = modulated_layer_norm(x, scale, shift, EPS)
    assert actual.dtype == dtype
    assert_near(actual, normed * (1 + spread(scale, group)) + spread(shift, group))


@settings(deadline=None, max_examples=30)
@given(rows_and_group, condition_batch, st.sampled_from([torch.float32, torch.bfloat16]))
def test_gated_residual(shape: tuple[int, int], batch: int, dtype: torch.dtype) -> None:
    rows, group = shape
    x, update = torch.randn(2, BATCH, rows * group, WIDTH).to(dtype).unbind()
    gate = torch.randn(batch, rows, WIDTH)
    actual = gated_residual(x, update, gate)
    assert actual.dtype == dtype
    assert_near(actual, exact(x) + exact(update) * spread(gate, group))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rms_norm(dtype: torch.dtype) -> None:
    x, weight = torch.randn(BATCH, 5, WIDTH).to(dtype), torch.randn(WIDTH)
    values = exact(x)
    expected = values / np.sqrt((values**2).mean(-1, keepdims=True) + EPS) * exact(weight)
    actual = rms_norm(x, weight, EPS)
    assert actual.dtype == dtype
    assert_near(actual, expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rotary(dtype: torch.dtype) -> None:
    x = torch.randn(BATCH, 5, 2, WIDTH).to(dtype)
    length, angle = torch.rand(2, 5, WIDTH // 2).unbind()
    actual = rotary(x, torch.polar(length, angle * 6))
    values, expected = exact(x), np.zeros((BATCH, 5, 2, WIDTH))
    for token in range(5):
        for pair in range(WIDTH // 2):
            turn, size = float(angle[token, pair]) * 6, float(length[token, pair])
            matrix = size * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
            part = slice(2 * pair, 2 * pair + 2)
            expected[:, token, :, part] = values[:, token, :, part] @ matrix.T
    assert actual.dtype == dtype
    assert_near(actual, expected)


def test_operations_take_tokens_that_are_not_contiguous() -> None:
    x, update = torch.randn(2, BATCH, WIDTH, 6).transpose(2, 3).unbind()
    gate = torch.randn(1, 3, WIDTH)
    packed = gated_residual(x.contiguous(), update.contiguous(), gate)
    assert torch.equal(gated_residual(x, update, gate), packed)
    normed = modulated_layer_norm(x.contiguous(), gate, gate, EPS)
    torch.testing.assert_close(modulated_layer_norm(x, gate, gate, EPS), normed)


def test_gradients() -> None:
    x = torch.randn(2, 4, 6, dtype=torch.float64)
    scale, shift = torch.randn(2, 2, 2, 6, dtype=torch.float64).unbind()
    weight, rotation = torch.randn(6), torch.polar(torch.ones(4, 3), torch.rand(4, 3))

    def total(x: Tensor) -> Tensor:
        y = modulated_layer_norm(x, scale.float(), shift.float(), EPS)
        y = gated_residual(x, rms_norm(y, weight, EPS), scale.float())
        return rotary(y.unflatten(-1, (1, 6)), rotation).square().sum()

    inputs = x.float().requires_grad_()
    (gradient,) = torch.autograd.grad(total(inputs), inputs)
    direction, step = torch.randn_like(inputs), 1e-2
    with torch.no_grad():
        difference = (total(inputs + step * direction) - total(inputs - step * direction)) / (2 * step)
    torch.testing.assert_close(difference, (gradient * direction).sum(), rtol=2e-2, atol=1e-2)
