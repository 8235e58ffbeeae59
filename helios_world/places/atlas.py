"""The parts that know places, put together. Holds nothing of any session.

Letters: B sessions, P numbers of a place, S numbers of a scene, L text tokens, C h w of a latent.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from helios_world.places.config import AtlasConfig
from helios_world.places.field import LightField
from helios_world.places.finding import find
from helios_world.places.localizer import Localizer
from helios_world.places.odometry import Odometry
from helios_world.places.place import (
    BODY,
    KNOWN,
    MOVED,
    POSITION,
    SCENE,
    SPEED,
    UNIT,
    place_of,
)

FAINT = 0.1
"""A land or moment with a smaller share than this has none, unless none has a larger one."""


@dataclass(frozen=True)
class Told:
    """What the words of a chunk say: prompts with their shares.

    Args:
        shares: [N], sum 1; scenes: [N, S], what each prompt says; named: [N], whether that is a land of its own;
            spoken: [N], whether it has a word at all.
    """

    shares: Tensor
    scenes: Tensor
    named: Tensor
    spoken: Tensor

    def seen_from(self, place: Tensor, lands: int) -> Tensor:
        """The scenes [N, S]; of a known place [1, P] those of `lands` and moments that a prompt does not name."""
        present = place[:, SCENE]
        known = place[:, KNOWN] > 0
        land = torch.where(self.named[:, None] | ~known, self.scenes[:, :lands], present[:, :lands])
        scenes = torch.cat([land, self.scenes[:, lands:]], dim=1)
        return torch.where(self.spoken[:, None], scenes, present)


class Atlas(nn.Module):
    """Where one is, and what is to be seen there.

    Buffers: `entrances` [lands, 4], position in metres and the heading's cosine and sine where a land is entered;
    `channels` [C], how much an error of a latent channel counts; `doubt`, the mean error of a picture from which on a
    place that was found in it is not believed.
    """

    entrances: Tensor
    channels: Tensor
    doubt: Tensor

    def __init__(self, config: AtlasConfig) -> None:
        super().__init__()
        self.config = config
        self.reader = nn.Linear(config.text_dim, config.lands + 1 + config.moments)
        self.odometry = Odometry(config)
        self.field = LightField(config)
        self.localizer = Localizer(config)
        self.register_buffer("entrances", torch.zeros(config.lands, 4))
        self.register_buffer("channels", torch.ones(config.latent_channels))
        self.register_buffer("doubt", torch.tensor(float("inf")))

    @property
    def size(self) -> int:
        """Numbers of a place."""
        return BODY + 1 + self.config.scene

    def nowhere(self, batch: int = 1) -> Tensor:
        """Places [B, P] of which nothing is known."""
        return torch.zeros(batch, self.size, device=self.channels.device)

    def read(self, text: Tensor) -> tuple[Tensor, Tensor]:
        """What embedded prompts [B, L, text_dim] say: scenes [B, S], and whether they name a land [B].

        Of those that name none the likeliest land is taken, for sessions that begin with them.
        """
        land, unnamed, moment = self.understood(text)
        named = land.amax(1) > unnamed[:, 0]
        scene = self.shares(torch.cat([land, moment], dim=1))
        only = torch.zeros_like(land).scatter(1, land.argmax(1, keepdim=True), 1.0)
        lands = torch.where(named[:, None], scene[:, : self.config.lands], only)
        return torch.cat([lands, scene[:, self.config.lands :]], dim=1), named

    def understood(self, text: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits of lands [B, lands], of no land at all [B, 1], and of moments [B, moments]."""
        logits: Tensor = self.reader(text.float().mean(1))
        land, unnamed, moment = torch.split(logits, [self.config.lands, 1, self.config.moments], dim=1)
        return land, unnamed, moment

    def shares(self, logits: Tensor) -> Tensor:
        """Logits [B, S] as shares of lands and of moments, faint ones left out."""
        parts = [part.softmax(1) for part in self.split(logits)]
        parts = [torch.where(part < part.amax(1, keepdim=True).clamp(max=FAINT), 0.0, part) for part in parts]
        return torch.cat([part / part.sum(1, keepdim=True) for part in parts], dim=1)

    def entrance(self, scene: Tensor) -> Tensor:
        """Standing where the lands of scenes [B, S] are entered: [B, P]."""
        land, _ = self.split(scene)
        where = land @ self.entrances
        still = torch.zeros(len(scene), 3, device=scene.device)
        return place_of(where[:, :2], torch.atan2(where[:, 3], where[:, 2]), still, still, scene)

    def advance(self, place: Tensor, controls: Tensor, scene: Tensor) -> Tensor:
        """The place [B, P] a chunk later, controls [B, A] being held, in `scene` [B, S]; unknown ones stay unknown."""
        land, _ = self.split(scene)
        moved: Tensor = self.odometry(place, controls, scene, land)
        return torch.where(place[:, KNOWN] > 0, moved, place)

    def paint(self, place: Tensor, scene: Tensor) -> Tensor:
        """What is seen from places [B, P] in scenes [B, S]: latents [B, C, 1, h, w]."""
        land, moment = self.split(scene)
        latents: Tensor = self.field(place, land, moment)
        return latents

    def split(self, scene: Tensor) -> tuple[Tensor, Tensor]:
        """Shares of lands [B, lands] and of moments [B, moments]."""
        land, moment = torch.split(scene, [self.config.lands, self.config.moments], dim=1)
        return land, moment

    def stand(self, place: Tensor, controls: Tensor, told: Told, begins: bool) -> Tensor:
        """The place [1, P] of the next chunk of a session.

        Its scene stays as it is while there is a prompt without a word, because that stands for the scene before.

        Args:
            place: [1, P], of the last chunk; controls: [1, A].
            begins: whether this is the first chunk of a session that begins with words.
        """
        mixed = (told.shares[:, None] * told.seen_from(place, self.config.lands)).sum(0, keepdim=True)
        spoken = bool(told.spoken.all())
        if begins and spoken:
            place = self.entrance(mixed)
        now = self.advance(place, controls, mixed)
        return now if spoken else torch.cat([now[:, : SCENE.start], place[:, SCENE]], dim=1)

    def show(self, place: Tensor, now: Tensor, told: Told) -> Tensor:
        """What is to be seen where one stands `now` [1, P], having come from `place`: latents [1, C, 1, h, w].

        Every prompt shows its own scene, and they are mixed as the cross-fade mixes them; zeros where nothing is known.
        """
        seen = [self.paint(now, scene[None]) for scene in told.seen_from(place, self.config.lands)]
        mixed = torch.cat(seen).mul(told.shares.view(-1, 1, 1, 1, 1)).sum(0, keepdim=True)
        return mixed * now[:, KNOWN, None, None, None]

    def guess(self, latents: Tensor) -> Tensor:
        """Places [B, P] that latents [B, C, 1, h, w] seem to be seen from."""
        body, logits = self.localizer(self.weighted(latents))
        scene = self.shares(logits)
        heading = torch.atan2(body[:, 3], body[:, 2])
        return place_of(UNIT * body[:, POSITION], heading, body[:, SPEED], body[:, MOVED], scene)

    def locate(self, latents: Tensor) -> Tensor:
        """The place [1, P] that the last of some latents [1, C, F, h, w] is seen from; unknown where nothing fits.

        One latent alone is taken for standing still.
        """
        place = find(self, latents)
        return place if bool(self.mismatch(place, latents[:, :, -1:]) < self.doubt) else self.nowhere()

    def weighted(self, latents: Tensor) -> Tensor:
        """Latents [B, C, 1, h, w] by how much their channels show."""
        return latents * self.channels.sqrt().view(1, -1, 1, 1, 1)

    def mismatch(self, places: Tensor, latents: Tensor, every: int = 1) -> Tensor:
        """How badly latents [B or 1, C, 1, h, w] fit to what is seen from places [B, P]: mean squared errors [B].

        Args:
            every: look at one of so many columns.
        """
        return self.residuals(places, latents, every).square().mean(1)

    def residuals(self, places: Tensor, latents: Tensor, every: int = 1) -> Tensor:
        """Weighted errors [B, N] of what places [B, P] show against latents [B or 1, C, 1, h, w]."""
        land, moment = self.split(places[:, SCENE])
        wrong = self.field(places, land, moment, every) - latents[..., every // 2 :: every]
        return self.weighted(wrong).flatten(1)
