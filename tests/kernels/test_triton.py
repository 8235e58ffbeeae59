"""The Triton kernels, in processes of their own: how Triton works is settled when it is imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

CHECKS = Path(__file__).parent / "checks"
needs_triton = pytest.mark.skipif(find_spec("triton") is None, reason="triton is not installed")


def check(*command: str, **variables: str) -> str:
    """The standard output of a Python process; its last lines are shown if it fails."""
    ours = ("TRITON_INTERPRET", "HELIOS_KERNELS")
    environment = {name: value for name, value in os.environ.items() if name not in ours} | variables
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout


@needs_triton
@pytest.mark.timeout(300)
def test_equal_to_torch_under_the_interpreter() -> None:
    check("-m", "pytest", "-q", "-p", "no:cacheprovider", str(CHECKS / "check_equal.py"), TRITON_INTERPRET="1")


@needs_triton
@pytest.mark.gpu
@pytest.mark.timeout(300)
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_equal_to_torch_on_a_gpu() -> None:
    check("-m", "pytest", "-q", "-p", "no:cacheprovider", str(CHECKS / "check_equal.py"))


@needs_triton
@pytest.mark.timeout(300)
@pytest.mark.skipif(sys.platform != "linux", reason="Triton brings its assembler on Linux only")
@pytest.mark.parametrize("arch", [90, 80])
def test_compiles_for_a_gpu_without_one(arch: int, tmp_path: Path) -> None:
    command = (str(CHECKS / "compile_kernels.py"), str(arch), "bfloat16")
    told = [json.loads(line) for line in check(*command, TRITON_CACHE_DIR=str(tmp_path)).splitlines()]
    names = {(kernel["kernel"], kernel.get("GATED")) for kernel in told}
    assert len(names) == 10
    spilled = [kernel for kernel in told if kernel["stack"] or kernel["local"]]
    assert not spilled
    # Two programs of a forward kernel at a time on a multiprocessor of 65536 registers and 100 KiB, at the least.
    forward = [kernel for kernel in told if kernel["kernel"].endswith("_forward")]
    assert all(2 * kernel["registers"] * 32 * kernel["warps"] <= 65536 for kernel in forward)
    assert all(2 * kernel["shared"] <= 100 * 1024 for kernel in told)


def test_without_triton_it_says_so() -> None:
    script = """
import sys
sys.modules["triton"] = None
import torch, helios_kernels as hk
x = torch.ones(1, 2, 4)
assert torch.equal(hk.rms_norm(x, torch.ones(4), 0.0), x)
assert "pip install triton" in hk.chosen().describe()
hk.use("triton")
try:
    hk.rms_norm(x, torch.ones(4), 0.0)
except RuntimeError as error:
    print(error)
"""
    assert "pip install triton" in check("-W", "error", "-c", script)


def test_importing_loads_no_triton() -> None:
    script = "import helios_kernels, sys; print([name for name in sys.modules if name.split('.')[0] == 'triton'])"
    assert check("-W", "error", "-c", script).strip() == "[]"
