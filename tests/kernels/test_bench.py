"""The benchmark of the kernels."""

from __future__ import annotations

import json

import pytest
import torch

import helios_kernels as hk
from helios_kernels import bench

without_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
with_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@without_gpu
def test_without_a_gpu_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    bench.main([])
    assert "no CUDA device" in json.loads(capsys.readouterr().out)["skipped"]
    with pytest.raises(RuntimeError, match="no CUDA device"):
        next(bench.measure())
    with pytest.raises(RuntimeError, match="no CUDA device"):
        next(bench.sweep())


def test_every_operation_has_a_case() -> None:
    cases = bench.cases(6, torch.device("cpu"), heads=2)
    operations = {name for name in hk.__all__ if name.islower()} - {"chosen", "use", "using"}
    assert {case.name for case in cases} == operations
    with hk.using("torch"):
        for case in cases:
            case.call()
            assert case.moved % (6 * 2 * bench.CHANNELS * 2) == 0


@pytest.mark.gpu
@with_gpu
def test_on_a_gpu() -> None:
    pytest.importorskip("triton")
    told = list(bench.measure(tokens=(64,), rounds=1, repeats=2))
    assert all(result["triton_ms"] for result in told)
