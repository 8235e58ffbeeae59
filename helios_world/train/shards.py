"""Training clips on disk, format 1: a folder of safetensors files with an index.

shards.json              what the folder holds, see `ShardsFile`
texts.safetensors        "texts" [P, L, E]: the prompts embedded, the first of them the empty one
shard-00000.safetensors  of clip i: "i.latents" [C, F, h, w] and, in a world with actions, "i.actions" [F, A]

Latents are what the transformer sees, normalised as its codec does, float32 or bfloat16, the oldest first. Actions are
a row per latent, of what happened while it was recorded: for our own worlds the previous and the present controls, as
`helios_world.conditioning.action.ControlMap.transition` has them. F is a whole number of chunks of the model that is
to be trained, each chunk encoded on its own where the codec is one that looks back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Literal, overload

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from helios_world.errors import CheckpointError
from helios_world.snapshot import write_atomically
from helios_world.train.stages.clips import Clip

INDEX, TEXTS = "shards.json", "texts.safetensors"
CLIPS_PER_SHARD = 64

Positive = Annotated[int, Field(gt=0)]


class ClipEntry(BaseModel):
    """A clip: the file it is in, its latents, and the number of its prompt."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    shard: str
    frames: Positive
    prompt: Annotated[int, Field(ge=0)]


class ShardsFile(BaseModel):
    """shards.json.

    Args:
        codec: the digest or the name of what made the latents, for people.
        prompts: the texts, the first of which is empty.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    format: Literal[1] = 1
    codec: str = ""
    channels: Positive
    height: Positive
    width: Positive
    action_dim: Positive | None
    prompts: tuple[str, ...]
    clips: tuple[ClipEntry, ...]


class Shards(Sequence[Clip]):
    """The clips of a folder, read when they are asked for.

    Raises:
        CheckpointError: the folder is no complete set of shards.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            self.file = ShardsFile.model_validate_json((folder / INDEX).read_bytes())
            self._texts = load_file(folder / TEXTS)["texts"]
        except (OSError, KeyError, SafetensorError) as error:
            raise CheckpointError(f"{str(folder)!r} is no folder of shards: {error}") from error
        except ValidationError as error:
            wrong = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
            raise CheckpointError(f"{str(folder / INDEX)!r} is not valid: {'; '.join(wrong)}") from error
        self._check()

    @property
    def empty_text(self) -> Tensor:
        """[L, E]."""
        return self._texts[0]

    def __len__(self) -> int:
        return len(self.file.clips)

    @overload
    def __getitem__(self, index: int) -> Clip: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Clip]: ...

    def __getitem__(self, index: int | slice) -> Clip | Sequence[Clip]:
        if isinstance(index, slice):
            return [self[number] for number in range(len(self))[index]]
        entry, number = self.file.clips[index], range(len(self))[index]
        path = self.folder / entry.shard
        try:
            with safe_open(path, framework="pt") as file:
                latents = file.get_tensor(f"{number}.latents")
                actions = None if self.file.action_dim is None else file.get_tensor(f"{number}.actions")
        except (SafetensorError, OSError) as error:
            raise CheckpointError(f"{str(path)!r} lacks clip {number} or is damaged: {error}") from error
        self._check_clip(path, number, latents, actions)
        return Clip(latents, self._texts[entry.prompt], actions)

    def _check(self) -> None:
        if len(self._texts) != len(self.file.prompts) or self.file.prompts[0] != "":
            raise CheckpointError(
                f"{str(self.folder)!r}: {INDEX} has {len(self.file.prompts)} prompts, {TEXTS} {len(self._texts)};"
                " they have to be as many, and the first prompt is the empty one"
            )
        for number, clip in enumerate(self.file.clips):
            if clip.prompt >= len(self.file.prompts) or Path(clip.shard).name != clip.shard:
                raise CheckpointError(f"{str(self.folder / INDEX)!r}: clip {number} is {clip}; no such prompt or file")

    def _check_clip(self, path: Path, number: int, latents: Tensor, actions: Tensor | None) -> None:
        told = self.file
        wanted = (told.channels, told.clips[number].frames, told.height, told.width)
        acted = None if told.action_dim is None else (wanted[1], told.action_dim)
        found = None if actions is None else tuple(actions.shape)
        if tuple(latents.shape) != wanted or found != acted:
            raise CheckpointError(
                f"{str(path)!r}: clip {number} has latents {list(latents.shape)} and actions {found};"
                f" {INDEX} says {list(wanted)} and {acted}"
            )


def write_shards(
    folder: Path,
    clips: Iterable[tuple[Tensor, Tensor | None, str]],
    texts: dict[str, Tensor],
    *,
    codec: str = "",
    per_shard: int = CLIPS_PER_SHARD,
) -> ShardsFile:
    """Write clips one after the other; the index comes last, so that an unfinished folder is not taken for one.

    Args:
        clips: (latents [C, F, h, w], actions [F, A] or None, prompt) of each.
        texts: every prompt embedded, [L, E], the empty one among them.

    Raises:
        ValueError: no clips, or no embedding of the empty prompt.
    """
    if "" not in texts:
        raise ValueError("texts lacks the empty prompt, which captions are replaced with in training")
    folder.mkdir(parents=True, exist_ok=True)
    prompts = ("", *(prompt for prompt in texts if prompt))
    numbers = {prompt: number for number, prompt in enumerate(prompts)}
    save_file({"texts": torch.stack([texts[prompt].float() for prompt in prompts])}, folder / TEXTS)
    entries: list[ClipEntry] = []
    held: dict[str, Tensor] = {}
    size: tuple[int, ...] = ()
    action_dim = None
    for number, (latents, actions, prompt) in enumerate(clips):
        shard = f"shard-{number // per_shard:05}.safetensors"
        if entries and entries[-1].shard != shard:
            save_file(held, folder / entries[-1].shard)
            held = {}
        held[f"{number}.latents"] = latents.contiguous()
        if actions is not None:
            held[f"{number}.actions"] = actions.contiguous()
            action_dim = actions.shape[1]
        size = (latents.shape[0], *latents.shape[2:])
        entries.append(ClipEntry(shard=shard, frames=latents.shape[1], prompt=numbers[prompt]))
    if not entries:
        raise ValueError("there are no clips to write")
    save_file(held, folder / entries[-1].shard)
    channels, height, width = size
    file = ShardsFile(
        codec=codec,
        channels=channels,
        height=height,
        width=width,
        action_dim=action_dim,
        prompts=prompts,
        clips=tuple(entries),
    )
    write_atomically(folder / INDEX, file.model_dump_json(indent=1).encode() + b"\n")
    return file
