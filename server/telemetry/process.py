"""What one process tells operators, as far as somebody listens."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from server.rpc.interceptors import Around
from server.services.ports import Blobs, Database
from server.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer


@dataclass(frozen=True, slots=True, kw_only=True)
class Telemetry:
    """Metrics, and traces where there is a tracer. `arounds` go around every call, outermost."""

    metrics: Metrics
    arounds: Sequence[Around]
    tracer: "Tracer | None"

    @classmethod
    @contextlib.asynccontextmanager
    async def opened(
        cls, role: str, *, metrics_address: str | None, otlp_endpoint: str | None
    ) -> AsyncIterator["Telemetry"]:
        """Until the block ends. Raises CannotListen for the page of metrics."""
        async with contextlib.AsyncExitStack() as stack:
            metrics = await stack.enter_async_context(Metrics.opened(metrics_address, role))
            if otlp_endpoint is None:
                yield cls(metrics=metrics, arounds=metrics.arounds, tracer=None)
                return
            # Only here: who traces nothing loads nothing for it.
            from server.telemetry import traces

            tracer = await stack.enter_async_context(traces.sent(role))
            arounds = [*metrics.arounds, traces.CallTraces(tracer).around]
            yield cls(metrics=metrics, arounds=arounds, tracer=tracer)

    def database(self, database: Database) -> Database:
        """A database whose use is traced."""
        if self.tracer is None:
            return database
        from server.telemetry.traced import TracedDatabase

        return TracedDatabase(database, self.tracer)

    def blobs(self, blobs: Blobs) -> Blobs:
        """A bucket whose use is traced."""
        if self.tracer is None:
            return blobs
        from server.telemetry.traced import TracedBlobs

        return TracedBlobs(blobs, self.tracer)
