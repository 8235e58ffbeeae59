"""The bytes that are counted are those of the tensors that are alive."""

from __future__ import annotations

import torch

from helios_world.offload import live_bytes

KILO = 1024


def floats(kilobytes: int) -> torch.Tensor:
    return torch.ones(kilobytes * KILO // 4)


def test_what_is_alive_counts_and_what_is_gone_does_not() -> None:
    with live_bytes("cpu") as usage:
        kept = floats(3)
        assert usage.live == 3 * KILO
        more = kept * 2
        del more
        assert (usage.live, usage.peak) == (3 * KILO, 6 * KILO)
    del kept
    assert (usage.live, usage.peak) == (0, 6 * KILO)


def test_views_and_changes_in_place_are_no_new_bytes() -> None:
    before = floats(8)
    with live_bytes("cpu") as usage:
        parts = [before.view(2, -1), before[:10], before.add_(1)]
        assert usage.peak == 0
        fresh = before + 1
        parts += [fresh[:5]]
        del fresh
        assert usage.live == 8 * KILO
    del parts
    assert usage.live == 0


def test_temporaries_inside_an_expression_count() -> None:
    x = floats(1)
    with live_bytes("cpu") as usage:
        y = (x + 1) * (x + 2) + 3
        assert usage.live == y.nbytes
    assert usage.peak == 3 * KILO


def test_meta_tensors_count_as_if_they_were_there() -> None:
    with live_bytes("meta") as usage:
        huge = torch.empty(1 << 40, device="meta") + 1
    assert usage.live == huge.nbytes == 1 << 42
