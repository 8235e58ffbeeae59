"""Which attention is chosen, and that the choice is nobody else's. What a choice measures: test_fast_forward.py."""

from __future__ import annotations

import threading
import warnings
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from helios_world.model.attention import attend
from helios_world.model.backends import Fastest, _implementation
from helios_world.model.replays import Replay

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")


class Flags(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes which attention torch may choose while it computes."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen: set[tuple[bool, ...]] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.seen.add(allowed())
        return func(*args, **(kwargs or {}))


def allowed() -> tuple[bool, ...]:
    cuda: Any = torch.backends.cuda
    return (
        cuda.flash_sdp_enabled(),
        cuda.mem_efficient_sdp_enabled(),
        cuda.cudnn_sdp_enabled(),
        cuda.math_sdp_enabled(),
    )


@pytest.mark.parametrize("name", ["cudnn", "flash", "efficient"])
def test_a_chosen_attention_is_chosen_for_nobody_else(name: str) -> None:
    """torch's choice holds for the whole process: the codec, in a thread of its own, would have to do with it."""
    projected, told = torch.empty(2, 5, 3 * 256, device="meta", dtype=torch.bfloat16), allowed()
    query, key, value = (part.view(2, 5, 2, 128) for part in projected.chunk(3, dim=-1))
    with Flags() as flags:
        attended = _implementation(name)(query, key, value)
    assert attended.shape == (2, 5, 256)
    assert flags.seen == {told}


@pytest.mark.parametrize("name", ["cudnn", "flash"])
def test_attention_refuses_what_its_kernel_would_compute_wrongly(name: str) -> None:
    """The one of cuDNN reads other numbers as if they had 16 bits."""
    for channels, dtype in ((128, torch.float32), (12, torch.bfloat16), (256, torch.bfloat16)):
        query = torch.empty(1, 4, 2, channels, device="meta", dtype=dtype)
        with pytest.raises(RuntimeError, match="takes 16 bits"):
            _implementation(name)(query, query, query)


def test_attention_is_chosen_anew_for_another_layout() -> None:
    """One that computes keys of its own for every row may not take keys that the rows share."""

    def picky(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        if key.stride(0) == 0:
            warnings.warn("no kernel for a stride of 0", stacklevel=1)
            raise RuntimeError("No available kernel")
        return attend(query, key, value)

    def measure(run: Replay) -> tuple[float, float, torch.Tensor]:
        return 0.0, 1.0, run()

    chooser = Fastest({"picky": picky, "torch": attend}, measure)
    query = torch.randn(2, 4, 2, 6)
    for key in (query, query[:1].expand(2, -1, -1, -1)):
        assert torch.equal(chooser(query, key, key), attend(query, key, key))


@pytest.mark.gpu
@needs_gpu
@pytest.mark.parametrize("name", ["cudnn", "flash", "efficient"])
def test_attention_on_a_gpu_is_that_of_torch(name: str) -> None:
    """Parts of one projection, a text that the rows share, and tokens of no round number."""
    torch.manual_seed(0)
    projected = torch.randn(2, 187, 3 * 256, device="cuda", dtype=torch.bfloat16)
    query, key, value = (part.view(2, 187, 2, 128) for part in projected.chunk(3, dim=-1))
    text = torch.randn(1, 77, 2, 128, device="cuda", dtype=torch.bfloat16).expand(2, -1, -1, -1)
    chosen = Fastest({name: _implementation(name), "torch": attend})
    for keys, values in ((key, value), (text, text)):
        torch.testing.assert_close(chosen(query, keys, values), attend(query, keys, values), atol=0.02, rtol=0.02)
    assert _implementation(name)(query, key, value).shape == (2, 187, 256)


@pytest.mark.gpu
@needs_gpu
@pytest.mark.parametrize("name", ["cudnn", "flash"])
def test_another_thread_attends_meanwhile_as_it_likes(name: str) -> None:
    """As the codec does, in float32 and with a head that these have no kernel for."""
    query = torch.randn(1, 256, 2, 128, device="cuda", dtype=torch.bfloat16)
    wide, faults, over = torch.randn(1, 1, 64, 384, device="cuda"), [], threading.Event()

    def beside() -> None:
        try:
            while not over.is_set():
                torch.nn.functional.scaled_dot_product_attention(wide, wide, wide)
        except RuntimeError as error:
            faults.append(error)

    thread = threading.Thread(target=beside)
    thread.start()
    for _ in range(2000):
        _implementation(name)(query, query, query)
    over.set()
    thread.join()
    assert faults == []
