"""The metrics of one process, and the page that Prometheus reads them from."""

import asyncio
import contextlib
import platform
from collections.abc import AsyncIterator, Callable, Iterable
from functools import partial

from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import Metric

from server import VERSION
from server.rpc.interceptors import Around
from server.rpc.lifecycle import CannotListen
from server.services.import_runs import Observe
from server.storage.connection import Postgres
from server.storage.http_adapter import Outcome
from server.telemetry import page, readings
from server.telemetry.calls import CallMetrics

LAG_SECONDS = 0.5
# The times at which counters began would double the page.
disable_created_metrics()  # type: ignore[no-untyped-call]  # the library left it so
_LAG_BUCKETS_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_RUN_BUCKETS_SECONDS = (0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 7200.0)
_STORAGE_BUCKETS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """What one process counts. Made by `opened`; without an address nobody asks, and calls are not counted."""

    def __init__(self, role: str, *, asked: bool) -> None:
        self.registry = CollectorRegistry()
        self.arounds: list[Around] = [CallMetrics(self.registry).around] if asked else []
        self._requests = Counter(
            "scorm_storage_requests",
            "HTTP requests to storage; those that are `retryable` got no answer or 408, 429 or 5xx",
            ["operation", "outcome"],
            registry=self.registry,
        )
        self._request_seconds = Histogram(
            "scorm_storage_request_seconds",
            "Time from a request to storage to the head of its answer",
            ["operation"],
            buckets=_STORAGE_BUCKETS_SECONDS,
            registry=self.registry,
        )
        self._lag = Histogram(
            "scorm_event_loop_lag_seconds",
            "How late the event loop wakes what sleeps",
            buckets=_LAG_BUCKETS_SECONDS,
            registry=self.registry,
        )
        self._databases: dict[str, Postgres] = {}
        self.watch(readings.databases, self._databases)
        build = Info("scorm_build", "What runs here", registry=self.registry)
        build.info({"version": VERSION, "role": role, "python": platform.python_version()})
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)

    @classmethod
    @contextlib.asynccontextmanager
    async def opened(cls, address: str | None, role: str) -> AsyncIterator["Metrics"]:
        """The metrics of this process, served at `address` (host:port) if there is one. Raises CannotListen."""
        metrics = cls(role, asked=address is not None)
        if address is None:
            yield metrics
            return
        try:
            server = page.Server(address, metrics.registry)
        except OSError as error:
            raise CannotListen(f"cannot listen at METRICS_ADDRESS {address}: {error.strerror}") from error
        watching = asyncio.create_task(metrics.watch_loop())
        try:
            yield metrics
        finally:
            watching.cancel()
            server.close()

    def watch(self, read: Callable[..., Iterable[Metric]], *parts: object) -> None:
        """Calls `read(*parts)` at each scrape."""
        self.registry.register(readings.Reading(partial(read, *parts)))

    def watch_database(self, role: str, database: Postgres) -> None:
        """Reads the pool of a role of Postgres at each scrape."""
        self._databases[role] = database

    def storage_request(self, operation: str, outcome: Outcome, seconds: float) -> None:
        """Keeps `server.storage.http_adapter.Observe`."""
        self._requests.labels(operation, outcome).inc()
        self._request_seconds.labels(operation).observe(seconds)

    def watch_imports(self) -> Observe:
        """Begins to tell of runs of imports: the function is to be told of each."""
        runs = Counter(
            "scorm_import_runs",
            "Runs of imports ended, by how; after put_off, stopped and a worker's death another follows",
            ["outcome"],
            registry=self.registry,
        )
        run_seconds = Histogram(
            "scorm_import_run_seconds",
            "Time that a run took, its download included",
            buckets=_RUN_BUCKETS_SECONDS,
            registry=self.registry,
        )

        def ended(outcome: str, seconds: float) -> None:
            runs.labels(outcome).inc()
            run_seconds.observe(seconds)

        return ended

    async def watch_loop(self) -> None:
        """Measures the event loop's lag, for ever."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + LAG_SECONDS
            await asyncio.sleep(LAG_SECONDS)
            self._lag.observe(max(0.0, loop.time() - due))
