"""Which implementation runs."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

import helios_kernels as hk
from helios_kernels import choice, reference


def test_on_a_cpu_it_is_torch() -> None:
    with hk.using("auto"):
        assert choice.implementation(torch.ones(1)) is reference


def test_a_choice_for_a_while_ends() -> None:
    before = hk.chosen()
    with hk.using("torch") as told:
        assert told == hk.Choice("torch", "use")
        assert told.describe() == "torch (use): torch everywhere"
        with pytest.raises(ZeroDivisionError), hk.using("triton"):
            _ = 1 / 0
        assert hk.chosen() == told
    assert hk.chosen() == before


def test_unknown_names_are_refused() -> None:
    before = hk.chosen()
    with pytest.raises(ValueError, match=r"'fast'.*auto, torch, triton"):
        hk.use("fast")
    assert hk.chosen() == before


@pytest.mark.parametrize(("told", "expected"), [("torch", "torch HELIOS_KERNELS"), ("", "auto default")])
def test_the_environment_is_read_at_the_first_call(told: str, expected: str) -> None:
    script = """
import os, sys
import helios_kernels as hk
os.environ["HELIOS_KERNELS"] = sys.argv[1]
print(hk.chosen().name, hk.chosen().source)
"""
    environment = {**os.environ, "HELIOS_KERNELS": "nonsense"}
    command = [sys.executable, "-c", script, told]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, env=environment)
    assert done.stdout.strip() == expected


def test_triton_says_what_it_cannot_run(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("triton")
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    with hk.using("triton"):
        with pytest.raises(RuntimeError, match=r"not torch.float64"):
            hk.rms_norm(torch.ones(1, 1, 4, dtype=torch.float64), torch.ones(4), 0.0)
        with pytest.raises(RuntimeError, match="TRITON_INTERPRET=1"):
            hk.rms_norm(torch.ones(1, 1, 4), torch.ones(4), 0.0)
