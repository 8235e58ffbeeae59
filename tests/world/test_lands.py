from __future__ import annotations

from helios_world.spec import World
from helios_world.testing import check_world


def test_the_ground_truth_keeps_the_contract() -> None:
    check_world(lambda: World.load("lands"))
