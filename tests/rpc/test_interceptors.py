"""What happens around a call, on a real server with servicers that fail on purpose."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
import structlog
from google.rpc import error_details_pb2, status_pb2

from server.domain.errors import Conflict, DatabaseFailed, Unavailable
from server.gen.scorm.v1 import health_service_pb2 as pb
from server.gen.scorm.v1 import health_service_pb2_grpc
from server.main import HEALTH_SERVICE
from server.rpc.access import access_table
from server.rpc.interceptors import authenticate, log_call, tell_errors, validate
from server.rpc.lifecycle import Serving

TRANSCODED = (("x-envoy-original-path", "/api/health"), ("x-request-id", "r-1"))


class Failing(health_service_pb2_grpc.HealthServiceServicer):
    """Does what the test says."""

    def __init__(self, act: Callable[[grpc.aio.ServicerContext[Any, Any]], Any]) -> None:
        self._act = act

    async def GetHealth(
        self, request: pb.GetHealthRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.GetHealthResponse:
        await self._act(context)
        return pb.GetHealthResponse(status="healthy")


def raising(error: BaseException) -> Callable[[Any], Any]:
    async def act(_: Any) -> None:
        raise error

    return act


def server_that(act: Callable[[Any], Any]) -> Serving:
    """The same chain as in `server.main`, for an RPC that needs no key."""
    return Serving(
        registrations=[
            lambda server: health_service_pb2_grpc.add_HealthServiceServicer_to_server(Failing(act), server)
        ],
        services=[HEALTH_SERVICE],
        arounds=[log_call, tell_errors, authenticate(access_table([HEALTH_SERVICE]), None, None), validate],
    )


@asynccontextmanager
async def serving(act: Callable[[Any], Any], socket: Path) -> AsyncIterator[grpc.aio.Channel]:
    served = server_that(act)
    await served.start(f"unix:{socket}")
    async with grpc.aio.insecure_channel(f"unix:{socket}") as channel:
        yield channel
    await served.drain(0, grace_seconds=30)


async def fail(act: Callable[[Any], Any], tmp_path: Path, metadata: Any = ()) -> grpc.aio.AioRpcError:
    async with serving(act, tmp_path / "s") as channel:
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await health_service_pb2_grpc.HealthServiceStub(channel).GetHealth(pb.GetHealthRequest(), metadata=metadata)
    return error.value


def trailers(error: grpc.aio.AioRpcError) -> dict[str, Any]:
    return dict(error.trailing_metadata() or ())


async def test_an_unknown_exception_is_internal_and_only_the_log_knows_it(tmp_path: Path) -> None:
    with structlog.testing.capture_logs() as logs:
        error = await fail(raising(RuntimeError("password=hunter2")), tmp_path, TRANSCODED)
    assert error.code() is grpc.StatusCode.INTERNAL
    assert error.details() == "Internal server error"
    assert "hunter2" not in str(error.trailing_metadata())
    (failed,) = [entry for entry in logs if entry["event"] == "failed"]
    assert (failed["request_id"], str(failed["exc_info"])) == ("r-1", "password=hunter2")


async def test_a_transcoded_call_gets_json_and_status_for_the_gateway(tmp_path: Path) -> None:
    told = trailers(await fail(raising(Conflict("busy")), tmp_path, TRANSCODED))
    assert told["x-http-status"] == "409"
    assert json.loads(told["x-error-json"]) == {
        "error": {"code": "CONFLICT", "message": "busy", "details": {}},
        "request_id": "r-1",
    }


async def test_a_native_call_gets_the_status_only(tmp_path: Path) -> None:
    error = await fail(raising(Unavailable(retry_after_seconds=7)), tmp_path)
    told = trailers(error)
    assert {"x-error-json", "x-http-status"}.isdisjoint(told)
    assert told["retry-after"] == "7"
    status = status_pb2.Status.FromString(told["grpc-status-details-bin"])
    retry = error_details_pb2.RetryInfo()
    assert any(detail.Unpack(retry) for detail in status.details)
    assert retry.retry_delay.seconds == 7


async def test_the_cause_of_a_database_failure_is_not_told(tmp_path: Path) -> None:
    failure = DatabaseFailed()
    failure.__cause__ = ValueError('relation "secrets" does not exist')
    error = await fail(raising(failure), tmp_path)
    assert (error.code(), error.details()) == (grpc.StatusCode.INTERNAL, "Database operation failed")
    assert "secrets" not in str(error.trailing_metadata())


async def test_an_abort_of_the_servicers_own_is_left_alone(tmp_path: Path) -> None:
    async def act(context: Any) -> None:
        await context.abort(grpc.StatusCode.ALREADY_EXISTS, "mine")

    error = await fail(act, tmp_path)
    assert (error.code(), error.details()) == (grpc.StatusCode.ALREADY_EXISTS, "mine")


async def test_bytes_that_are_no_message_are_a_bad_request(tmp_path: Path) -> None:
    async with serving(raising(AssertionError("never reached")), tmp_path / "s") as channel:
        call: Any = channel.unary_unary("/scorm.v1.HealthService/GetHealth")
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await call(b"\xff\xff\xff")
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "valid message" in (error.value.details() or "")


async def test_draining_lets_a_call_under_way_end(tmp_path: Path) -> None:
    began, go_on = asyncio.Event(), asyncio.Event()

    async def act(_: Any) -> None:
        began.set()
        await go_on.wait()

    served = server_that(act)
    await served.start(f"unix:{tmp_path}/s")
    async with grpc.aio.insecure_channel(f"unix:{tmp_path}/s") as channel:
        stub = health_service_pb2_grpc.HealthServiceStub(channel)
        answer = asyncio.ensure_future(stub.GetHealth(pb.GetHealthRequest()))
        await began.wait()
        draining = asyncio.create_task(served.drain(0, grace_seconds=30))
        await asyncio.sleep(0.05)
        assert not draining.done()
        go_on.set()
        assert (await answer).status == "healthy"
        await draining
