"""What an official checkpoint is, as a digest that is cheap even for 80 GB."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from helios_world.official.layout import INDEX, OfficialFolder
from helios_world.official.lora import CONFIG, LoraChoice, adapter_file

if TYPE_CHECKING:
    from hashlib import _Hash

WHOLE = 32 << 20
"""Files up to this size are read in full."""
BLOCKS, BLOCK = 64, 64 << 10
"""How many bytes are taken from larger files, evenly from the first to the last."""


def fingerprint(folder: OfficialFolder, loras: Sequence[LoraChoice] = ()) -> str:
    """SHA-256 over the checkpoint's files: names, sizes and contents, and of large files a sample.

    Of a file above 32 MiB it reads the header of a safetensors file and 64 blocks of 64 KiB. So it tells apart
    checkpoints, revisions of one, dtypes and trainings, which change every tensor, and files that were cut. It does not
    see a few bytes changed on purpose, or by a fault of the disk, between the blocks of a large file.
    """
    digest = hashlib.sha256()
    homes = (
        folder.path / "scheduler",
        folder.transformer_path,
        folder.vae_path,
        folder.text_encoder_path,
        folder.tokenizer_path,
    )
    files = [folder.path / INDEX, *(file for home in homes for file in _files(home))]
    _add(digest, ((file.relative_to(folder.path).as_posix(), file) for file in files))
    for lora in loras:
        digest.update(f"adapter {lora.weight!r}\n".encode())
        file = adapter_file(lora.path)
        _add(digest, ((part.name, part) for part in (file, file.parent / CONFIG) if part.is_file()))
    return digest.hexdigest()


def _files(home: Path) -> list[Path]:
    """Of a folder and those in it, without what download programs and editors hide there."""
    return sorted(
        file
        for file in home.rglob("*")
        if file.is_file() and not any(part.startswith(".") for part in file.relative_to(home).parts)
    )


def _add(digest: _Hash, files: Iterable[tuple[str, Path]]) -> None:
    for name, path in files:
        size = path.stat().st_size
        digest.update(f"{name} {size}\n".encode())
        with path.open("rb") as file:
            for start, length in _spans(file, path.suffix, size):
                file.seek(start)
                digest.update(file.read(length))


def _spans(file: BinaryIO, suffix: str, size: int) -> list[tuple[int, int]]:
    if size <= WHOLE:
        return [(0, size)]
    # A safetensors file begins with the length of its header.
    header = 8 + struct.unpack("<Q", file.read(8))[0] if suffix == ".safetensors" else 0
    starts = [(size - BLOCK) * number // (BLOCKS - 1) for number in range(BLOCKS)]
    return [(0, min(header, WHOLE)), *((start, BLOCK) for start in starts)]
