import math

import pytest
import torch
from torch import nn

from helios_world.train.learner import Meter
from helios_world.train.optim import Gradients


def _module() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))


def _backward(module: nn.Module, scale: float = 1.0) -> None:
    (scale * module(torch.arange(4.0)).square().sum()).backward()


@pytest.mark.parametrize("limit", [0.1, 1e6])
def test_gradients_in_one_piece_are_clipped_as_torch_clips_them(limit: float) -> None:
    mine, plain = _module(), _module()
    gradients = Gradients([mine])
    for _ in range(2):
        _backward(mine)
        _backward(plain)
    norm = gradients.clip(limit)
    wanted = nn.utils.clip_grad_norm_(plain.parameters(), limit)
    assert torch.allclose(norm, wanted)
    for a, b in zip(mine.parameters(), plain.parameters(), strict=True):
        assert torch.allclose(a.grad, b.grad)
    gradients.zero()
    assert all(not p.grad.any() for p in mine.parameters())


@pytest.mark.parametrize("scale", [math.inf, math.nan])
def test_gradients_that_are_not_finite_become_zero(scale: float) -> None:
    module = _module()
    gradients = Gradients([module])
    _backward(module, scale)
    assert not torch.isfinite(gradients.clip(1.0))
    assert torch.equal(gradients.flat, torch.zeros_like(gradients.flat))


def test_a_meter_means_what_is_finite_and_begins_anew() -> None:
    meter = Meter()
    for a, b in ((1.0, math.nan), (3.0, 5.0)):
        meter.add({"a": torch.tensor(a), "b": torch.tensor(b), "c": torch.tensor(math.nan)})
    read = meter.read()
    assert (read["a"], read["b"]) == (2.0, 5.0)
    assert math.isnan(read["c"])
    assert meter.read() == {}
