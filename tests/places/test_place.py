"""Ways between places, against complex numbers."""

from __future__ import annotations

import cmath
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from helios_world.places.odometry import way_between
from helios_world.places.place import (
    HEADING,
    KNOWN,
    MOVED,
    POSITION,
    SCENE,
    SPEED,
    UNIT,
    heading_of,
    move,
    place_of,
    shifted,
    waves,
)

metres = st.floats(-30, 30)
turns = st.floats(-3.1, 3.1)
poses = st.tuples(metres, metres, turns)


def _place(pose: tuple[float, float, float], speed: float = 0.0) -> Tensor:
    x, y, heading = torch.tensor(pose, dtype=torch.float64)
    still = torch.full((1, 3), speed, dtype=torch.float64)
    scene = torch.tensor([[0.25, 0.75, 1.0]], dtype=torch.float64)
    return place_of(torch.stack([x, y])[None], heading[None], still, still + 1, scene)


def _pose(place: Tensor) -> tuple[complex, complex]:
    """Position in metres and heading, as complex numbers."""
    return complex(*(UNIT * place[0, POSITION])), complex(*place[0, HEADING])


@settings(deadline=None)
@given(poses, poses)
def test_the_way_between_places_leads_from_one_to_the_other(one: tuple[float, ...], other: tuple[float, ...]) -> None:
    before, after = _place(one), _place(other)  # type: ignore[arg-type]
    way = way_between(before, UNIT * after[:, POSITION], heading_of(after))
    position, heading = move(before, way)
    assert complex(*position[0]) == pytest.approx(_pose(after)[0], abs=1e-9)
    assert cmath.rect(1, float(heading)) == pytest.approx(_pose(after)[1], abs=1e-9)
    assert abs(float(way[0, 2])) <= math.pi


@settings(deadline=None)
@given(poses, st.tuples(metres, metres, turns))
def test_the_way_that_was_made_is_the_way_between(pose: tuple[float, ...], way: tuple[float, ...]) -> None:
    before, made = _place(pose), torch.tensor([way], dtype=torch.float64)  # type: ignore[arg-type]
    torch.testing.assert_close(way_between(before, *move(before, made)), made, atol=1e-9, rtol=0)


@settings(deadline=None)
@given(poses, st.tuples(metres, metres, turns))
def test_a_way_is_made_in_the_walkers_own_frame(pose: tuple[float, ...], way: tuple[float, ...]) -> None:
    before = _place(pose)  # type: ignore[arg-type]
    (start, looking), (forward, right, turn) = _pose(before), way
    position, heading = move(before, torch.tensor([way], dtype=torch.float64))
    assert complex(*position[0]) == pytest.approx(start + looking * complex(forward, right), abs=1e-9)
    assert cmath.rect(1, float(heading)) == pytest.approx(looking * cmath.rect(1, turn), abs=1e-9)


@settings(deadline=None)
@given(poses, st.tuples(metres, metres, turns))
def test_a_shift_changes_position_and_heading_and_nothing_else(
    pose: tuple[float, ...], shift: tuple[float, ...]
) -> None:
    before, by = _place(pose, 0.3), torch.tensor([shift], dtype=torch.float64)  # type: ignore[arg-type]
    after = shifted(before, by)
    assert _pose(after)[0] == pytest.approx(_pose(before)[0] + complex(*shift[:2]), abs=1e-9)
    assert _pose(after)[1] == pytest.approx(_pose(before)[1] * cmath.rect(1, shift[2]), abs=1e-9)
    assert torch.equal(after[:, SPEED.start :], before[:, SPEED.start :])
    torch.testing.assert_close(shifted(after, -by), before, atol=1e-9, rtol=0)


@settings(deadline=None)
@given(poses)
def test_a_place_holds_what_it_was_made_of(pose: tuple[float, float, float]) -> None:
    place = _place(pose, 0.2)
    assert place.shape == (1, 14)
    assert _pose(place)[0] == pytest.approx(complex(*pose[:2]), abs=1e-9)
    assert float(heading_of(place)) == pytest.approx(pose[2], abs=1e-9)
    assert place[0, SPEED].tolist() == [0.2] * 3
    assert place[0, MOVED].tolist() == [1.2] * 3
    assert place[0, KNOWN].tolist() == [1.0]
    assert place[0, SCENE].tolist() == [0.25, 0.75, 1.0]


def test_waves_come_again_after_their_period_and_not_before() -> None:
    values = torch.linspace(-9, 9, 30, dtype=torch.float64).view(5, 3, 2)
    one = waves(values, (6.0,))
    assert one.shape == (5, 3, 4)
    torch.testing.assert_close(waves(values + 6, (6.0,)), one)
    torch.testing.assert_close(waves(values + 3, (6.0,)), -one)
    torch.testing.assert_close(waves(values, (6.0, 3.0))[..., 2:4], waves(values, (3.0,))[..., :2])
