"""Dead reckoning: where the controls lead, what pushes aside, and that ways add up exactly."""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn.functional import silu

from helios_world.places import Atlas
from helios_world.places.odometry import LARGEST, PERIODS, Odometry
from helios_world.places.place import HEADING, KNOWN, MOVED, POSITION, SCENE, SPEED, UNIT, shifted


@pytest.fixture
def fresh(atlas: Atlas) -> Odometry:
    torch.manual_seed(6)
    return Odometry(atlas.config).requires_grad_(False)


def test_without_training_one_moves_freely(fresh: Odometry, somewhere: Callable[..., Tensor]) -> None:
    place, controls, scene = somewhere(5), torch.randn(5, 3), torch.randn(5, 5)
    after = fresh(place, controls, scene, place[:, SCENE][:, :3])
    for row in range(5):
        told = torch.cat([place[row, SPEED], controls[row]])
        enter, leave = fresh.bend[0], fresh.bend[2]
        free = fresh.straight.weight @ told + fresh.straight.bias
        free = free + leave.weight @ silu(enter.weight @ told + enter.bias) + leave.bias
        way = free[:3] * torch.tensor(LARGEST)
        start, looking = complex(*(UNIT * place[row, POSITION])), complex(*place[row, HEADING])
        end = start + looking * complex(way[0], way[1])
        assert complex(*(UNIT * after[row, POSITION])) == pytest.approx(end, abs=1e-4)
        assert complex(*after[row, HEADING]) == pytest.approx(looking * cmath.rect(1, float(way[2])), abs=1e-5)
        torch.testing.assert_close(after[row, SPEED], free[3:])
        torch.testing.assert_close(after[row, MOVED], way, atol=1e-5, rtol=1e-4)
    assert torch.equal(after[:, SCENE], scene)
    assert after[:, KNOWN].eq(1).all()


def test_it_does_not_matter_where_but_for_what_stands_there(fresh: Odometry, somewhere: Callable[..., Tensor]) -> None:
    place, controls = somewhere(4), torch.randn(4, 3)
    elsewhere, land = shifted(place, torch.randn(4, 3)), place[:, SCENE][:, :3]
    free = fresh.free(place, controls)
    assert torch.equal(free, fresh.free(elsewhere, controls))
    assert torch.equal(fresh.pushed(torch.randn(4, 2), land), torch.zeros(4, 2))
    torch.nn.init.normal_(fresh.leave)
    made, there, other = (
        fresh(start, controls, place[:, SCENE], lands)
        for start, lands in ((place, land), (elsewhere, land), (place, land.roll(1, 1)))
    )
    assert (made - there)[:, MOVED].abs().max() > 1e-2
    assert (made - other)[:, POSITION].abs().max() > 1e-2
    assert torch.equal(made[:, SPEED], there[:, SPEED])


def test_every_land_pushes_as_it_does_alone(atlas: Atlas) -> None:
    odometry, land = atlas.odometry, torch.tensor([[0.0, 1.0, 0.0], [0.5, 0.2, 0.3]])
    aim = torch.tensor([[1.3, -2.0], [7.0, 4.1]])
    for row in range(2):
        angles = [2 * math.pi * value / period for period in PERIODS for value in aim[row].tolist()]
        seen = torch.tensor([math.sin(angle) for angle in angles] + [math.cos(angle) for angle in angles])
        wanted = torch.zeros(2)
        for number in range(3):
            hidden = silu(seen @ odometry.enter[number] + odometry.biases[number, 0])
            hidden = hidden + silu(hidden @ odometry.between[number] + odometry.biases[number, 1])
            wanted += land[row, number] * (hidden @ odometry.leave[number])
        torch.testing.assert_close(odometry.pushed(aim, land)[row], wanted, atol=1e-4, rtol=1e-4)
        assert wanted.abs().min() > 1e-3


def test_ways_add_up_exactly(atlas: Atlas, somewhere: Callable[..., Tensor]) -> None:
    odometry, place = atlas.odometry.double(), shifted(somewhere(1).double(), torch.zeros(1, 3))
    scene = place[:, SCENE]
    at, looking = complex(*(UNIT * place[0, POSITION])), complex(*place[0, HEADING])
    for _ in range(60):
        place = odometry(place, torch.randn(1, 3, dtype=torch.float64), scene, scene[:, :3])
        forward, right, turn = place[0, MOVED].tolist()
        at, looking = at + looking * complex(forward, right), looking * cmath.rect(1, turn)
    assert complex(*(UNIT * place[0, POSITION])) == pytest.approx(at, abs=1e-9)
    assert complex(*place[0, HEADING]) == pytest.approx(looking, abs=1e-9)


def test_gradients_reach_every_weight_and_the_place_before(atlas: Atlas, somewhere: Callable[..., Tensor]) -> None:
    odometry, place = atlas.odometry.requires_grad_(True), somewhere(12).requires_grad_(True)
    scene = place[:, SCENE].detach()
    after = odometry(place, torch.randn(12, 3), scene, scene[:, :3])
    after[:, : MOVED.stop].square().sum().backward()
    for name, weight in odometry.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.abs().max() > 0, name
    assert place.grad is not None
    assert (place.grad[:, : SPEED.stop].abs().sum(0) > 0).all()


def test_nobody_gets_further_out_than_the_bounds(atlas: Atlas, somewhere: Callable[..., Tensor]) -> None:
    atlas.odometry.bounds.fill_(1.5)
    place = somewhere(64)
    for _ in range(4):
        place = atlas.advance(place, torch.ones(64, 3), place[:, SCENE])
    assert float((UNIT * place[:, POSITION]).abs().max()) <= 1.5 + 1e-5
