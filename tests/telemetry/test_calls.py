"""What a process counts of its calls, on a real server."""

import asyncio
from pathlib import Path
from typing import Any

import grpc
import pytest
from prometheus_client import CollectorRegistry

from server.domain.errors import Conflict
from server.gen.scorm.v1 import health_service_pb2 as pb
from server.gen.scorm.v1 import health_service_pb2_grpc
from server.main import HEALTH_SERVICE
from server.rpc.access import access_table
from server.rpc.interceptors import authenticate, log_call, tell_errors, validate
from server.rpc.lifecycle import Serving
from server.telemetry.calls import CallMetrics

METHOD = "/scorm.v1.HealthService/GetHealth"


class Counted(health_service_pb2_grpc.HealthServiceServicer):
    """A server that counts, and the numbers that it has for its one method."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.error: BaseException | None = None
        self.waiting = asyncio.Event()

    async def GetHealth(
        self, request: pb.GetHealthRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.GetHealthResponse:
        if self.error is None:
            return pb.GetHealthResponse()
        if isinstance(self.error, asyncio.CancelledError):
            self.waiting.set()
            await asyncio.sleep(60)
        raise self.error

    def serving(self) -> Serving:
        around = CallMetrics(self.registry).around
        return Serving(
            registrations=[lambda server: health_service_pb2_grpc.add_HealthServiceServicer_to_server(self, server)],
            services=[HEALTH_SERVICE],
            arounds=[around, log_call, tell_errors, authenticate(access_table([HEALTH_SERVICE]), None, None), validate],
        )

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, {"method": METHOD, **labels})


async def test_calls_are_counted_by_method_and_code_and_errors_by_reason(tmp_path: Path) -> None:
    counted = Counted()
    served = counted.serving()
    await served.start(f"unix:{tmp_path}/s")
    async with grpc.aio.insecure_channel(f"unix:{tmp_path}/s") as channel:
        stub = health_service_pb2_grpc.HealthServiceStub(channel)
        for error in (None, None, Conflict("busy"), RuntimeError("secret")):
            counted.error = error
            await asyncio.gather(stub.GetHealth(pb.GetHealthRequest()), return_exceptions=True)
        unknown: Any = channel.unary_unary("/scorm.v1.HealthService/NoSuchMethod")
        with pytest.raises(grpc.aio.AioRpcError):
            await unknown(b"")
        counted.error = asyncio.CancelledError()
        left = asyncio.ensure_future(stub.GetHealth(pb.GetHealthRequest()))
        await counted.waiting.wait()
        assert counted.value("scorm_rpc_in_flight") == 1
        left.cancel()
    await served.drain(0, grace_seconds=1)
    assert counted.value("scorm_rpc_in_flight") == 0
    assert counted.value("scorm_rpc_started_total") == 5
    codes = {code: counted.value("scorm_rpc_handled_total", code=code) for code in ("OK", "ABORTED", "INTERNAL")}
    assert codes == {"OK": 2, "ABORTED": 1, "INTERNAL": 1}
    assert counted.value("scorm_rpc_handled_total", code="CANCELLED") == 1
    assert counted.value("scorm_rpc_duration_seconds_count") == 5
    assert counted.registry.get_sample_value("scorm_errors_total", {"reason": "CONFLICT"}) == 1
    assert counted.registry.get_sample_value("scorm_errors_total", {"reason": "INTERNAL_ERROR"}) == 1
    methods = {
        sample.labels.get("method", METHOD) for family in counted.registry.collect() for sample in family.samples
    }
    assert methods == {METHOD}, "callers make no labels"
