"""Stream mode: chunks against credit, with the newest input, for clients that read and for those that do not."""

from __future__ import annotations

from typing import Any

import pytest

from helios_world.errors import PromptError
from helios_world.spec import Action


class Desktop:
    """A clerk that does nothing yet."""

    def __init__(self) -> None:
        self.tasks: list[Any] = []

    def submit(self, task: Any) -> None:
        self.tasks.append(task)


@pytest.fixture
def guest(office: Any, visit: Any) -> Any:
    """A client of a streaming session that was reset."""
    guest = visit(office)
    guest.open(mode="stream")
    guest.ask("RESET", seed=1)
    return guest


def _credit(guest: Any, n: int = 1, epoch: int = 1) -> list[Any]:
    answers: list[Any] = guest.say(t="CREDIT", sid=guest.sid, epoch=epoch, n=n)
    return answers


def _input(guest: Any, n: int, *held: str, epoch: int = 1, **more: Any) -> list[Any]:
    answers: list[Any] = guest.say(t="INPUT", sid=guest.sid, epoch=epoch, n=n, buttons=list(held), **more)
    return answers


def test_a_credit_is_a_chunk(guest: Any) -> None:
    (chunk,) = _credit(guest)
    assert (chunk.t, chunk.seq, chunk.index, chunk.epoch) == ("CHUNK", None, 1, 1)
    assert [chunk.index for chunk in _credit(guest, 3)] == [2, 3, 4]
    assert guest.hear() == []


def test_at_most_four_are_kept(office: Any, guest: Any) -> None:
    office.engine.is_held = True
    _credit(guest, 4)
    _credit(guest, 4)
    session = office.floor.sessions.get(guest.sid)
    assert session.credit == 4
    assert office.engine.queue_length == 1


def test_no_credit_before_the_first_reset(office: Any, visit: Any) -> None:
    guest = visit(office)
    guest.open(mode="stream")
    assert _credit(guest, epoch=0) == []
    assert office.engine.steps == []


def test_input_is_sampled_when_the_chunk_begins(office: Any, guest: Any) -> None:
    office.engine.is_held = True
    _credit(guest)
    _input(guest, 1, "forward")
    _input(guest, 2, "back", pressed=["turn_left"], axes={"turn": 0.5}, client_time=8.0)
    office.time += 0.5
    office.engine.work()
    office.run()
    (chunk,) = guest.hear()
    assert chunk.action.action() == Action({"forward", "back", "turn_left"}, {"turn": 0.5})
    assert (chunk.applied, chunk.client_time, chunk.input_ms, chunk.queue_ms) == (2, 8.0, 500.0, 500.0)
    _credit(guest)
    office.engine.work()
    office.run()
    (chunk,) = guest.hear()
    assert chunk.action.action() == Action({"back"}, {"turn": 0.5})
    assert (chunk.applied, chunk.client_time, chunk.input_ms) == (2, None, None)


def test_stale_input_is_never_replayed(office: Any, guest: Any) -> None:
    _input(guest, 5, "forward")
    _input(guest, 4, "back", pressed=["turn_left"])
    _input(guest, 6, "turn_right", epoch=0)
    (chunk,) = _credit(guest)
    assert chunk.action.action() == Action({"forward"})
    assert guest.ask("RESET", seed=2).epoch == 2
    _input(guest, 7, "back", epoch=1)
    (chunk,) = _credit(guest, epoch=2)
    assert chunk.action.action() == Action()


def test_a_reset_takes_the_credit(office: Any, guest: Any) -> None:
    office.engine.is_held = True
    _credit(guest, 3)
    guest.say(t="RESET", sid=guest.sid, seq=2, seed=2)
    office.engine.work()
    office.run()
    office.engine.work()
    office.run()
    assert [(chunk.seq, chunk.epoch, chunk.index) for chunk in guest.hear()] == [(None, 1, 1), (2, 2, 0)]
    office.engine.is_held = False
    assert _credit(guest, epoch=1) == []
    assert [chunk.index for chunk in _credit(guest, epoch=2)] == [1]


def test_requests_go_between_two_chunks(office: Any, guest: Any) -> None:
    office.engine.is_held = True
    _credit(guest, 2)
    guest.say(t="SNAPSHOT", sid=guest.sid, seq=2)
    for _ in range(3):
        office.engine.work()
        office.run()
    answers = guest.hear()
    assert [answer.t for answer in answers] == ["CHUNK", "STATE", "CHUNK"]
    assert [answer.index for answer in answers] == [1, 2, 2]


def test_a_prompt_by_request_or_input(office: Any, guest: Any) -> None:
    guest.ask("PROMPT", prompt="a blue floor")
    _credit(guest, 2)
    _input(guest, 1, prompt="a green floor")
    _credit(guest)
    assert [given.prompt for given in office.engine.steps] == ["a blue floor", None, "a green floor"]


def test_input_that_the_world_does_not_have(guest: Any) -> None:
    (error,) = _input(guest, 1, "fly")
    assert (error.t, error.code, error.seq, error.sid) == ("ERROR", "action", None, guest.sid)
    (chunk,) = _credit(guest)
    assert chunk.applied is None


def test_a_chunk_that_fails_is_told_and_paid(office: Any, guest: Any) -> None:
    office.engine.fault = PromptError("not this")
    (error, chunk) = _credit(guest, 2)
    assert (error.t, error.code, error.seq, error.sid) == ("ERROR", "prompt", None, guest.sid)
    assert chunk.index == 1
    assert office.floor.sessions.get(guest.sid).credit == 0


def test_a_prompt_that_is_refused_is_refused_once(office: Any, guest: Any) -> None:
    guest.ask("PROMPT", prompt="too long for this world")
    office.engine.fault = PromptError("too long")
    (error, chunk) = _credit(guest, 2)
    assert (error.code, chunk.t) == ("prompt", "CHUNK")
    assert office.engine.steps[-1].prompt is None


def test_modes_are_not_mixed(office: Any, visit: Any, guest: Any) -> None:
    assert guest.ask("STEP", epoch=1).code == "state"
    other = visit(office, b"b")
    other.open()
    other.ask("RESET", seed=1)
    for answers in (_credit(other), _input(other, 1)):
        assert [(answer.code, answer.seq) for answer in answers] == [("state", None)]
    assert other.ask("STEP", epoch=1).t == "CHUNK"


def test_a_client_that_does_not_read_costs_one_chunk(office: Any, guest: Any) -> None:
    office.full.add(b"a")
    for _ in range(20):
        _credit(guest, 4)
    session = office.floor.sessions.get(guest.sid)
    assert (len(office.engine.steps), len(session.outbox), session.credit) == (1, 1, 4)
    office.full.clear()
    office.pass_time(0.01)
    assert [chunk.index for chunk in guest.hear()] == [1, 2, 3, 4, 5]
    assert not office.desk.is_blocked


def test_a_client_that_is_gone_gets_nothing_more(office: Any, guest: Any) -> None:
    office.gone.add(b"a")
    _credit(guest, 4)
    session = office.floor.sessions.get(guest.sid)
    assert (len(office.engine.steps), session.route, session.credit, len(session.outbox)) == (1, None, 0, 0)


def test_a_client_that_is_silent_gets_nothing_more(office: Any, guest: Any) -> None:
    office.full.add(b"a")
    _credit(guest, 4)
    office.time += 50.0
    office.full.clear()
    office.desk.tick()
    office.run()
    assert len(office.engine.steps) == 1
    guest.say(t="PING", n=1)
    assert len(office.engine.steps) == 4


def test_one_chunk_is_made_while_another_is_encoded(office: Any, visit: Any) -> None:
    guest = visit(office)
    guest.open(mode="stream", encoding="jpeg")
    guest.ask("RESET", seed=1)
    clerk, office.floor.clerk = office.floor.clerk, Desktop()
    _credit(guest, 4)
    assert len(office.engine.steps) == len(office.floor.clerk.tasks) == 2
    for task in office.floor.clerk.tasks:
        clerk.submit(task)
    office.floor.clerk = clerk
    office.run()
    assert [chunk.index for chunk in guest.hear()] == [1, 2, 3, 4]


def test_slow_chunks_are_counted(office: Any, guest: Any) -> None:
    late: list[None] = []
    office.floor.metrics.underrun = lambda: late.append(None)
    _credit(guest)
    assert late == []
    office.engine.is_held = True
    _credit(guest)
    office.time += 1.0
    office.engine.work()
    office.run()
    assert late == [None]
