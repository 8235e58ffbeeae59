"""Where and how precisely a world computes: device, dtype and threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from helios_world.errors import DependencyError, HeliosError

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
_FAST_BFLOAT16 = {"avx512_bf16", "amx_bf16"}


@dataclass(frozen=True)
class Compute:
    """Args: threads are those of a CPU."""

    device: torch.device
    dtype: torch.dtype
    threads: int

    @classmethod
    def choose(cls, device: str = "auto", dtype: str = "auto", threads: int = 1) -> Compute:
        """Resolve "auto" and check the rest.

        Raises:
            DependencyError: the device is not there.
            HeliosError: a name that does not exist, or less than one thread.
        """
        if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
            raise HeliosError(f"threads is {threads!r}; at least 1 is needed")
        chosen = _device(device)
        return cls(chosen, _dtype(dtype, chosen), threads)

    @property
    def label(self) -> str:
        """What of this the frames depend on."""
        return f"{self.device.type} {self.dtype}"

    @contextmanager
    def threaded(self) -> Iterator[None]:
        """Compute with these threads; the caller's number comes back afterwards."""
        before = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Compute with these threads and without gradients."""
        with self.threaded(), torch.inference_mode():
            yield

    def wait(self) -> None:
        """Until the device has done what it was given in the present stream, so that times are true.

        Other streams go on: a chunk may be decoded in one while the next is denoised.
        """
        if self.device.type == "cuda":
            torch.cuda.current_stream(self.device).synchronize()


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise HeliosError(f"device is {name!r}; allowed are 'auto', 'cpu', 'cuda', 'cuda:1', …") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise DependencyError(f"device {name!r} is not there: torch sees {torch.cuda.device_count()}; use 'cpu'")
    return device


def _dtype(name: str, device: torch.device) -> torch.dtype:
    if name == "auto":
        return torch.bfloat16 if device.type == "cuda" or _cpu_flags() & _FAST_BFLOAT16 else torch.float32
    if name not in DTYPES:
        raise HeliosError(f"dtype is {name!r}; allowed are 'auto' and {sorted(DTYPES)}")
    return DTYPES[name]


def _cpu_flags() -> set[str]:
    """Instruction sets of an x86 processor under Linux; empty elsewhere, where float32 is the safe choice."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return set()
    return {flag for line in lines if line.startswith("flags") for flag in line.split(":", 1)[1].split()}
