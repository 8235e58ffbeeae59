"""Worlds with trained controls: a checkpoint folder of our own format, put together. Holds nothing of any session.

Shapes: C latent channels, F latent frames, h w latent height and width, T frames, H W pixels.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from helios_world import arguments
from helios_world.checkpoint import Checkpoint
from helios_world.compute import Compute
from helios_world.dreamer import Mixture, Request, fingerprint
from helios_world.memory import HistoryViews, RollingMemory, join_views
from helios_world.model import HistoryCache, TextCache
from helios_world.model.cache import cache_rows, join_caches
from helios_world.model.guide import Guide
from helios_world.places import Atlas, Told
from helios_world.places.place import KNOWN
from helios_world.resize import fit
from helios_world.sampling.flow import euler_step
from helios_world.sampling.noise import chunk_noise
from helios_world.spec import Frames
from helios_world.text.tokenizer import split_words

TIMESTEPS = 1000.0
"""The model's timestep is the noise level times this."""
KEPT_PROMPTS = 32
"""Embedded prompts, and mixtures of them, that are remembered."""


class NativeDreamer:
    """The parts of a checkpoint, put together."""

    steering = None

    def __init__(self, checkpoint: Checkpoint, compute: Compute) -> None:
        temporal = checkpoint.codec.config.temporal
        self.checkpoint = checkpoint
        self.compute = compute
        self.spec = checkpoint.world.spec(fingerprint(checkpoint.digest, compute.label), temporal)
        self.layout = checkpoint.world.layout(temporal)
        self._controls = checkpoint.world.control_map()
        self._embedding = lru_cache(KEPT_PROMPTS)(self._embed)
        self._text = lru_cache(KEPT_PROMPTS)(self._mix)
        self._scene = lru_cache(KEPT_PROMPTS)(self._read)

    @property
    def looks_ahead(self) -> bool:
        """Whether the history can be encoded before the input is known."""
        return not self.checkpoint.transformer.config.ties_to_history

    def memory(self) -> RollingMemory:
        """An empty memory of the right size."""
        world, codec = self.checkpoint.world, self.checkpoint.codec.config
        height, width = world.height // codec.spatial, world.width // codec.spatial
        memory = RollingMemory(self.layout, codec.latent_channels, height, width, device=self.compute.device)
        if self.checkpoint.atlas is not None:
            memory.place = self.checkpoint.atlas.nowhere()
        return memory

    def remember(self, seed: int, image: Frames | None, video: Frames | None) -> RollingMemory:
        """The memory that a session begins with; a picture counts as one latent's frames of standing still."""
        memory, given = self.memory(), self._given(image, video)
        if given is not None:
            latents = self.encode(given)
            memory.append(latents)
            if self.checkpoint.atlas is not None and memory.place is not None:
                memory.place = self.checkpoint.atlas.locate(latents)
        return memory

    def encode(self, frames: Frames) -> Tensor:
        """Frames of the world's size, uint8 [T, H, W, 3], to latents [1, C, F, h, w]."""
        return self.checkpoint.codec.encode(torch.tensor(frames, device=self.compute.device)[None])

    def decode(self, latents: Tensor, previous: Tensor | None) -> Frames:
        """Latents [1, C, F, h, w] to uint8 [T, H, W, 3]; `previous` are the last latents before them."""
        frames: Frames = self.checkpoint.codec.decode(latents, previous)[0].cpu().numpy()
        return frames

    def decode_many(self, latents: Sequence[Tensor], previous: Sequence[Tensor | None]) -> list[Frames]:
        """`decode` of each."""
        kinds = {None if last is None else last.shape[2] for last in previous}
        if len(latents) == 1 or self._decodes_alone or len(kinds) > 1:
            return [self.decode(*pair) for pair in zip(latents, previous, strict=True)]
        before = [last for last in previous if last is not None]
        together = torch.cat(before) if before else None
        frames = self.checkpoint.codec.decode(torch.cat(list(latents)), together).cpu().numpy()
        # Copies, so that frames which are kept do not keep those of all others.
        return [chunk.copy() for chunk in frames]

    def encode_history(self, memory: RollingMemory) -> HistoryCache:
        """What a step needs of the past, when `looks_ahead`."""
        return self.checkpoint.transformer.encode_history(memory.views(), self.layout)

    def encode_histories(self, memories: Sequence[RollingMemory]) -> list[HistoryCache]:
        """`encode_history` of each."""
        views = join_views([memory.views() for memory in memories])
        return cache_rows(self.checkpoint.transformer.encode_history(views, self.layout))

    def sample(self, request: Request, past: HistoryCache | HistoryViews) -> tuple[Tensor, tuple[float, ...]]:
        """The chunk's latents, float32 [1, C, F, h, w], and the milliseconds that they took."""
        return self.sample_many([request], [past])[0]

    def sample_many(
        self, requests: Sequence[Request], pasts: Sequence[HistoryCache | HistoryViews]
    ) -> list[tuple[Tensor, tuple[float, ...]]]:
        """`sample` of each, in one pass for all that go through the same noise levels.

        Alone and together give the same bytes on x86 processors. Where kernels sum in another order for another batch,
        as on a GPU, a chunk's latents of nano are up to 5e-6 apart in float32 and 0.02 in bfloat16, its frames up to 1
        of 255: measured on a CPU without `row_by_row`.
        """
        made: dict[int, tuple[Tensor, tuple[float, ...]]] = {}
        for sigmas, members in self._by_schedule(requests).items():
            began = time.perf_counter()
            latents = self._denoise([requests[n] for n in members], [pasts[n] for n in members], sigmas)
            self.compute.wait()
            spent = (1e3 * (time.perf_counter() - began),)
            made.update((member, (row, spent)) for member, row in zip(members, torch.split(latents, 1), strict=True))
        return [made[number] for number in range(len(requests))]

    def keep(self, memory: RollingMemory, latents: Tensor, request: Request) -> None:
        """Remember the latents that were made for a request, and where the session is now."""
        memory.append(latents)
        atlas = self.checkpoint.atlas
        if atlas is not None and request.place is not None:
            memory.place = self._stand(atlas, request.place, request, self._told(request))

    def _given(self, image: Frames | None, video: Frames | None) -> Frames | None:
        """The frames that the session begins with, in the world's size and in whole latents; None for none."""
        height, width = self.spec.height, self.spec.width
        group = self.checkpoint.codec.config.temporal
        if image is not None:
            return np.repeat(fit(arguments.check_image(image), height, width)[None], group, axis=0)
        if video is None:
            return None
        whole = arguments.check_video(video, group)[len(video) % group :]
        return fit(_ends(whole, group, self.layout.length), height, width)

    @property
    def _decodes_alone(self) -> bool:
        """Whether a convolution sums in another order for a batch: in float32 on a CPU, where a batch gains nothing."""
        return self.compute.device.type == "cpu" and self.compute.dtype == torch.float32

    def _by_schedule(self, requests: Sequence[Request]) -> dict[tuple[float, ...], list[int]]:
        sampling = self.checkpoint.world.sampling
        groups: dict[tuple[float, ...], list[int]] = {}
        for number, request in enumerate(requests):
            sigmas = sampling.first_sigmas if request.start == "prompt" else sampling.sigmas
            groups.setdefault(sigmas, []).append(number)
        return groups

    def _denoise(
        self, requests: Sequence[Request], pasts: Sequence[HistoryCache | HistoryViews], sigmas: tuple[float, ...]
    ) -> Tensor:
        velocity = self._velocity(requests, pasts)
        latents = torch.cat([self._noise(request) for request in requests])
        for sigma, following in pairwise(sigmas):
            latents = euler_step(latents, velocity(latents, sigma).float(), sigma, following)
        return latents

    def _velocity(
        self, requests: Sequence[Request], pasts: Sequence[HistoryCache | HistoryViews]
    ) -> Callable[[Tensor, float], Tensor]:
        """The model as a function of the latents [B, C, F, h, w] and the noise level, all else being given."""
        transformer, layout, actions = self.checkpoint.transformer, self.layout, self._actions(requests)
        guide = self._guide(requests)
        mixtures, texts = zip(*(self._text(request.words) for request in requests), strict=True)
        caches = [past for past in pasts if isinstance(past, HistoryCache)]
        views = [past for past in pasts if isinstance(past, HistoryViews)]

        def told(sigma: float) -> Tensor:
            return torch.full((len(requests),), TIMESTEPS * sigma, device=self.compute.device)

        if views:
            mixture, history = torch.cat(mixtures), join_views(views)
            return lambda latents, sigma: transformer(latents, told(sigma), mixture, history, layout, actions, guide)
        text, past = join_caches(texts), join_caches(caches)
        return lambda latents, sigma: transformer.denoise(
            latents, told(sigma), text, past, layout, actions, guide=guide
        )

    def _guide(self, requests: Sequence[Request]) -> Guide | None:
        """What the atlas expects each request to show; request by request, so that none depends on the others."""
        atlas = self.checkpoint.atlas
        if atlas is None:
            return None
        places, latents = [], []
        for request in requests:
            if request.place is None:
                return None
            told = self._told(request)
            now = self._stand(atlas, request.place, request, told)
            places.append(now)
            latents.append(atlas.show(request.place, now, told))
        return Guide(torch.cat(latents), torch.cat(places)[:, KNOWN][:, 0])

    def _stand(self, atlas: Atlas, place: Tensor, request: Request, told: Told) -> Tensor:
        """The place that a request leads to from `place`."""
        controls = torch.from_numpy(self._controls.vector(request.action)).to(self.compute.device)[None]
        return atlas.stand(place, controls, told, request.start == "prompt")

    def _told(self, request: Request) -> Told:
        device = self.compute.device
        scenes, named = zip(*(self._scene(part.text) for part in request.words), strict=True)
        shares = torch.tensor([part.weight for part in request.words], device=device)
        spoken = torch.tensor([bool(split_words(part.text, 1)) for part in request.words], device=device)
        return Told(shares, torch.cat(scenes), torch.cat(named), spoken)

    def _noise(self, request: Request) -> Tensor:
        world, codec = self.checkpoint.world, self.checkpoint.codec.config
        size = (world.height // codec.spatial, world.width // codec.spatial)
        shape = (1, codec.latent_channels, self.layout.chunk, *size)
        return chunk_noise(request.seed, request.index, shape, self.compute.device)

    def _actions(self, requests: Sequence[Request]) -> Tensor | None:
        if self.checkpoint.transformer.config.action_dim is None:
            return None
        rows = np.stack([self._controls.transition(request.before, request.action) for request in requests])
        return torch.from_numpy(rows).to(self.compute.device)[:, None].expand(-1, self.layout.chunk, -1)

    def _mix(self, words: Mixture) -> tuple[Tensor, TextCache]:
        embeddings = [part.weight * self._embedding(part.text) for part in words]
        mixture = torch.stack(embeddings).sum(0)
        return mixture, self.checkpoint.transformer.embed_text(mixture)

    def _read(self, prompt: str) -> tuple[Tensor, Tensor]:
        """The scene that a prompt says, for the atlas, and whether it names a land: [1, S], [1]."""
        atlas = self.checkpoint.atlas
        assert atlas is not None
        return atlas.read(self._embedding(prompt))

    def _embed(self, prompt: str) -> Tensor:
        embedding: Tensor = self.checkpoint.text_encoder([prompt]).float()
        return embedding


def _ends(frames: Frames, group: int, length: int) -> Frames:
    """Of a long video, the frames of the first latent, for the anchor, and of the last `length` ones."""
    if len(frames) <= group * (length + 1):
        return frames
    return np.concatenate([frames[:group], frames[-group * length :]])
