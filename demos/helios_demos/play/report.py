"""What a session of `play` came to: the figures that were measured while it was shown."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helios_runtime.telemetry import Figures

__all__ = ["Report"]


@dataclass(frozen=True)
class Report:
    """One session.

    Args:
        world: its name.
        script: the script that was played, None for a person at the keyboard.
        record: the mp4 that was written from the beginning, None for none.
        figures: rates, times and delays.
    """

    world: str
    script: str | None
    record: Path | None
    figures: Figures

    def to_dict(self) -> dict[str, Any]:
        """Everything as what JSON can hold, in one level but for the spreads."""
        record = None if self.record is None else str(self.record)
        return {"world": self.world, "script": self.script, "record": record, **self.figures.to_dict()}
