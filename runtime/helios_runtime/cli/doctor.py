"""`helios-world doctor`: what this machine has, which device is used, and how to get what is missing."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

import typer

from helios_runtime.cli.console import print_json, results
from helios_runtime.cli.options import AsJson

CPU_INFO = Path("/proc/cpuinfo")
FAST_BF16_FLAGS = ("avx512_bf16", "amx_bf16")


@dataclass(frozen=True)
class Finding:
    """One thing looked at.

    Args:
        name: of the thing.
        value: what was found, in words.
        get: the command or the step that gets what is missing; None when nothing is missing.
        required: whether nothing works without it.
    """

    name: str
    value: str
    get: str | None = None
    required: bool = False


def doctor(as_json: AsJson = False) -> None:
    """Say what is installed, which device would be used, and what is missing, with the command that gets it.

    Leaves with code 1 when something that everything needs is missing.

    Example: helios-world doctor
    """
    findings = look()
    healthy = not any(finding.required and finding.get for finding in findings)
    if as_json:
        print_json({"healthy": healthy, "findings": [asdict(finding) for finding in findings]})
    else:
        show(findings)
    if not healthy:
        raise typer.Exit(1)


def look() -> list[Finding]:
    checks: tuple[Callable[[], Finding], ...] = (
        python,
        torch,
        device,
        bfloat16,
        kernels,
        lambda: package("pygame-ce", "the window"),
        lambda: display(sys.platform, os.environ),
        video,
        lambda: package("numba", "a fast ground-truth game, training"),
        lambda: package("matplotlib", "training and evaluation"),
        lambda: package("pillow", "training and evaluation"),
        weights,
    )
    return [check() for check in checks]


def python() -> Finding:
    version = platform.python_version()
    fits = (3, 10) <= sys.version_info[:2] <= (3, 13)
    get = None if fits else "install Python 3.10 to 3.13, then: make setup PYTHON=python3.12"
    return Finding("python", f"{version} on {platform.system()} {platform.machine()}", get, required=True)


def torch() -> Finding:
    found = package("torch", "every dream")
    return Finding("torch", found.value, found.get, required=True)


def device() -> Finding:
    try:
        import torch
    except ImportError:
        return Finding("device", "unknown without torch")
    if torch.cuda.is_available():
        return Finding("device", f"cuda ({torch.cuda.get_device_name()})")
    return Finding("device", f"cpu ({os.cpu_count()} cores)")


def bfloat16() -> Finding:
    flags = CPU_INFO.read_text(encoding="utf-8", errors="replace") if CPU_INFO.is_file() else ""
    fast = [flag for flag in FAST_BF16_FLAGS if flag in flags]
    return Finding(
        "bfloat16 on the CPU",
        f"in hardware ({', '.join(fast)})" if fast else "not in hardware; float32 is used",
    )


def kernels() -> Finding:
    try:
        import helios_kernels
    except ImportError:
        return Finding("kernels", "unknown without torch")
    return Finding("kernels", helios_kernels.chosen().describe())


def package(name: str, use: str) -> Finding:
    """Look for an installed distribution, without importing it."""
    try:
        return Finding(name, metadata.version(name))
    except metadata.PackageNotFoundError:
        return Finding(name, f"not installed; needed for {use}", f"{sys.executable} -m pip install {name}")


def display(system: str, environment: Mapping[str, str]) -> Finding:
    """Look for a display; only Linux can be without one."""
    if system.startswith("linux") and not (environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY")):
        return Finding("display", "none", "helios-world play --headless --script tour --record session.mp4")
    return Finding("display", "present")


def video() -> Finding:
    try:
        import av
    except ImportError:
        return Finding("video", "PyAV is not installed; needed for recording", f"{sys.executable} -m pip install av")
    encoders = sorted({"libx264", "libopenh264", "h264_videotoolbox"} & av.codecs_available)
    if not encoders:
        return Finding(
            "video",
            f"PyAV {av.__version__} without an H.264 encoder",
            f"{sys.executable} -m pip install --force-reinstall av",
        )
    return Finding("video", f"PyAV {av.__version__}, H.264 by {encoders[0]}")


def weights() -> Finding:
    import helios_world.spec

    folder = Path(helios_world.spec.__file__).parent / "presets" / "nano"
    if (folder / "world.json").is_file():
        return Finding("nano", str(folder))
    return Finding("nano", "the weights are not there", "helios-world train nano")


def show(findings: list[Finding]) -> None:
    from rich.text import Text

    console = results()
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        mark, colour = ("✓", "green") if finding.get is None else ("✗", "red")
        line = Text(f"  {finding.name:<{width}}  {finding.value}")
        console.print(Text(mark, style=colour) + line)
        if finding.get is not None:
            console.print(Text(f"   {'':<{width}}  → {finding.get}", style="bold"))
