from __future__ import annotations

import copy
import hashlib
import pickle
import struct
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from helios_world.errors import SnapshotError
from helios_world.snapshot import DTYPES, FORMAT, MAGIC, Snapshot

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
_arrays = st.dictionaries(
    st.text(st.characters(codec="utf-8"), max_size=8),
    st.sampled_from(DTYPES).flatmap(
        lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, min_side=0, max_side=3))
    ),
    max_size=3,
)
_snapshots = st.builds(
    Snapshot,
    schema=st.integers(0, 2**31),
    world=st.text(st.characters(codec="utf-8"), max_size=8),
    fingerprint=st.text("0123456789abcdef", max_size=64),
    meta=st.dictionaries(st.text(), _json, max_size=3),
    arrays=_arrays,
)


def _example(**changes: Any) -> Snapshot:
    fields: dict[str, Any] = {
        "schema": 1,
        "world": "nano",
        "fingerprint": "ab" * 32,
        "meta": {"seed": 2**63 - 1, "prompt": "ein Garten — 庭"},
        "arrays": {"memory": np.arange(24, dtype=np.float32).reshape(2, 3, 4), "count": np.array(7)},
    }
    return Snapshot(**{**fields, **changes})


@given(_snapshots)
@settings(deadline=None)
def test_round_trip(snapshot: Snapshot) -> None:
    again = Snapshot.from_bytes(bytes(snapshot))
    assert again == snapshot
    assert again.meta == snapshot.meta
    for name, array in snapshot.arrays.items():
        assert again.arrays[name].dtype == array.dtype
        assert again.arrays[name].shape == array.shape
        assert again.arrays[name].tobytes() == array.tobytes()


@given(_snapshots, st.data())
@settings(deadline=None)
def test_any_damage_is_noticed(snapshot: Snapshot, data: st.DataObject) -> None:
    whole = bytes(snapshot)
    position = data.draw(st.integers(0, len(whole) - 1))
    flipped = bytearray(whole)
    flipped[position] ^= data.draw(st.integers(1, 255))
    for damaged in (whole[:position], bytes(flipped), whole + b"\0"):
        with pytest.raises(SnapshotError):
            Snapshot.from_bytes(damaged)


@given(st.binary(max_size=200))
@settings(deadline=None)
def test_noise_is_no_snapshot(noise: bytes) -> None:
    with pytest.raises(SnapshotError):
        Snapshot.from_bytes(noise)
    with pytest.raises(SnapshotError):
        Snapshot.from_bytes(_sealed(noise, b""))


def _sealed(header: bytes, payload: bytes) -> bytes:
    """Bytes with a right checksum, whatever the header says."""
    sizes = struct.pack("<IIQ", FORMAT, len(header), len(payload))
    return MAGIC + sizes + hashlib.sha256(sizes + header + payload).digest() + header + payload


@pytest.mark.parametrize(
    "change",
    [
        {"arrays": [["a", "<f4", [2**39, 2**39]]]},
        {"arrays": [["a", "<f4", [-1]]]},
        {"arrays": [["a", "|O", [1]]]},
        {"arrays": [["a", "<f4", [1] * 40]]},
        {"arrays": [["a", "<f4", [1]], ["a", "<f4", [1]]]},
        {"arrays": [["a", "<f4", [1.0]]]},
        {"arrays": ["a"]},
        {"arrays": []},
        {"arrays": 3},
        {"meta": "[1]"},
        {"meta": "{"},
        {"schema": True},
        {"world": b"nano"},
        {"extra": 1},
    ],
)
def test_a_forged_header_is_refused(change: dict[str, Any]) -> None:
    header = {"schema": 1, "world": "", "fingerprint": "", "meta": "{}", "arrays": [["a", "<f4", [2]]]}
    assert Snapshot.from_bytes(_sealed(msgpack.packb(header), bytes(8))).arrays["a"].shape == (2,)
    with pytest.raises(SnapshotError):
        Snapshot.from_bytes(_sealed(msgpack.packb({**header, **change}), bytes(8)))


def test_a_snapshot_does_not_change_afterwards() -> None:
    memory = np.zeros(3, np.float32)
    snapshot = _example(arrays={"memory": memory})
    memory[0] = 1
    assert snapshot.arrays["memory"][0] == 0
    with pytest.raises(ValueError, match="read-only"):
        snapshot.arrays["memory"][0] = 1


def test_equality_is_of_values() -> None:
    assert _example() == _example()
    assert _example() != _example(schema=2)
    assert _example() != _example(meta={})
    assert _example(arrays={"a": np.array([0.0])}) != _example(arrays={"a": np.array([-0.0])})
    assert _example() != "snapshot"
    assert copy.deepcopy(_example()) == pickle.loads(pickle.dumps(_example())) == _example()


@pytest.mark.parametrize("meta", [{"a": float("nan")}, {"a": {1, 2}}, {"a": b"bytes"}])
def test_meta_has_to_be_json(meta: dict[str, Any]) -> None:
    with pytest.raises(SnapshotError, match="JSON"):
        _example(meta=meta)


def test_arrays_of_objects_are_refused() -> None:
    with pytest.raises(SnapshotError, match="'names' is"):
        _example(arrays={"names": np.array(["a", "b"])})


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "state.snapshot"
    _example(schema=3).save(path)
    _example().save(path)
    assert Snapshot.load(path) == _example()
    assert [entry.name for entry in tmp_path.iterdir()] == ["state.snapshot"]
    with pytest.raises(SnapshotError, match="missing"):
        Snapshot.load(tmp_path / "missing")


def test_another_worlds_snapshot_is_refused() -> None:
    _example().check("nano", "ab" * 32, 1)
    for other in (("nano", "cd" * 32, 1), ("lands", "ab" * 32, 1), ("nano", "ab" * 32, 2)):
        with pytest.raises(SnapshotError, match="this is"):
            _example().check(*other)
