"""A session as a value: everything that a world needs to continue as if nothing had happened. No torch here.

The bytes, little-endian: magic (8), format version (u32), header length (u32), payload length (u64), SHA-256 of all
the rest (32), then the header (msgpack) and the payload (the arrays' raw elements in the order of the header).
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import struct
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgpack
import numpy as np
import numpy.typing as npt

from helios_world.errors import SnapshotError

MAGIC = b"HELIOSNP"
FORMAT = 1
DTYPES = ("|b1", "|i1", "|u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f2", "<f4", "<f8")
MAX_DIMENSIONS = 16

_PREFIX = struct.Struct("<8sIIQ32s")
_HEADER_KEYS = {"schema", "world", "fingerprint", "meta", "arrays"}


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The state of one world.

    Args:
        schema: version of what `meta` and `arrays` mean to the kind of world that made them.
        world: the world's name.
        fingerprint: `WorldSpec.fingerprint` of that world; only an equal world can continue from here.
        meta: anything that JSON can hold.
        arrays: name to array; booleans, integers and floats only. Copied, and read-only afterwards.

    Raises:
        SnapshotError: for a value that cannot be stored exactly.
    """

    schema: int
    world: str
    fingerprint: str
    meta: Mapping[str, Any]
    arrays: Mapping[str, npt.NDArray[Any]]

    def __post_init__(self) -> None:
        arrays = {name: _frozen(name, self.arrays[name]) for name in sorted(self.arrays)}
        object.__setattr__(self, "meta", MappingProxyType(json.loads(_json(self.meta))))
        object.__setattr__(self, "arrays", MappingProxyType(arrays))

    def __bytes__(self) -> bytes:
        header = _pack_header(self)
        payload = b"".join(array.tobytes() for array in self.arrays.values())
        return _prefix(header, payload) + header + payload

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Snapshot) and bytes(self) == bytes(other)

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, tuple[bytes]]:
        return Snapshot.from_bytes, (bytes(self),)

    @property
    def nbytes(self) -> int:
        """Bytes held by the arrays."""
        return sum(array.nbytes for array in self.arrays.values())

    @classmethod
    def from_bytes(cls, data: bytes) -> Snapshot:
        """The snapshot whose bytes these are; SnapshotError for anything else, before anything is allocated."""
        data = bytes(data)
        header, payload = _split(data)
        fields = _read_header(header)
        arrays = _read_arrays(fields.pop("arrays"), payload)
        return cls(**fields, arrays=arrays)

    def save(self, path: str | Path) -> None:
        """Write to a file. The file appears complete or not at all."""
        write_atomically(Path(path), bytes(self))

    @classmethod
    def load(cls, path: str | Path) -> Snapshot:
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise SnapshotError(f"no snapshot can be read from {str(path)!r}: {error.strerror}") from error
        return cls.from_bytes(data)

    def check(self, world: str, fingerprint: str, schema: int) -> None:
        """Raise SnapshotError unless a world of this name, fingerprint and schema can continue from here."""
        found = (self.world, self.fingerprint, self.schema)
        if found != (world, fingerprint, schema):
            raise SnapshotError(
                f"the snapshot is of world {self.world!r} ({self.fingerprint[:12]}, schema {self.schema}); this is "
                f"{world!r} ({fingerprint[:12]}, schema {schema}): load the world, device and dtype that made it"
            )


def write_atomically(path: Path, data: bytes) -> None:
    """Write `data` to a temporary file beside `path`, then rename it."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp keeps others from reading; a file of the user's gets the usual rights.
        if os.name == "posix":
            os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _json(meta: Mapping[str, Any]) -> str:
    try:
        text = json.dumps(dict(meta), sort_keys=True, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise SnapshotError(f"meta holds something that JSON cannot: {error}") from error
    return text


def _frozen(name: str, value: npt.NDArray[Any]) -> npt.NDArray[Any]:
    array = np.array(value, order="C", copy=True)
    if array.dtype.str not in DTYPES or array.ndim > MAX_DIMENSIONS:
        raise SnapshotError(f"array {name!r} is {array.dtype.str} with {array.ndim} dimensions; allowed are {DTYPES}")
    array.flags.writeable = False
    return array


def _pack_header(snapshot: Snapshot) -> bytes:
    fields = {
        "schema": snapshot.schema,
        "world": snapshot.world,
        "fingerprint": snapshot.fingerprint,
        "meta": _json(snapshot.meta),
        "arrays": [[name, a.dtype.str, list(a.shape)] for name, a in snapshot.arrays.items()],
    }
    try:
        packed: bytes = msgpack.packb(fields)
    except (TypeError, ValueError, OverflowError) as error:
        raise SnapshotError(f"the snapshot of {snapshot.world!r} cannot be written: {error}") from error
    return packed


def _prefix(header: bytes, payload: bytes) -> bytes:
    return _PREFIX.pack(MAGIC, FORMAT, len(header), len(payload), _digest(header, payload))


def _digest(header: bytes, payload: bytes) -> bytes:
    digest = hashlib.sha256(struct.pack("<IIQ", FORMAT, len(header), len(payload)))
    digest.update(header)
    digest.update(payload)
    return digest.digest()


def _split(data: bytes) -> tuple[bytes, bytes]:
    if len(data) < _PREFIX.size or not data.startswith(MAGIC):
        raise SnapshotError(f"these {len(data)} bytes are no snapshot: they do not begin with {MAGIC!r}")
    _, version, header_length, payload_length, digest = _PREFIX.unpack_from(data)
    if version != FORMAT:
        raise SnapshotError(f"the snapshot has format {version}; this version reads format {FORMAT}")
    expected = _PREFIX.size + header_length + payload_length
    if len(data) != expected:
        raise SnapshotError(
            f"the snapshot is {len(data)} bytes long, its header says {expected}: it was cut or extended"
        )
    start = _PREFIX.size + header_length
    header, payload = data[_PREFIX.size : start], data[start:]
    if _digest(header, payload) != digest:
        raise SnapshotError("the snapshot's checksum does not match its content: it was damaged")
    return header, payload


def _read_header(header: bytes) -> dict[str, Any]:
    try:
        fields = msgpack.unpackb(header)
        if not isinstance(fields, dict) or set(fields) != _HEADER_KEYS:
            raise ValueError(f"the header's keys are not {sorted(_HEADER_KEYS)}")
        for key, kind in (
            ("schema", int),
            ("world", str),
            ("fingerprint", str),
            ("meta", str),
            ("arrays", list),
        ):
            if type(fields[key]) is not kind:
                raise ValueError(f"{key} is {fields[key]!r}")
        fields["meta"] = json.loads(fields["meta"])
        if not isinstance(fields["meta"], dict):
            raise ValueError("meta is no object")
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException) as error:
        raise SnapshotError(f"the snapshot's header cannot be read: {error}") from error
    return fields


def _read_arrays(entries: list[Any], payload: bytes) -> dict[str, npt.NDArray[Any]]:
    arrays: dict[str, npt.NDArray[Any]] = {}
    offset = 0
    for entry in entries:
        name, dtype, shape = _array_entry(entry)
        count = math.prod(shape)
        end = offset + count * dtype.itemsize
        if end > len(payload) or name in arrays:
            raise SnapshotError(
                f"array {name!r} of shape {shape} does not fit into the snapshot's {len(payload)} bytes"
            )
        arrays[name] = np.frombuffer(payload, dtype, count, offset).reshape(shape)
        offset = end
    if offset != len(payload):
        raise SnapshotError(f"the snapshot has {len(payload) - offset} bytes that belong to no array")
    return arrays


def _array_entry(entry: Any) -> tuple[str, np.dtype[Any], tuple[int, ...]]:
    match entry:
        case [str(name), str(dtype), list(shape)] if (
            dtype in DTYPES and len(shape) <= MAX_DIMENSIONS and all(type(n) is int and 0 <= n < 2**40 for n in shape)
        ):
            return name, np.dtype(dtype), tuple(shape)
    raise SnapshotError(f"the snapshot describes an array as {entry!r}; expected [name, dtype of {DTYPES}, shape]")
