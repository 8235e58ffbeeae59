"""Page-locked host memory, from which a GPU copies at full speed and without the processor."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor


class PinnedMemory:
    """Buffers that stay page-locked until `close`.

    They are ordinary memory, registered with CUDA afterwards: torch's own allocator of page-locked memory
    rounds every piece up to a power of two, which for the blocks of a large model is half as much again.
    """

    def __init__(self) -> None:
        self._buffers: list[Tensor] = []

    def take(self, nbytes: int) -> Tensor:
        """A buffer of uint8 [nbytes]; not page-locked, with a warning, where the system does not allow it."""
        with torch.inference_mode(False):
            buffer = torch.empty(nbytes, dtype=torch.uint8)
        status = int(_runtime().cudaHostRegister(buffer.data_ptr(), nbytes, 0))
        if status == 0:
            self._buffers.append(buffer)
        else:
            warnings.warn(
                f"{nbytes / 1e6:.0f} MB of host memory cannot be page-locked (CUDA error {status}): copies to the"
                " GPU will be slow; raise the limit of locked memory (ulimit -l), or pass pin=False",
                RuntimeWarning,
                stacklevel=2,
            )
        return buffer

    def close(self) -> None:
        """Make them ordinary memory again; tensors that lie in it stay valid."""
        while self._buffers:
            _runtime().cudaHostUnregister(self._buffers.pop().data_ptr())


def _runtime() -> Any:
    return torch.cuda.cudart()  # type: ignore[no-untyped-call]
