"""What the server counts is what happened."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any
from urllib.request import urlopen

import pytest

from helios_runtime.server.metrics import Metrics, PrometheusMetrics, gpu_memory
from helios_world.errors import DependencyError
from helios_world.spec import Timing


def test_the_figures() -> None:
    metrics = PrometheusMetrics()
    metrics.chunk(Timing(encode=10, denoise=(20, 30), decode=40, total=100), queue_ms=5)
    metrics.batch(3)
    metrics.sent(1000)
    metrics.error("limit")
    metrics.malformed()
    metrics.limited()
    metrics.resumed()
    metrics.underrun()
    metrics.watch("helios_sessions", "Sessions", lambda: 7.0)
    value = metrics.registry.get_sample_value
    stages = {
        stage: value("helios_chunk_seconds_sum", {"stage": stage})
        for stage in ("encode", "denoise_1", "denoise_2", "decode", "total")
    }
    assert stages == {"encode": 0.01, "denoise_1": 0.02, "denoise_2": 0.03, "decode": 0.04, "total": 0.1}
    assert value("helios_queue_seconds_sum") == 0.005
    assert value("helios_batch_size_sum") == 3
    assert value("helios_sent_bytes_total") == 1000
    assert value("helios_errors_total", {"code": "limit"}) == 1
    for name in ("chunks", "malformed", "limited", "resumed", "underruns"):
        assert value(f"helios_{name}_total") == 1
    assert value("helios_sessions") == 7
    assert value("helios_gpu_memory_bytes") == 0


def test_every_figure_can_be_left_out() -> None:
    silent, loud = vars(Metrics), vars(PrometheusMetrics)
    public = {name for name in loud if not name.startswith("_")} - {"serve", "registry"}
    assert {name for name in silent if not name.startswith("_")} == public


def test_two_servers_count_apart() -> None:
    one, other = PrometheusMetrics(), PrometheusMetrics()
    one.malformed()
    assert other.registry.get_sample_value("helios_malformed_total") == 0


def test_no_gpu_is_no_memory() -> None:
    assert gpu_memory() == 0.0


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(DependencyError, match="pip install prometheus-client"):
        PrometheusMetrics()


def test_a_page_while_it_serves(make_server: Callable[..., Any], connect: Callable[..., Any]) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = make_server(metrics_port=port)
    client = connect(server)
    client.open()
    client.reset()
    client.step("forward")
    client.step("fly")
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as page:
        text = page.read().decode()
    for line in (
        "helios_sessions 1.0",
        "helios_chunks_total 2.0",
        'helios_errors_total{code="action"} 1.0',
        "helios_queue_length 0.0",
        "helios_credits 0.0",
    ):
        assert line in text.splitlines()
    server.close()
    with pytest.raises(OSError, match="refused"):
        urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5)
