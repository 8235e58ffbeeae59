"""Input that is sampled at the server is what it would be if it were sampled here."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helios_runtime.client import RemoteInputs
from helios_runtime.inputs import InputSampler
from helios_runtime.server.latest import LatestInput
from helios_world.errors import ActionError, PromptError
from helios_world.spec import ActionSpec, Axis, Button

SID = "0" * 32
SPEC = ActionSpec(
    buttons=(Button("forward", "walk"), Button("jump", "jump")),
    axes=(
        Axis("turn", "turn", "degrees", -4.0, 4.0),
        Axis("mouse", "look", "pixels", -100.0, 100.0, combine="sum"),
    ),
)
BUTTONS = st.sampled_from(SPEC.button_names)
AMOUNTS = st.sampled_from([-2.0, -0.5, 0.0, 1.0, 3.0])
EVENTS = st.one_of(
    st.tuples(st.sampled_from(["press", "release"]), BUTTONS),
    st.tuples(st.sampled_from(["move", "nudge"]), st.sampled_from(SPEC.axis_names), AMOUNTS),
    st.tuples(st.just("say"), st.sampled_from(["fog", "rain"])),
    st.just(("release_all",)),
    st.just(("chunk",)),
)


class Far:
    """A server that gets every change at once, and begins a chunk when it is told."""

    def __init__(self) -> None:
        self.inputs = RemoteInputs(SPEC, now=lambda: 0.0)
        self.server = LatestInput(SPEC)

    def send(self) -> None:
        message = self.inputs.take(SID, 1)
        if message is not None:
            self.server.put(message, 0.0)

    def chunk(self) -> Any:
        taken = self.server.sample()
        self.inputs.seen(taken.applied)
        self.send()
        return taken


@settings(deadline=None)
@given(st.lists(EVENTS, max_size=40))
def test_far_and_near_are_the_same(events: list[tuple[Any, ...]]) -> None:
    near, far = InputSampler(SPEC, now=lambda: 0.0), Far()
    for name, *arguments in [*events, ("chunk",), ("chunk",)]:
        if name == "chunk":
            sample, taken = near.sample(), far.chunk()
            assert (taken.action, taken.prompt) == (sample.action, sample.prompt)
            continue
        getattr(near, name)(*arguments)
        getattr(far.inputs, name)(*arguments)
        far.send()


def test_nothing_is_sent_while_nothing_changes() -> None:
    inputs = RemoteInputs(SPEC)
    assert inputs.take(SID, 1) is None
    inputs.press("jump")
    message = inputs.take(SID, 1)
    assert message is not None
    assert (message.n, message.buttons, message.pressed) == (1, ("jump",), ("jump",))
    assert inputs.take(SID, 1) is None
    inputs.press("jump")
    inputs.release("forward")
    inputs.move("turn", 0.0)
    inputs.nudge("mouse", 0.0)
    assert inputs.take(SID, 1) is None


def test_a_tap_between_two_messages_is_in_the_second() -> None:
    inputs = RemoteInputs(SPEC)
    inputs.press("jump")
    inputs.release("jump")
    message = inputs.take(SID, 1)
    assert message is not None
    assert (message.buttons, message.pressed) == ((), ("jump",))


def test_the_time_of_the_oldest_change_is_kept_until_a_chunk_has_it() -> None:
    inputs = RemoteInputs(SPEC)
    inputs.press("jump", at=2.0)
    inputs.move("turn", 1.0, at=1.0)
    inputs.take(SID, 1)
    inputs.release("jump", at=3.0)
    inputs.take(SID, 1)
    assert inputs.seen(None) == ()
    assert inputs.seen(1) == (1.0,)
    assert inputs.seen(2) == (3.0,)
    assert inputs.seen(2) == ()


def test_on_a_new_connection_what_no_chunk_had_is_told_again() -> None:
    inputs = RemoteInputs(SPEC)
    inputs.press("jump")
    inputs.take(SID, 1)
    inputs.seen(1)
    inputs.press("forward", at=5.0)
    inputs.release("forward")
    inputs.say("fog")
    inputs.nudge("mouse", 2.0)
    inputs.take(SID, 1)
    inputs.repeat()
    message = inputs.take(SID, 1)
    assert message is not None
    assert (message.n, message.buttons, message.pressed, message.prompt) == (3, ("jump",), ("forward",), "fog")
    assert message.axes == {}
    assert inputs.seen(3) == (5.0,)


def test_of_several_prompts_that_no_chunk_had_the_newest_is_told_again() -> None:
    inputs = RemoteInputs(SPEC)
    for prompt in ("fog", "rain"):
        inputs.say(prompt)
        inputs.take(SID, 1)
    inputs.repeat()
    message = inputs.take(SID, 1)
    assert message is not None
    assert message.prompt == "rain"


def test_a_new_epoch_forgets_all_but_what_is_held() -> None:
    inputs = RemoteInputs(SPEC, n=8)
    inputs.press("forward")
    inputs.press("jump")
    inputs.release("jump")
    inputs.say("fog")
    inputs.nudge("turn", 2.0)
    inputs.renew()
    message = inputs.take(SID, 2)
    assert message is not None
    assert (message.n, message.buttons, message.pressed, message.prompt, message.axes) == (
        9,
        ("forward",),
        (),
        None,
        {},
    )


def test_values_are_clipped() -> None:
    inputs = RemoteInputs(SPEC)
    inputs.move("turn", 3.0)
    inputs.nudge("turn", 3.0)
    message = inputs.take(SID, 1)
    assert message is not None
    assert message.axes == {"turn": 4.0}


def test_what_the_world_does_not_have() -> None:
    inputs = RemoteInputs(SPEC)
    with pytest.raises(ActionError, match=r"'fly'.*forward"):
        inputs.press("fly")
    with pytest.raises(ActionError, match=r"'roll'.*turn"):
        inputs.nudge("roll", 1.0)
    with pytest.raises(PromptError):
        inputs.say("x" * 2001)


def test_every_change_wakes_the_sender() -> None:
    woken: list[int] = []
    inputs = RemoteInputs(SPEC, wake=lambda: woken.append(1))
    inputs.press("jump")
    inputs.release("jump")
    inputs.move("turn", 1.0)
    inputs.nudge("mouse", 1.0)
    inputs.say("fog")
    inputs.release_all()
    assert len(woken) == 6
