"""Frames on their way: raw, as JPEGs, and in several messages."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helios_runtime.bench_engines.probe import Probe

Begin = Callable[..., dict[str, Any]]
Same = Callable[[dict[str, Any], dict[str, Any]], None]
FINE_PSNR = 32.0
"""dB between a frame and its JPEG of quality 90, of nano's pictures; Pillow's decoder gives about 40."""


def picture(probe: Probe, frame: int, file: Path) -> np.ndarray:
    probe.do("pixels", frame=frame, path=file)
    return np.fromfile(file, np.uint8).astype(float)


def psnr(found: np.ndarray, expected: np.ndarray) -> float:
    assert found.shape == expected.shape
    return 20 * math.log10(255 / max(float(np.sqrt(np.mean((found - expected) ** 2))), 1e-9))


@pytest.mark.parametrize("quality", [30, 90])
def test_jpegs_arrive_as_they_were_sent(
    probe: Probe, reference: Probe, nano: Any, begin: Begin, same: Same, quality: int
) -> None:
    for each in (probe, reference):
        begin(each, nano, encoding="jpeg", quality=quality)
    for _ in range(4):
        found = probe.do("step", buttons=["forward"])
        assert found["encoding"] == "jpeg"
        same(found, reference.do("step", buttons=["forward"]))


def test_jpegs_show_the_same_pictures(probe: Probe, reference: Probe, nano: Any, begin: Begin, tmp_path: Path) -> None:
    chunk = begin(probe, nano, encoding="jpeg", quality=90)
    if probe.ask("pixels", frame=0).get("error") == "usage":
        pytest.skip("without an engine the C# client has no decoder")
    begin(reference, nano)
    for frame in (0, chunk["frames"] - 1):
        found, expected = (picture(each, frame, tmp_path / each.name) for each in (probe, reference))
        assert psnr(found, expected) > FINE_PSNR
        turned = expected.reshape(chunk["height"], chunk["width"], 3)[::-1].ravel()
        assert psnr(found, expected) > psnr(found, turned) + 6, "it is upside down"


def test_raw_frames_are_exact(probe: Probe, reference: Probe, nano: Any, begin: Begin) -> None:
    for each in (probe, reference):
        begin(each, nano)
    chunk = probe.do("step")
    reference.do("step")
    for frame in range(chunk["frames"]):
        assert probe.do("pixels", frame=frame)["sha256"] == reference.do("pixels", frame=frame)["sha256"]


def test_a_frame_that_is_not_there(probe: Probe, pattern: Any, begin: Begin) -> None:
    begin(probe, pattern)
    assert probe.ask("pixels", frame=4096)["error"] == "usage"
    assert probe.do("step")["index"] == 1


@pytest.mark.parametrize("encoding", ["jpeg", "rgb24"])
def test_chunks_in_several_messages_are_put_together(
    probe: Probe, reference: Probe, nano: Any, begin: Begin, same: Same, encoding: str
) -> None:
    for each in (probe, reference):
        begin(each, nano, encoding=encoding, progressive=True)
    for buttons in (["forward"], [], ["turn_left"]):
        same(probe.do("step", buttons=buttons), reference.do("step", buttons=buttons))
    after = [probe.do("snapshot", name="a"), probe.do("restore", name="a")]
    assert after[1]["epoch"] == 2
    same(probe.do("step"), reference.do("step"))
