"""What the server counts. `Metrics` counts nothing; `PrometheusMetrics` shows the figures to Prometheus."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from helios_world.errors import DependencyError
from helios_world.spec import Timing

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_BATCHES = (1, 2, 3, 4, 6, 8, 12, 16, 32)


class Metrics:
    """What there is to count; every method may be called from any thread. This class lets it all pass."""

    def watch(self, name: str, meaning: str, read: Callable[[], float]) -> None:
        """Show `read()` whenever somebody looks."""

    def chunk(self, timing: Timing, queue_ms: float) -> None:
        """A chunk was made."""

    def batch(self, size: int) -> None:
        """So many worlds were stepped in one round."""

    def sent(self, nbytes: int) -> None:
        """A message went out."""

    def error(self, code: str) -> None:
        """A client was told of an error."""

    def malformed(self) -> None:
        """A message could not be understood."""

    def limited(self) -> None:
        """A message was dropped because its sender sends too many."""

    def resumed(self) -> None:
        """A session was taken up again."""

    def underrun(self) -> None:
        """A streamed chunk took longer, from its credit on, than it lasts."""

    def close(self) -> None:
        """Show nothing any more."""


class PrometheusMetrics(Metrics):
    """The figures in a registry of their own, in Prometheus' names.

    Raises:
        DependencyError: prometheus-client is not installed.
    """

    def __init__(self) -> None:
        try:
            import prometheus_client as prometheus
        except ImportError as error:
            raise DependencyError(
                "metrics need prometheus-client: pip install prometheus-client, or serve with metrics_port 0"
            ) from error
        self.registry: CollectorRegistry = prometheus.CollectorRegistry()
        self._gauge = prometheus.Gauge
        self._stop: Callable[[], None] | None = None
        self._stages = prometheus.Histogram(
            "helios_chunk_seconds", "Of a chunk, by stage", ("stage",), buckets=_SECONDS, registry=self.registry
        )
        self._queue = prometheus.Histogram(
            "helios_queue_seconds", "That a chunk waited for the device", buckets=_SECONDS, registry=self.registry
        )
        self._batch = prometheus.Histogram(
            "helios_batch_size", "Worlds stepped in one round", buckets=_BATCHES, registry=self.registry
        )
        self._errors = prometheus.Counter(
            "helios_errors", "Errors that clients were told of", ("code",), registry=self.registry
        )
        self._counters = {
            name: prometheus.Counter(f"helios_{name}", meaning, registry=self.registry)
            for name, meaning in (
                ("chunks", "Chunks made"),
                ("sent_bytes", "Bytes of messages sent"),
                ("malformed", "Messages that could not be understood"),
                ("limited", "Messages dropped because of the rate limit"),
                ("resumed", "Sessions taken up again"),
                ("underruns", "Streamed chunks that took longer than they last"),
            )
        }
        self.watch("helios_gpu_memory_bytes", "GPU memory that torch holds", gpu_memory)
        prometheus.ProcessCollector(registry=self.registry)

    def serve(self, port: int, host: str = "127.0.0.1") -> int:
        """Answer at http://host:port/metrics until closed; port 0 takes a free one. Returns the port."""
        import prometheus_client as prometheus

        server, thread = prometheus.start_http_server(port, host, self.registry)

        def stop() -> None:
            server.shutdown()
            server.server_close()
            thread.join()

        self._stop = stop
        return int(server.server_port)

    def watch(self, name: str, meaning: str, read: Callable[[], float]) -> None:
        self._gauge(name, meaning, registry=self.registry).set_function(read)

    def chunk(self, timing: Timing, queue_ms: float) -> None:
        stages: list[tuple[str, float]] = [("encode", timing.encode), ("decode", timing.decode)]
        stages += [(f"denoise_{number}", spent) for number, spent in enumerate(timing.denoise, start=1)]
        for stage, spent in (*stages, ("total", timing.total)):
            self._stages.labels(stage).observe(spent / 1e3)
        self._queue.observe(queue_ms / 1e3)
        self._counters["chunks"].inc()

    def batch(self, size: int) -> None:
        self._batch.observe(size)

    def sent(self, nbytes: int) -> None:
        self._counters["sent_bytes"].inc(nbytes)

    def error(self, code: str) -> None:
        self._errors.labels(code).inc()

    def malformed(self) -> None:
        self._counters["malformed"].inc()

    def limited(self) -> None:
        self._counters["limited"].inc()

    def resumed(self) -> None:
        self._counters["resumed"].inc()

    def underrun(self) -> None:
        self._counters["underruns"].inc()

    def close(self) -> None:
        if self._stop is not None:
            self._stop()
            self._stop = None


def gpu_memory() -> float:
    """Bytes that torch holds on the present GPU; 0 where there is none or torch was never loaded."""
    torch: Any = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return 0.0
    return float(torch.cuda.memory_reserved())
