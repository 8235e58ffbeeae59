"""How different do two pictures look? The distance between the features of a small network, trained on the lands.

A network of four convolutions learned to tell where a picture of the lands was taken (land, moment, place, heading;
`perceptual_training`). Of each layer the features are scaled to length one at every position and compared:
d(a, b) = mean over layers of the mean over positions of |f(a) - f(b)|². 0 for equal pictures, at most 4; two views of
different lands are about 1 apart. The idea is that of LPIPS (Zhang et al. 2018, arXiv 1801.03924); the network is not,
and no figure of it can be compared with an LPIPS figure. No person's judgement went into it.

What fools it: what the network never needed to see, such as fine texture that says nothing of the place. Pictures of
other games mean little to it.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from helios_world.evaluate.pixels import F64
from helios_world.spec import Frames

WEIGHTS = Path(__file__).with_name("perceptual.safetensors")
WIDTHS = (24, 48, 72, 96)
AT_ONCE = 64  # frames

_EPSILON = 1e-6


class Features(nn.Module):
    """Four 3 × 3 convolutions, the first three of which halve the picture."""

    def __init__(self) -> None:
        super().__init__()
        strides, before = (2, 2, 2, 1), (3, *WIDTHS)
        sizes = zip(before, WIDTHS, strides, strict=False)
        self.layers = nn.ModuleList([nn.Conv2d(i, o, 3, stride=s, padding=1) for i, o, s in sizes])

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Pictures [N, 3, H, W] in [-1, 1]: the features of every layer, [N, C, h, w]."""
        found = []
        for layer in self.layers:
            pictures = nn.functional.silu(layer(pictures))
            found.append(pictures)
        return found


def distance(frames: Frames, reference: Frames) -> F64:
    """d of uint8 frames [N, H, W, 3], pair by pair: [N]."""
    network = shipped()
    parts = range(0, len(frames), AT_ONCE)
    pairs = [_compare(network, frames[i : i + AT_ONCE], reference[i : i + AT_ONCE]) for i in parts]
    return np.concatenate(pairs) if pairs else np.zeros(0)


@lru_cache(maxsize=1)
def shipped() -> Features:
    """The network with the weights of the package."""
    network = Features()
    network.load_state_dict({name: tensor.float() for name, tensor in load_file(WEIGHTS).items()})
    return network.eval().requires_grad_(False)


def as_input(frames: Frames) -> Tensor:
    """uint8 [N, H, W, 3] as float32 [N, 3, H, W] in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).float() / 127.5 - 1


@torch.inference_mode()
def _compare(network: Features, frames: Frames, reference: Frames) -> F64:
    count = len(frames)
    layers = network(as_input(np.concatenate([frames, reference])))
    apart = [(unit[:count] - unit[count:]).square().sum(1).mean((1, 2)) for unit in map(_unit, layers)]
    result: F64 = torch.stack(apart).mean(0).double().numpy()
    return result


def _unit(features: Tensor) -> Tensor:
    return features / (features.square().sum(1, keepdim=True) + _EPSILON).sqrt()
