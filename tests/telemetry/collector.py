"""A collector of traces: takes OTLP over gRPC and keeps what comes, also as bytes."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent import futures
from dataclasses import dataclass, field
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as pb
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc


@dataclass(frozen=True, slots=True)
class Span:
    """A span as it came. Its attributes' values are text."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: Mapping[str, str]


@dataclass(slots=True)
class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Made by `running`."""

    endpoint: str = ""
    exported: list[bytes] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def Export(self, request: Any, context: grpc.ServicerContext) -> Any:
        with self._lock:
            self.exported.append(request.SerializeToString())
            self.spans += _spans(request)
        return pb.ExportTraceServiceResponse()

    @classmethod
    @contextlib.contextmanager
    def running(cls) -> Iterator["Collector"]:
        """Listens on a free port until the context is left."""
        collector = cls()
        server = grpc.server(futures.ThreadPoolExecutor(4))
        trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collector, server)  # type: ignore[no-untyped-call]
        collector.endpoint = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        server.start()
        yield collector
        server.stop(0).wait()

    def of(self, request_id: str) -> list[Span]:
        """The spans of a request, so far."""
        return [span for span in self.spans if span.attributes.get("request_id") == request_id]

    def wait_for(self, holds: Callable[[], Any], seconds: float = 20.0) -> None:
        """Until enough has come."""
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, self.spans
            time.sleep(0.05)


def _spans(request: Any) -> Iterator[Span]:
    for resource in request.resource_spans:
        service = _attributes(resource.resource.attributes).get("service.name", "")
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield Span(
                    service=service,
                    name=span.name,
                    trace_id=span.trace_id.hex(),
                    span_id=span.span_id.hex(),
                    parent_id=span.parent_span_id.hex(),
                    attributes=_attributes(span.attributes),
                )


def _attributes(found: Any) -> dict[str, str]:
    return {pair.key: str(getattr(pair.value, pair.value.WhichOneof("value") or "string_value")) for pair in found}
