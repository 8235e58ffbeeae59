"""Worlds in lockstep: each client gets, byte for byte, what the Python client gets for the same calls."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from helios_runtime.bench_engines.probe import Probe

Begin = Callable[..., dict[str, Any]]
Same = Callable[[dict[str, Any], dict[str, Any]], None]
STEPS = 100
ACTIONS: list[dict[str, Any]] = [
    {"buttons": ["forward"]},
    {"buttons": ["forward", "turn_left"]},
    {"axes": {"turn": 0.5}},
    {},
    {"buttons": ["strafe_right", "back"], "axes": {"turn": -0.25}},
    {"buttons": ["turn_right"]},
]
UMLAUTS = "a snöwy 雪 night, 100 % = cold"


def test_what_a_server_offers(probe: Probe, reference: Probe, nano: Any) -> None:
    found, expected = (each.do("connect", address=nano.address) for each in (probe, reference))
    assert found == expected
    opened, like = (each.do("open") for each in (probe, reference))
    assert opened.pop("sid") != like.pop("sid")
    assert {name: opened[name] for name in like} == like


def test_an_address_without_a_scheme(probe: Probe, pattern: Any) -> None:
    assert probe.do("connect", address=pattern.address.removeprefix("tcp://"))["version"] == 1


def test_a_hundred_steps(probe: Probe, reference: Probe, nano: Any, begin: Begin, same: Same) -> None:
    same(begin(probe, nano), begin(reference, nano))
    dice = random.Random(4)
    for index in range(1, STEPS + 1):
        action = dice.choice(ACTIONS)
        found = probe.do("step", **action)
        assert found["index"] == index
        same(found, reference.do("step", **action))


def test_a_second_reset_begins_anew(probe: Probe, reference: Probe, pattern: Any, begin: Begin, same: Same) -> None:
    first = begin(probe, pattern, seed=3)
    probe.do("step", buttons=["forward"])
    again = probe.do("reset", seed=3)
    assert again["epoch"] == first["epoch"] + 1
    same(again, first)
    same(begin(reference, pattern, seed=4), probe.do("reset", seed=4))


@pytest.mark.parametrize("seed", [0, 2**31, 2**32 + 1, 2**53 + 1, 2**63 - 1])
def test_large_seeds_are_the_same_number(
    probe: Probe, reference: Probe, pattern: Any, begin: Begin, same: Same, seed: int
) -> None:
    same(begin(probe, pattern, seed=seed), begin(reference, pattern, seed=seed))


def test_a_new_prompt_fades_in(probe: Probe, reference: Probe, nano: Any, begin: Begin, same: Same) -> None:
    for each in (probe, reference):
        begin(each, nano, prompt="a brick garden at noon")
    shares = []
    for index in range(6):
        words = {"prompt": "an ice palace at night"} if index == 1 else {}
        found = probe.do("step", buttons=["forward"], **words)
        same(found, reference.do("step", buttons=["forward"], **words))
        shares.append(dict(map(tuple, found["prompt"])).get("an ice palace at night", 0.0))
    assert shares[0] == 0
    assert shares == sorted(shares)
    assert len(set(shares)) > 2, "it does not fade"


def test_a_prompt_by_itself(probe: Probe, reference: Probe, pattern: Any, begin: Begin, same: Same) -> None:
    for each in (probe, reference):
        begin(each, pattern)
        each.do("prompt", text=UMLAUTS)
    for _ in range(3):
        found = probe.do("step")
        same(found, reference.do("step"))
    assert UMLAUTS in dict(map(tuple, found["prompt"]))


def test_back_to_a_snapshot(probe: Probe, nano: Any, begin: Begin, same: Same) -> None:
    begin(probe, nano)
    probe.do("step", buttons=["forward"])
    state = probe.do("snapshot", name="a")
    assert state["bytes"] > 0
    first = [probe.do("step", buttons=["turn_left"]) for _ in range(3)]
    done = probe.do("restore", name="a")
    assert done["epoch"] == first[0]["epoch"] + 1
    for expected in first:
        found = probe.do("step", buttons=["turn_left"])
        assert found["epoch"] == done["epoch"]
        same(found, expected)


def test_a_snapshot_goes_through_a_file_to_any_client(
    probe: Probe, reference: Probe, nano: Any, begin: Begin, same: Same, tmp_path: Path
) -> None:
    begin(probe, nano)
    probe.do("step", buttons=["forward"])
    state = probe.do("snapshot", name="a")
    probe.do("save", name="a", path=str(tmp_path / "state"))
    assert (tmp_path / "state").stat().st_size == state["bytes"]
    expected = probe.do("step", axes={"turn": 0.75})
    probe.do("close")
    probe.do("open")
    begin(reference, nano, seed=99)
    for each in (probe, reference):
        each.do("load", name="b", path=str(tmp_path / "state"))
        each.do("restore", name="b")
        same(each.do("step", axes={"turn": 0.75}), expected)


def test_a_fork_has_the_same_future_and_a_life_of_its_own(probe: Probe, nano: Any, begin: Begin, same: Same) -> None:
    begin(probe, nano)
    probe.do("step", buttons=["forward"])
    assert probe.do("fork", name="b")["sid"]
    main = [probe.do("step", buttons=["turn_left"]) for _ in range(2)]
    probe.do("use", name="b")
    twin = [probe.do("step", buttons=["turn_left"]) for _ in range(2)]
    for found, expected in zip(twin, main, strict=True):
        same(found, expected)
    away = probe.do("step", buttons=["back"])
    probe.do("use", name="main")
    assert probe.do("step", buttons=["forward"])["sha256"] != away["sha256"]
    probe.do("use", name="b")
    probe.do("close")
    probe.do("use", name="main")
    assert probe.do("step")["index"] == away["index"] + 1


def test_two_clients_at_once(probe: Probe, reference: Probe, nano: Any, begin: Begin) -> None:
    """Each has its own world; begun differently they differ, and neither disturbs the other."""
    begin(probe, nano, seed=1)
    begin(reference, nano, seed=2)
    turns = [(probe.do("step"), reference.do("step")) for _ in range(5)]
    assert all(ours["sha256"] != other["sha256"] for ours, other in turns)
    begin(reference, nano, seed=1)
    assert [ours["sha256"] for ours, _ in turns] == [reference.do("step")["sha256"] for _ in range(5)]


def test_what_the_server_refuses(probe: Probe, nano: Any, begin: Begin, same: Same) -> None:
    probe.do("connect", address=nano.address)
    wrong = probe.ask("open", world="atlantis")
    assert wrong["error"] == "option"
    assert "nano" in wrong["message"], "the message names what there is"
    begin(probe, nano)
    refused = probe.ask("step", buttons=["fly"])
    assert refused["error"] == "action"
    assert "forward" in refused["message"]
    assert not refused["retryable"]
    assert probe.ask("step", axes={"turn": 1e9})["error"] == "action"
    after = probe.do("step", buttons=["forward"])
    assert after["index"] == 1, "what was refused has changed nothing"
    same(probe.do("reset"), {**probe.do("reset"), "epoch": 0})


def test_a_step_before_a_reset(probe: Probe, pattern: Any) -> None:
    probe.do("connect", address=pattern.address)
    probe.do("open")
    assert probe.ask("step")["error"] in ("state", "usage")
    assert probe.do("reset", seed=1)["index"] == 0


def test_a_closed_session_is_over(probe: Probe, pattern: Any, begin: Begin) -> None:
    begin(probe, pattern)
    probe.do("close")
    assert "error" in probe.ask("step")
    assert begin(probe, pattern)["index"] == 0


def test_h264_is_refused_at_once(probe: Probe, pattern: Any) -> None:
    if probe.name == "python":
        pytest.skip("the Python client decodes h264")
    probe.do("connect", address=pattern.address)
    refused = probe.ask("open", encoding="h264")
    assert refused["error"] in ("usage", "option", "dependency")
    assert "jpeg" in refused["message"]
