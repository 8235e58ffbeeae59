"""Which implementation a call runs: made once, for the whole process, and there to be read.

`use` beats the environment variable HELIOS_KERNELS, which is read at the first call, which beats "auto".
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from helios_kernels import reference

if TYPE_CHECKING:
    from helios_kernels.operations import Operations

NAMES = ("auto", "torch", "triton")
VARIABLE = "HELIOS_KERNELS"
_COMPILED = (torch.float32, torch.bfloat16, torch.float16)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Choice:
    """Args:
    name: "torch"; "triton"; or "auto", which is Triton for tensors on a GPU where it is installed, else torch.
    source: who chose: "use", "HELIOS_KERNELS" or "default".
    """

    name: str
    source: str

    def __post_init__(self) -> None:
        if self.name not in NAMES:
            raise ValueError(f"{self.source} asks for the kernels {self.name!r}; there are {', '.join(NAMES)}")

    def describe(self) -> str:
        """One line for a person, such as "auto (default): triton on GPUs, torch elsewhere"."""
        told = {"torch": "torch everywhere", "triton": "triton everywhere"}
        absent = triton_problem()
        automatic = f"torch everywhere, {absent}" if absent else "triton on GPUs, torch elsewhere"
        return f"{self.name} ({self.source}): {told.get(self.name, automatic)}"


_choice: Choice | None = None
_problem: str | None = None
_looked = False


def chosen() -> Choice:
    """The choice in force."""
    global _choice
    if _choice is None:
        told = os.environ.get(VARIABLE)
        _choice = Choice(told, VARIABLE) if told else Choice("auto", "default")
    return _choice


def use(name: str) -> None:
    """Choose for the whole process.

    Raises:
        ValueError: no such name.
    """
    global _choice
    _choice = Choice(name, "use")


@contextmanager
def using(name: str) -> Iterator[Choice]:
    """Choose for a while, and then go back to what was chosen before; for comparisons and tests."""
    global _choice
    before = chosen()
    use(name)
    try:
        yield chosen()
    finally:
        _choice = before


def implementation(x: Tensor) -> Operations:
    """The implementation that runs a call whose tokens are `x`.

    Raises:
        RuntimeError: Triton is asked for and cannot run such tensors here.
    """
    name = chosen().name
    if name == "torch" or (name == "auto" and not _automatic(x)):
        return reference
    if name == "triton":
        _demand(x)
    # At the first use: neither this package nor Triton is loaded for those who do without.
    from helios_kernels import triton_ops

    return triton_ops


def triton_problem() -> str | None:
    """Why Triton cannot be used here, or None if it can be imported."""
    global _problem, _looked
    if not _looked:
        _looked, _problem = True, _import_triton()
    return _problem


def _import_triton() -> str | None:
    try:
        import triton  # type: ignore[import-untyped, import-not-found, unused-ignore]  # noqa: F401
    except ImportError as error:
        return f"triton cannot be imported ({error}); pip install triton"
    return None


def _automatic(x: Tensor) -> bool:
    if x.device.type != "cuda" or x.dtype not in _COMPILED:
        return False
    first = not _looked
    problem = triton_problem()
    if problem and first:
        _log.warning("the kernels run in plain torch, which is slower: %s", problem)
    return problem is None


def _demand(x: Tensor) -> None:
    if problem := triton_problem():
        raise RuntimeError(problem)
    if x.dtype not in _COMPILED:
        raise RuntimeError(f"the Triton kernels take {', '.join(map(str, _COMPILED))}, not {x.dtype}")
    if x.device.type == "cpu" and os.environ.get("TRITON_INTERPRET") != "1":
        raise RuntimeError("a tensor on the CPU takes Triton's interpreter: set TRITON_INTERPRET=1 before the start")
