"""The rolling memory against a list of everything that was ever appended."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from helios_world.memory import HistoryLayout, RollingMemory

BATCH, CHANNELS, HEIGHT, WIDTH = 2, 3, 2, 4
layouts = st.builds(HistoryLayout, *(st.integers(1, 5) for _ in range(4)))
sizes = st.lists(st.integers(1, 12), max_size=12)


def make_memory(layout: HistoryLayout, **options: Any) -> RollingMemory:
    return RollingMemory(layout, CHANNELS, HEIGHT, WIDTH, batch=BATCH, **options)


def make_latents(frames: int) -> Tensor:
    return torch.randn(BATCH, CHANNELS, frames, HEIGHT, WIDTH)


def joined(memory: RollingMemory) -> Tensor:
    views = memory.views()
    return torch.cat((views.long, views.mid, views.short), dim=2).clone()


@settings(deadline=None)
@given(layouts, sizes)
def test_views_are_the_end_of_everything_appended(layout: HistoryLayout, chunks: list[int]) -> None:
    memory, everything = make_memory(layout), torch.zeros(BATCH, CHANNELS, layout.length, HEIGHT, WIDTH)
    first, held = torch.zeros(BATCH, CHANNELS, 1, HEIGHT, WIDTH), memory.nbytes
    for number, frames in enumerate(chunks):
        latents = make_latents(frames)
        first = latents[:, :, :1] if number == 0 else first
        memory.append(latents)
        everything = torch.cat((everything, latents), dim=2)
        assert torch.equal(joined(memory), everything[:, :, -layout.length :])
    views = memory.views()
    assert torch.equal(joined(memory), everything[:, :, -layout.length :])
    assert torch.equal(views.anchor, first)
    assert [part.shape[2] for part in (views.long, views.mid, views.short)] == [
        layout.long,
        layout.mid,
        layout.short,
    ]
    assert memory.count == sum(chunks)
    assert memory.nbytes == held


@settings(deadline=None)
@given(layouts, sizes, sizes)
def test_a_restored_memory_continues_alike(layout: HistoryLayout, before: list[int], after: list[int]) -> None:
    memory, twin = make_memory(layout), make_memory(layout)
    twin.append(make_latents(3))
    for frames in before:
        memory.append(make_latents(frames))
    state = memory.state()
    for array in state.values():
        array.flags.writeable = False
    twin.load_state(state)
    for frames in after:
        latents = make_latents(frames)
        memory.append(latents)
        twin.append(latents)
    assert torch.equal(joined(twin), joined(memory))
    assert torch.equal(twin.views().anchor, memory.views().anchor)
    assert twin.count == memory.count


def test_a_state_is_a_copy() -> None:
    memory = make_memory(HistoryLayout(2, 1, 1))
    memory.append(make_latents(4))
    state = memory.state()
    before = state["latents"].copy(), state["anchor"].copy()
    memory.append(make_latents(3))
    memory.clear()
    assert (state["latents"] == before[0]).all()
    assert (state["anchor"] == before[1]).all()


def test_bfloat16_survives_the_state() -> None:
    memory = make_memory(HistoryLayout(), dtype=torch.bfloat16)
    memory.append(make_latents(5))
    twin = make_memory(HistoryLayout(), dtype=torch.bfloat16)
    twin.load_state(memory.state())
    assert memory.views().long.dtype == torch.bfloat16
    assert torch.equal(joined(twin), joined(memory))


def test_a_set_anchor_stays() -> None:
    memory, anchor = make_memory(HistoryLayout(2, 1, 1)), make_latents(1)
    memory.set_anchor(anchor)
    memory.append(make_latents(6))
    assert torch.equal(memory.views().anchor, anchor)
    assert memory.count == 6


def test_clearing_forgets_the_anchor_too() -> None:
    memory, later = make_memory(HistoryLayout(2, 1, 1)), make_latents(2)
    memory.append(make_latents(6))
    memory.clear()
    assert memory.count == 0
    assert not joined(memory).any()
    memory.append(later)
    assert torch.equal(memory.views().anchor, later[:, :, :1])


def test_what_is_appended_carries_no_gradient() -> None:
    memory, latents = make_memory(HistoryLayout(2, 1, 1)), make_latents(2).requires_grad_()
    memory.append(latents * 2)
    assert not joined(memory).requires_grad


@pytest.mark.parametrize("shape", [(2, 3, 0, 2, 4), (1, 3, 1, 2, 4), (2, 3, 1, 4, 2), (3, 1, 2, 4), (2, 4, 1, 2, 4)])
def test_a_wrong_shape_is_told(shape: tuple[int, ...]) -> None:
    memory = make_memory(HistoryLayout(2, 1, 1))
    with pytest.raises(ValueError, match=r"the shape is \[.*\], this memory takes \[2, 3, F ≥ 1, 2, 4\]") as caught:
        memory.append(torch.zeros(shape))
    assert str(list(shape)) in str(caught.value)
    assert memory.count == 0


def test_wrong_anchors_and_states_are_told() -> None:
    memory = make_memory(HistoryLayout(2, 1, 1))
    with pytest.raises(ValueError, match=r"the anchor: the shape is \[2, 3, 2, 2, 4\]"):
        memory.set_anchor(make_latents(2))
    with pytest.raises(ValueError, match=r"lacks \['anchor'\]"):
        memory.load_state({key: value for key, value in memory.state().items() if key != "anchor"})
    with pytest.raises(ValueError, match=r"the state's latents: .*takes \[2, 3, 4, 2, 4\]"):
        memory.load_state(make_memory(HistoryLayout(3, 1, 1)).state())


def test_the_published_positions() -> None:
    layout = HistoryLayout(16, 2, 1, chunk=9)
    assert layout.long_indices == tuple(range(1, 17))
    assert layout.mid_indices == (17, 18)
    assert layout.short_indices == (0, 19)
    assert layout.noisy_indices == tuple(range(20, 29))


def test_a_layout_without_a_part_is_told() -> None:
    with pytest.raises(ValueError, match="mid=0"):
        HistoryLayout(mid=0)


def test_a_place_is_kept_and_forgotten_with_the_rest() -> None:
    memory, twin = make_memory(HistoryLayout()), make_memory(HistoryLayout())
    bare = memory.nbytes
    memory.place, twin.place = torch.randn(BATCH, 7), torch.zeros(BATCH, 7)
    assert memory.nbytes == bare + 4 * BATCH * 7
    twin.load_state(memory.state())
    assert torch.equal(twin.place, memory.place)
    twin.clear()
    assert torch.equal(twin.place, torch.zeros(BATCH, 7))
    assert memory.place.any()
    assert "place" not in make_memory(HistoryLayout()).state()


@pytest.mark.parametrize("place", [None, torch.zeros(BATCH, 6), torch.zeros(1, 7)])
def test_a_state_without_the_right_place_is_refused(place: Tensor | None) -> None:
    memory, other = make_memory(HistoryLayout()), make_memory(HistoryLayout())
    memory.place, other.place = torch.zeros(BATCH, 7), place
    with pytest.raises(ValueError, match="place"):
        memory.load_state(other.state())
