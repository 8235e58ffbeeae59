"""Thousands of spoilt messages: a client neither crashes nor hangs nor grows, and works with a good server afterwards.

HELIOS_ENGINE_FUZZ multiplies their number, which is 10,000 for each client.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

from helios_runtime.bench_engines.probe import Probe

MESSAGES = int(10_000 * float(os.environ.get("HELIOS_ENGINE_FUZZ", "1")))
SECONDS_FOR_1000 = 6.0
REFERENCE_SECONDS = 4.0
"""The Python client has fuzz tests of its own; here it only shows that the server lets a client step."""
SOME_MEMORY = 150 << 20


def test_spoilt_messages(
    probe: Probe,
    reference: Probe,
    servers: Any,
    pattern: Any,
    begin: Callable[..., dict[str, Any]],
    same: Any,
    resident: Callable[[Probe], int],
    request: Any,
) -> None:
    count = MESSAGES
    program = request.path.with_name("hostile.py")
    hostile = servers(str(program), "1", "{port}")
    probe.do("fuzz", within=60, address=hostile.address, seconds=2, messages=50)
    before = resident(probe)
    limit = REFERENCE_SECONDS if probe.name == "python" else SECONDS_FOR_1000 * count / 1000
    found = probe.do("fuzz", within=limit + 30, address=hostile.address, seconds=limit, messages=count)
    hostile.end(signal.SIGTERM)
    if probe.name != "python":  # it does not count what it drops
        assert hostile.notes[-1]["sent"] >= count
        assert found["messages"] >= count, found
        assert found["dropped"] > 0.3 * found["messages"], "what cannot be read is dropped"
    assert found["errors"] > 0
    assert found["chunks"] > 0, "the server never let it step"
    assert resident(probe) - before < SOME_MEMORY
    probe.do("disconnect")
    same(begin(probe, pattern, seed=8), begin(reference, pattern, seed=8))
    same(probe.do("step", buttons=["forward"]), reference.do("step", buttons=["forward"]))
