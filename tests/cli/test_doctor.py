"""What the doctor says about machines that lack something."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from helios_runtime.cli import doctor
from helios_runtime.cli.doctor import Finding
from helios_runtime.cli.info import count_in


def test_a_missing_package_comes_with_the_command() -> None:
    finding = doctor.package("no-such-distribution", "nothing")
    assert finding.value == "not installed; needed for nothing"
    assert finding.get == f"{sys.executable} -m pip install no-such-distribution"


@pytest.mark.parametrize(
    ("system", "environment", "value"),
    [
        ("linux", {}, "none"),
        ("linux", {"DISPLAY": ":0"}, "present"),
        ("linux", {"WAYLAND_DISPLAY": "wayland-0"}, "present"),
        ("darwin", {}, "present"),
        ("win32", {}, "present"),
    ],
)
def test_display(system: str, environment: dict[str, str], value: str) -> None:
    assert doctor.display(system, environment).value == value


@pytest.mark.parametrize(("flags", "fast"), [("fpu avx512_bf16", True), ("fpu amx_bf16", True), ("fpu avx2", False)])
def test_bfloat16(flags: str, fast: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cpuinfo").write_text(f"flags : {flags}\n")
    monkeypatch.setattr(doctor, "CPU_INFO", tmp_path / "cpuinfo")
    assert doctor.bfloat16().value.startswith("in hardware") is fast


def test_only_what_is_required_makes_it_unhealthy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "look", lambda: [Finding("display", "none", "a command")])
    doctor.doctor()
    assert "→ a command" in capsys.readouterr().out
    monkeypatch.setattr(doctor, "look", lambda: [Finding("torch", "not installed", "a command", required=True)])
    with pytest.raises(doctor.typer.Exit) as leave:
        doctor.doctor()
    assert leave.value.exit_code == 1


def test_parameters_are_counted_from_the_header(tmp_path: Path) -> None:
    numpy_format = pytest.importorskip("safetensors.numpy")
    np = pytest.importorskip("numpy")
    file = tmp_path / "model.safetensors"
    numpy_format.save_file({"a": np.zeros((3, 4), np.float32), "b": np.zeros((), np.float16)}, file)
    assert count_in(file) == 13
