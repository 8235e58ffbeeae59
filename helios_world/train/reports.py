"""What a training run says on the terminal."""

from __future__ import annotations

from rich.console import Console

console = Console()


def atlas_report(part: str, step: int, steps: int, values: dict[str, float]) -> None:
    """Every 500 steps of a part of the atlas, and its last one."""
    if step % 500 == 0 or step == steps:
        console.print(f"{part} {step}/{steps}  {shown_values(values)}")


def codec_report(step: int, steps: int, values: dict[str, float]) -> None:
    """Every report of the codec."""
    console.print(f"codec {step}/{steps}  {shown_values(values)}")


def shown_values(values: dict[str, float]) -> str:
    """Names and values in a line."""
    return "  ".join(f"{name} {value:.4f}" for name, value in values.items())
