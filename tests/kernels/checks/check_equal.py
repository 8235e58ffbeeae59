"""The Triton kernels against their torch twins: values and gradients.

Not collected with the other tests: `test_triton` runs this file in a process of its own, once under Triton's
interpreter on the CPU and once compiled on a GPU.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import helios_kernels as hk

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = torch.device("cpu" if INTERPRETED else "cuda")
EPS = 1e-5
# Of the largest value of a result. Two roundings in a row may differ by a unit in the last place each; the
# interpreter cuts float32 to bfloat16 where a GPU rounds, and its gradients are sums of such values.
TOLERANCE = {torch.float32: 4e-6, torch.float16: 3e-3, torch.bfloat16: 4e-2}

dtypes = st.sampled_from(list(TOLERANCE))
widths = st.sampled_from([3, 16, 20])
batches = st.sampled_from([1, 2])
some = settings(deadline=None, max_examples=8, derandomize=True)


@st.composite
def segments(draw: st.DrawFn) -> tuple[int, int, tuple[int, ...] | None]:
    """Tokens, rows of conditions and where the segments end."""
    if draw(st.booleans()):
        rows, each = draw(st.integers(1, 3)), draw(st.sampled_from([0, 1, 5]))
        return rows * each, rows, None
    lengths = draw(st.lists(st.sampled_from([0, 1, 4]), min_size=1, max_size=3))
    ends = tuple(sum(lengths[: i + 1]) for i in range(len(lengths)))
    return ends[-1], draw(st.sampled_from([1, len(lengths)])), ends


def normal(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape).to(DEVICE, dtype)


def strided(batch: int, tokens: int, width: int, dtype: torch.dtype) -> Tensor:
    """Tokens that are a slice of a wider projection and of more tokens."""
    return normal(batch, tokens + 2, 3 * width, dtype=dtype)[:, 1 : tokens + 1, width : 2 * width]


def assert_same(function: Callable[..., Tensor | tuple[Tensor, ...]], inputs: Sequence[Tensor | None]) -> None:
    """Results and the gradients of all inputs, those of Triton near those of torch."""
    expected, actual = (run(function, inputs, name) for name in ("torch", "triton"))
    for want, have in zip(expected, actual, strict=True):
        assert have.dtype == want.dtype
        assert have.shape == want.shape
        if want.numel():
            bound = TOLERANCE[expected[0].dtype] * max(1.0, float(want.detach().abs().max()))
            torch.testing.assert_close(have.float(), want.float(), rtol=0, atol=bound)


def run(
    function: Callable[..., Tensor | tuple[Tensor, ...]], inputs: Sequence[Tensor | None], name: str
) -> list[Tensor]:
    leaves = [each if each is None else each.detach().requires_grad_() for each in inputs]
    with hk.using(name):
        results = function(*leaves)
    results = results if isinstance(results, tuple) else (results,)
    weights = torch.Generator().manual_seed(1)
    total = sum((y.float() * torch.randn(y.shape, generator=weights).to(DEVICE)).sum() for y in results)
    assert isinstance(total, Tensor)
    return [*results, *torch.autograd.grad(total, [leaf for leaf in leaves if leaf is not None])]


@some
@given(segments(), widths, batches, batches, dtypes)
def test_norms(
    cut: tuple[int, int, tuple[int, ...] | None], width: int, batch: int, rows_batch: int, dtype: torch.dtype
) -> None:
    tokens, rows, ends = cut
    x = strided(batch, tokens, width, dtype)
    scale, shift = normal(2, min(batch, rows_batch), rows, width).unbind()
    assert_same(lambda x, s, t: hk.modulated_layer_norm(x, s, t, EPS, ends), (x, scale, shift))
    assert_same(lambda x, w, b: hk.layer_norm(x, w, b, EPS), (x, normal(width), normal(width)))
    assert_same(lambda x, w: hk.rms_norm(x, w, EPS), (x, normal(width)))


@some
@given(segments(), widths, batches, batches, dtypes)
def test_gated_residual(
    cut: tuple[int, int, tuple[int, ...] | None], width: int, batch: int, rows_batch: int, dtype: torch.dtype
) -> None:
    tokens, rows, ends = cut
    x, update = strided(batch, tokens, width, dtype), strided(batch, tokens, width, dtype)
    gate, scale, shift = normal(3, min(batch, rows_batch), rows, width).unbind()
    assert_same(lambda x, u, g: hk.gated_residual(x, u, g, ends), (x, update, gate))
    fused = (x, update, gate, scale, shift)
    assert_same(lambda x, u, g, s, t: hk.gated_residual_norm(x, u, g, s, t, EPS, ends), fused)
    affine = (x, update, gate, normal(width), normal(width))
    assert_same(lambda x, u, g, w, b: hk.gated_residual_layer_norm(x, u, g, w, b, EPS, ends), affine)


@some
@given(st.integers(0, 5), widths, batches, dtypes)
def test_update_of_the_last_tokens(kept: int, width: int, batch: int, dtype: torch.dtype) -> None:
    x, update = strided(batch, 6, width, dtype), strided(batch, 6 - kept, width, dtype)
    rows, weight = normal(1, 2, width), normal(width)
    assert_same(lambda x, u, s: hk.gated_residual_norm(x, u, None, s, s, EPS, (kept, 6)), (x, update, rows))
    assert_same(lambda x, u, w: hk.gated_residual_layer_norm(x, u, None, w, w, EPS), (x, update, weight))


@some
@given(st.integers(0, 6), st.integers(1, 3), st.sampled_from([2, 6, 8]), batches, dtypes)
def test_rotations(tokens: int, heads: int, channels: int, batch: int, dtype: torch.dtype) -> None:
    query, key = (strided(batch, tokens, heads * channels, dtype) for _ in range(2))
    rotation = torch.polar(torch.rand(tokens, channels // 2), 6 * torch.rand(tokens, channels // 2)).to(DEVICE)
    weights = normal(2, heads * channels).unbind()
    assert_same(lambda q, k, v, w: hk.qk_norm_rotary(q, k, v, w, rotation, EPS), (query, key, *weights))
    assert_same(lambda x: hk.rotary(x.unflatten(-1, (heads, channels)), rotation), (query,))


def test_any_strides() -> None:
    x, update = normal(2, 2, 6, 5).transpose(2, 3).unbind()
    row = normal(1, 6, 1).transpose(1, 2)
    assert_same(lambda x, u, r: hk.gated_residual_norm(x, u, r, r, r, EPS), (x, update, row))
    assert_same(lambda x, w: hk.rms_norm(x, w, EPS), (normal(3, 4, 2, 6), normal(6)))
    assert_same(lambda x, w: hk.layer_norm(x, w, w, EPS), (normal(7, 6), normal(6)))


def test_exactness_in_float32() -> None:
    x, update = normal(2, 1, 5, 48).unbind()
    gate, scale, shift = normal(3, 1, 2, 48).unbind()
    wide = [each.double() for each in (x, update, gate, scale, shift)]
    with hk.using("torch"):
        exact = hk.gated_residual_norm(wide[0], wide[1], wide[2], wide[3], wide[4], EPS, (2, 5))
    with hk.using("triton"):
        actual = hk.gated_residual_norm(x, update, gate, scale, shift, EPS, (2, 5))
    for want, have in zip(exact, actual, strict=True):
        torch.testing.assert_close(have.double(), want, rtol=1e-6, atol=1e-6)


def test_segments_of_several_programs_and_equal_bits() -> None:
    x, update, rows = normal(1, 140, 16), normal(1, 140, 16), normal(1, 2, 16)

    def function(x: Tensor, update: Tensor, rows: Tensor) -> tuple[Tensor, ...]:
        return hk.gated_residual_norm(x, update, rows, rows, rows, EPS, (3, 140))

    assert_same(function, (x, update, rows))
    first, second = (run(function, (x, update, rows), "triton") for _ in range(2))
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))


def test_operators_are_described_truly() -> None:
    with hk.using("triton"):
        hk.rms_norm(normal(1, 1, 4), normal(4), EPS)
    ops, tests = torch.ops.helios_kernels, ("test_schema", "test_autograd_registration", "test_faketensor")
    x, row, weight = normal(1, 4, 6).requires_grad_(), normal(1, 2, 6).requires_grad_(), normal(6).requires_grad_()
    table, statistic = normal(4, 2), normal(1, 4)
    cases = [
        (ops.affine_norm, (x, row, row, [1, 4], EPS, 1.0)),
        (ops.affine_norm_backward, (x.detach(), x.detach(), row.detach(), statistic, statistic, [1, 4], 2, 1.0)),
        (ops.gated_sum, (x, x, row, [1, 4])),
        (ops.gated_sum_backward, (x.detach(), x.detach(), row.detach(), [])),
        (ops.sum_and_norm, (x, x, None, row, row, [], EPS, 1.0)),
        (ops.scaled_by_rms, (x, weight, EPS)),
        (ops.scaled_by_rms_backward, (x.detach(), x.detach(), weight.detach(), statistic)),
        (ops.turn, (x.view(1, 4, 3, 2), table, 1.0)),
        (ops.norm_and_turn, (x, x, weight, weight, table, EPS)),
    ]
    for operator, arguments in cases:
        torch.library.opcheck(operator.default, arguments, test_utils=tests)


def test_compiles_in_one_graph() -> None:
    x, rows = normal(1, 6, 8).requires_grad_(), normal(1, 2, 8)
    rotation = torch.ones(6, 2, dtype=torch.complex64, device=DEVICE)

    def block(x: Tensor) -> Tensor:
        total, normed = hk.gated_residual_norm(x, 2 * x, rows, rows, rows, EPS, (2, 6))
        query, key = hk.qk_norm_rotary(normed, total, rows[0, 0], rows[0, 1], rotation, EPS)
        return (query * key).flatten(2)

    with hk.using("triton"):
        expected = block(x)
        actual = torch.compile(block, backend="aot_eager", fullgraph=True)(x)
    torch.testing.assert_close(actual, expected, rtol=0, atol=0)
    gradients = (torch.autograd.grad(y.square().sum(), x)[0] for y in (actual, expected))
    torch.testing.assert_close(*gradients)


@pytest.mark.skipif(INTERPRETED, reason="needs a CUDA device")
def test_captured_in_a_graph() -> None:
    x, update, rows = normal(1, 64, 256), normal(1, 64, 256), normal(1, 2, 256)
    with hk.using("triton"), torch.no_grad():
        expected = hk.gated_residual_norm(x, update, rows, rows, rows, EPS, (7, 64))
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            actual = hk.gated_residual_norm(x, update, rows, rows, rows, EPS, (7, 64))
    graph.replay()
    torch.cuda.synchronize()
    assert all(torch.equal(one, other) for one, other in zip(actual, expected, strict=True))


@pytest.mark.skipif(INTERPRETED, reason="needs a CUDA device")
@pytest.mark.parametrize("dtype", list(TOLERANCE))
def test_the_large_size(dtype: torch.dtype) -> None:
    x, update, rows = normal(1, 301, 5120, dtype=dtype), normal(1, 301, 5120, dtype=dtype), normal(1, 2, 5120)
    assert_same(lambda x, u, r: hk.gated_residual_norm(x, u, r, r, r, EPS, (100, 301)), (x, update, rows))
    rotation = torch.polar(torch.ones(301, 64), torch.rand(301, 64)).to(DEVICE)
    weight = normal(5120)
    assert_same(lambda q, k, w: hk.qk_norm_rotary(q, k, w, w, rotation, EPS), (x, update, weight))


@pytest.mark.skipif(INTERPRETED, reason="needs a CUDA device")
def test_more_than_two_to_the_31_values() -> None:
    tokens = 2**31 // 5120 + 2
    if torch.cuda.mem_get_info()[0] < 24 * 2**30:
        pytest.skip("needs 24 GiB of GPU memory")
    x = torch.ones(1, tokens, 5120, dtype=torch.bfloat16, device=DEVICE)
    gate = normal(1, 1, 5120)
    with hk.using("triton"), torch.no_grad():
        y = hk.gated_residual(x, x, gate)
    torch.testing.assert_close(y[:, -1], hk.gated_residual(x[:, -1:], x[:, -1:], gate)[:, 0])
