"""Metrics of RPCs, as an `Around`."""

import time
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from server.rpc import context as calls
from server.rpc.interceptors import Context, Next

BUCKETS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass(slots=True)
class _Method:
    """The metrics of one method. Looking a label up costs more than counting, so that each is looked up once."""

    started: Counter
    in_flight: Gauge
    seconds: Histogram
    handled: dict[str, Counter] = field(default_factory=dict)


class CallMetrics:
    """Counts and times every call. Labels are methods, codes and reasons only, whose number callers cannot raise."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._started = Counter("scorm_rpc_started", "RPCs begun", ["method"], registry=registry)
        self._handled = Counter("scorm_rpc_handled", "RPCs ended, by gRPC code", ["method", "code"], registry=registry)
        self._in_flight = Gauge("scorm_rpc_in_flight", "RPCs begun and not ended", ["method"], registry=registry)
        self._seconds = Histogram(
            "scorm_rpc_duration_seconds",
            "Time from an RPC's begin to its end",
            ["method"],
            buckets=BUCKETS_SECONDS,
            registry=registry,
        )
        self._errors = Counter("scorm_errors", "RPCs ended by an error, by its reason", ["reason"], registry=registry)
        self._methods: dict[str, _Method] = {}

    async def around(self, next_step: Next, request: Any, context: Context, method: str) -> Any:
        """Keeps `server.rpc.interceptors.Around`. The outermost."""
        bound = self._methods.get(method) or self._bind(method)
        bound.started.inc()
        bound.in_flight.inc()
        began = time.perf_counter()
        try:
            return await next_step(request, context)
        finally:
            bound.seconds.observe(time.perf_counter() - began)
            bound.in_flight.dec()
            call = calls.current()
            handled = bound.handled.get(call.outcome)
            if handled is None:
                handled = bound.handled[call.outcome] = self._handled.labels(method, call.outcome)
            handled.inc()
            if call.reason is not None:
                self._errors.labels(call.reason).inc()

    def _bind(self, method: str) -> _Method:
        bound = _Method(self._started.labels(method), self._in_flight.labels(method), self._seconds.labels(method))
        return self._methods.setdefault(method, bound)
