"""Requests are executed at most once, whatever is repeated."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from helios_runtime.server.quota import Bucket, Complaints
from helios_runtime.server.sequence import Sequence, Verdict


def _answered(sequence: Sequence, seq: int, *messages: bytes) -> None:
    sequence.begin(seq)
    for message in messages:
        sequence.add([message])
    sequence.finish()


def test_the_table_of_the_protocol() -> None:
    sequence = Sequence()
    assert [sequence.judge(seq) for seq in (1, 2)] == [Verdict.NEW, Verdict.GAP]
    sequence.begin(1)
    assert [sequence.judge(seq) for seq in (1, 2, 3)] == [Verdict.RUNNING, Verdict.BUSY, Verdict.GAP]
    sequence.add([b"one"])
    sequence.add([b"two"])
    assert sequence.judge(1) is Verdict.RUNNING
    sequence.finish()
    assert sequence.judge(1) is Verdict.AGAIN
    assert sequence.answer == [[b"one"], [b"two"]]
    _answered(sequence, 2, b"three")
    assert [sequence.judge(seq) for seq in (1, 2, 3, 4)] == [Verdict.STALE, Verdict.AGAIN, Verdict.NEW, Verdict.GAP]
    assert sequence.answer == [[b"three"]]


def test_what_was_abandoned_is_free_again() -> None:
    sequence = Sequence()
    _answered(sequence, 1, b"one")
    sequence.begin(2)
    assert sequence.next_seq == 3
    sequence.abandon()
    assert sequence.next_seq == 2
    assert sequence.judge(2) is Verdict.NEW


def test_after_a_restart() -> None:
    assert Sequence(4).judge(4) is Verdict.STALE
    assert Sequence(4, [[b"kept"]]).judge(4) is Verdict.AGAIN
    harmless = Sequence(4, redo=True)
    assert [harmless.judge(seq) for seq in (3, 4, 5)] == [Verdict.STALE, Verdict.NEW, Verdict.NEW]
    harmless.begin(4)
    assert harmless.next_seq == 5


def test_what_is_kept_for_a_restart() -> None:
    sequence = Sequence()
    assert sequence.kept() is None
    _answered(sequence, 1, b"12345")
    assert sequence.kept() == [[b"12345"]]
    assert sequence.kept(5) == [[b"12345"]]
    assert sequence.kept(4) is None
    sequence.begin(2)
    assert sequence.kept() is None
    sequence.finish(redo=True)
    assert sequence.kept() is None


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 6), st.booleans())))
def test_no_number_is_executed_twice(attempts: list[tuple[int, bool]]) -> None:
    sequence, executed = Sequence(), []
    for seq, ends in attempts:
        if sequence.judge(seq) is Verdict.NEW:
            sequence.begin(seq)
            executed.append(seq)
        if ends and sequence.running is not None:
            sequence.finish()
    assert executed == list(range(1, len(executed) + 1))


def test_a_bucket_fills_again() -> None:
    bucket = Bucket(rate=10.0, burst=3.0, now=0.0)
    assert [bucket.take(0.0) for _ in range(4)] == [True, True, True, False]
    assert [bucket.take(0.1), bucket.take(0.1)] == [True, False]
    assert [bucket.take(100.0) for _ in range(4)] == [True, True, True, False]


def test_complaints_say_how_many_were_held_back() -> None:
    complaints = Complaints(rate=1.0, burst=2.0, now=0.0)
    assert [complaints.take(0.0) for _ in range(5)] == [0, 0, None, None, None]
    assert [complaints.take(1.0), complaints.take(2.0)] == [3, 0]
