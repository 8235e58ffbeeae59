"""Input of a stream: the latest state wins, taps and amounts are kept until a chunk has had them."""

from __future__ import annotations

import pytest

from helios_runtime.protocol.messages import Input
from helios_runtime.server.latest import LatestInput
from helios_world.errors import ActionError
from helios_world.spec import NO_ACTION, Action, ActionSpec, Axis, Button

SPEC = ActionSpec(
    buttons=(Button("forward", ""), Button("jump", ""), Button("use", "")),
    axes=(Axis("turn", "", "share", -1.0, 1.0), Axis("look", "", "degrees", -10.0, 10.0, combine="sum")),
)


class Player:
    def __init__(self) -> None:
        self.latest = LatestInput(SPEC)
        self.count = 0

    def send(self, *held: str, at: float = 0.0, **more: object) -> None:
        self.count += 1
        message = {"sid": "0" * 32, "epoch": 1, "n": self.count, "buttons": held, **more}
        self.latest.put(Input.model_validate(message), at)

    def action(self) -> Action:
        return self.latest.sample().action


@pytest.fixture
def player() -> Player:
    return Player()


def test_nothing_came(player: Player) -> None:
    taken = player.latest.sample()
    assert (taken.action, taken.prompt, taken.applied, taken.client_time) == (NO_ACTION, None, None, None)
    assert taken.changed_at is None


def test_what_is_held_stays(player: Player) -> None:
    player.send("forward", axes={"turn": 0.5})
    walking = Action({"forward"}, {"turn": 0.5})
    assert [player.action(), player.action()] == [walking, walking]
    player.send()
    assert player.action() == NO_ACTION


def test_a_tap_is_in_one_chunk(player: Player) -> None:
    player.send(pressed=("jump",))
    player.send("forward")
    assert [player.action(), player.action()] == [Action({"forward", "jump"}), Action({"forward"})]


def test_held_and_let_go_between_two_chunks(player: Player) -> None:
    player.send("use")
    player.send()
    assert [player.action(), player.action()] == [Action({"use"}), NO_ACTION]


def test_what_is_let_go_is_over_although_an_input_told_of_it_again(player: Player) -> None:
    player.send("forward")
    player.action()
    player.send("forward", axes={"turn": 0.5})
    player.send(axes={"turn": 0.5})
    assert player.action() == Action(axes={"turn": 0.5})


def test_amounts_are_summed_and_clipped(player: Player) -> None:
    player.send(axes={"look": 4.0})
    player.send(axes={"look": 3.0})
    assert [player.action(), player.action()] == [Action(axes={"look": 7.0}), NO_ACTION]
    for _ in range(5):
        player.send(axes={"look": -4.0})
    assert player.action() == Action(axes={"look": -10.0})


def test_an_old_input_counts_for_nothing(player: Player) -> None:
    player.send("forward")
    player.send("jump")
    player.action()
    player.count = 0
    player.send("use", prompt="late")
    taken = player.latest.sample()
    assert (taken.action, taken.prompt, taken.applied) == (Action({"jump"}), None, 2)


def test_the_last_prompt_counts_once(player: Player) -> None:
    player.send(prompt="rain")
    player.send(prompt="snow")
    player.send()
    assert [player.latest.sample().prompt for _ in range(2)] == ["snow", None]
    player.latest.say("fog", 0.0)
    assert player.latest.sample().prompt == "fog"


def test_a_prompt_that_no_chunk_had_comes_back(player: Player) -> None:
    player.latest.put_back("rain")
    player.latest.put_back("older")
    assert player.latest.sample().prompt == "rain"


def test_when_the_oldest_change_came(player: Player) -> None:
    player.send("forward", at=1.0, client_time=10.0)
    player.send("forward", at=2.0, client_time=20.0)
    taken = player.latest.sample()
    assert (taken.changed_at, taken.client_time, taken.applied) == (1.0, 20.0, 2)
    player.send("forward", at=3.0)
    taken = player.latest.sample()
    assert (taken.changed_at, taken.client_time, taken.applied) == (None, None, 3)
    player.send(at=4.0)
    player.send(at=5.0, pressed=("use",))
    assert player.latest.sample().changed_at == 4.0


def test_a_new_epoch_holds_nothing_but_counts_on(player: Player) -> None:
    player.send("forward", axes={"turn": 1.0}, pressed=("use",), prompt="rain")
    player.latest.renew()
    taken = player.latest.sample()
    assert (taken.action, taken.prompt, taken.applied) == (NO_ACTION, None, 1)


@pytest.mark.parametrize(
    "wrong",
    [{"buttons": ("fly",)}, {"pressed": ("fly",)}, {"axes": {"turn": 1.5}}, {"axes": {"roll": 0.1}}],
)
def test_what_the_world_does_not_have_is_refused(player: Player, wrong: dict[str, object]) -> None:
    player.send("forward")
    with pytest.raises(ActionError):
        player.send(**wrong)  # type: ignore[arg-type]
    taken = player.latest.sample()
    assert (taken.action, taken.applied) == (Action({"forward"}), 1)
