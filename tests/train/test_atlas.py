"""Making an atlas, and what the walkers of a training get of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from zlib import crc32

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from helios_world.codec import CodecConfig, LatentCodec
from helios_world.lands import physics
from helios_world.lands.captions import caption_batch
from helios_world.lands.painters import HostPainter
from helios_world.lands.tables import Look
from helios_world.memory import HistoryLayout
from helios_world.places import Atlas
from helios_world.places.place import BODY, HEADING, KNOWN, MOVED, POSITION, SCENE, SPEED, UNIT, heading_of, move
from helios_world.text import TextConfig, TextEncoder
from helios_world.train import atlas as making
from helios_world.train.atlas import empty_atlas, fit_atlas, set_doubt
from helios_world.train.recipe import AtlasPart, Recipe
from helios_world.train.streams import Batch, Streams
from helios_world.train.views import places, scenes_of, sights, standing

CPU = torch.device("cpu")
Recipes = Callable[..., dict[str, Any]]


def _quiet(*_: object) -> None:
    pass


@pytest.fixture(scope="module")
def recipe(make_recipe: Recipes) -> Recipe:
    return Recipe.model_validate(make_recipe(guided=True))


@pytest.fixture(scope="module")
def painter() -> HostPainter:
    return HostPainter(Look(32, 64))


@pytest.fixture(scope="module")
def codec() -> LatentCodec:
    torch.manual_seed(1)
    codec = LatentCodec(CodecConfig(latent_channels=6, spatial=8, temporal=4, hidden=8, blocks=0))
    codec.basis.copy_(torch.linalg.qr(torch.randn(768, 6)).Q.T * 4)
    codec.scale.copy_(torch.rand(6) + 0.5)
    return codec


@pytest.fixture(scope="module")
def encoder() -> TextEncoder:
    torch.manual_seed(2)
    return TextEncoder(TextConfig(text_dim=16, tokens=3, width=16, heads=2, buckets=512)).eval()


@pytest.fixture
def atlas(recipe: Recipe, codec: LatentCodec) -> Atlas:
    torch.manual_seed(3)
    atlas = empty_atlas(recipe, codec, 16)
    assert atlas is not None
    return atlas


@pytest.fixture
def part(recipe: Recipe) -> Callable[..., AtlasPart]:
    assert recipe.atlas is not None
    return lambda **changes: recipe.atlas.model_copy(update=changes)  # type: ignore[union-attr]


def _weights(module: torch.nn.Module) -> list[Tensor]:
    return [weight.detach().clone() for weight in module.parameters()]


def _counted(captions: list[str]) -> Tensor:
    """How often words of each kind are in captions, [B, 1, 512]: an embedding that needs no training."""
    text = torch.zeros(len(captions), 1, 512)
    for row, caption in enumerate(captions):
        for word in caption.lower().split():
            text[row, 0, crc32(word.encode()) % 512] += 1
    return text


@torch.no_grad()
def _misread(atlas: Atlas) -> float:
    captions, scenes = caption_batch(np.random.default_rng(77), 128)
    (land, _, moment), named = atlas.understood(_counted(captions)), torch.from_numpy(scenes)
    wrong = functional.cross_entropy(land, named[:, 0], ignore_index=-1) + functional.cross_entropy(moment, named[:, 1])
    return float(wrong)


def test_the_reader_learns_what_captions_name(
    recipe: Recipe, codec: LatentCodec, part: Callable[..., AtlasPart]
) -> None:
    torch.manual_seed(3)
    atlas = empty_atlas(recipe, codec, 512)
    assert atlas is not None
    before = _misread(atlas)
    making.fit_reader(atlas, _counted, part(reader_steps=20, reader_rate=2.0), 1, _quiet)  # type: ignore[arg-type]
    assert _misread(atlas) < 0.9 * before


@torch.no_grad()
def _astray(atlas: Atlas) -> float:
    """Metres that the odometry is wrong after a chunk of random walkers."""
    rng = np.random.default_rng(78)
    scenes = rng.integers(0, 4, (64, 2))
    before = physics.at_rest(physics.random_poses(rng, scenes[:, 0]))
    before[:, 3:] = rng.uniform(-1, 1, (64, 3))
    controls = rng.integers(-1, 2, (64, 3)).astype(np.float32)
    after, _ = physics.walk(before, controls, scenes[:, 0], 4)
    start = standing(before, scenes, CPU)
    found = atlas.advance(start, torch.from_numpy(controls), start[:, SCENE])
    return float((UNIT * found[:, POSITION] - torch.from_numpy(after[:, :2])).norm(dim=1).mean())


def test_the_odometry_learns_how_one_moves(atlas: Atlas, part: Callable[..., AtlasPart]) -> None:
    before = _astray(atlas)
    making.fit_odometry(atlas, part(odometry_steps=60, odometry_rate=0.1, walkers=32), 2, _quiet)
    assert _astray(atlas) < 0.5 * before


def test_the_field_learns_what_is_seen(
    atlas: Atlas, codec: LatentCodec, painter: HostPainter, part: Callable[..., AtlasPart]
) -> None:
    place, latents = sights(codec, painter, 48, np.random.default_rng(79))
    before = atlas.mismatch(place, latents).mean()
    fitted = part(field_steps=30, field_rate=0.3, field_batch=32)
    making.fit_field(atlas, codec, painter, fitted, 3, _quiet)
    assert atlas.mismatch(place, latents).mean() < 0.8 * before


@torch.no_grad()
def _mistaken(atlas: Atlas, place: Tensor, latents: Tensor) -> float:
    body, logits = atlas.localizer(latents)
    land, moment = atlas.split(logits)
    named = [shares.argmax(1) for shares in atlas.split(place[:, SCENE])]
    wrong = 10 * functional.smooth_l1_loss(body, place[:, :BODY], beta=0.1)
    return float(wrong + functional.cross_entropy(land, named[0]) + functional.cross_entropy(moment, named[1]))


def test_the_localizer_learns_where_a_picture_was_taken(
    atlas: Atlas, codec: LatentCodec, painter: HostPainter, part: Callable[..., AtlasPart]
) -> None:
    place, latents = sights(codec, painter, 48, np.random.default_rng(80))
    before = _mistaken(atlas, place, latents)
    fitted = part(localizer_steps=40, localizer_rate=0.1, field_batch=32)
    making.fit_localizer(atlas, codec, painter, fitted, 4, _quiet)
    assert _mistaken(atlas, place, latents) < 0.9 * before


def test_the_same_seed_makes_the_same_atlas(
    recipe: Recipe, codec: LatentCodec, encoder: TextEncoder, painter: HostPainter
) -> None:
    made = []
    for _ in range(2):
        torch.manual_seed(5)
        atlas = empty_atlas(recipe, codec, 16)
        assert atlas is not None
        untrained = _weights(atlas)
        fit_atlas(atlas, recipe, codec, encoder, painter, _quiet)
        made.append(atlas.state_dict())
        assert all(not torch.equal(a, b) for a, b in zip(untrained, atlas.parameters(), strict=True))
    assert all(torch.equal(value, made[1][name]) for name, value in made[0].items())
    assert made[0]["doubt"].isfinite()
    torch.testing.assert_close(made[0]["channels"].mean(), torch.tensor(1.0))
    assert made[0]["channels"].argmax() == codec.scale.argmax()
    for land, (x, y, cosine, sine) in enumerate(made[0]["entrances"].tolist()):
        pose = physics.spawn_pose(land)
        assert [x, y] == pytest.approx(pose[:2])
        assert np.arctan2(sine, cosine) == pytest.approx(pose[2], abs=1e-6)


def test_a_recipe_without_an_atlas_makes_none(
    make_recipe: Recipes, atlas: Atlas, codec: LatentCodec, encoder: TextEncoder, painter: HostPainter
) -> None:
    recipe = Recipe.model_validate(make_recipe())
    assert empty_atlas(recipe, codec, 16) is None
    with pytest.raises(ValueError, match="'tiny' has no atlas"):
        fit_atlas(atlas, recipe, codec, encoder, painter, _quiet)


def test_what_cannot_be_painted_ends_the_training(
    atlas: Atlas, codec: LatentCodec, painter: HostPainter, part: Callable[..., AtlasPart]
) -> None:
    asked: list[int] = []

    def tired(poses: Any, scenes: Any) -> Tensor:
        asked.append(len(poses))
        if len(asked) > 5:
            raise RuntimeError("out of paint")
        return painter(poses, scenes)

    with pytest.raises(RuntimeError, match="out of paint"):
        making.fit_field(atlas, codec, tired, part(field_steps=40), 3, _quiet)


def test_a_sight_is_where_its_last_frame_was_taken(codec: LatentCodec, painter: HostPainter) -> None:
    taken: list[Any] = []

    def listen(poses: Any, scenes: Any) -> Tensor:
        taken.append((poses.reshape(24, 4, 3), scenes.reshape(24, 4, 2)))
        return painter(poses, scenes)

    place, latents = sights(codec, listen, 24, np.random.default_rng(1), land=2)
    poses, scenes = taken[0]
    assert latents.shape == (24, 6, 1, 4, 8)
    torch.testing.assert_close(UNIT * place[:, POSITION], torch.from_numpy(poses[:, -1, :2]).float())
    looking = torch.from_numpy(np.stack([np.cos(poses[:, -1, 2]), np.sin(poses[:, -1, 2])], axis=1)).float()
    torch.testing.assert_close(place[:, HEADING], looking)
    assert (place[:, SCENE][:, 2] == 1).all()
    assert torch.equal(place[:, SCENE], scenes_of(scenes[:, -1], CPU))
    still = (poses[:, 0] == poses[:, -1]).all(axis=1)
    assert 0 < still.sum() < 24
    assert not place[still][:, MOVED].any()


def test_places_tell_the_way_that_was_made() -> None:
    rng = np.random.default_rng(2)
    scenes = rng.integers(0, 4, (30, 2))
    before = physics.at_rest(physics.random_poses(rng, scenes[:, 0]))
    controls = rng.integers(-1, 2, (30, 3)).astype(np.float32)
    after, _ = physics.walk(before, controls, scenes[:, 0], 4)
    place = places(before, after, scenes, CPU)
    position, heading = move(standing(before, scenes, CPU), place[:, MOVED])
    torch.testing.assert_close(position, torch.from_numpy(after[:, :2]).float(), atol=1e-4, rtol=0)
    turned = heading - torch.from_numpy(after[:, 2]).float()
    torch.testing.assert_close(turned.cos(), torch.ones(30))
    assert place[:, SPEED].abs().max() <= 1
    assert place[:, SPEED].abs().max() > 0.5
    assert place[:, KNOWN].eq(1).all()


def test_true_pictures_are_believed_and_others_are_not(
    atlas: Atlas, codec: LatentCodec, painter: HostPainter, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_doubt(atlas, codec, painter, 6, count=8)
    place, latents = sights(codec, painter, 8, np.random.default_rng(6))
    errors = atlas.mismatch(place, latents)
    torch.testing.assert_close(atlas.doubt, 2 * errors.max())
    monkeypatch.setattr(atlas, "guess", lambda _: place[:1])
    with torch.no_grad():
        assert atlas.locate(latents[:1])[:, KNOWN] == 1
        assert atlas.locate(latents[:1] + 100)[:, KNOWN] == 0


@pytest.fixture
def walkers(recipe: Recipe, codec: LatentCodec, painter: HostPainter, atlas: Atlas) -> Callable[..., Streams]:
    """Forty walkers with an atlas; changes are those of the recipe's streams."""

    def make(**changes: float) -> Streams:
        streams = recipe.streams.model_copy(update={"count": 40, "lost": 0.0, "drift": 0.0, "astray": 0.0, **changes})
        part = recipe.model_copy(update={"streams": streams})
        return Streams(part, codec, HistoryLayout(), painter, 5, atlas)

    return make


def _known(batch: Batch) -> Tensor:
    assert batch.guide is not None
    return batch.guide.known


def test_without_an_atlas_nobody_is_guided(recipe: Recipe, codec: LatentCodec, painter: HostPainter) -> None:
    assert Streams(recipe, codec, HistoryLayout(), painter, 5).next(4).guide is None


def test_some_walkers_do_not_know_where_they_are(walkers: Callable[..., Streams]) -> None:
    assert _known(walkers().next(40)).tolist() == [1.0] * 40
    assert _known(walkers(lost=1.0).next(40)).tolist() == [0.0] * 40
    assert 8 <= _known(walkers(lost=0.5).next(40)).sum() <= 32


def test_a_guide_is_what_the_atlas_shows_where_the_walker_is(walkers: Callable[..., Streams], atlas: Atlas) -> None:
    streams = walkers(prompt_change=1.0, words=0.5, image=0.5)
    streams.push(streams.next(40), torch.zeros(40, 6, 1, 4, 8))
    turn = streams.walkers.next(40)
    guide = streams.show(turn).guide
    assert guide is not None
    assert len(turn.fading) == 40
    start, scene = standing(turn.began, turn.clips.scenes, CPU), scenes_of(turn.clips.scenes, CPU)
    old, share = scenes_of(turn.clips.before, CPU), torch.from_numpy(turn.clips.share)
    with torch.no_grad():
        for row in range(40):
            here, mixed = start[row : row + 1], share[row] * scene[row] + (1 - share[row]) * old[row]
            now = atlas.advance(here, torch.from_numpy(turn.actions[row : row + 1, 3:]), mixed[None])
            seen, before = (atlas.paint(now, pair[row : row + 1]) for pair in (scene, old))
            wanted = share[row] * seen + (1 - share[row]) * before
            torch.testing.assert_close(guide.latents[row : row + 1], wanted, atol=1e-4, rtol=1e-4)


def test_places_are_as_wrong_as_the_recipe_says(
    walkers: Callable[..., Streams], atlas: Atlas, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Tensor] = []
    advance = atlas.advance
    monkeypatch.setattr(atlas, "advance", lambda *inputs: told.append(inputs[0]) or advance(*inputs))  # type: ignore[func-returns-value]

    def wrong(**changes: float) -> tuple[float, float]:
        """Mean errors in metres, of one direction, and in radians."""
        streams = walkers(**changes)
        turn, far, turned = streams.walkers.next(40), [], []
        for _ in range(20):
            streams._guide(turn, atlas)
            true = standing(turn.began, turn.clips.scenes, CPU)
            far.append(UNIT * (told[-1] - true)[:, POSITION])
            angle = heading_of(told[-1]) - heading_of(true)
            turned.append(torch.atan2(angle.sin(), angle.cos()))
        return float(torch.cat(far).abs().mean()), float(torch.cat(turned).abs().mean())

    assert wrong() == pytest.approx((0, 0), abs=1e-5)
    normal = 0.5 * (2 / np.pi) ** 0.5  # of the size, uniform to the drift, and of its draws
    assert wrong(drift=0.1) == pytest.approx((0.1 * normal, 0.02 * normal), rel=0.15)
    assert wrong(drift=0.1, astray=1.0) == pytest.approx((0.8 * normal, 0.16 * normal), rel=0.15)


def test_saved_walkers_go_on_with_the_same_errors(walkers: Callable[..., Streams]) -> None:
    one, other = walkers(lost=0.3, drift=0.2), walkers(lost=0.3, drift=0.2)
    for _ in range(2):
        one.push(one.next(8), torch.zeros(8, 6, 1, 4, 8))
    other.load_state_dict(one.state_dict())
    for _ in range(3):
        ours, theirs = one.next(8), other.next(8)
        assert ours.guide is not None
        assert theirs.guide is not None
        assert torch.equal(ours.guide.latents, theirs.guide.latents)
        assert torch.equal(_known(ours), _known(theirs))


def test_part_of_a_batch_keeps_its_guides(walkers: Callable[..., Streams]) -> None:
    guide = walkers(lost=0.5).next(8).guide
    assert guide is not None
    some = guide.rows(slice(3, 8))
    assert torch.equal(some.latents, guide.latents[3:])
    assert torch.equal(some.known, guide.known[3:])
