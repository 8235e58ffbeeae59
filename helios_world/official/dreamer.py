"""An official checkpoint as a world: text-, image- and video-to-video, steered by words.

Shapes: C latent channels, F latent frames, h w latent height and width, L text tokens, T frames, H W pixels.
"""

from __future__ import annotations

import threading
import time

import torch
from torch import Tensor

from helios_world import arguments
from helios_world.compute import Compute
from helios_world.conditioning.steering import Steering
from helios_world.dreamer import Mixture, Request, fingerprint
from helios_world.errors import StateError
from helios_world.memory import HistoryLayout, HistoryViews, RollingMemory
from helios_world.model import HistoryCache
from helios_world.official.parts import OfficialParts
from helios_world.official.plan import sampling_plan
from helios_world.official.starts import StartNoise, needed, remember_image, remember_video
from helios_world.options import Options
from helios_world.resize import fit
from helios_world.sampling.chunk import sample_chunk
from helios_world.sampling.config import SamplingPlan
from helios_world.sampling.noise import chunk_noise
from helios_world.spec import Frames, MemoryLayout, WorldSpec

PROMPTS = (
    "A narrow street in an old coastal town in the early morning. Wet cobblestones reflect a pale sky, laundry moves "
    "between the houses, and the sea glitters at the end of the street. The view is from a person's eyes.",
    "A pine forest in light fog. A path of brown needles winds between tall trunks, rays of sun fall through the "
    "branches, and ferns move in the wind. The view is from a person's eyes.",
    "The inside of a large glasshouse full of tropical plants at noon. Broad leaves hang over a stone path, water "
    "drips from iron beams, and a small pond lies ahead. The view is from a person's eyes.",
)
"""What a session begins with when nothing else is given."""


class OfficialDreamer:
    """The parts of an official checkpoint, put together.

    Worlds of several threads may share one: its methods compute one after the other, since diffusers' codec keeps what
    it is coding in itself, and an offloader moves the weights of one computation.
    """

    looks_ahead = False

    def __init__(self, parts: OfficialParts, options: Options, compute: Compute) -> None:
        self.parts = parts
        self.options = options
        self.compute = compute
        self.steering: Steering = parts.steering
        self.plan: SamplingPlan = sampling_plan(parts.folder, options)
        long, mid, short = options.history
        self.layout = HistoryLayout(long, mid, short, options.latents_per_chunk)
        self.spec = self._spec()
        self._alone = threading.Lock()

    def memory(self) -> RollingMemory:
        """An empty memory of the right size."""
        _, channels, _, height, width = self._shape()
        return RollingMemory(self.layout, channels, height, width, device=self.compute.device)

    def remember(self, seed: int, image: Frames | None, video: Frames | None) -> RollingMemory:
        """The memory that a session begins with; pictures of other sizes are scaled and cropped about their centre."""
        memory, size = self.memory(), (self.options.height, self.options.width)
        noise = StartNoise(self.options.image_noise, self.options.video_noise)
        chunk = self.options.latents_per_chunk
        if image is not None:
            still = fit(arguments.check_image(image), *size)
            with self._alone:
                remember_image(memory, self.parts.codec, still, seed, noise, chunk)
        if video is not None:
            length = self.spec.frames_per_chunk
            kept = fit(needed(arguments.check_video(video, length), self.layout, length, chunk), *size)
            with self._alone:
                remember_video(memory, self.parts.codec, kept, seed, noise, chunk)
        return memory

    def encode_history(self, memory: RollingMemory) -> HistoryCache:
        raise StateError("the history of an official checkpoint depends on the chunk and cannot be encoded ahead")

    def sample(self, request: Request, past: HistoryCache | HistoryViews) -> tuple[Tensor, tuple[float, ...]]:
        """The chunk's latents, float32 [1, C, F, h, w], and the milliseconds of each stage."""
        assert isinstance(past, HistoryViews)
        with self._alone:
            return self._sample(request, past)

    def decode(self, latents: Tensor, previous: Tensor | None) -> Frames:
        """Latents [1, C, F, h, w] to uint8 [T, H, W, 3]. Every chunk is decoded by itself."""
        with self._alone:
            return self.parts.codec.decode(latents)

    def keep(self, memory: RollingMemory, latents: Tensor, index: int) -> None:
        """Remember the latents of chunk `index`."""
        memory.append(latents)
        if self.options.second_anchor and index == 1:
            memory.set_anchor(latents[:, :, :1])

    def _shape(self) -> tuple[int, int, int, int, int]:
        codec, options = self.parts.codec, self.options
        size = (options.height // codec.spatial, options.width // codec.spatial)
        return (1, codec.channels, options.latents_per_chunk, *size)

    def _sample(self, request: Request, past: HistoryViews) -> tuple[Tensor, tuple[float, ...]]:
        text, negative = self._conditions(request.words)
        clock = _StageClock(self.compute)

        def velocity(sample: Tensor, timestep: Tensor, conditional: bool) -> Tensor:
            told: Tensor = text if conditional else negative
            return self.parts.transformer(sample, timestep, told, past, self.layout)  # type: ignore[no-any-return]

        def draw(number: int, shape: tuple[int, ...]) -> Tensor:
            return chunk_noise(request.seed, request.index, shape, self.compute.device, level=number)

        patch = self.parts.transformer.config.patch_size
        first = request.start is not None
        latents = sample_chunk(self.plan, velocity, draw, self._shape(), patch, first, clock.tick)
        return latents, tuple(clock.stages)

    def _conditions(self, words: Mixture) -> tuple[Tensor, Tensor]:
        """What the model reads, and what guidance leads away from (empty without guidance), each [1, L, D]."""
        negative = [self.options.negative_prompt] if self.plan.guidance.scale > 1 else []
        self.parts.encoder.prepare([*(part.text for part in words), *negative])
        away = self.parts.encoder(*negative) if negative else torch.empty(0)
        return self._mix(words), away

    def _mix(self, words: Mixture) -> Tensor:
        parts = [part for part in words if part.weight > 0]
        if len(parts) == 1:
            return self.parts.encoder(parts[0].text)
        return torch.stack([part.weight * self.parts.encoder(part.text).float() for part in parts]).sum(0)

    def _spec(self) -> WorldSpec:
        options, codec = self.options, self.parts.codec
        choices = options.model_dump_json(exclude={"offload", "keep_text_encoder", "steering", "loras", "vae_tiling"})
        tiles = f"tiles {options.tiles(max(options.height, options.width))}"
        identity = (self.parts.digest, self.steering.to_json(), choices, tiles, self.compute.label)
        return WorldSpec(
            name=self.parts.folder.path.resolve().name,
            fps=options.fps,
            height=options.height,
            width=options.width,
            frames_per_chunk=codec.temporal * (options.latents_per_chunk - 1) + 1,
            actions=self.steering.actions,
            prompts=PROMPTS,
            blend=options.blend,
            fingerprint=fingerprint(*identity),
            memory=MemoryLayout(*options.history, options.latents_per_chunk),
            fade=options.fade,
        )


class _StageClock:
    """Milliseconds between the ends of the stages."""

    def __init__(self, compute: Compute) -> None:
        self.stages: list[float] = []
        self._compute = compute
        self._last = time.perf_counter()

    def tick(self) -> None:
        self._compute.wait()
        now = time.perf_counter()
        self.stages.append(1e3 * (now - self._last))
        self._last = now
