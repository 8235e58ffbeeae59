"""What brings weights to the device: that slots are never filled while they are read, nor read before."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from helios_world.offload import lanes, pinning, slots
from helios_world.offload.lanes import CudaLane
from helios_world.offload.pinning import PinnedMemory
from helios_world.offload.slots import ALIGNMENT, Carousel, Group

CPU = torch.device("cpu")


class StrictLane:
    """Checks the order of calls: a slot is copied into while it is free, waited for when filled, and freed."""

    def __init__(self, count: int) -> None:
        self.states = ["free"] * count
        self.drained = False

    @contextmanager
    def copying(self, slot: int) -> Iterator[None]:
        assert self.states[slot] in ("free", "filled")
        yield
        self.states[slot] = "filled"

    def wait(self, slot: int) -> None:
        assert self.states[slot] in ("filled", "free")
        self.states[slot] = "read"

    def free(self, slot: int) -> None:
        assert self.states[slot] == "read"
        self.states[slot] = "free"

    def drain(self) -> None:
        assert "read" not in self.states
        self.drained = True


def make_groups(count: int) -> list[Group]:
    torch.manual_seed(0)
    shapes = [[(number + 1, 3), (5,)] for number in range(count)]
    weights = [[nn.Parameter(torch.randn(shape), requires_grad=False) for shape in group] for group in shapes]
    return [Group(group, [torch.float32, torch.bfloat16]) for group in weights]


@settings(max_examples=30, deadline=None)
@given(data=st.data(), count=st.integers(1, 6), room=st.integers(1, 4))
def test_any_order_of_use(data: st.DataObject, count: int, room: int) -> None:
    numbers = st.integers(0, count - 1)
    order = data.draw(st.lists(st.tuples(numbers, st.lists(numbers, max_size=3)), max_size=12))
    groups = make_groups(count)
    originals = [[weight.clone() for weight in group.weights] for group in groups]
    with pytest.MonkeyPatch.context() as patch:
        lane = StrictLane(room)
        patch.setattr(slots, "lane_for", lambda *_: lane)
        carousel = Carousel(groups, CPU, room)
    size = carousel.nbytes
    for number, following in order:
        carousel.use(number, following)
        for weight, original, dtype in zip(
            groups[number].weights, originals[number], groups[number].dtypes, strict=True
        ):
            assert torch.equal(weight, original.to(dtype))
        assert number in carousel.held
        assert carousel.nbytes == size
        carousel.release(number)
    carousel.close()
    assert lane.drained
    for group, expected in zip(groups, originals, strict=True):
        assert all(map(torch.equal, group.weights, expected))


def test_more_groups_in_use_than_slots_is_an_error() -> None:
    carousel = Carousel(make_groups(3), CPU, 2)
    carousel.use(0)
    carousel.use(1, (2,))
    with pytest.raises(RuntimeError, match="group 2 finds no slot: all 2 are in use"):
        carousel.use(2)
    carousel.release(0)
    carousel.use(2)


def test_copies_under_way_end_before_their_memory_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that is dropped in use, as a text encoder is, leaves a copy behind that was begun ahead."""
    lane, order = StrictLane(2), list[str]()
    buffers: list[weakref.ref[Any]] = []
    monkeypatch.setattr(slots, "lane_for", lambda device, count: lane)
    monkeypatch.setattr(lane, "drain", lambda: order.append("drained" if buffers[0]() is not None else "too late"))
    monkeypatch.setattr(PinnedMemory, "close", lambda self: order.append("unlocked"))
    carousel = Carousel(make_groups(2), CPU, 2)
    buffers.append(weakref.ref(carousel._slots[0].buffer.untyped_storage()))
    carousel.use(0, (1,))
    carousel.release(0)
    gc.disable()
    try:
        del carousel
        assert order == ["drained", "unlocked"]
    finally:
        gc.enable()


def test_tensors_lie_as_they_would_in_memory_of_their_own() -> None:
    group = make_groups(2)[1]
    buffer = torch.empty(group.nbytes, dtype=torch.uint8)
    views = group.views(buffer)
    assert [(view.data_ptr() - buffer.data_ptr()) % ALIGNMENT for view in views] == [0, 0]
    assert [(view.shape, view.dtype) for view in views] == [((2, 3), torch.float32), ((5,), torch.bfloat16)]


class Recorder:
    """Streams and events that write down what is asked of them."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.events = 0

    def stream(self, name: str) -> Any:
        recorder = self

        class Stream:
            def __str__(self) -> str:
                return name

            def wait_event(self, event: object) -> None:
                recorder.log.append(f"{name} waits for {event}")

            def synchronize(self) -> None:
                recorder.log.append(f"{name} is waited for")

        return Stream()

    def event(self) -> Any:
        recorder, number = self, self.events
        self.events += 1

        class Event:
            def __str__(self) -> str:
                return f"event {number}"

            def record(self, stream: object) -> None:
                recorder.log.append(f"{self} in {stream}")

        return Event()

    @contextmanager
    def on(self, stream: object) -> Iterator[None]:
        self.log.append(f"on {stream}")
        yield
        self.log.append(f"off {stream}")


def test_the_copy_stream_and_the_computation_wait_for_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder()
    compute, copies = recorder.stream("compute"), recorder.stream("copies")
    monkeypatch.setattr(torch.cuda, "Stream", lambda _: copies)
    monkeypatch.setattr(torch.cuda, "Event", recorder.event)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda _: compute)
    monkeypatch.setattr(torch.cuda, "stream", recorder.on)
    lane = lanes.lane_for(torch.device("cuda", 0), 1)
    assert isinstance(lane, CudaLane)
    with lane.copying(0):
        recorder.log.append("copy")
    lane.wait(0)
    lane.free(0)
    lane.drain()
    # Event 0 says that the slot is filled, event 1 that it has been read; it begins as free memory of "compute".
    assert recorder.log == [
        "event 1 in compute",
        "copies waits for event 1",
        "on copies",
        "copy",
        "event 0 in copies",
        "off copies",
        "compute waits for event 0",
        "event 1 in compute",
        "copies is waited for",
    ]


class FakeRuntime:
    def __init__(self, status: int) -> None:
        self.status = status
        self.locked: dict[int, int] = {}

    def cudaHostRegister(self, address: int, size: int, flags: int) -> int:
        if self.status == 0:
            self.locked[address] = size
        return self.status

    def cudaHostUnregister(self, address: int) -> int:
        del self.locked[address]
        return 0


def test_memory_is_locked_until_it_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = FakeRuntime(0)
    monkeypatch.setattr(pinning, "_runtime", lambda: runtime)
    memory, group = PinnedMemory(), make_groups(1)[0]
    expected = [weight.to(dtype) for weight, dtype in zip(group.weights, group.dtypes, strict=True)]
    group.pin(memory)
    assert list(runtime.locked.values()) == [group.nbytes]
    assert group.weights[0].data_ptr() in runtime.locked
    memory.close()
    memory.close()
    assert not runtime.locked
    assert all(map(torch.equal, group.weights, expected))


def test_a_system_that_locks_no_memory_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pinning, "_runtime", lambda: FakeRuntime(2))
    with pytest.warns(RuntimeWarning, match=r"cannot be page-locked \(CUDA error 2\).*ulimit -l.*pin=False"):
        assert PinnedMemory().take(100).shape == (100,)
