"""A client that asks for more before it has taken its answers gets nothing made in advance."""

from __future__ import annotations

from typing import Any

from helios_runtime.server import jobs


def begun(office: Any, visit: Any) -> Any:
    """A client with one answer that its connection has no room for, and the next request sent."""
    guest = visit(office)
    guest.open()
    guest.ask("RESET", seed=1)
    office.full.add(guest.route)
    for seq in (2, 3):
        assert guest.say(t="STEP", sid=guest.sid, seq=seq, epoch=1) == []
    return guest


def steps(office: Any) -> int:
    return sum(isinstance(job, jobs.Step) for job in office.engine.done)


def test_answers_do_not_pile_up(office: Any, visit: Any) -> None:
    guest = begun(office, visit)
    assert guest.say(t="STEP", sid=guest.sid, seq=3, epoch=1) == []
    assert steps(office) == 1
    office.full.clear()
    office.pass_time(0.01)
    assert [(answer.t, answer.seq) for answer in guest.hear()] == [("CHUNK", 2), ("CHUNK", 3)]


def test_answers_for_a_silent_client_are_given_up(office: Any, visit: Any) -> None:
    guest = begun(office, visit)
    office.pass_time(46.0)
    office.pass_time(0.01)
    assert steps(office) == 2
    office.full.clear()
    heir = visit(office, b"b")
    assert heir.resume(guest, last_seq=2).next_seq == 4
    assert [answer.index for answer in heir.say(t="STEP", sid=heir.sid, seq=3, epoch=1)] == [2]


def test_a_client_that_does_not_read_holds_up_no_drain(make_office: Any, visit: Any) -> None:
    office = make_office()
    guest = begun(office, visit)
    for _ in range(5):
        is_saved = office.desk.drain()
        office.run()
        office.pass_time(0.01)
    assert is_saved
    assert office.floor.store.load(guest.sid).seq == 3
