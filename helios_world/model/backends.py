"""Which implementation of attention computes a shape: one that was named, or the fastest of those that there are.

Implementations round differently, so a choice by measurement could give a session other bytes in another process. Hence
the fixed order of the candidates, and the margin by which a later one has to be faster: on one kind of GPU they differ
by more than that, or the first of them wins.

Shapes: B batch, N queries, K keys, H heads, E channels per head.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from helios_world.errors import OptionError
from helios_world.model.attention import attend
from helios_world.model.bounded import Kept
from helios_world.model.replays import Measure, measured
from helios_world.model.sequence import Attend

NAMES = ("auto", "torch", "cudnn", "flash", "efficient", "fa3")
MARGIN = 1.1
"""How many times as fast as the candidates before it one has to be."""
ROUNDS = 3
SHAPES = 64
_FA3 = "flash_attn_interface"
_HALVES = (torch.bfloat16, torch.float16)
_WIDEST = 128
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Found:
    """What became of a shape.

    Args:
        name: of the implementation that computes it.
        milliseconds: that each candidate took; None for one that cannot compute it.
    """

    name: str
    milliseconds: Mapping[str, float | None]


class Named:
    """One implementation for all shapes."""

    def __init__(self, name: str, run: Attend) -> None:
        self.name, self._run = name, run

    def __call__(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        return self._run(query, key, value)

    def report(self) -> dict[str, Any]:
        """The choice, for a person."""
        return {"every shape": self.name}


class Fastest:
    """Measures the candidates when a shape first comes, and keeps to the fastest.

    Args:
        candidates: by their names; the first of them is preferred, and has to be able to compute anything or to fail.
        measure: as `helios_world.model.replays.measured`.
    """

    def __init__(self, candidates: Mapping[str, Attend], measure: Measure = measured) -> None:
        self._candidates, self._measure = candidates, measure
        self._found: Kept[Found] = Kept(SHAPES)

    def __call__(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        shape = (*query.shape, key.shape[1], str(query.dtype).removeprefix("torch."))
        # Not all take every layout: a batch whose rows share their keys has a stride of 0.
        layout = (query.stride(), key.stride(), value.stride())
        found = self._found.get((shape, layout), lambda: self._find(query, key, value))
        return self._candidates[found.name](query, key, value)

    def report(self) -> dict[str, Any]:
        """For every shape (B, N, H, E, K, dtype) the choice, and the milliseconds of each candidate."""
        return {
            str(key[0] if isinstance(key, tuple) else key): {"chosen": found.name, "ms": dict(found.milliseconds)}
            for key, found in self._found.items()
        }

    def _find(self, query: Tensor, key: Tensor, value: Tensor) -> Found:
        times = {name: self._time(run, query, key, value) for name, run in self._candidates.items()}
        best: tuple[str, float] | None = None
        for name, took in times.items():
            if took is not None and (best is None or took * MARGIN < best[1]):
                best = name, took
        if best is None:
            raise RuntimeError(f"none of {list(times)} can compute attention of {list(query.shape)} {query.dtype}")
        return Found(best[0], times)

    def _time(self, run: Attend, query: Tensor, key: Tensor, value: Tensor) -> float | None:
        try:
            with warnings.catch_warnings():
                # Beside the error, some warn of what they lack.
                warnings.simplefilter("ignore")
                run(query, key, value)
            return 1e3 * min(self._measure(partial(run, query, key, value))[1] for _ in range(ROUNDS))
        except RuntimeError as error:
            # Torch says so, and no more, where a backend lacks a shape, a dtype or the GPU.
            _log.debug("no attention %r for %s: %s", run, list(query.shape), error)
            return None


Attention = Named | Fastest


def choose_attention(name: str, device: torch.device) -> Attention:
    """The implementation of `name`, one of NAMES. "auto" is the fastest on a GPU, and torch's own choice elsewhere.

    Raises:
        OptionError: there is none of that name, or not on this device.
    """
    if name not in NAMES:
        raise OptionError(f"attention is {name!r}; there are {', '.join(NAMES)}")
    if name == "torch" or (name == "auto" and device.type != "cuda"):
        return Named("torch", attend)
    if device.type != "cuda":
        raise OptionError(f"attention is {name!r}, which needs a GPU; on {device} there is 'torch'")
    if name == "auto":
        return Fastest(_candidates())
    if name == "fa3" and find_spec(_FA3) is None:
        raise OptionError(f"attention is 'fa3', but FlashAttention 3 is not installed: no module {_FA3}")
    return Named(name, _implementation(name))


def _candidates() -> dict[str, Attend]:
    names = [*_KERNELS, *(["fa3"] if find_spec(_FA3) else [])]
    return {**{name: _implementation(name) for name in names}, "torch": attend}


def _implementation(name: str) -> Attend:
    return _flash_attention_3 if name == "fa3" else partial(_kernel, name)


def _kernel(name: str, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """One of torch's kernels, called by itself: `sdpa_kernel` chooses one for all threads of the process, and so for
    the codec that decodes beside, whose attention it may not be able to compute.
    """
    channels = query.shape[-1]
    # What torch checks before it chooses a kernel, which does not check it again.
    if name != "efficient" and (query.dtype not in _HALVES or channels % 8 or channels > _WIDEST):
        told = f"heads of {channels} channels in {query.dtype}"
        raise RuntimeError(f"attention {name!r} takes 16 bits and 8, 16, … {_WIDEST} channels, not {told}")
    attended = _KERNELS[name](query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2))
    return attended.transpose(1, 2).flatten(2)


def _cudnn(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    attended: Tensor = torch.ops.aten._scaled_dot_product_cudnn_attention(query, key, value, None, False)[0]
    return attended


def _flash(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    attended: Tensor = torch.ops.aten._scaled_dot_product_flash_attention(query, key, value)[0]
    return attended


def _efficient(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    attended: Tensor = torch.ops.aten._scaled_dot_product_efficient_attention(query, key, value, None, False)[0]
    return attended


_KERNELS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "cudnn": _cudnn,
    "flash": _flash,
    "efficient": _efficient,
}


def _flash_attention_3(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    made = import_module(_FA3).flash_attn_func(query, key, value)
    # Older versions give the logarithms of the sums as well.
    attended: Tensor = made[0] if isinstance(made, tuple) else made
    return attended.flatten(2)
