"""Matrix products in 8-bit floating point, for GPUs that have them: e4m3, a scale for every row of both factors.

A row is divided by its largest magnitude over 448, the largest number of the format, and rounded; the product is
multiplied by both scales. Weights are rounded once, activations at every call. Cross-attention stays exact: it is a
small part of the work, with its keys and values kept none at all, and it is where the prompt acts.

Shapes: N tokens or rows, D inputs, O outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from helios_world.errors import OptionError
from helios_world.model.block import Block
from helios_world.model.products import ExactProducts, Products

LARGEST = 448.0
"""Of float8_e4m3fn."""
EXACT_ENDS = 3
"""Blocks at either end that keep their exact products: errors of the first are amplified by all others, and those of
the last go straight to the output."""
CAPABILITY = (8, 9)


@dataclass(frozen=True)
class Rounded:
    """Rows in 8 bits.

    Args:
        values: float8_e4m3fn [N, D].
        scales: float32 [N, 1]; values · scales is what was rounded.
    """

    values: Tensor
    scales: Tensor

    def rows(self, start: int, end: int) -> Rounded:
        return Rounded(self.values[start:end], self.scales[start:end])

    def exact(self) -> Tensor:
        """What the rows stand for, float32."""
        return self.values.float() * self.scales


Multiply = Callable[[Rounded, Rounded, Tensor], Tensor]
"""(x [N, D], weight [O, D], bias [O]) to x · weightᵀ + bias, [N, O] in the dtype of the bias."""


def round_rows(rows: Tensor) -> Rounded:
    """Rows [N, D] of any floating type to 8 bits."""
    # The norm is the largest magnitude, exact in any type. A row of zeros has any scale, but not 0.
    scales = torch.linalg.vector_norm(rows, float("inf"), dim=1, keepdim=True).float().clamp_min(1e-12) / LARGEST
    # What is divided is at most LARGEST but for the last bit, which the rounding takes away again.
    return Rounded((rows / scales).to(torch.float8_e4m3fn), scales)


def multiply_on_gpu(x: Rounded, weight: Rounded, bias: Tensor) -> Tensor:
    """The product on a GPU of compute capability 8.9 or newer. D and O have to be multiples of 16.

    Its sums are those that the matrix units make by themselves: they are off by far less than the rounded factors.
    """
    scales = {"scale_a": x.scales, "scale_b": weight.scales.t()}
    return torch._scaled_mm(x.values, weight.values.t(), **scales, bias=bias, out_dtype=bias.dtype, use_fast_accum=True)


def multiply_exactly(x: Rounded, weight: Rounded, bias: Tensor) -> Tensor:
    """The slow twin, on any device: the same rounding, the product in float32."""
    return (x.exact() @ weight.exact().t() + bias.float()).to(bias.dtype)


class Fp8Products:
    """The products of a block in 8 bits. The block gives its weights up for them: it cannot be saved any more.

    Args:
        multiply: how two rounded factors are multiplied.
    """

    def __init__(self, block: Block, multiply: Multiply) -> None:
        attention = block.attn1
        self._multiply = multiply
        self._width = block.config.width
        projections = [attention.to_q, attention.to_k, attention.to_v]
        self._projections = _take(projections)
        self._output = _take([block.get_submodule("attn1.to_out.0")])
        self._grow, self._shrink = (_take([block.get_submodule(f"ffn.net.{name}")]) for name in ("0.proj", "2"))

    def query_key_value(self, x: Tensor) -> Tensor:
        return self._apply(x, self._projections)

    def query(self, x: Tensor) -> Tensor:
        return self._apply(x, self._projections, 0, self._width)

    def key_value(self, x: Tensor) -> Tensor:
        return self._apply(x, self._projections, self._width, 3 * self._width)

    def output(self, attended: Tensor) -> Tensor:
        return self._apply(attended, self._output)

    def feed_forward(self, x: Tensor) -> Tensor:
        return self._apply(functional.gelu(self._apply(x, self._grow), approximate="tanh"), self._shrink)

    def _apply(self, x: Tensor, layer: tuple[Rounded, Tensor], start: int = 0, end: int | None = None) -> Tensor:
        weight, bias = layer
        end = len(bias) if end is None else end
        product = self._multiply(round_rows(x.flatten(0, -2)), weight.rows(start, end), bias[start:end])
        return product.view(*x.shape[:-1], -1)


def fp8_products(blocks: Sequence[Block], multiply: Multiply, ends: int = EXACT_ENDS) -> list[Products]:
    """Products of 8 bits for all blocks but the first and the last `ends`."""
    inner = range(ends, len(blocks) - ends)
    return [
        Fp8Products(block, multiply) if number in inner else ExactProducts(block) for number, block in enumerate(blocks)
    ]


def check_fp8(device: torch.device, dtype: torch.dtype) -> None:
    """OptionError unless the device multiplies in 8 bits."""
    told = "precision is 'fp8', which needs"
    if device.type != "cuda":
        raise OptionError(f"{told} a GPU of compute capability {_version(CAPABILITY)} or newer; this is {device}")
    if torch.cuda.get_device_capability(device) < CAPABILITY:
        found = _version(torch.cuda.get_device_capability(device))
        raise OptionError(f"{told} compute capability {_version(CAPABILITY)} or newer; this GPU has {found}")
    if dtype != torch.bfloat16:
        raise OptionError(f"{told} dtype 'bfloat16' for what is not rounded to 8 bits; it is {dtype}")


def _take(modules: Sequence[nn.Module]) -> tuple[Rounded, Tensor]:
    layers = [module for module in modules if isinstance(module, nn.Linear)]
    with torch.inference_mode(False), torch.no_grad():
        weight = round_rows(torch.cat([layer.weight for layer in layers]))
        bias = torch.cat([layer.bias for layer in layers])
    for layer in layers:
        # Not there any more, rather than wrong: whoever reads it is told so.
        layer.weight = nn.Parameter(layer.weight.to("meta"), requires_grad=False)
    return weight, bias


def _version(capability: tuple[int, int]) -> str:
    return ".".join(map(str, capability))
