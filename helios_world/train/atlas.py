"""Making an atlas: four small networks, each trained on what the game itself says, before the video model needs them.

Nothing of a walk's past is needed for it, so that a sample costs a hundredth of one of the video model, and the light
field can see every corner of the lands many times. Letters: K samples, P numbers of a place, S numbers of a scene.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import nn

from helios_world.codec import LatentCodec
from helios_world.lands import physics
from helios_world.lands.captions import Scene, caption_batch, partial_caption
from helios_world.lands.painters import Painter, upload
from helios_world.places import Atlas, AtlasConfig
from helios_world.places.odometry import LARGEST, way_between
from helios_world.places.place import BODY, POSITION, SCENE, SPEED, UNIT, heading_of
from helios_world.text import TextEncoder
from helios_world.train.recipe import AtlasPart, Recipe
from helios_world.train.views import LANDS, MOMENTS, Walks, sights, standing, views

Report = Callable[[str, int, int, dict[str, float]], None]
F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]


def empty_atlas(recipe: Recipe, codec: LatentCodec, text_dim: int) -> Atlas | None:
    """An atlas of the recipe's size that knows nothing yet; None if the recipe has none."""
    part = recipe.atlas
    if part is None:
        return None
    config = AtlasConfig(
        lands=LANDS,
        moments=MOMENTS,
        controls=3,
        text_dim=text_dim,
        latent_channels=codec.config.latent_channels,
        height=recipe.world.height // codec.config.spatial,
        width=recipe.world.width // codec.config.spatial,
        view=90.0,
        hidden=part.hidden,
        depth=part.depth,
        stride=part.stride,
        landmarks=part.landmarks,
    )
    return Atlas(config).to(codec.mean.device)


def fit_atlas(
    atlas: Atlas, recipe: Recipe, codec: LatentCodec, encoder: TextEncoder, painter: Painter, report: Report
) -> None:
    """Train all parts of an atlas, one after the other."""
    part = recipe.atlas
    if part is None:
        raise ValueError(f"the recipe {recipe.name!r} has no atlas")
    atlas.channels.copy_(codec.scale.square() / codec.scale.square().mean())
    entrances = [physics.spawn_pose(land) for land in range(LANDS)]
    atlas.entrances.copy_(torch.tensor([[x, y, math.cos(h), math.sin(h)] for x, y, h in entrances]))
    fit_reader(atlas, encoder, part, recipe.seed, report)
    fit_odometry(atlas, part, recipe.seed + 1, report)
    fit_field(atlas, codec, painter, part, recipe.seed + 2, report)
    fit_localizer(atlas, codec, painter, part, recipe.seed + 3, report)
    set_doubt(atlas, codec, painter, recipe.seed + 4)


def fit_reader(atlas: Atlas, encoder: TextEncoder, part: AtlasPart, seed: int, report: Report) -> None:
    """Which land and moment a caption names, from its embedding."""
    rng = np.random.default_rng(seed)
    with _fitting(atlas.reader, part.reader_steps, part.reader_rate) as steps:
        for step in steps:
            captions, scenes = _descriptions(rng)
            with torch.no_grad():
                text = encoder(captions)
            wanted = torch.as_tensor(scenes, device=text.device)
            land, unnamed, moment = atlas.understood(text)
            lands = torch.cat([land, unnamed], dim=1)
            loss = F.cross_entropy(lands, wanted[:, 0]) + F.cross_entropy(moment, wanted[:, 1])
            loss.backward()  # type: ignore[no-untyped-call]
            if step % 100 == 99:
                right = (lands.argmax(1) == wanted[:, 0]) & (moment.argmax(1) == wanted[:, 1])
                values = {"loss": float(loss.detach()), "right": float(right.float().mean())}
                report("reader", step + 1, part.reader_steps, values)


def fit_odometry(atlas: Atlas, part: AtlasPart, seed: int, report: Report) -> None:
    """How one moves, from inputs alone."""
    rng, device = np.random.default_rng(seed), atlas.channels.device
    walks = Walks(part.walkers, rng)
    furthest = np.zeros(2)
    with _fitting(atlas.odometry, part.odometry_steps, part.odometry_rate) as steps:
        for step in steps:
            before, after, controls, scenes = walks.next()
            furthest = np.maximum(furthest, np.abs(after[:, :2]).max(axis=0))
            old, new = (standing(states, scenes, device) for states in (before, after))
            made = atlas.advance(old, upload(controls, device), old[:, SCENE])
            turn = way_between(new, UNIT * new[:, POSITION], heading_of(made))[:, 2] / LARGEST[2]
            metres = UNIT * (made[:, POSITION] - new[:, POSITION]) / LARGEST[0]
            wrong = torch.cat([metres, turn[:, None], made[:, SPEED] - new[:, SPEED]], dim=1)
            loss = F.huber_loss(wrong, torch.zeros_like(wrong), delta=0.05)
            loss.backward()  # type: ignore[no-untyped-call]
            if step % 100 == 99:
                far = 1e3 * LARGEST[0] * metres.detach().norm(dim=1)
                degrees = torch.rad2deg(turn.detach().abs() * LARGEST[2])
                values = {"mm": float(far.mean()), "worst mm": float(far.max()), "degrees": float(degrees.mean())}
                report("odometry", step + 1, part.odometry_steps, values)
    atlas.odometry.bounds.copy_(torch.from_numpy(furthest))


def fit_field(atlas: Atlas, codec: LatentCodec, painter: Painter, part: AtlasPart, seed: int, report: Report) -> None:
    """What is to be seen from everywhere. Frames are painted beside the training, and each is used several times."""
    weight = (codec.scale / codec.scale.mean()).view(1, -1, 1, 1, 1)
    device = codec.mean.device
    with (
        views(codec, painter, part, seed) as store,
        _fitting(atlas.field, part.field_steps, part.field_rate) as steps,
    ):
        for step in steps:
            store.renew(step)
            total = torch.zeros((), device=device)
            for land in range(LANDS):
                place, latents = store.draw(land, part.field_batch // LANDS)
                with torch.autocast(device.type, torch.bfloat16):
                    rays = atlas.field.rays(place, atlas.split(place[:, SCENE])[1])
                    seen = atlas.field.picture(atlas.field.look(rays, land))
                loss = ((seen - latents).square() * weight).mean() / LANDS
                loss.backward()  # type: ignore[no-untyped-call]
                total += loss.detach()
            if step % 100 == 99:
                values = {"loss": float(total), "painted": float(sum(store.painted))}
                report("field", step + 1, part.field_steps, values)


def fit_localizer(
    atlas: Atlas, codec: LatentCodec, painter: Painter, part: AtlasPart, seed: int, report: Report
) -> None:
    """Where a picture was taken."""
    device = codec.mean.device
    with (
        views(codec, painter, part, seed) as store,
        _fitting(atlas.localizer, part.localizer_steps, part.localizer_rate) as steps,
    ):
        for step in steps:
            store.renew(step)
            drawn = [store.draw(land, part.field_batch // LANDS) for land in range(LANDS)]
            place, latents = (torch.cat(parts) for parts in zip(*drawn, strict=True))
            latents = latents + 0.1 * torch.rand(len(latents), 1, 1, 1, 1, device=device) * torch.randn_like(latents)
            with torch.autocast(device.type, torch.bfloat16):
                body, logits = atlas.localizer(atlas.weighted(latents))
            wrong = F.smooth_l1_loss(body.float(), place[:, :BODY], beta=0.1)
            land, moment = atlas.split(logits.float())
            named = [shares.argmax(1) for shares in atlas.split(place[:, SCENE])]
            loss = 10 * wrong + F.cross_entropy(land, named[0]) + F.cross_entropy(moment, named[1])
            loss.backward()  # type: ignore[no-untyped-call]
            if step % 100 == 99:
                metres = UNIT * (body[:, :2].detach().float() - place[:, :2]).norm(dim=1)
                values = {"loss": float(loss.detach()), "metres": float(metres.mean())}
                report("localizer", step + 1, part.localizer_steps, values)


@torch.no_grad()
def set_doubt(atlas: Atlas, codec: LatentCodec, painter: Painter, seed: int, count: int = 64) -> None:
    """Believe what fits twice as badly as the worst of some true pictures, and nothing worse."""
    place, latents = sights(codec, painter, count, np.random.default_rng(seed))
    errors = atlas.mismatch(place, latents)
    atlas.doubt.copy_(2 * errors.max())


def _descriptions(rng: np.random.Generator) -> tuple[list[str], I64]:
    """256 captions with land and moment [256, 2], a fifth of which name a moment only: their land is `LANDS`."""
    captions, scenes = caption_batch(rng, 205)
    moments = rng.integers(0, MOMENTS, 256 - len(captions))
    captions += [partial_caption(rng, Scene(0, int(moment)), "moment") for moment in moments]
    unnamed = np.stack([np.full(len(moments), LANDS), moments], axis=1)
    return captions, np.concatenate([np.where(scenes < 0, LANDS, scenes), unnamed])


@contextmanager
def _fitting(module: nn.Module, steps: int, rate: float) -> Iterator[Iterable[int]]:
    """The numbers of the steps; between two of them the optimiser makes one. In the end, an average of the weights."""
    optimizer = torch.optim.AdamW(module.parameters(), lr=rate, weight_decay=1e-4)
    average = [value.detach().clone() for value in module.parameters()]

    def counted() -> Iterator[int]:
        for step in range(steps):
            share = min(1.0, (step + 1) / 200) * 0.5 * (1 + math.cos(math.pi * step / steps))
            for group in optimizer.param_groups:
                group["lr"] = rate * share
            optimizer.zero_grad(set_to_none=True)
            yield step
            torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
            optimizer.step()
            with torch.no_grad():
                keep = min(0.995, step / (step + 10))
                for mean, value in zip(average, module.parameters(), strict=True):
                    mean.lerp_(value, 1 - keep)

    yield counted()
    with torch.no_grad():
        for mean, value in zip(average, module.parameters(), strict=True):
            value.copy_(mean)
