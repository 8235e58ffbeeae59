"""A folder cut into pieces of bounded size, and put together again: for ways that carry only small files.

`python -m helios_world.train.pieces cut FOLDER PIECES` and `python -m helios_world.train.pieces join PIECES FOLDER`.
The pieces are the files' bytes one after the other; `pieces.json` says whose they are, with a digest of each file.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path, PurePosixPath

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from helios_world.errors import CheckpointError

INDEX = "pieces.json"
LIMIT = 15 * 2**20


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    path: str
    size: int = Field(ge=0)
    sha256: str


class _Index(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    files: tuple[_File, ...]
    pieces: tuple[str, ...]


def cut(folder: Path, out: Path, limit: int = LIMIT) -> list[Path]:
    """Write the files of `folder` to `out` as pieces of at most `limit` bytes; returns them, the index last."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    contents = [path.read_bytes() for path in paths]
    files = [
        _File(path=path.relative_to(folder).as_posix(), size=len(data), sha256=hashlib.sha256(data).hexdigest())
        for path, data in zip(paths, contents, strict=True)
    ]
    whole = b"".join(contents)
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for number, first in enumerate(range(0, len(whole), limit)):
        written.append(out / f"piece-{number:03d}.bin")
        written[-1].write_bytes(whole[first : first + limit])
    index = _Index(files=tuple(files), pieces=tuple(path.name for path in written))
    (out / INDEX).write_text(json.dumps(index.model_dump(), indent=1) + "\n", encoding="utf-8")
    return [*written, out / INDEX]


def join(pieces: Path, folder: Path) -> None:
    """Put a folder together from its pieces.

    Raises:
        CheckpointError: a piece is missing or damaged, or the index names a file outside the folder.
    """
    try:
        index = _Index.model_validate_json((pieces / INDEX).read_bytes())
        whole = b"".join((pieces / PurePosixPath(name).name).read_bytes() for name in index.pieces)
    except (OSError, ValidationError) as error:
        raise CheckpointError(f"{str(pieces)!r} holds no complete set of pieces: {error}") from error
    first = 0
    for file in index.files:
        data = whole[first : first + file.size]
        first += file.size
        if hashlib.sha256(data).hexdigest() != file.sha256:
            raise CheckpointError(f"{str(pieces)!r}: {file.path!r} is damaged, its digest is not the one in {INDEX}")
        path = folder / file.path
        if not path.resolve().is_relative_to(folder.resolve()):
            raise CheckpointError(f"{str(pieces)!r}: {file.path!r} would lie outside {str(folder)!r}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def main() -> None:
    """Parse the command line, and cut or join."""
    parser = argparse.ArgumentParser(prog="python -m helios_world.train.pieces", description=__doc__)
    parser.add_argument("what", choices=("cut", "join"))
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    options = parser.parse_args()
    if options.what == "cut":
        cut(options.source, options.target)
    else:
        join(options.source, options.target)


if __name__ == "__main__":
    main()
