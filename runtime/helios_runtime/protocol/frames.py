"""Frames to the buffer of a CHUNK and back: raw, as JPEGs, or as H.264. bindings/PROTOCOL.md has the bytes.

T frames, H W pixels. Each encoding is one buffer, and each buffer can be decoded alone.
"""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from helios_runtime.protocol.errors import ProtocolError
from helios_runtime.protocol.values import MAX_FRAME_BYTES, ArrayPart, BytesPart, Encoding, Part
from helios_runtime.protocol.wire import Buffer
from helios_world.errors import DependencyError
from helios_world.spec import Frames

Shape = tuple[int, int, int, int]

_BEST_CRF, _WORST_CRF = 18, 51
_ITU601, _MPEG = 6, 1  # as libavcodec numbers the colour matrix (SMPTE 170M) and the limited range
_START_CODE = b"\x00\x00\x00\x01"
_END_OF_STREAM = _START_CODE + b"\x0b"


def encode_frames(frames: Frames, encoding: Encoding, quality: int = 90) -> list[Buffer]:
    """The buffers of a chunk.

    Args:
        frames: uint8 [T, H, W, 3], C-contiguous. The buffer of "rgb24" is their own memory.
        quality: 1 to 100; of no meaning for "rgb24".

    Raises:
        ValueError: the frames have another shape or type.
        DependencyError: "jpeg" needs Pillow, "h264" PyAV with x264.
    """
    usable = frames.dtype == np.uint8 and frames.ndim == 4 and frames.shape[-1] == 3 and frames.size > 0
    if not usable or not frames.flags.c_contiguous:
        raise ValueError(f"expected uint8 [T, H, W, 3], C-contiguous; got {frames.dtype} {list(frames.shape)}")
    return [_ENCODERS[encoding](frames, quality)]


def decode_frames(parts: Sequence[Buffer], encoding: Encoding, shape: Shape) -> Frames:
    """The frames of a chunk, uint8 [T, H, W, 3]; those of "rgb24" share memory with the buffer.

    Raises:
        ProtocolError: the buffers hold something other than frames of this shape.
        DependencyError: as in `encode_frames`.
    """
    size = math.prod(shape)
    if len(parts) != 1 or min(shape) < 1 or size > MAX_FRAME_BYTES:
        raise ProtocolError("protocol", f"{len(parts)} buffers of frames of shape {list(shape)}")
    return _DECODERS[encoding](memoryview(parts[0]).cast("B"), shape)


def describe(buffers: Sequence[Buffer], encoding: Encoding, shape: Shape) -> tuple[Part, ...]:
    """The `parts` of a CHUNK for what `encode_frames` returned."""
    if encoding == "rgb24":
        return (ArrayPart(shape=shape),)
    return tuple(BytesPart(bytes=memoryview(buffer).nbytes) for buffer in buffers)


def _encode_raw(frames: Frames, quality: int) -> Buffer:
    return memoryview(frames.data).cast("B")


def _decode_raw(data: memoryview, shape: Shape) -> Frames:
    if len(data) != math.prod(shape):
        raise ProtocolError("protocol", f"{len(data)} bytes of raw frames of shape {list(shape)}")
    return np.frombuffer(data, np.uint8).reshape(shape)


def _encode_jpeg(frames: Frames, quality: int) -> Buffer:
    image = _pillow()
    files = []
    for frame in frames:
        file = io.BytesIO()
        image.fromarray(frame).save(file, "JPEG", quality=quality, subsampling="4:2:0")
        files.append(file.getvalue())
    return struct.pack(f"<{len(files)}I", *map(len, files)) + b"".join(files)


def _decode_jpeg(data: memoryview, shape: Shape) -> Frames:
    table = 4 * shape[0]
    lengths = struct.unpack_from(f"<{shape[0]}I", data) if len(data) >= table else ()
    if not lengths or table + sum(lengths) != len(data):
        raise ProtocolError("protocol", f"a buffer of {len(data)} bytes does not hold the JPEGs of its table")
    decode = _jpeg_decoder(shape)
    frames, start = [], table
    for length in lengths:
        frames.append(decode(data[start : start + length]))
        start += length
    return np.stack(frames)


def _jpeg_decoder(shape: Shape) -> Callable[[memoryview], Frames]:
    image = _pillow()
    _, height, width, _ = shape

    def decode(file: memoryview) -> Frames:
        # A decoder that is fed with damaged data may raise anything.
        try:
            with image.open(io.BytesIO(file), formats=("JPEG",)) as picture:
                if picture.size != (width, height):
                    raise ProtocolError("protocol", f"a JPEG of {picture.size}; expected {(width, height)}")
                return np.asarray(picture.convert("RGB"))
        except ProtocolError:
            raise
        except Exception as error:
            raise ProtocolError("protocol", f"a damaged JPEG: {error}"[:200]) from error

    return decode


def _encode_h264(frames: Frames, quality: int) -> Buffer:
    av = _pyav()
    encoder = _h264_encoder(av, frames.shape[1:3], quality)
    # H.264 in 4:2:0 has even sides only; what is added here is cut off by the decoder.
    even = [(0, 0), (0, frames.shape[1] % 2), (0, frames.shape[2] % 2), (0, 0)]
    packets = []
    for number, frame in enumerate(np.pad(frames, even, mode="edge")):
        picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
        picture = picture.reformat(format="yuv420p", dst_colorspace="ITU601", dst_color_range="MPEG")
        picture.pts = number
        packets += encoder.encode(picture)
    packets += encoder.encode(None)
    return b"".join(map(bytes, packets)) + _END_OF_STREAM


def _h264_encoder(av: Any, size: tuple[int, ...], quality: int) -> Any:
    try:
        encoder = av.CodecContext.create("libx264", "w")
    except Exception as error:
        raise DependencyError(f"this PyAV cannot encode h264 ({error}): pip install --force-reinstall av") from error
    height, width = size
    encoder.height, encoder.width = height + height % 2, width + width % 2
    encoder.pix_fmt, encoder.time_base, encoder.thread_count = "yuv420p", Fraction(1, 24), 1
    encoder.colorspace, encoder.color_range = _ITU601, _MPEG
    crf = _BEST_CRF + (100 - quality) * (_WORST_CRF - _BEST_CRF) / 99
    encoder.options = {"preset": "superfast", "tune": "zerolatency", "crf": f"{crf:.2f}", "g": "100000"}
    return encoder


def _decode_h264(data: memoryview, shape: Shape) -> Frames:
    count, height, width, _ = shape
    frames = np.empty(shape, np.uint8)
    number = -1
    # A decoder that is fed with damaged data may raise anything.
    try:
        for number, picture in enumerate(_h264_pictures(data, height, width)):
            if number >= count or picture.is_corrupt:
                raise ProtocolError("protocol", f"frame {number} of {count} is damaged or one too many")
            frames[number] = picture.to_ndarray(format="rgb24")[:height, :width]
    except (ProtocolError, DependencyError):
        raise
    except Exception as error:
        raise ProtocolError("protocol", f"damaged H.264: {error}"[:200]) from error
    if number + 1 != count:
        raise ProtocolError("protocol", f"H.264 with {number + 1} frames; expected {count}")
    return frames


def _h264_pictures(data: memoryview, height: int, width: int) -> Iterator[Any]:
    """The pictures of a stream, none of them larger than a frame may be."""
    av = _pyav()
    if data[:4] != _START_CODE or data[-5:] != _END_OF_STREAM:
        raise ProtocolError("protocol", f"{len(data)} bytes that are no H.264 byte stream, or not all of it")
    decoder = av.CodecContext.create("h264", "r")
    decoder.thread_count = 1
    # libavcodec counts its own margins as pixels too.
    decoder.options = {"max_pixels": str((height + 256) * (width + 256))}
    for packet in [*decoder.parse(bytes(data)), *decoder.parse(None), None]:
        for picture in decoder.decode(packet):
            if (picture.height, picture.width) != (height + height % 2, width + width % 2):
                raise ProtocolError("protocol", f"a frame of {picture.height} × {picture.width} pixels")
            yield picture


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise DependencyError("jpeg needs Pillow: pip install pillow, or choose the encoding rgb24") from error
    return Image


def _pyav() -> Any:
    try:
        import av
    except ImportError as error:
        raise DependencyError("h264 needs PyAV: pip install av, or choose the encoding rgb24") from error
    return av


_ENCODERS: Mapping[Encoding, Callable[[Frames, int], Buffer]] = {
    "rgb24": _encode_raw,
    "jpeg": _encode_jpeg,
    "h264": _encode_h264,
}
_DECODERS: Mapping[Encoding, Callable[[memoryview, Shape], Frames]] = {
    "rgb24": _decode_raw,
    "jpeg": _decode_jpeg,
    "h264": _decode_h264,
}
