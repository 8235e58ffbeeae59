"""The parts that know places, put together. Holds nothing of any session.

Letters: B sessions, P numbers of a place, S numbers of a scene, L text tokens, C h w of a latent.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from helios_world.places.config import AtlasConfig
from helios_world.places.field import LightField
from helios_world.places.localizer import Localizer
from helios_world.places.odometry import Odometry, way_between
from helios_world.places.place import (
    BODY,
    HEADING,
    KNOWN,
    MOVED,
    POSITION,
    SCENE,
    SPEED,
    UNIT,
    heading_of,
    place_of,
    shifted,
)

FAINT = 0.1
"""A land or moment with a smaller share than this has none."""
Grid = tuple[tuple[int, float], ...]
GRID: Grid = ((5, 0.5), (5, 0.5), (4, math.radians(5)))
"""Of the search, to both sides of a guess: steps and their size in metres, metres, radians."""
STRIDE: Grid = ((1, 0.3), (1, 0.3), (1, math.radians(7)))
"""Of the search for where one was a chunk ago."""
COARSE = 4
TRIED = 5
ROUNDS = 10
STEPS = (0.05, 0.05, 0.02)
"""Of the derivatives: metres, metres, radians."""
TINY = 1e-12
"""Where everything looks the same, so that the equations can be solved."""


@dataclass(frozen=True)
class Told:
    """What the words of a chunk say: prompts with their shares.

    Args:
        shares: [N], sum 1; scenes: [N, S], what each prompt names; spoken: [N], whether it has a word at all.
    """

    shares: Tensor
    scenes: Tensor
    spoken: Tensor

    def seen_from(self, place: Tensor) -> Tensor:
        """The scenes [N, S], the present one of a place [1, P] where a prompt names none."""
        return torch.where(self.spoken[:, None], self.scenes, place[:, SCENE])


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
        self.reader = nn.Linear(config.text_dim, config.scene)
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

    def read(self, text: Tensor) -> Tensor:
        """Scenes [B, S] that embedded prompts [B, L, text_dim] name: shares of lands and of moments."""
        return self.shares(self.reader(text.float().mean(1)))

    def shares(self, logits: Tensor) -> Tensor:
        """Logits [B, S] as shares of lands and of moments, faint ones left out."""
        parts = [part.softmax(1) for part in self.split(logits)]
        parts = [torch.where(part < FAINT, 0.0, part) for part in parts]
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

        Args:
            place: [1, P], of the last chunk; controls: [1, A].
            begins: whether this is the first chunk of a session that begins with words.
        """
        mixed = (told.shares[:, None] * told.seen_from(place)).sum(0, keepdim=True)
        if begins and bool(told.spoken.all()):
            place = self.entrance(mixed)
        return self.advance(place, controls, mixed)

    def show(self, place: Tensor, now: Tensor, told: Told) -> Tensor:
        """What is to be seen where one stands `now` [1, P], having come from `place`: latents [1, C, 1, h, w].

        Every prompt shows its own scene, and they are mixed as the cross-fade mixes them; zeros where nothing is known.
        """
        seen = [self.paint(now, scene[None]) for scene in told.seen_from(place)]
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

        A guess, then the best of a grid of places around it, then Gauss-Newton steps until the light field shows the
        same as the latent. The speed is the way from the latent before; one latent alone is taken for standing still.
        """
        last = latents[:, :, -1:]
        place = self._search(self._still(self.guess(last)), last, GRID)
        if latents.shape[2] > 1:
            before = self._search(place, latents[:, :, -2:-1], STRIDE)
            way = way_between(before, UNIT * place[:, POSITION], heading_of(place))
            speed = (way / self.odometry.largest).clamp(-1, 1)
            place = self._settle(
                torch.cat([place[:, : HEADING.stop], speed, way, place[:, KNOWN.start :]], dim=1), last
            )[0]
        return place if bool(self.mismatch(place, last) < self.doubt) else self.nowhere()

    def _search(self, guess: Tensor, latent: Tensor, grid: Grid) -> Tensor:
        """The place around a guess that fits best to a latent."""
        offsets = torch.cartesian_prod(*(torch.arange(-n, n + 1) * step for n, step in grid)).to(latent.device)
        tried = shifted(guess.expand(len(offsets), -1), offsets)
        errors = torch.cat([self.mismatch(part, latent, coarse=True) for part in torch.split(tried, 128)])
        found = [self._settle(tried[row : row + 1], latent) for row in errors.topk(TRIED, largest=False).indices]
        return min(found, key=lambda pair: pair[1])[0]

    def _settle(self, place: Tensor, latent: Tensor) -> tuple[Tensor, float]:
        """The place [1, P] nearby that fits best to a latent, and how badly it does.

        Gauss-Newton with Levenberg's damping over position and heading; the derivatives are differences.
        """
        error, damping = float(self.mismatch(place, latent)), 1e-2
        steps = torch.tensor(STEPS, device=latent.device)
        for _ in range(ROUNDS):
            tried = torch.cat([place, shifted(place.expand(3, -1), torch.diag(steps))])
            residuals = self._residuals(tried, latent).double()
            slopes = (residuals[1:] - residuals[0]).T
            normal = slopes.T @ slopes
            normal = normal + torch.diag(damping * normal.diagonal() + TINY)
            shift = -torch.linalg.solve(normal, slopes.T @ residuals[0])
            better = shifted(place, (shift.clamp(-6, 6).float() * steps)[None])
            found = float(self.mismatch(better, latent))
            if found < error:
                place, error, damping = better, found, damping / 4
            else:
                damping = 8 * damping
        return place, error

    def _still(self, place: Tensor) -> Tensor:
        return torch.cat(
            [place[:, : SPEED.start], torch.zeros_like(place[:, SPEED.start : KNOWN.start]), place[:, KNOWN.start :]],
            dim=1,
        )

    def weighted(self, latents: Tensor) -> Tensor:
        """Latents [B, C, 1, h, w] by how much their channels show."""
        return latents * self.channels.sqrt().view(1, -1, 1, 1, 1)

    def mismatch(self, places: Tensor, latents: Tensor, coarse: bool = False) -> Tensor:
        """How badly latents [B or 1, C, 1, h, w] fit to what is seen from places [B, P]: mean squared errors [B].

        Args:
            coarse: look at some of the columns only.
        """
        return self._residuals(places, latents, COARSE if coarse else 1).square().mean(1)

    def _residuals(self, places: Tensor, latents: Tensor, every: int = 1) -> Tensor:
        """Weighted errors [B, N] of what places [B, P] show against latents [B or 1, C, 1, h, w]."""
        land, moment = self.split(places[:, SCENE])
        wrong = self.field(places, land, moment, every) - latents[..., every // 2 :: every]
        return self.weighted(wrong).flatten(1)
