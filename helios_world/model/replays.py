"""How passes are run: computed each time, or recorded once per shape and replayed, as CUDA graphs.

A recorded pass reads its inputs from buffers of its own, which are filled before every replay. Texts and histories
have the same shape in all stages, and so all records share their buffers.

Shapes: B batch, C latent channels, F latent frames, h w latent height and width, M history tokens, D width.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from helios_world.model.bounded import Kept
from helios_world.model.cache import TextCache
from helios_world.model.texts import KeptText, Text
from helios_world.model.times import Time

RECORDS = 12
"""Shapes that are recorded at most: of a stage and a batch each."""
HOST_BOUND = 0.7
"""A pass is worth recording if the host needs more than this share of its time to tell the device what to do."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Inputs:
    """Everything that a pass depends on.

    Args:
        noisy: [B, C, F, h, w].
        history: [B, M, D].
        time: the timestep.
        text: of B rows, or of 1 for all.
    """

    noisy: Tensor
    history: Tensor
    time: Time
    text: Text


Pass = Callable[[Inputs], Tensor]
Replay = Callable[[], Tensor]
"""Computes again what was recorded, into the same tensor, and returns that tensor."""
Record = Callable[[Replay], Replay]
"""Makes a replay of a computation that reads tensors which stay where they are."""

Measure = Callable[[Replay], tuple[float, float, Tensor]]
"""As `measured`."""


class Runner(Protocol):
    """Runs a pass with its inputs. Passes of inputs of one shape are the same."""

    def __call__(self, inputs: Inputs, compute: Pass) -> Tensor: ...

    def report(self) -> dict[str, str]:
        """What became of each shape."""
        ...


class EachTime:
    """Computes every pass anew."""

    def __call__(self, inputs: Inputs, compute: Pass) -> Tensor:
        return compute(inputs)

    def report(self) -> dict[str, str]:
        """What became of each shape."""
        return {}


class Replays:
    """Records the pass of every shape when it first comes, and replays it from then on.

    Args:
        record: `CudaRecord()` on a GPU.
    """

    def __init__(self, record: Record) -> None:
        self._record = record
        self._records: Kept[tuple[Inputs, _Buffers, Replay]] = Kept(RECORDS)
        self._shared: Kept[_Buffers] = Kept(RECORDS)

    def __call__(self, inputs: Inputs, compute: Pass) -> Tensor:
        """The pass of `inputs`; as `EachTime`, to the last bit where the device sums in the same order."""
        key = (tuple(inputs.noisy.shape), inputs.noisy.dtype, _outline(inputs))
        own, buffers, replay = self._records.get(key, lambda: self._prepare(inputs, compute))
        buffers.fill(inputs)
        own.noisy.copy_(inputs.noisy)
        own.time.out.copy_(inputs.time.out)
        own.time.rows.copy_(inputs.time.rows)
        # A copy, since the next replay of any shape may write there.
        return replay().clone()

    def report(self) -> dict[str, str]:
        """What became of each shape."""
        return {_told(key): "recorded" for key, _ in self._records.items()}

    def _prepare(self, inputs: Inputs, compute: Pass) -> tuple[Inputs, _Buffers, Replay]:
        buffers = self._shared.get(_outline(inputs), lambda: _Buffers(inputs))
        buffers.fill(inputs)
        time = Time(_copy(inputs.time.out), _copy(inputs.time.rows))
        own = Inputs(_copy(inputs.noisy), buffers.history, time, buffers.text)
        return own, buffers, self._record(lambda: compute(own))


class WhereItPays:
    """Computes the first pass of every shape, measures the second, and records it if the host was the slower side.

    Args:
        replays: what runs the shapes that are worth it.
        measure: seconds until a computation was handed to the device, and until it was done.
    """

    def __init__(self, replays: Replays, measure: Measure | None = None) -> None:
        self._replays = replays
        self._measure = measure or measured
        self._found: Kept[str] = Kept(4 * RECORDS)

    def __call__(self, inputs: Inputs, compute: Pass) -> Tensor:
        key = (tuple(inputs.noisy.shape), _outline(inputs))
        state = self._found.get(key, lambda: "new")
        if state == "new":
            self._found.put(key, "warm")
            return compute(inputs)
        if state == "warm":
            handed, done, made = self._measure(lambda: compute(inputs))
            self._found.put(key, "record" if handed > HOST_BOUND * done else f"host {handed / done:.0%} of a pass")
            return made
        return self._replay(key, inputs, compute) if state == "record" else compute(inputs)

    def report(self) -> dict[str, str]:
        """What became of each shape."""
        return {_told(key): state for key, state in self._found.items()}

    def _replay(self, key: Hashable, inputs: Inputs, compute: Pass) -> Tensor:
        try:
            return self._replays(inputs, compute)
        except RuntimeError as error:
            # Recording is a choice of ours here: a device that cannot do it computes as before.
            _log.warning("a pass of %s could not be recorded: %s", _told(key), error)
            self._found.put(key, "could not be recorded")
        # Out here the error is gone, and with it whatever of the failed pass it kept alive.
        return compute(inputs)


class CudaRecord:
    """Records CUDA graphs, all in one pool of memory: they are never replayed at the same time."""

    def __init__(self) -> None:
        self._pool = torch.cuda.graph_pool_handle()
        self._stream: torch.cuda.Stream | None = None

    def __call__(self, run: Replay) -> Replay:
        # One for all: what was allocated in a stream is not given to another.
        stream = self._stream = self._stream or torch.cuda.Stream()  # type: ignore[no-untyped-call]
        present = torch.cuda.current_stream()
        stream.wait_stream(present)
        with torch.cuda.stream(stream):
            # Whatever is chosen, compiled or allocated at the first call must be there before the recording.
            run(), run()
        present.wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        # Another thread may be decoding the last chunk meanwhile.
        with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            made = run()

        def replay() -> Tensor:
            graph.replay()
            return made

        return replay


class _Buffers:
    """Places for a history and for the keys and values of a text."""

    def __init__(self, inputs: Inputs) -> None:
        batch = len(inputs.history)
        self.history = _copy(inputs.history)
        keys, values = _kept(inputs.text)
        self.text = KeptText(TextCache(_places(keys, batch), _places(values, batch)))
        self._text: Text | None = None
        self._history: Tensor | None = None

    def fill(self, inputs: Inputs) -> None:
        """Copy what is not there yet. What was copied last is held, so that nothing else can be taken for it."""
        if self._history is not inputs.history:
            self.history.copy_(inputs.history)
            self._history = inputs.history
        if self._text is not inputs.text:
            for own, given in zip(_kept(self.text), _kept(inputs.text), strict=True):
                for place, tensor in zip(own, given, strict=True):
                    place.copy_(tensor)
            self._text = inputs.text


def measured(run: Replay) -> tuple[float, float, Tensor]:
    """Seconds until a computation was handed to the device and until it was done there, and what it made."""
    wait = torch.cuda.current_stream().synchronize if torch.cuda.is_available() else (lambda: None)
    wait()
    began = time.perf_counter()
    made = run()
    handed = time.perf_counter() - began
    wait()
    return handed, time.perf_counter() - began, made


def _outline(inputs: Inputs) -> Hashable:
    (keys, _), history = _kept(inputs.text), inputs.history
    return tuple(history.shape), tuple(keys[0].shape[1:]), history.dtype, history.device


def _kept(text: Text) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    if not isinstance(text, KeptText):
        raise TypeError(f"a pass is recorded with kept texts only, not with a {type(text).__name__}")
    return text.cache.keys, text.cache.values


def _places(tensors: tuple[Tensor, ...], batch: int) -> tuple[Tensor, ...]:
    with torch.inference_mode(False):
        return tuple(t.new_empty((batch, *t.shape[1:])) for t in tensors)


def _copy(tensor: Tensor) -> Tensor:
    with torch.inference_mode(False):
        return torch.empty_like(tensor, memory_format=torch.contiguous_format).copy_(tensor)


def _told(key: Hashable) -> str:
    shape = key[0] if isinstance(key, tuple) else key
    return str(list(shape)) if isinstance(shape, tuple) else str(shape)
