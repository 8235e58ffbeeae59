"""Where one is, and what is to be seen there, of an atlas with random weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch import Tensor

from helios_world.errors import CheckpointError
from helios_world.places import Atlas, AtlasConfig, Told
from helios_world.places.atlas import FAINT
from helios_world.places.place import (
    HEADING,
    KNOWN,
    MOVED,
    POSITION,
    SCENE,
    SPEED,
    UNIT,
    heading_of,
    shifted,
)

ICE_AT_NOON = torch.tensor([1.0, 0.0, 0.0, 1.0, 0.0])
GARDEN_AT_NIGHT = torch.tensor([0.0, 1.0, 0.0, 0.0, 1.0])
FORWARD = torch.tensor([[1.0, 0.0, 0.2]])


def _told(*parts: tuple[float, Tensor | None]) -> Told:
    """Prompts as pairs of a share and the scene that they name, None for one without a word."""
    scenes = torch.stack([torch.full((5,), 0.2) if scene is None else scene for _, scene in parts])
    spoken = torch.tensor([scene is not None for _, scene in parts])
    return Told(torch.tensor([share for share, _ in parts]), scenes, spoken, spoken)


@settings(deadline=None)
@given(hnp.arrays("float32", (3, 5), elements=st.floats(-12, 12, width=32)))
def test_shares_of_lands_and_of_moments_are_of_one_and_never_faint(logits: object) -> None:
    config = AtlasConfig(3, 2, 3, 6, 1, 1, 1, 90.0, 1, 1, 1, 1)
    found = Atlas(config).shares(torch.as_tensor(logits))
    torch.testing.assert_close(found[:, :3].sum(1), torch.ones(3))
    torch.testing.assert_close(found[:, 3:].sum(1), torch.ones(3))
    assert ((found == 0) | (found >= FAINT)).all()


def test_faint_shares_go_to_the_others(atlas: Atlas) -> None:
    shares = torch.tensor([[0.6, 0.385, 0.015, 0.99, 0.01]])
    found = atlas.shares(shares.log())
    torch.testing.assert_close(found, torch.tensor([[0.6 / 0.985, 0.385 / 0.985, 0.0, 1.0, 0.0]]))


def test_of_many_lands_that_are_all_faint_the_likeliest_is_left() -> None:
    atlas = Atlas(AtlasConfig(12, 1, 3, 6, 1, 1, 1, 90.0, 1, 1, 1, 1))
    found = atlas.shares(torch.cat([torch.zeros(1, 11), torch.full((1, 1), 1e-3), torch.zeros(1, 1)], dim=1))
    assert found.tolist() == [[0.0] * 11 + [1.0, 1.0]]


def test_a_prompt_is_read_from_the_mean_of_its_tokens(atlas: Atlas) -> None:
    text = torch.randn(4, 7, 6)
    atlas.reader.bias[3] = -1e3
    logits = text.mean(1) @ atlas.reader.weight.T + atlas.reader.bias
    scene, named = atlas.read(text)
    torch.testing.assert_close(scene, atlas.shares(torch.cat([logits[:, :3], logits[:, 4:]], dim=1)))
    torch.testing.assert_close(scene, atlas.read(text[:, torch.randperm(7)])[0])
    assert named.all()


def test_a_prompt_may_name_no_land(atlas: Atlas) -> None:
    atlas.reader.weight.zero_()
    atlas.reader.bias.copy_(torch.tensor([0.1, 0.3, 0.2, 0.4, 9.0, 0.0]))
    scene, named = atlas.read(torch.randn(1, 7, 6))
    assert not named.any()
    torch.testing.assert_close(scene, torch.tensor([[0.0, 1.0, 0.0, 1.0, 0.0]]))


def test_a_prompt_that_names_no_land_changes_the_moment_alone(atlas: Atlas, somewhere: Callable[..., Tensor]) -> None:
    place = torch.cat([somewhere(1)[:, : SCENE.start], ICE_AT_NOON[None]], dim=1)
    yes, no = torch.tensor([True]), torch.tensor([False])
    told = Told(torch.ones(1), GARDEN_AT_NIGHT[None], no, yes)
    night = torch.tensor([[1.0, 0.0, 0.0, 0.0, 1.0]])
    torch.testing.assert_close(atlas.stand(place, FORWARD, told, False)[:, SCENE], night)
    begun = atlas.stand(atlas.nowhere(), FORWARD, told, True)
    torch.testing.assert_close(begun[:, SCENE], GARDEN_AT_NIGHT[None])


def test_a_land_is_entered_standing_still(atlas: Atlas) -> None:
    place = atlas.entrance(torch.stack([ICE_AT_NOON, GARDEN_AT_NIGHT]))
    torch.testing.assert_close(UNIT * place[:, POSITION], atlas.entrances[:2, :2])
    torch.testing.assert_close(place[:, HEADING], atlas.entrances[:2, 2:])
    assert not place[:, SPEED].any()
    assert not place[:, MOVED].any()
    assert torch.equal(place[:, SCENE], torch.stack([ICE_AT_NOON, GARDEN_AT_NIGHT]))


def test_only_known_places_move(atlas: Atlas, somewhere: Callable[..., Tensor]) -> None:
    place, controls = somewhere(3), FORWARD.expand(3, -1)
    place[1] = 0
    after = atlas.advance(place, controls, place[:, SCENE])
    assert torch.equal(after[1], place[1])
    for row in (0, 2):
        alone = place[row : row + 1]
        moved = atlas.odometry(alone, FORWARD, alone[:, SCENE], alone[:, SCENE][:, :3])
        torch.testing.assert_close(after[row : row + 1], moved)
        assert (moved - alone).abs().max() > 1e-3


def test_a_session_of_words_begins_at_the_entrance(atlas: Atlas, somewhere: Callable[..., Tensor]) -> None:
    told = _told((1.0, GARDEN_AT_NIGHT))
    wanted = atlas.advance(atlas.entrance(GARDEN_AT_NIGHT[None]), FORWARD, GARDEN_AT_NIGHT[None])
    assert torch.equal(atlas.stand(atlas.nowhere(), FORWARD, told, True), wanted)
    place = somewhere(1)
    assert torch.equal(atlas.stand(place, FORWARD, told, False), atlas.advance(place, FORWARD, GARDEN_AT_NIGHT[None]))


@pytest.mark.parametrize("begins", [False, True])
def test_unknown_places_stay_unknown_and_show_nothing(atlas: Atlas, begins: bool) -> None:
    told = _told((1.0, None)) if begins else _told((0.4, None), (0.6, ICE_AT_NOON))
    now = atlas.stand(atlas.nowhere(), FORWARD, told, begins)
    assert torch.equal(now, atlas.nowhere())
    shown = atlas.show(atlas.nowhere(), now, told)
    assert shown.shape == (1, 3, 1, 2, 8)
    assert not shown.any()


def test_a_prompt_without_a_word_keeps_the_scene(atlas: Atlas, somewhere: Callable[..., Tensor]) -> None:
    place = somewhere(1)
    now = atlas.stand(place, FORWARD, _told((1.0, None)), False)
    assert torch.equal(now[:, SCENE], place[:, SCENE])
    named = _told((1.0, place[0, SCENE]))
    assert torch.equal(now, atlas.stand(place, FORWARD, named, False))
    assert torch.equal(atlas.show(place, now, _told((1.0, None))), atlas.show(place, now, named))


def test_while_prompts_fade_the_scene_and_what_is_seen_are_mixed(
    atlas: Atlas, somewhere: Callable[..., Tensor]
) -> None:
    place = somewhere(1)
    told = _told((0.2, None), (0.5, ICE_AT_NOON), (0.3, GARDEN_AT_NIGHT))
    now = atlas.stand(place, FORWARD, told, False)
    assert torch.equal(now[:, SCENE], place[:, SCENE])
    mixed = 0.2 * place[:, SCENE] + 0.5 * ICE_AT_NOON + 0.3 * GARDEN_AT_NIGHT
    torch.testing.assert_close(now[:, : SCENE.start], atlas.advance(place, FORWARD, mixed)[:, : SCENE.start])
    scenes = [place[:, SCENE], ICE_AT_NOON[None], GARDEN_AT_NIGHT[None]]
    seen = [share * atlas.paint(now, scene) for share, scene in zip((0.2, 0.5, 0.3), scenes, strict=True)]
    torch.testing.assert_close(atlas.show(place, now, told), sum(seen))


def test_a_fade_from_no_words_goes_on_evenly(atlas: Atlas, somewhere: Callable[..., Tensor]) -> None:
    first = place = somewhere(1)
    for share in (0.25, 0.5, 0.75):
        told = _told((1 - share, None), (share, ICE_AT_NOON))
        now = atlas.stand(place, FORWARD, told, False)
        old, new = (atlas.paint(now, scene) for scene in (first[:, SCENE], ICE_AT_NOON[None]))
        torch.testing.assert_close(atlas.show(place, now, told), (1 - share) * old + share * new)
        place = now
    assert torch.equal(atlas.stand(place, FORWARD, _told((1.0, ICE_AT_NOON)), False)[:, SCENE], ICE_AT_NOON[None])


def test_a_guess_is_a_place(atlas: Atlas) -> None:
    place = atlas.guess(torch.randn(4, 3, 1, 2, 8))
    assert place.shape == (4, atlas.size)
    torch.testing.assert_close(place[:, HEADING].norm(dim=1), torch.ones(4))
    torch.testing.assert_close(place[:, SCENE].sum(1), torch.full((4,), 2.0))
    assert place[:, KNOWN].eq(1).all()
    assert place[:, POSITION].std() > 0


def _off(place: Tensor, found: Tensor) -> tuple[float, float]:
    """Metres and radians between two places [1, P]."""
    turn = heading_of(found) - heading_of(place)
    return float(UNIT * (found - place)[:, POSITION].norm()), float(torch.atan2(turn.sin(), turn.cos()).abs())


def _still(place: Tensor) -> Tensor:
    return torch.cat([place[:, : SPEED.start], torch.zeros(1, 6), place[:, KNOWN.start :]], dim=1)


@pytest.mark.parametrize("seed", range(6))
def test_a_place_is_found_from_a_rough_guess(
    atlas: Atlas, somewhere: Callable[..., Tensor], monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    place = _still(somewhere(1, seed))
    rough = shifted(somewhere(1, seed), torch.tensor([[1.3, -0.7, 0.15]]))
    monkeypatch.setattr(atlas, "guess", lambda _: rough)
    found = atlas.locate(atlas.paint(place, place[:, SCENE]))
    assert _off(place, rough) == pytest.approx((1.4765, 0.15), abs=1e-3)
    assert _off(place, found)[0] < 0.01
    assert _off(place, found)[1] < 0.002
    assert torch.equal(found[:, SPEED.start :], place[:, SPEED.start :])


def _walk_plainly(atlas: Atlas) -> None:
    """Half of a way comes from the speed and half from the controls; the speed is not seen."""
    motion = atlas.field.weights[0].shape[1] - 6 - 2
    atlas.field.weights[0][:, motion : motion + 6] = 0
    for weights in atlas.odometry.parameters():
        weights.zero_()
    same = torch.eye(3)
    rows = [[0.5, 0.5], [0.2, 0.8]]
    atlas.odometry.straight.weight.copy_(torch.kron(torch.tensor(rows), same))


def test_latents_of_a_walk_are_fitted_together(
    atlas: Atlas, somewhere: Callable[..., Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    _walk_plainly(atlas)
    places = [_still(somewhere(1, 3))]
    scene = places[0][:, SCENE]
    for controls in ((0.4, -0.2, 0.3), (0.6, 0.0, 0.3), (0.6, 0.1, -0.2)):
        places.append(atlas.advance(places[-1], torch.tensor([controls]), scene))
    monkeypatch.setattr(atlas, "guess", lambda _: shifted(places[-1], torch.tensor([[0.6, 0.3, 0.1]])))
    found = atlas.locate(torch.cat([atlas.paint(place, scene) for place in places], dim=2))
    assert _off(places[-1], found)[0] < 0.05
    assert _off(places[-1], found)[1] < 0.01
    torch.testing.assert_close(found[:, SPEED], places[-1][:, SPEED], atol=0.15, rtol=0)


def test_a_search_never_makes_it_worse(
    atlas: Atlas, somewhere: Callable[..., Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(atlas, "guess", lambda _: somewhere(1, 7))
    for seed in range(4):
        latents = torch.randn(1, 3, 1, 2, 8, generator=torch.Generator().manual_seed(seed))
        before = atlas.mismatch(_still(somewhere(1, 7)), latents)
        assert atlas.mismatch(atlas.locate(latents), latents) <= before


def test_what_fits_too_badly_is_nowhere(
    atlas: Atlas, somewhere: Callable[..., Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = _still(somewhere(1))
    monkeypatch.setattr(atlas, "guess", lambda _: place)
    latents = atlas.paint(place, place[:, SCENE]) + 0.5
    found = atlas.locate(latents)
    error = atlas.mismatch(found, latents)
    assert found[:, KNOWN] == 1
    assert error > 1e-3
    atlas.doubt.copy_(1.01 * error[0])
    assert torch.equal(atlas.locate(latents), found)
    atlas.doubt.copy_(0.99 * error[0])
    assert torch.equal(atlas.locate(latents), atlas.nowhere())


def test_where_everything_looks_the_same_one_is_near_the_guess(
    atlas: Atlas, somewhere: Callable[..., Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    atlas.field.weights[-1].zero_()
    monkeypatch.setattr(atlas, "guess", lambda _: somewhere(1))
    found = atlas.locate(torch.zeros(1, 3, 1, 2, 8))
    assert _off(somewhere(1), found)[0] < 4
    assert found[:, KNOWN] == 1


def test_a_coarse_look_is_at_some_of_the_columns(atlas: Atlas, somewhere: Callable[..., Tensor]) -> None:
    place, wrong = somewhere(3), torch.zeros(3, 3, 1, 2, 8)
    latents = atlas.paint(place, place[:, SCENE])
    wrong[..., [0, 1, 3, 4, 5, 7]] = 1.0
    assert atlas.mismatch(place, latents + wrong).min() > 0.5
    torch.testing.assert_close(atlas.mismatch(place, latents + wrong, 4), torch.zeros(3))
    wrong[1, 2] = 2.0
    coarse = atlas.mismatch(place, latents + wrong, 4)
    torch.testing.assert_close(coarse, torch.tensor([0.0, 4 / 3, 0.0]))


def test_errors_count_as_their_channel_does(atlas: Atlas, somewhere: Callable[..., Tensor]) -> None:
    place = somewhere(2)
    atlas.channels.copy_(torch.tensor([0.0, 1.0, 4.0]))
    wrong = torch.randn(2, 3, 1, 2, 8)
    error = atlas.mismatch(place, atlas.paint(place, place[:, SCENE]) + wrong)
    squares = wrong.square().mean((2, 3, 4))
    torch.testing.assert_close(error, (squares[:, 1] + 4 * squares[:, 2]) / 3)


@pytest.mark.parametrize(
    "change", [{"lands": 0}, {"depth": -1}, {"view": 180.0}, {"view": 0.0}, {"hidden": 2.5}, {"width": True}]
)
def test_sizes_that_an_atlas_cannot_have(atlas: Atlas, change: dict[str, float]) -> None:
    with pytest.raises(CheckpointError, match="positive sizes"):
        replace(atlas.config, **change)  # type: ignore[arg-type]


def test_a_config_survives_as_data(atlas: Atlas) -> None:
    data = atlas.config.to_dict()
    assert AtlasConfig.from_dict(data) == atlas.config
    for wrong in ({**data, "colour": 3}, {key: value for key, value in data.items() if key != "view"}):
        with pytest.raises(CheckpointError, match="has the keys"):
            AtlasConfig.from_dict(wrong)
