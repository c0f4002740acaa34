"""Traces of one process, in OpenTelemetry's terms. Imported only where there is a collector to send them to.

The SDK and its exporter read the OTEL_* variables of their own. Spans hold names of ours, ids and codes: no text of an
exception, no path, no header.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import grpc
from opentelemetry.context import Context as TraceContext
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from server import VERSION
from server.rpc import context as calls
from server.rpc.interceptors import Context, Next

# The time that a stopping process gives to what is still to be sent.
FLUSH_SECONDS = 2.0
_PROPAGATOR = TraceContextTextMapPropagator()
# Whose fault the others are, the caller knows.
_OURS = {"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"}


class RequestIds(SpanProcessor):
    """Gives every span the id of the request that it belongs to."""

    def on_start(self, span: Span, parent_context: TraceContext | None = None) -> None:
        """Called by the SDK."""
        call = calls.CURRENT.get(None)
        if call is not None:
            span.set_attribute("request_id", call.request_id)

    def on_end(self, span: ReadableSpan) -> None:
        """Called by the SDK."""


class CallTraces:
    """A span for every call, child of the gateway's."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    async def around(self, next_step: Next, request: Any, context: Context, method: str) -> Any:
        """Keeps `server.rpc.interceptors.Around`. Outside of what logs the call, which knows how it ended."""
        sent = {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
        _, service, name = method.split("/")
        with self._tracer.start_as_current_span(
            f"{service}/{name}",
            context=_PROPAGATOR.extract(sent, context=TraceContext()),
            kind=SpanKind.SERVER,
            attributes={"rpc.system": "grpc", "rpc.service": service, "rpc.method": name},
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                return await next_step(request, context)
            finally:
                call = calls.current()
                span.set_attribute("request_id", call.request_id)
                span.set_attribute("rpc.grpc.status_code", grpc.StatusCode[call.outcome].value[0])
                if call.reason is not None:
                    span.set_attribute("error.type", call.reason)
                if call.outcome in _OURS:
                    span.set_status(StatusCode.ERROR)


@contextlib.asynccontextmanager
async def sent(role: str) -> AsyncIterator[Tracer]:
    """What makes this process's spans, which go to OTEL_EXPORTER_OTLP_ENDPOINT in batches until the block ends."""
    ours = Resource({SERVICE_NAME: f"scorm-{role}", SERVICE_VERSION: VERSION})
    provider = TracerProvider(resource=ours.merge(OTELResourceDetector().detect()), shutdown_on_exit=False)
    exporter = OTLPSpanExporter()
    provider.add_span_processor(RequestIds())
    provider.add_span_processor(BatchSpanProcessor(exporter))
    try:
        yield provider.get_tracer("scorm", VERSION)
    finally:
        ending = asyncio.create_task(asyncio.to_thread(provider.shutdown))
        if not (await asyncio.wait([ending], timeout=FLUSH_SECONDS))[0]:
            # The collector is away: no more attempts.
            exporter.shutdown(timeout_millis=0)
        await ending
