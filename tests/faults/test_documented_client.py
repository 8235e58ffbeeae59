"""The client that stands in PROTOCOL.md, as a process of its own against a real server."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from helios_world.spec import Action
from helios_world.testing import PatternWorld

PAGE = Path(__file__).parents[2] / "bindings" / "PROTOCOL.md"
LONGEST = 60


def test_it_walks(serve: Any, tmp_path: Path) -> None:
    (program,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    assert len(program.splitlines()) < LONGEST
    assert "helios" not in program
    file = tmp_path / "client.py"
    file.write_text(program, encoding="utf-8")
    server, world = serve("ledger"), PatternWorld()
    run = subprocess.run(
        [sys.executable, str(file), server.address], capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 0, run.stderr
    chunks = [world.reset(seed=7), *(world.step(Action({"forward"})) for _ in range(9))]
    assert run.stdout.splitlines() == [
        f"chunk {chunk.index}: mean brightness {chunk.frames.mean():.1f}" for chunk in chunks
    ]
    assert server.ledger == [(7, index) for index in range(10)]
