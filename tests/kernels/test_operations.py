"""Each operation against its formula, written out element by element in float64."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from helios_kernels import (
    gated_residual,
    gated_residual_layer_norm,
    gated_residual_norm,
    layer_norm,
    modulated_layer_norm,
    qk_norm_rotary,
    rms_norm,
    rotary,
)

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
        return rotary(y.unsqueeze(2), rotation).square().sum()

    inputs = x.float().requires_grad_()
    (gradient,) = torch.autograd.grad(total(inputs), inputs)
    direction, step = torch.randn_like(inputs), 1e-2
    with torch.no_grad():
        difference = (total(inputs + step * direction) - total(inputs - step * direction)) / (2 * step)
    torch.testing.assert_close(difference, (gradient * direction).sum(), rtol=2e-2, atol=1e-2)


def test_layer_norm() -> None:
    x, weight, bias = torch.randn(BATCH, 5, WIDTH), torch.randn(WIDTH), torch.randn(WIDTH)
    values = exact(x)
    centred = values - values.mean(-1, keepdims=True)
    expected = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + EPS) * exact(weight) + exact(bias)
    assert_near(layer_norm(x, weight, bias, EPS), expected)
    assert layer_norm(x.bfloat16(), weight, bias, EPS).dtype == torch.bfloat16


def test_segments_of_uneven_length() -> None:
    x, update = torch.randn(2, BATCH, 9, WIDTH).unbind()
    scale, shift, gate = torch.randn(3, 1, 3, WIDTH).unbind()
    ends, lengths = (2, 2, 9), torch.tensor([2, 0, 7])
    tokens = [row.repeat_interleave(lengths, dim=1) for row in (scale, shift, gate)]
    normed = modulated_layer_norm(x, scale, shift, EPS, ends)
    torch.testing.assert_close(normed, modulated_layer_norm(x, tokens[0], tokens[1], EPS))
    total = gated_residual(x, update, gate, ends)
    torch.testing.assert_close(total, gated_residual(x, update, tokens[2]))
    one = (scale[:, :1], shift[:, :1])
    torch.testing.assert_close(modulated_layer_norm(x, *one, EPS, ends), modulated_layer_norm(x, *one, EPS))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_fused_is_one_after_the_other(dtype: torch.dtype) -> None:
    x, update = torch.randn(2, BATCH, 6, WIDTH).to(dtype).unbind()
    gate, scale, shift = torch.randn(3, 1, 2, WIDTH).unbind()
    weight, ends = torch.randn(WIDTH), (2, 6)
    total, normed = gated_residual_norm(x, update, gate, scale, shift, EPS, ends)
    assert torch.equal(total, gated_residual(x, update, gate, ends))
    assert torch.equal(normed, modulated_layer_norm(total, scale, shift, EPS, ends))
    total, normed = gated_residual_layer_norm(x, update[:, 2:], None, weight, weight, EPS, ends)
    assert torch.equal(total, torch.cat((x[:, :2], x[:, 2:] + update[:, 2:]), dim=1))
    assert torch.equal(normed, layer_norm(total, weight, weight, EPS))
    rotation = torch.polar(torch.ones(6, 2), torch.rand(6, 2))
    query, key = qk_norm_rotary(x, update, weight, 2 * weight, rotation, EPS)
    assert torch.equal(query, rotary(rms_norm(x, weight, EPS).view(BATCH, 6, 2, 4), rotation))
    assert torch.equal(key, rotary(rms_norm(update, 2 * weight, EPS).view(BATCH, 6, 2, 4), rotation))


def test_gradients_in_float64() -> None:
    x, update = torch.randn(2, 1, 3, 4, dtype=torch.float64, requires_grad=True).unbind()
    rows = torch.randn(1, 2, 4, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(4, dtype=torch.float64, requires_grad=True)
    rotation = torch.polar(torch.ones(3, 1, dtype=torch.float64), torch.rand(3, 1, dtype=torch.float64))

    def chain(x: Tensor, update: Tensor, rows: Tensor, weight: Tensor) -> tuple[Tensor, ...]:
        total, normed = gated_residual_norm(x, update, rows, rows, rows, EPS, (1, 3))
        return qk_norm_rotary(normed, layer_norm(total, weight, weight, EPS), weight, weight, rotation, EPS)

    assert torch.autograd.gradcheck(chain, (x, update, rows, weight))


def test_sizes_that_do_not_go_together() -> None:
    x, rows = torch.ones(1, 6, 4), torch.ones(1, 4, 4)
    with pytest.raises(ValueError, match=r"4 rows .* 6 tokens"):
        modulated_layer_norm(x, rows, rows, EPS)
    with pytest.raises(ValueError, match=r"\(2, 5\).* 6"):
        gated_residual(x, x, rows[:, :2], (2, 5))
    with pytest.raises(ValueError, match=r"4 rows .* 2 segments"):
        gated_residual_norm(x, x, rows, rows, rows, EPS, (2, 6))
    with pytest.raises(ValueError, match=r"the update is \[1, 5, 4\]"):
        gated_residual(x, x[:, 1:], rows[:, :1])
    rotation = torch.ones(6, 3, dtype=torch.complex64)
    with pytest.raises(ValueError, match="heads of 6 channels"):
        qk_norm_rotary(x, x, rows[0, 0], rows[0, 0], rotation, EPS)
    with pytest.raises(ValueError, match="6 positions for 5 tokens"):
        rotary(x[:, 1:].unsqueeze(2), rotation)
