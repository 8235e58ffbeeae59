"""The tensors of a folder of safetensors files: found and checked by their headers, then read one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from helios_world.errors import CheckpointError
from helios_world.official.settings import read_object

SINGLE = "diffusion_pytorch_model.safetensors"
INDEX = f"{SINGLE}.index.json"
DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
"""What weights may be stored as, by safetensors' names."""
MAPPED_BYTES = 1 << 30
"""How much of a file is mapped at a time. What has been read of a mapping counts as memory in use until it ends."""

Renaming = Callable[[str], str | None]
"""The name in a file to the model's name, or None for a tensor that is not used."""


@dataclass(frozen=True)
class Stored:
    """A tensor in a file, as its header describes it.

    Args:
        key: its name in the file.
        dtype: safetensors' name, such as "BF16".
    """

    file: Path
    key: str
    shape: tuple[int, ...]
    dtype: str

    @property
    def nbytes(self) -> int:
        return int(torch.Size(self.shape).numel()) * DTYPES[self.dtype].itemsize


def survey(folder: Path, rename: Renaming) -> dict[str, Stored]:
    """The tensors in `folder`, in one file or in shards with an index, by the model's names. Reads headers only.

    Raises:
        CheckpointError: a file that is missing or damaged, an index that the files contradict, two tensors of one
            name, a type that no weight has.
    """
    files = _files(folder)
    found: dict[str, Stored] = {}
    for file in files:
        for stored in header(file):
            name = rename(stored.key)
            if name is None:
                continue
            if name in found:
                other = found[name]
                raise CheckpointError(
                    f"{str(file)!r}: {stored.key!r} stands for {name!r}, and so does {other.key!r} in"
                    f" {str(other.file)!r}; one of them has to go"
                )
            found[name] = stored
    return found


def header(file: Path) -> list[Stored]:
    """What a safetensors file holds; CheckpointError names a damaged file."""
    with opened(file) as handle:
        keys = handle.keys()
        slices = {key: handle.get_slice(key) for key in keys}
        found = [Stored(file, key, tuple(s.get_shape()), str(s.get_dtype())) for key, s in slices.items()]
    for stored in found:
        if stored.dtype not in DTYPES:
            raise CheckpointError(
                f"{str(file)!r}: {stored.key!r} is stored as {stored.dtype}; weights are {', '.join(DTYPES)}"
            )
    return found


def read(tensors: Mapping[str, Stored]) -> Iterator[tuple[str, Tensor]]:
    """(name, tensor) one after the other, file by file, on the CPU and as stored.

    A tensor is valid until the next one is asked for: it may lie in the mapped file.
    """
    by_file: dict[Path, dict[str, Stored]] = {}
    for name, stored in tensors.items():
        by_file.setdefault(stored.file, {})[name] = stored
    for file, inside in by_file.items():
        for batch in _batches(inside):
            with opened(file) as handle:
                for name, stored in batch:
                    yield name, handle.get_tensor(stored.key)


def opened(file: Path) -> safe_open:
    """`file`, mapped; CheckpointError names one that is missing or damaged."""
    try:
        return safe_open(file, framework="pt", device="cpu")
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{str(file)!r} cannot be read, it is damaged or incomplete: {error}") from error


def check(folder: Path, found: Mapping[str, Stored], expected: Mapping[str, torch.Size]) -> None:
    """CheckpointError unless `found` are the tensors that `expected` names, in their shapes."""
    for what, names in (("lacks", expected.keys() - found.keys()), ("has the unknown", found.keys() - expected.keys())):
        if names:
            listed = sorted(names)
            told = [found[name].key if name in found else name for name in listed[:5]]
            more = f" and {len(listed) - 5} more" if len(listed) > 5 else ""
            files = sorted({found[name].file.name for name in listed if name in found})
            raise CheckpointError(
                f"{str(folder)!r} {what} weights {told}{more}{f' in {files[:3]}' if files else ''};"
                " does config.json belong to them?"
            )
    for name, stored in found.items():
        if stored.shape != tuple(expected[name]):
            raise CheckpointError(
                f"{str(stored.file)!r}: {stored.key!r} has the shape {list(stored.shape)}, config.json asks for"
                f" {list(expected[name])}"
            )


def _files(folder: Path) -> list[Path]:
    """The files that hold the weights. Where there are shards and a single file, the shards count."""
    if (folder / INDEX).is_file():
        return _shards(folder)
    if not (folder / SINGLE).is_file():
        there = sorted(path.name for path in folder.iterdir() if path.suffix in (".safetensors", ".bin", ".pt"))
        raise CheckpointError(f"{str(folder)!r} has neither {SINGLE} nor {INDEX}; its weights are {there}")
    return [folder / SINGLE]


def _shards(folder: Path) -> list[Path]:
    index = folder / INDEX
    places = read_object(index).get("weight_map")
    if not isinstance(places, dict) or not places:
        raise CheckpointError(f"{str(index)!r}: weight_map is {str(places)[:80]}; it says which file has which key")
    names: dict[str, set[str]] = {}
    for key, name in places.items():
        # A name that leads out of the folder would open files that are no part of the checkpoint.
        if not isinstance(name, str) or Path(name).name != name or not name.endswith(".safetensors"):
            raise CheckpointError(f"{str(index)!r}: {key!r} is in {name!r}; that is no safetensors file of this folder")
        names.setdefault(name, set()).add(key)
    missing = sorted(name for name in names if not (folder / name).is_file())
    if missing:
        raise CheckpointError(f"{str(folder)!r} lacks the shards {missing} that {INDEX} names")
    for name in sorted(names):
        _check_shard(folder / name, names[name])
    return [folder / name for name in sorted(names)]


def _check_shard(file: Path, keys: set[str]) -> None:
    with opened(file) as handle:
        there = set(handle.keys())
    for what, odd in (("lacks", keys - there), ("has besides", there - keys)):
        if odd:
            raise CheckpointError(f"{str(file)!r} contradicts {INDEX}: it {what} {sorted(odd)[:5]}")


def _batches(tensors: Mapping[str, Stored]) -> Iterator[list[tuple[str, Stored]]]:
    batch: list[tuple[str, Stored]] = []
    size = 0
    for name, stored in tensors.items():
        batch.append((name, stored))
        size += stored.nbytes
        if size >= MAPPED_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
