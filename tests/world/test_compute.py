from __future__ import annotations

import pytest
import torch

from helios_world import compute
from helios_world.compute import Compute
from helios_world.errors import DependencyError, HeliosError


def test_auto_is_resolved() -> None:
    chosen = Compute.choose()
    assert chosen.device.type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert chosen.dtype in compute.DTYPES.values()


@pytest.mark.parametrize(
    ("flags", "dtype"), [(set(), torch.float32), ({"avx512_bf16"}, torch.bfloat16), ({"avx2"}, torch.float32)]
)
def test_a_cpu_computes_in_bfloat16_only_where_that_is_fast(
    monkeypatch: pytest.MonkeyPatch, flags: set[str], dtype: torch.dtype
) -> None:
    monkeypatch.setattr(compute, "_cpu_flags", lambda: flags)
    assert Compute.choose("cpu").dtype == dtype


def test_the_label_tells_what_frames_depend_on() -> None:
    labels = {Compute.choose("cpu", dtype, threads).label for dtype in compute.DTYPES for threads in (1, 2)}
    assert labels == {"cpu torch.float32", "cpu torch.bfloat16"}


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("gpu",), "'gpu'"),
        (("cpu", "float16"), "'float16'.*bfloat16"),
        (("cpu", "auto", 0), "threads is 0"),
    ],
)
def test_unknown_choices_are_explained(arguments: tuple[object, ...], complaint: str) -> None:
    with pytest.raises(HeliosError, match=complaint):
        Compute.choose(*arguments)  # type: ignore[arg-type]


def test_a_device_that_is_not_there() -> None:
    with pytest.raises(DependencyError, match="use 'cpu'"):
        Compute.choose("cuda:77")
