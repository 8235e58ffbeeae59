"""Compile every kernel for a GPU, on a machine without one, as the functions start it at the size of the large model.

Run as a program with the architecture (90, 80); writes one JSON object per kernel and dtype to the standard output.
"""

# mypy: disable-error-code="import-not-found,import-untyped"
from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
import triton
from torch import Tensor
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from helios_kernels import triton_ops as ops

TYPES = {torch.float32: "*fp32", torch.bfloat16: "*bf16", torch.float16: "*fp16"}
HEADS, CHANNELS, TOKENS = 40, 128, 6
WIDTH = HEADS * CHANNELS
Call = tuple[Any, int, tuple[object, ...], dict[str, int]]


def calls(dtype: torch.dtype) -> list[Call]:
    """What the functions and their gradients would start."""
    seen: list[Call] = []

    def record(kernel: Any, grid: tuple[int, int], warps: int, *arguments: object, **constants: int) -> None:
        seen.append((kernel, warps, arguments, constants))

    for name in ("affine_norm", "gated_residual", "gated_residual_norm", "qk_norm_rotary", "rms_norm", "rotary"):
        module: Any = import_module(f"helios_kernels.triton_ops.{name}")
        module.launch = record
    every_operation(dtype)
    return seen


def every_operation(dtype: torch.dtype) -> None:
    x = torch.zeros(1, TOKENS, 3 * WIDTH, dtype=dtype, requires_grad=True)
    a, b = x[..., :WIDTH], x[..., WIDTH : 2 * WIDTH]
    rows, weight = torch.zeros(1, 2, WIDTH), torch.zeros(WIDTH, dtype=dtype)
    table = torch.zeros(TOKENS, CHANNELS // 2, dtype=torch.complex64)
    results: list[Tensor] = [
        ops.modulated_layer_norm(a, rows, rows, 1e-6, (2, TOKENS)),
        ops.modulated_layer_norm(a, rows, rows, 1e-6, None),
        ops.gated_residual(a, b, rows, (2, TOKENS)),
        *ops.gated_residual_norm(a, b, rows, rows, rows, 1e-6, (2, TOKENS)),
        *ops.gated_residual_norm(a, b[:, 2:], None, rows, rows, 1e-6, (2, TOKENS)),
        ops.rms_norm(a, weight, 1e-6),
        ops.rotary(a.view(1, TOKENS, HEADS, CHANNELS), table),
        *ops.qk_norm_rotary(a, b, weight, weight, table, 1e-6),
    ]
    torch.autograd.grad(sum((result.sum() for result in results), torch.zeros(())), x)


def compiled(call: Call, arch: int) -> dict[str, object]:
    kernel, warps, arguments, constants = call
    names = [name for name in kernel.arg_names if name not in constants]
    ones = {i: 1 for i, value in enumerate(arguments) if isinstance(value, int) and value == 1}
    signature: dict[str, Any] = {}
    for name, value in zip(names, arguments, strict=True):
        signature[name] = "constexpr" if isinstance(value, int) and value == 1 else type_of(value)
    signature |= dict.fromkeys(constants, "constexpr")
    fixed = {(i,): value for i, value in ones.items()}
    fixed |= {(kernel.arg_names.index(name),): value for name, value in constants.items()}
    sixteen = [i for i, value in enumerate(arguments) if divides_by_16(value) and i not in ones]
    attributes = {(i,): [["tt.divisibility", 16]] for i in sixteen}
    source = ASTSource(fn=kernel, signature=signature, constexprs=fixed, attrs=attributes)
    options = {"num_warps": warps, "enable_fp_fusion": True}
    binary = triton.compile(source, target=GPUTarget("cuda", arch, 32), options=options)
    return {"warps": warps, "shared": binary.metadata.shared, **constants, **resources(binary.asm["cubin"])}


def type_of(value: object) -> Any:
    if isinstance(value, Tensor):
        return TYPES[value.dtype]
    if isinstance(value, tuple):
        return tuple("i32" for _ in value)
    return "i32" if isinstance(value, int) else "fp32"


def divides_by_16(value: object) -> bool:
    return isinstance(value, Tensor) or (isinstance(value, int) and value % 16 == 0)


def resources(cubin: bytes) -> dict[str, int]:
    """Registers of a thread, and bytes of its stack, which is where registers are spilled to."""
    tool = Path(triton.__file__).parent / "backends/nvidia/bin/cuobjdump"
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        told = subprocess.run([tool, "-res-usage", file.name], capture_output=True, text=True, check=True).stdout
    found = {name: int(number) for name, number in re.findall(r"(REG|STACK|LOCAL):(\d+)", told)}
    return {"registers": found["REG"], "stack": found["STACK"], "local": found["LOCAL"]}


def report(arch: int, dtypes: list[torch.dtype]) -> Iterator[dict[str, object]]:
    for dtype in dtypes:
        for call in calls(dtype):
            name = f"{call[0].__module__.split('.')[-1]}.{call[0].__name__}"
            yield {"arch": arch, "dtype": str(dtype).split(".")[-1], "kernel": name, **compiled(call, arch)}


if __name__ == "__main__":
    for line in report(int(sys.argv[1]), [getattr(torch, name) for name in sys.argv[2:]]):
        print(json.dumps(line), flush=True)
