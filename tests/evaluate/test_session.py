from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helios_world.evaluate import exactness, held_bytes
from helios_world.snapshot import Snapshot
from helios_world.testing import PatternWorld


class Forgetful(PatternWorld):
    """Draws something else each time it is asked."""

    calls = 0

    def step(self, action=None, prompt=None):
        chunk = super().step(action, prompt)
        self.calls += 1
        return replace(chunk, frames=chunk.frames ^ np.uint8(self.calls % 251))


class Hoarder(PatternWorld):
    """Remembers a little more with every step."""

    steps = 0

    def step(self, action=None, prompt=None):
        self.steps += 1
        return super().step(action, prompt)

    def snapshot(self):
        state = super().snapshot()
        arrays = {**state.arrays, "past": np.zeros(self.steps, np.uint8)}
        return Snapshot(state.schema, state.world, state.fingerprint, state.meta, arrays)


def test_an_exact_world_is_exact_in_another_process_too():
    report = exactness.measure(PatternWorld(), "pattern", "cpu", 3)
    assert report == exactness.ExactnessReport(24, True, True, True)


def test_a_forgetful_world_is_not():
    report = exactness.measure(Forgetful(), "pattern", "cpu", 3)
    assert not report.twice
    assert not report.other_process


def test_a_world_that_cannot_be_continued_says_why():
    with pytest.raises(RuntimeError, match="fingerprint"):
        exactness.measure(PatternWorld(blend=7), "pattern", "cpu", 3)


def test_a_world_that_grows_is_found_out(truth):
    assert held_bytes.measure(PatternWorld(), truth, 60, 0).equal
    report = held_bytes.measure(Hoarder(), truth, 60, 0)
    assert not report.equal
    assert (report.early.chunks, report.late.chunks) == (20, 60)
    assert report.late.arrays - report.early.arrays == 40
