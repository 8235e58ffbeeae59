"""What the first and the next signal do."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from helios_runtime.cli.signals import SAME_SECONDS, SIGNALS, ending_with

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals are sent as on POSIX")


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def raised(number: int) -> None:
    """Send it to this process; the handler has run when this returns."""
    signal.raise_signal(number)


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_ends_in_order(number: int) -> None:
    ended, left = threading.Event(), list[int]()
    with ending_with(ended.set, leave=left.append):
        raised(number)
        assert ended.wait(10)
    assert not left


def test_the_end_may_take_long_while_the_program_goes_on() -> None:
    begun, go_on, done = threading.Event(), threading.Event(), list[str]()

    def end() -> None:
        begun.set()
        go_on.wait(10)
        done.append("ended")

    with ending_with(end, leave=lambda code: done.append("left")):
        raised(signal.SIGTERM)
        assert begun.wait(10)
        assert not done
        go_on.set()
    assert done == ["ended"]


@pytest.mark.parametrize("number", SIGNALS)
def test_the_next_signal_ends_at_once(number: int) -> None:
    clock, left, go_on = Clock(), list[int](), threading.Event()
    with ending_with(lambda: go_on.wait(10), leave=left.append, now=clock):
        raised(signal.SIGTERM)
        clock.now += SAME_SECONDS + 0.01
        raised(number)
        assert left == [128 + number]
        go_on.set()


def test_a_signal_that_is_sent_twice_is_one() -> None:
    clock, left, ends = Clock(), list[int](), list[int]()
    with ending_with(lambda: ends.append(1), leave=left.append, now=clock):
        raised(signal.SIGTERM)
        clock.now += SAME_SECONDS / 2
        raised(signal.SIGTERM)
    assert (len(ends), left) == (1, [])


def test_without_a_signal_nothing_happens_and_nothing_stays() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    threads = threading.active_count()
    with ending_with(lambda: pytest.fail("nobody asked for the end")):
        assert [signal.getsignal(number) for number in SIGNALS] != before
    assert [signal.getsignal(number) for number in SIGNALS] == before
    assert threading.active_count() == threads
