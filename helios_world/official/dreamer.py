"""An official checkpoint as a world: text-, image- and video-to-video, steered by words.

Shapes: C latent channels, F latent frames, h w latent height and width, L text tokens, T frames, H W pixels.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from helios_world import arguments
from helios_world.compute import Compute
from helios_world.conditioning.steering import Steering
from helios_world.dreamer import Request, fingerprint
from helios_world.errors import StateError
from helios_world.memory import HistoryLayout, HistoryViews, RollingMemory, join_views
from helios_world.model import HistoryCache
from helios_world.official.conditions import Conditions
from helios_world.official.parts import OfficialParts
from helios_world.official.plan import sampling_plan
from helios_world.official.speed import make_fast
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
SAME_WORLD = {
    *("offload", "keep_text_encoder", "attention", "graphs", "vae_compile", "vae_channels_last"),
    *("steering", "loras", "vae_tiling"),
}
"""Options that make no other world: they change nothing, or the rounding alone, or are told by other means."""


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
        self.fast, self._attention = make_fast(parts.transformer, self.layout, options, compute)
        self.conditions = Conditions(parts.encoder, self.fast, keep=options.offload == "none")
        self.spec = self._spec()
        self._alone = threading.Lock()

    def report(self) -> dict[str, Any]:
        """How the passes are computed, as values that JSON has: what was chosen, and what was measured for it."""
        return {
            "precision": self.options.precision,
            "attention": self._attention.report(),
            "graphs": self.fast.report(),
            "text_bytes": self.conditions.nbytes,
        }

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

    def encode_histories(self, memories: Sequence[RollingMemory]) -> list[HistoryCache]:
        return [self.encode_history(memory) for memory in memories]

    def sample(self, request: Request, past: HistoryCache | HistoryViews) -> tuple[Tensor, tuple[float, ...]]:
        """The chunk's latents, float32 [1, C, F, h, w], and the milliseconds of each stage."""
        return self.sample_many([request], [past])[0]

    def sample_many(
        self, requests: Sequence[Request], pasts: Sequence[HistoryCache | HistoryViews]
    ) -> list[tuple[Tensor, tuple[float, ...]]]:
        """`sample` of each, in one pass for all first chunks and one for all others.

        Memory of the device and the time of a pass grow with the number. Kernels may sum in another order for another
        batch; a chunk then differs by rounding from what it is alone. Measured on a CPU with three small checkpoints of
        random weights, whose codecs magnify it: frames up to 1 of 255 in float32 and 36 in bfloat16.
        """
        made: dict[int, tuple[Tensor, tuple[float, ...]]] = {}
        with self._alone, self._on_device():
            for first in (True, False):
                members = [number for number, request in enumerate(requests) if (request.start is not None) is first]
                if members:
                    rows = self._sample([requests[n] for n in members], [pasts[n] for n in members], first)
                    made.update(zip(members, rows, strict=True))
        return [made[number] for number in range(len(requests))]

    @property
    def group_sizes(self) -> tuple[int, ...]:
        """How many frames of a chunk come at a time."""
        if self.options.offload != "none":
            return (self.spec.frames_per_chunk,)
        *_, latents, height, width = self._shape()
        return self.parts.codec.group_sizes(latents, height, width)

    @property
    def decodes_beside(self) -> bool:
        """Whether a chunk is decoded while the next one is denoised."""
        return self.compute.device.type == "cuda" and self.options.offload == "none"

    def decode(self, latents: Tensor, previous: Tensor | None) -> Frames:
        """Latents [1, C, F, h, w] to uint8 [T, H, W, 3]. Every chunk is decoded by itself."""
        if len(self.group_sizes) > 1:
            # The same way as group by group, so that the bytes are the same in every precision.
            return np.concatenate([*self.parts.codec.decode_groups(latents)])
        with self._alone:
            return self.parts.codec.decode(latents)

    def decode_groups(self, latents: Tensor, previous: Tensor | None) -> Iterator[Frames]:
        """`decode`, group by group. It needs no lock: the codec keeps nothing of it in itself."""
        if len(self.group_sizes) == 1:
            return iter([self.decode(latents, previous)])
        return self.parts.codec.decode_groups(latents)

    def decode_many(self, latents: Sequence[Tensor], previous: Sequence[Tensor | None]) -> list[Frames]:
        """`decode` of each, one after the other: the codec needs the memory that it has for one chunk."""
        return [self.decode(*pair) for pair in zip(latents, previous, strict=True)]

    def keep(self, memory: RollingMemory, latents: Tensor, request: Request) -> None:
        """Remember the latents that were made for a request."""
        memory.append(latents)
        if self.options.second_anchor and request.index == 1:
            memory.set_anchor(latents[:, :, :1])

    def _on_device(self) -> AbstractContextManager[object]:
        """What is recorded and measured is so on the present device, which need not be this one."""
        device = self.compute.device
        return torch.cuda.device(device) if device.type == "cuda" else nullcontext()

    def _shape(self, batch: int = 1) -> tuple[int, int, int, int, int]:
        codec, options = self.parts.codec, self.options
        size = (options.height // codec.spatial, options.width // codec.spatial)
        return (batch, codec.channels, options.latents_per_chunk, *size)

    def _sample(
        self, requests: list[Request], pasts: list[HistoryCache | HistoryViews], first: bool
    ) -> list[tuple[Tensor, tuple[float, ...]]]:
        views = join_views([views for views in pasts if isinstance(views, HistoryViews)])
        negative = self.options.negative_prompt if self.plan.guidance.scale > 1 else None
        text, away = self.conditions.read([request.words for request in requests], negative)
        clock = _clock_of(self.compute)
        past = self.fast.embed_history(views)

        def velocity(sample: Tensor, timestep: Tensor, conditional: bool) -> Tensor:
            return self.fast.velocity(sample, float(timestep[0]), text if conditional or away is None else away, past)

        def draw(number: int, shape: tuple[int, ...]) -> Tensor:
            each = (1, *shape[1:])
            noise = torch.cat([chunk_noise(one.seed, one.index, each, level=number) for one in requests])
            return _sent(noise, self.compute.device)

        patch = self.parts.transformer.config.patch_size
        latents = sample_chunk(self.plan, velocity, draw, self._shape(len(requests)), patch, first, clock.tick)
        stages = clock.stages()
        return [(row, stages) for row in torch.split(latents, 1)]

    def _spec(self) -> WorldSpec:
        options, codec = self.options, self.parts.codec
        choices = options.model_dump_json(exclude=SAME_WORLD)
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


def _sent(noise: Tensor, device: torch.device) -> Tensor:
    """Numbers of the host on the device, without waiting for what the device does before."""
    return noise.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else noise


class _Stages(Protocol):
    """Milliseconds between the ends of the stages."""

    def tick(self) -> None:
        """A stage has been told to the device to its end."""
        ...

    def stages(self) -> tuple[float, ...]:
        """Of all stages, which are done then."""
        ...


class _HostStages:
    def __init__(self) -> None:
        self._ends = [time.perf_counter()]

    def tick(self) -> None:
        self._ends.append(time.perf_counter())

    def stages(self) -> tuple[float, ...]:
        return tuple(1e3 * (end - begin) for begin, end in itertools.pairwise(self._ends))


class _DeviceStages:
    """On a CUDA device, which goes on meanwhile: the host draws the noise of the next stage."""

    def __init__(self) -> None:
        self._ends: list[torch.cuda.Event] = []
        self.tick()

    def tick(self) -> None:
        end = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        end.record()
        self._ends.append(end)

    def stages(self) -> tuple[float, ...]:
        self._ends[-1].synchronize()
        return tuple(begin.elapsed_time(end) for begin, end in itertools.pairwise(self._ends))


def _clock_of(compute: Compute) -> _Stages:
    return _DeviceStages() if compute.device.type == "cuda" else _HostStages()
