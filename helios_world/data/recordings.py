"""Episodes from recordings of this package: an mp4 with the log beside it, see `helios_world.recording`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from helios_world.arguments import first_prompt
from helios_world.data.episodes import Episode
from helios_world.data.table import AnyTable, RecordingTable
from helios_world.errors import ActionError, RecordingError
from helios_world.recording import ChunkRecord, Log, read_log, read_video
from helios_world.spec import NO_ACTION, Action, Frames, WorldSpec
from helios_world.worldfile import ActionsPart


@dataclass
class Stretch:
    """Chunks in a row under one prompt: from chunk `begin` of the video on. `rests` says that nothing came before."""

    begin: int
    prompt: str
    rests: bool
    actions: list[Action] = field(default_factory=list)


def find_recordings(source: Path) -> list[Path]:
    """The mp4 itself, or those of a folder and all below it.

    Raises:
        RecordingError: there are none.
    """
    found = [source] if source.is_file() else sorted(source.rglob("*.mp4"))
    if not found:
        raise RecordingError(f"{str(source)!r} has no recordings; an mp4 and its log (.jsonl) are one")
    return found


def recording_table(path: Path) -> RecordingTable:
    """The controls of the recorded world."""
    actions = read_log(path).header.spec.actions
    return RecordingTable(actions=ActionsPart.model_validate_json(json.dumps(actions.to_dict())))


def read_recording(path: Path, table: AnyTable, group: str) -> Iterator[Episode]:
    """The episodes of a recording, which end where the session is reset, restored or told another prompt.

    The chunks in which a new prompt fades in belong to neither prompt and are left out.

    Raises:
        RecordingError: the log is missing, damaged or incomplete, or its length is not that of the video.
        FrameError: the video cannot be read.
    """
    log = read_log(path)
    spec = log.header.spec
    if log.cut:
        raise RecordingError(f"the log of {str(path)!r} breaks off within a line; the recording was not finished")
    frames = enlarged_back(read_video(path), spec.height, spec.width)
    _check_length(path, len(frames), log)
    controls = table.control_map()
    for number, stretch in enumerate(stretches(path, log)):
        begin = stretch.begin * spec.frames_per_chunk
        own = frames[begin : begin + len(stretch.actions) * spec.frames_per_chunk]
        told = np.stack([controls.vector(_known(path, table, action)) for action in stretch.actions])
        told = np.repeat(told, spec.frames_per_chunk, axis=0)[: len(own)]
        if len(own):
            name = f"{path.name}#{number}"
            yield Episode(name, group, own, told, spec.fps, stretch.prompt, still=False, fresh=stretch.rests)


def stretches(path: Path, log: Log) -> list[Stretch]:
    """The parts of a log, in order.

    Raises:
        RecordingError: a line is missing: chunks are counted one by one.
    """
    spec = log.header.spec
    found: list[Stretch] = []
    position, expected, fading = 0, None, 0
    for record in log.records:
        if not isinstance(record, ChunkRecord):
            expected, fading = None, 0
            found.append(Stretch(position, "", rests=False))
            continue
        _check_count(path, record, expected)
        expected = record.index + 1
        if record.call == "reset":
            found.append(Stretch(position, _begun_with(spec, record), rests=True))
            fading = 0
        elif not found:
            found.append(Stretch(position, "", rests=False))
        elif record.prompt is not None and record.prompt != found[-1].prompt:
            found.append(Stretch(position, record.prompt, rests=False))
            fading = spec.blend
        if fading:
            fading -= 1
            found[-1].begin = position + 1
        else:
            found[-1].actions.append(record.action or NO_ACTION)
        position += 1
    return [stretch for stretch in found if stretch.actions]


def enlarged_back(frames: Frames, height: int, width: int) -> Frames:
    """Frames of a video that was enlarged by a whole factor for its players, in the world's own size.

    Raises:
        RecordingError: the video is smaller than the world's frames.
    """
    factor = min(frames.shape[1] // height, frames.shape[2] // width)
    if factor < 1:
        raise RecordingError(f"the video is {frames.shape[2]}×{frames.shape[1]}, the log says {width}×{height}")
    if factor == 1:
        return np.ascontiguousarray(frames[:, :height, :width])
    result = np.empty((len(frames), height, width, 3), np.uint8)
    for number, frame in enumerate(frames):
        blocks = frame[: height * factor, : width * factor].reshape(height, factor, width, factor, 3)
        result[number] = np.rint(blocks.mean(axis=(1, 3)))
    return result


def _check_length(path: Path, frames: int, log: Log) -> None:
    """The video may end within the last chunk, no earlier and no later."""
    size = log.header.spec.frames_per_chunk
    if not (log.chunks - 1) * size < frames <= log.chunks * size:
        raise RecordingError(
            f"{str(path)!r} has {frames} frames, its log {log.chunks} chunks of {size}; they are not of one recording,"
            " or it was not finished"
        )


def _check_count(path: Path, record: ChunkRecord, expected: int | None) -> None:
    if expected is not None and record.call == "step" and record.index != expected:
        raise RecordingError(f"the log of {str(path)!r} lacks lines: chunk {expected} is missing before {record.index}")
    if record.call == "reset" and record.index != 0:
        raise RecordingError(f"the log of {str(path)!r} has a reset that made chunk {record.index}; it makes chunk 0")


def _begun_with(spec: WorldSpec, record: ChunkRecord) -> str:
    return first_prompt(spec, record.seed, record.prompt, from_frames=record.start is not None)


def _known(path: Path, table: AnyTable, action: Action) -> Action:
    try:
        return table.action(action)
    except ActionError as error:
        raise ActionError(f"{str(path)!r}: {error}") from error
