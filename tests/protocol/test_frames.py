"""Frames survive their encodings, and damaged ones are refused."""

from __future__ import annotations

import struct
import sys
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helios_runtime.protocol.errors import ProtocolError
from helios_runtime.protocol.frames import decode_frames, describe, encode_frames
from helios_runtime.protocol.golden import examples
from helios_runtime.protocol.messages import ChunkMessage
from helios_runtime.protocol.values import ArrayPart, BytesPart, Encoding
from helios_world.errors import DependencyError
from helios_world.spec import Frames

SIZES = [(1, 1, 1), (1, 2, 2), (3, 16, 16), (2, 33, 47), (5, 64, 81), (2, 1, 100), (4, 100, 2)]
ENCODINGS: tuple[Encoding, ...] = ("rgb24", "jpeg", "h264")
LOSSY: tuple[tuple[Encoding, float], ...] = (("jpeg", 35.0), ("h264", 30.0))


def smooth(count: int, height: int, width: int) -> Frames:
    t, y, x = np.mgrid[0:count, 0:height, 0:width]
    waves = [np.sin(x / 20 + t / 5), np.cos(y / 15 + t / 7), np.sin((x + y) / 30)]
    frames: Frames = np.stack([127.5 + 100 * wave for wave in waves], axis=-1).astype(np.uint8)
    return frames


def psnr(a: Frames, b: Frames) -> float:
    """In dB."""
    return float(10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2)))


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_raw_frames_are_exact_and_never_copied(size: tuple[int, int, int]) -> None:
    frames = smooth(*size)
    (buffer,) = encode_frames(frames, "rgb24")
    back = decode_frames([buffer], "rgb24", (*size, 3))
    assert np.array_equal(back, frames)
    assert np.shares_memory(back, frames)
    part = encode_frames(frames[1:], "rgb24") if size[0] > 1 else [buffer]
    assert np.shares_memory(np.frombuffer(part[0], np.uint8), frames)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize(("encoding", "least"), LOSSY)
def test_lossy_frames_are_close(encoding: Encoding, least: float, size: tuple[int, int, int]) -> None:
    frames = smooth(*size)
    back = decode_frames(encode_frames(frames, encoding), encoding, (*size, 3))
    assert (back.shape, back.dtype) == (frames.shape, np.uint8)
    assert psnr(frames, back) > least


@pytest.mark.parametrize(("encoding", "least"), LOSSY)
def test_quality_costs_bytes(encoding: Encoding, least: float) -> None:
    noise = np.random.default_rng(0).integers(-20, 20, (4, 64, 64, 3))
    frames = (smooth(4, 64, 64) + noise).clip(0, 255).astype(np.uint8)
    sizes = [memoryview(encode_frames(frames, encoding, quality)[0]).nbytes for quality in (1, 50, 100)]
    assert sizes[0] < sizes[1] < sizes[2] < frames.nbytes


def test_chunks_of_h264_decode_alone() -> None:
    frames = smooth(8, 48, 64)
    for part in (frames[:3], frames[3:]):
        assert psnr(part, decode_frames(encode_frames(part, "h264"), "h264", part.shape)) > 30


def test_colours_are_kept() -> None:
    colours = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [0, 0, 0]], np.uint8)
    frames = np.broadcast_to(colours[:, None, None], (5, 32, 32, 3)).copy()
    for encoding in ENCODINGS:
        back = decode_frames(encode_frames(frames, encoding), encoding, frames.shape)
        assert np.abs(back.astype(int) - frames).max() <= 4, encoding


def test_parts_describe_the_buffers() -> None:
    frames = smooth(2, 8, 8)
    assert describe(encode_frames(frames, "rgb24"), "rgb24", frames.shape) == (ArrayPart(shape=frames.shape),)
    buffers = encode_frames(frames, "jpeg")
    assert describe(buffers, "jpeg", frames.shape) == (BytesPart(bytes=memoryview(buffers[0]).nbytes),)


@pytest.mark.parametrize("name", ["chunk", "chunk_jpeg", "chunk_h264"])
def test_the_examples_show_red_and_blue(name: str) -> None:
    message, buffers = examples()[name]
    assert isinstance(message, ChunkMessage)
    back = decode_frames(buffers, message.encoding, message.shape)
    expected = np.array([[200, 40, 40], [40, 60, 220]])[:, None, None]
    assert np.abs(back.astype(int) - expected).max() <= 4


@pytest.mark.parametrize(
    "frames", [np.zeros((2, 2, 3), np.uint8), np.zeros((1, 2, 2, 3)), np.zeros((0, 2, 2, 3), np.uint8)]
)
def test_only_frames_are_encoded(frames: Any) -> None:
    with pytest.raises(ValueError, match="expected uint8"):
        encode_frames(frames, "rgb24")
    with pytest.raises(ValueError, match="C-contiguous"):
        encode_frames(smooth(2, 4, 4)[:, :, ::-1], "rgb24")


def refuse(data: bytes, encoding: Encoding, shape: tuple[int, int, int, int]) -> None:
    with pytest.raises(ProtocolError) as caught:
        decode_frames([data], encoding, shape)
    assert caught.value.code == "protocol"


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_what_is_cut_or_of_another_size_is_refused(encoding: Encoding) -> None:
    frames = smooth(3, 32, 32)
    data = bytes(encode_frames(frames, encoding)[0])
    for length in {0, 1, 3, 4, 11, 12, 13, len(data) // 3, len(data) // 2, len(data) - 4, len(data) - 1}:
        refuse(data[:length], encoding, frames.shape)
    refuse(data + b"\0", encoding, frames.shape)
    for shape in [(2, 32, 32, 3), (4, 32, 32, 3), (3, 34, 32, 3), (3, 32, 16, 3), (0, 32, 32, 3), (2**40, 32, 32, 3)]:
        refuse(data, encoding, shape)
    with pytest.raises(ProtocolError):
        decode_frames([data, data], encoding, frames.shape)


def test_jpegs_that_are_none() -> None:
    refuse(struct.pack("<I", 5) + b"hello", "jpeg", (1, 8, 8, 3))
    refuse(struct.pack("<I", 2**32 - 1) + b"hello", "jpeg", (1, 8, 8, 3))
    refuse(struct.pack("<2I", 5, 0) + b"hello", "jpeg", (2, 8, 8, 3))
    refuse(bytes(range(256)), "h264", (1, 8, 8, 3))


def test_h264_is_not_repaired() -> None:
    frames = smooth(3, 64, 64)
    data = bytes(encode_frames(frames, "h264")[0])
    end = data[-5:]
    last_picture = data[:-5].rindex(b"\0\0\1")
    for length in range(last_picture, len(data) - 25):
        refuse(data[:length] + end, "h264", frames.shape)
    first_picture = data.index(b"\0\0\1\x65")
    for at in range(first_picture + 16, last_picture, 7):
        with suppress(ProtocolError):
            back = decode_frames([data[:at] + data[at + 1 :]], "h264", frames.shape)
            assert psnr(frames, back) > 25


def test_a_picture_of_a_wrong_size_is_not_decoded() -> None:
    small = bytes(encode_frames(smooth(1, 8, 8), "jpeg")[0])
    frame_header = small.index(b"\xff\xc0")
    huge = bytearray(small)
    huge[frame_header + 5 : frame_header + 9] = b"\xff\xff\xff\xff"
    refuse(bytes(huge), "jpeg", (1, 8, 8, 3))
    large = bytes(encode_frames(smooth(1, 512, 1024), "h264")[0])
    with pytest.raises(ProtocolError, match=r"damaged H\.264"):  # the decoder gives up before it allocates a picture
        decode_frames([large], "h264", (1, 8, 8, 3))


@pytest.mark.parametrize("encoding", ["jpeg", "h264"])
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=8))
def test_damage_is_refused_or_stays_a_picture(
    encoding: Encoding, changes: list[tuple[int, int]], capfd: pytest.CaptureFixture[str]
) -> None:
    data = bytearray(encode_frames(smooth(3, 16, 24), encoding)[0])
    for at, value in changes:
        data[at % len(data)] = value
    with suppress(ProtocolError):
        assert decode_frames([bytes(data)], encoding, (3, 16, 24, 3)).shape == (3, 16, 24, 3)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("encoding", "package"), [("jpeg", "PIL"), ("h264", "av")])
def test_a_missing_package_is_named(encoding: Encoding, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = smooth(1, 8, 8)
    data = encode_frames(frames, encoding)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(DependencyError, match="pip install"):
        encode_frames(frames, encoding)
    with pytest.raises(DependencyError, match="pip install"):
        decode_frames(data, encoding, frames.shape)
