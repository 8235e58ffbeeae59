"""How fast the kernels are: each against its torch twin and against a copy of as many bytes, in the same run.

`python -m helios_kernels.bench` prints JSON. Times are medians of rounds in which all contestants take turns, so that
a device that slows down slows all of them. Small sizes stay in the device's cache, those of the copy as well.
`--sweep` also times other ways to cut the tokens into tiles.

Shapes: N tokens, D width, H heads, E channels per head.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

import helios_kernels as hk
from helios_kernels.choice import triton_problem

EPS = 1e-6
HEADS, CHANNELS = 40, 128
HISTORY = 2400
TOKENS = (2940, 4560, 11040)
"""Tokens of the 14B model: 2400 of the history, and those of a chunk at each of three resolutions."""

Call = Callable[[], object]


@dataclass(frozen=True)
class Case:
    """One operation at one size.

    Args:
        name: of the operation.
        call: runs it with the implementation in force.
        moved: bytes that have to be read and written at the least.
    """

    name: str
    call: Call
    moved: int


def cases(tokens: int, device: torch.device, heads: int = HEADS, dtype: torch.dtype = torch.bfloat16) -> list[Case]:
    """Every operation on `tokens` tokens of heads · 128 channels, the first of them history."""
    width, ends = heads * CHANNELS, (min(HISTORY, tokens // 2), tokens)
    qkv = torch.randn(1, tokens, 3 * width, device=device, dtype=dtype)
    query, key = qkv[..., :width], qkv[..., width : 2 * width]
    x, update = torch.randn(2, 1, tokens, width, device=device, dtype=dtype).unbind()
    gate, scale, shift = torch.randn(3, 1, 2, width, device=device).unbind()
    weight = torch.randn(width, device=device)
    rotation = torch.polar(torch.ones(tokens, CHANNELS // 2), torch.rand(tokens, CHANNELS // 2)).to(device)
    turned = query.view(1, tokens, heads, CHANNELS)
    once = x.nbytes
    return [
        Case("modulated_layer_norm", lambda: hk.modulated_layer_norm(x, scale, shift, EPS, ends), 2 * once),
        Case("layer_norm", lambda: hk.layer_norm(x, weight, weight, EPS), 2 * once),
        Case("gated_residual", lambda: hk.gated_residual(x, update, gate, ends), 3 * once),
        Case("gated_residual_norm", lambda: hk.gated_residual_norm(x, update, gate, scale, shift, EPS, ends), 4 * once),
        Case(
            "gated_residual_layer_norm",
            lambda: hk.gated_residual_layer_norm(x, update, gate, weight, weight, EPS, ends),
            4 * once,
        ),
        Case("rms_norm", lambda: hk.rms_norm(query, weight, EPS), 2 * once),
        Case("rotary", lambda: hk.rotary(turned, rotation), 2 * once),
        Case("qk_norm_rotary", lambda: hk.qk_norm_rotary(query, key, weight, weight, rotation, EPS), 4 * once),
    ]


def take_turns(calls: dict[str, Call], rounds: int, repeats: int) -> dict[str, float]:
    """Median milliseconds of each call on the current CUDA device, after one round to warm up."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(rounds + 1):
        for name, call in calls.items():
            elapsed = milliseconds(call, repeats)
            if number:
                times[name].append(elapsed)
    return {name: statistics.median(told) for name, told in times.items()}


def milliseconds(call: Call, repeats: int) -> float:
    """The device's time for one of so many calls in a row, replayed as one graph: without the time to start them."""
    call()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(repeats):
            call()
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    graph.replay()
    start.record()
    graph.replay()
    end.record()
    end.synchronize()
    elapsed: float = start.elapsed_time(end)
    return elapsed / repeats


def chosen_as(name: str, call: Call) -> Call:
    def run() -> object:
        with hk.using(name):
            return call()

    return run


def copying(moved: int, device: torch.device) -> Call:
    """A copy that reads and writes so many bytes together."""
    source = torch.zeros(moved // 2, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return lambda: target.copy_(source)


@torch.no_grad()
def measure(tokens: tuple[int, ...] = TOKENS, rounds: int = 7, repeats: int = 20) -> Iterator[dict[str, object]]:
    """One result per operation and size: milliseconds, and what share of a copy's speed they are.

    Raises:
        RuntimeError: there is no CUDA device, or no Triton.
    """
    if problem := missing():
        raise RuntimeError(problem)
    device = torch.device("cuda")
    for count in tokens:
        for case in cases(count, device):
            calls = {name: chosen_as(name, case.call) for name in ("triton", "torch")}
            told = take_turns(calls | {"copy": copying(case.moved, device)}, rounds, repeats)
            yield {
                "operation": case.name,
                "tokens": count,
                "bytes": case.moved,
                **{f"{name}_ms": value for name, value in told.items()},
                "faster_than_torch": told["torch"] / told["triton"],
                "share_of_copy": told["copy"] / told["triton"],
                "copy_gb_per_s": case.moved / told["copy"] / 1e6,
            }


@torch.no_grad()
def sweep(tokens: int = TOKENS[-1], rounds: int = 3, repeats: int = 10) -> Iterator[dict[str, object]]:
    """Each operation under other cuts into tiles, at one size.

    Raises:
        RuntimeError: as `measure`.
    """
    if problem := missing():
        raise RuntimeError(problem)
    # Loads Triton, which not every machine has.
    from helios_kernels.triton_ops.launch import Cutting, cutting

    cuts = {(values, warps): Cutting(values, warps) for values in (8192, 16384, 32768) for warps in (4, 8, 16)}
    for case in cases(tokens, torch.device("cuda")):
        for (values, warps), cut in cuts.items():
            with cutting(cut):
                told = take_turns({"triton": chosen_as("triton", case.call)}, rounds, repeats)
            yield {"operation": case.name, "tokens": tokens, "values": values, "warps": warps, **told}


def missing() -> str | None:
    """Why nothing can be measured here, or None."""
    if not torch.cuda.is_available():
        return "no CUDA device: the kernels are measured on a GPU only"
    return triton_problem()


def main(arguments: list[str] | None = None) -> None:
    """Print what was measured, or why nothing was, as JSON."""
    parser = argparse.ArgumentParser(prog="python -m helios_kernels.bench", description=__doc__)
    parser.add_argument("--sweep", action="store_true", help="time other tiles too")
    told = parser.parse_args(arguments)
    if problem := missing():
        print(json.dumps({"skipped": problem}))
        return
    result = {"device": torch.cuda.get_device_name(), "torch": torch.__version__, "results": list(measure())}
    if told.sweep:
        result["sweep"] = list(sweep())
    json.dump(result, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
