"""The light field, against one column after the other."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn.functional import silu

from helios_world.places import Atlas
from helios_world.places.field import HARMONICS, PERIODS, LightField
from helios_world.places.place import HEADING, MOVED, POSITION, SCENE, SPEED, UNIT


def _ray(field: LightField, place: Tensor, moment: Tensor, column: int) -> Tensor:
    """What the network is told of one column of a place [P]."""
    config = field.config
    edge = math.tan(math.radians(config.view / 2))
    cosine, sine = place[HEADING].tolist()
    angle = math.atan2(sine, cosine) + math.atan(((column + 0.5) / config.width * 2 - 1) * edge)
    x, y = (UNIT * place[POSITION]).tolist()
    ahead, right = (math.cos(angle), math.sin(angle)), (-math.sin(angle), math.cos(angle))
    line = [x, y, x * ahead[0] + y * ahead[1], x * right[0] + y * right[1]]
    turned = [2 * math.pi * value / period for period in PERIODS for value in line]
    harmonics = [number * angle for number in range(1, HARMONICS + 1)]
    values = [math.sin(a) for a in turned] + [math.cos(a) for a in turned] + [value / UNIT for value in line]
    values += [math.cos(a) for a in harmonics] + [math.sin(a) for a in harmonics]
    values += [float(column == other) for other in range(config.width)]
    return torch.tensor([*values, *place[SPEED].tolist(), *place[MOVED].tolist(), *moment.tolist()])


def _slow(field: LightField, place: Tensor, land: Tensor, moment: Tensor) -> Tensor:
    config = field.config
    latents = torch.zeros(len(place), config.latent_channels, 1, config.height, config.width)
    for row in range(len(place)):
        for column in range(config.width):
            for number in range(config.lands):
                layers = [(w[number], b[number]) for w, b in zip(field.weights, field.biases, strict=True)]
                hidden = silu(_ray(field, place[row], moment[row], column) @ layers[0][0] + layers[0][1])
                for weight, bias in layers[1:-1]:
                    hidden = hidden + silu(hidden @ weight + bias)
                seen = hidden @ layers[-1][0] + layers[-1][1]
                for channel in range(config.latent_channels):
                    for y in range(config.height):
                        value = seen[channel * config.height + y]
                        latents[row, channel, 0, y, column] += land[row, number] * value
    return latents


def test_a_view_is_its_columns_in_the_mixture_of_lands(atlas: Atlas, somewhere: Callable[..., Tensor]) -> None:
    place = somewhere(3)
    land = torch.tensor([[0.2, 0.0, 0.8], [0.0, 1.0, 0.0], [0.5, 0.25, 0.25]])
    moment = torch.tensor([[1.0, 0.0], [0.3, 0.7], [0.0, 1.0]])
    wanted = _slow(atlas.field, place, land, moment)
    torch.testing.assert_close(atlas.field(place, land, moment), wanted, atol=2e-4, rtol=1e-4)
    assert wanted.std() > 0.1


def test_some_columns_alone_are_those_of_the_whole(atlas: Atlas, somewhere: Callable[..., Tensor]) -> None:
    place, land, moment = somewhere(3), torch.rand(3, 3), torch.rand(3, 2)
    whole = atlas.field(place, land, moment)
    for every in (2, 3, 4):
        some = atlas.field(place, land, moment, every)
        torch.testing.assert_close(some, whole[..., every // 2 :: every], atol=1e-5, rtol=1e-5)


def test_a_mixture_is_the_mixture(atlas: Atlas, somewhere: Callable[..., Tensor]) -> None:
    place, moment = somewhere(4), torch.rand(4, 2)
    lands = torch.eye(3)
    one, other = (atlas.field(place, lands[number].expand(4, -1), moment) for number in (0, 2))
    share = torch.tensor([0.0, 0.1, 0.6, 1.0])[:, None]
    both = atlas.field(place, share * lands[0] + (1 - share) * lands[2], moment)
    wide = share[..., None, None, None]
    torch.testing.assert_close(both, wide * one + (1 - wide) * other, atol=1e-5, rtol=1e-5)
    assert (one - other).abs().mean() > 0.1


@pytest.mark.parametrize(
    ("land", "asked"),
    [([[1, 0, 0]], [0]), ([[0, 0.5, 0.5], [0, 1, 0]], [1, 2]), ([[1, 0, 0], [0, 1, 0], [0, 0, 1]], [0, 1, 2])],
)
def test_lands_without_a_share_are_not_asked(
    atlas: Atlas,
    somewhere: Callable[..., Tensor],
    monkeypatch: pytest.MonkeyPatch,
    land: list[list[float]],
    asked: list[int],
) -> None:
    seen: list[int] = []
    look = atlas.field.look
    monkeypatch.setattr(atlas.field, "look", lambda rays, number: seen.append(number) or look(rays, number))  # type: ignore[func-returns-value]
    atlas.field(somewhere(len(land)), torch.tensor(land), torch.ones(len(land), 2))
    assert seen == asked


def test_without_any_land_nothing_is_seen(atlas: Atlas, somewhere: Callable[..., Tensor]) -> None:
    seen = atlas.field(somewhere(2), torch.zeros(2, 3), torch.zeros(2, 2))
    assert seen.shape == (2, 3, 1, 2, 8)
    assert not seen.any()


def test_columns_lie_evenly_on_the_picture_not_in_angle(atlas: Atlas) -> None:
    across = atlas.field.across
    steps = across.tan().diff()
    torch.testing.assert_close(steps, steps[:1].expand(7))
    torch.testing.assert_close(across, -across.flip(0))
    assert 0 < across[-1] < math.radians(40)


def test_where_one_stands_looks_and_moves_and_the_moment_are_seen(
    atlas: Atlas, somewhere: Callable[..., Tensor]
) -> None:
    place = somewhere(1)
    seen = atlas.paint(place, place[:, SCENE])
    for part in (POSITION, HEADING, SPEED, MOVED):
        other = place.clone()
        other[:, part] = other[:, part].flip(1) + (0.1 if part != HEADING else 0.0)
        assert (atlas.paint(other, place[:, SCENE]) - seen).abs().max() > 1e-2, part
    night = place[:, SCENE].clone()
    night[:, 3:] = night[:, 3:].flip(1)
    assert (atlas.paint(place, night) - seen).abs().max() > 1e-2
