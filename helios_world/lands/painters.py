"""Frames as tensors where the training wants them: painted by the processor, or by the device itself."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from helios_world.lands.engine import render
from helios_world.lands.tables import Look
from helios_world.lands.torch_render import TorchRenderer


class Painter(Protocol):
    """Frames uint8 [N, H, W, 3] for poses [N, 3] (x, y in metres, heading) and scenes [N, 2] (land, moment)."""

    def __call__(self, poses: npt.NDArray[np.float64], scenes: npt.NDArray[np.int64]) -> Tensor: ...


class HostPainter:
    """Paints on the processor, compiled where numba is installed."""

    def __init__(self, look: Look) -> None:
        self.look = look

    def __call__(self, poses: npt.NDArray[np.float64], scenes: npt.NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(render(self.look, poses, scenes))


class DevicePainter:
    """Paints on the renderer's device; only the poses travel there, and nobody waits for it."""

    def __init__(self, renderer: TorchRenderer) -> None:
        self.renderer = renderer

    def __call__(self, poses: npt.NDArray[np.float64], scenes: npt.NDArray[np.int64]) -> Tensor:
        device = self.renderer.device
        return self.renderer(upload(poses, device), upload(scenes, device))


def painter_for(look: Look, device: torch.device) -> Painter:
    """What paints for a training on `device` without being compiled first."""
    return HostPainter(look) if device.type == "cpu" else DevicePainter(TorchRenderer(look, device))


def compiled_painter_for(look: Look, device: torch.device) -> Painter:
    """A painter on the device that compiles itself when it is first used: a minute, then several times faster.

    Needs what `torch.compile` needs, a C++ compiler and for a GPU triton.
    """
    return DevicePainter(TorchRenderer(look, device).compiled())


def upload(array: npt.NDArray[Any], device: torch.device) -> Tensor:
    """A copy of an array on a device; a CUDA device is not waited for."""
    tensor = torch.from_numpy(np.ascontiguousarray(array))
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)
