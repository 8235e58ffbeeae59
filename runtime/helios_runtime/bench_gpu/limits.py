"""What this device can do at the most: how fast it multiplies matrices and copies memory, measured in the same run."""

from __future__ import annotations

import statistics
from collections.abc import Callable

import torch
from torch import Tensor

from helios_runtime.bench_gpu.clock import Clock
from helios_runtime.bench_gpu.counts import passes
from helios_runtime.bench_gpu.sizes import Size
from helios_world.compute import Compute
from helios_world.errors import OptionError
from helios_world.model.fp8 import check_fp8, multiply_on_gpu, round_rows

ROUNDS = 5
COPIED = {"cuda": 2**30, "cpu": 2**26}
"""Bytes read and written together; far more than any cache holds."""


def matrix_rate(size: Size, compute: Compute, clock: Clock, dtype: torch.dtype) -> float:
    """Operations a second, of the fastest of the products that the model itself computes at its largest stage."""
    config, tokens = size.transformer, passes(size, (1, 1, 1))[-1].tokens
    shapes = ((config.width, 3 * config.width), (config.width, config.ffn_dim), (config.ffn_dim, config.width))
    return max(_product_rate((tokens, *shape), size.settle, compute.device, dtype, clock) for shape in shapes)


def fp8_rate(size: Size, compute: Compute, clock: Clock) -> float | None:
    """As `matrix_rate`, of factors of 8 bits that are rounded already; None where there are none."""
    try:
        check_fp8(compute.device, torch.bfloat16)
    except OptionError:
        return None
    config, tokens = size.transformer, passes(size, (1, 1, 1))[-1].tokens
    left, right = (torch.randn(rows, config.width, device=compute.device) for rows in (tokens, config.ffn_dim))
    x, weight = round_rows(left), round_rows(right)
    bias = torch.zeros(config.ffn_dim, device=compute.device, dtype=torch.bfloat16)
    return (
        2
        * tokens
        * config.width
        * config.ffn_dim
        / seconds(lambda: multiply_on_gpu(x, weight, bias), clock, size.settle)
    )


def copy_rate(size: Size, compute: Compute, clock: Clock) -> float:
    """Bytes a second that a copy reads and writes, together."""
    moved = COPIED["cuda" if compute.device.type == "cuda" else "cpu"]
    source = torch.zeros(moved // 2, dtype=torch.uint8, device=compute.device)
    target = torch.empty_like(source)
    return moved / seconds(lambda: target.copy_(source), clock, size.settle)


def seconds(work: Callable[[], object], clock: Clock, settle: float) -> float:
    """Of one call, median of several rounds of so many calls in a row that a round takes `settle` seconds."""
    work()
    repeats = max(1, round(settle / max(_run(work, 1, clock), 1e-6)))
    return statistics.median(_run(work, repeats, clock) for _ in range(ROUNDS))


def _run(work: Callable[[], object], repeats: int, clock: Clock) -> float:
    began = clock()
    for _ in range(repeats):
        work()
    return (clock() - began) / repeats


def _product_rate(
    shape: tuple[int, int, int], settle: float, device: torch.device, dtype: torch.dtype, clock: Clock
) -> float:
    rows, inputs, outputs = shape
    left: Tensor = torch.randn(rows, inputs, device=device, dtype=dtype)
    right = torch.randn(outputs, inputs, device=device, dtype=dtype)
    return 2 * rows * inputs * outputs / seconds(lambda: left @ right.t(), clock, settle)
