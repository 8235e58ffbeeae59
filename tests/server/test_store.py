"""Sessions on disk: what is written is what is read, by the session's owner only."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helios_runtime.server.store import SessionRecord, Store, StoreError, digest, matches

SID = "0123456789abcdef" * 2
RECORD = SessionRecord(
    sid=SID,
    token=digest("secret"),
    world="pattern",
    mode="lockstep",
    encoding="jpeg",
    quality=80,
    progressive=False,
    recording=True,
    opened=1.5,
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "a" / "b")
    yield store
    store.close()


def test_a_small_record_survives(store: Store) -> None:
    store.save(RECORD)
    assert store.load(SID) == RECORD


_messages = st.lists(st.lists(st.binary(max_size=40), max_size=4), max_size=3)


@settings(deadline=None)
@given(
    st.none() | st.binary(max_size=100),
    st.none() | st.lists(st.binary(max_size=40), max_size=4),
    st.none() | _messages,
    st.none() | st.text(max_size=10),
)
def test_every_record_survives(
    tmp_path_factory: pytest.TempPathFactory,
    state: bytes | None,
    again: list[bytes] | None,
    answer: list[list[bytes]] | None,
    prompt: str | None,
) -> None:
    store = Store(tmp_path_factory.mktemp("sessions"))
    record = replace(RECORD, state=state, again=again, answer=answer, prompt=prompt, seq=7, owed=True, epoch=2, index=9)
    store.save(record)
    assert store.load(SID) == record
    store.close()


def test_memory_of_others_is_copied_to_disk(store: Store) -> None:
    store.save(replace(RECORD, again=[memoryview(b"header"), memoryview(b"frames")]))
    loaded = store.load(SID)
    assert loaded is not None
    assert loaded.again == [b"header", b"frames"]


def test_the_newest_record_replaces_the_others(store: Store) -> None:
    for seq in range(5):
        store.save(replace(RECORD, seq=seq))
    loaded = store.load(SID)
    assert loaded is not None
    assert loaded.seq == 4
    assert [path.name for path in store.folder.iterdir() if path.name != "lock"] == [f"{SID}.session"]


def test_no_record(store: Store) -> None:
    assert store.load(SID) is None
    store.delete(SID)


def test_deleted(store: Store) -> None:
    store.save(RECORD)
    store.delete(SID)
    assert store.load(SID) is None


def test_a_damaged_record_is_none_and_is_told_to_the_log(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    store.save(replace(RECORD, state=b"state" * 20, answer=[[b"answer"]]))
    path = store.folder / f"{SID}.session"
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        assert store.load(SID) is None
    path.write_bytes(whole + b"x")
    assert store.load(SID) is None
    path.write_bytes(b"x" + whole)
    assert store.load(SID) is None
    assert SID in caplog.text


def test_every_byte_that_is_damaged_is_noticed(store: Store) -> None:
    store.save(replace(RECORD, again=[b"HW", b"step"], answer=[[b"answer"]]))
    path = store.folder / f"{SID}.session"
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1 :])
        assert store.load(SID) is None, place


def test_what_was_not_finished_is_swept_up(store: Store) -> None:
    store.save(RECORD)
    unfinished, other = store.folder / f"{SID}.17.0a1b2c3d", store.folder / "notes.txt"
    unfinished.touch()
    other.touch()
    store.close()
    again = Store(store.folder)
    assert again.load(SID) == RECORD
    assert (unfinished.exists(), other.exists()) == (False, True)
    again.close()


@pytest.mark.parametrize("sid", ["", "../../etc/passwd", "0" * 31, "0" * 33, "G" * 32, "0" * 30 + "/."])
def test_an_id_is_no_path(store: Store, sid: str) -> None:
    with pytest.raises(ValueError, match="no session's id"):
        store.load(sid)


@pytest.mark.skipif(os.name != "posix", reason="Windows has other rights")
def test_nobody_else_can_read_it(store: Store) -> None:
    store.save(RECORD)
    path = store.folder / f"{SID}.session"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(store.folder.stat().st_mode) == 0o700
    assert b"secret" not in path.read_bytes()


@pytest.mark.skipif(os.name != "posix", reason="no locks there")
def test_one_server_at_a_time(store: Store) -> None:
    with pytest.raises(StoreError, match="another server"):
        Store(store.folder)
    store.close()
    Store(store.folder).close()


def test_what_is_old_goes(store: Store) -> None:
    other = "f" * 32
    for sid in (SID, other):
        store.save(replace(RECORD, sid=sid))
    os.utime(store.folder / f"{SID}.session", (0, 0))
    store.expire(60.0, keep=frozenset({SID}))
    assert store.load(SID) is not None
    store.expire(60.0)
    assert store.load(SID) is None
    assert store.load(other) is not None


def test_tokens() -> None:
    assert matches("secret", digest("secret"))
    assert not matches("secret ", digest("secret"))
