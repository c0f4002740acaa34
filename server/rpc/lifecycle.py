"""Starting, draining and stopping a gRPC server."""

import asyncio
import signal
from collections.abc import Callable, Sequence
from typing import Any

import grpc
import structlog
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import _async as aio_reflection
from grpc_reflection.v1alpha import reflection, reflection_pb2

from server.rpc.interceptors import Around, AroundEveryCall

log = structlog.get_logger("lifecycle")
OPTIONS = [
    # Two processes on one port would split calls unseen by the gateway's health checks.
    ("grpc.so_reuseport", 0),
    ("grpc.max_metadata_size", 64 * 1024),
    # The gateway opens another connection where one has as many.
    ("grpc.max_concurrent_streams", 1000),
    # The gateway pings, to tell a process that stands still.
    ("grpc.http2.max_ping_strikes", 0),
]
REFLECTION_V1 = "grpc.reflection.v1.ServerReflection"
_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
# An upload's messages have 1 MiB of data.
MESSAGE_BYTES = 4 * 1024 * 1024
# What the gateway lets through of statements with attachments, and a little for what is around them.
LARGE_MESSAGE_BYTES = 17 * 1024 * 1024
Register = Callable[[Any], None]


class CannotListen(Exception):
    """The address is in use, or not ours. The message names it."""


class _Unregistered:
    """The server, for generated code, but without the registering of methods.

    grpc.aio would wait for a call of each registered method anew with every call, at a cost that grows with them. What
    is not registered it finds by name, in the handlers that are added too.
    """

    def __init__(self, server: grpc.aio.Server) -> None:
        self.add_generic_rpc_handlers = server.add_generic_rpc_handlers

    def add_registered_method_handlers(self, service_name: str, method_handlers: Any) -> None:
        """Nothing."""


class Serving:
    """A gRPC server with health and reflection that leaves no request unanswered when it stops."""

    def __init__(
        self,
        *,
        registrations: Sequence[Register],
        services: Sequence[ServiceDescriptor],
        arounds: Sequence[Around],
        message_bytes: int = MESSAGE_BYTES,
    ) -> None:
        options = [*OPTIONS, ("grpc.max_receive_message_length", message_bytes)]
        self.server = grpc.aio.server(interceptors=[AroundEveryCall(arounds)], options=options)
        self._health = health.aio.HealthServicer()
        self._names = ["", *(service.full_name for service in services)]
        unregistered: Any = _Unregistered(self.server)
        for register in registrations:
            register(unregistered)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, unregistered)
        _add_reflection(unregistered, [*self._names[1:], health.SERVICE_NAME])

    async def start(self, address: str) -> None:
        """Listens at `host:port` or `unix:/path`. Raises CannotListen."""
        try:
            self.server.add_insecure_port(address)
        except RuntimeError as error:
            raise CannotListen(f"cannot listen at {address}") from error
        await self.server.start()
        await self._set(_SERVING)
        log.info("listening", address=address)

    async def drain(self, seconds: float, *, grace_seconds: float) -> None:
        """Tells the gateway to send nothing new, waits until it heeds that, and then for the calls under way."""
        await self._set(_NOT_SERVING)
        await asyncio.sleep(seconds)
        await self.server.stop(grace_seconds)

    async def _set(self, status: Any) -> None:
        for name in self._names:
            await self._health.set(name, status)


def _add_reflection(server: Any, names: Sequence[str]) -> None:
    """Under both names that clients ask by: the messages of v1 are those of v1alpha, and the package has no other."""
    names = [*names, reflection.SERVICE_NAME, REFLECTION_V1]
    reflection.enable_server_reflection(names, server)
    servicer: Any = aio_reflection.ReflectionServicer(names)
    handler = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    methods = {"ServerReflectionInfo": handler}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(REFLECTION_V1, methods),))


async def until_told_to_stop() -> signal.Signals:
    """Returns at SIGTERM or SIGINT, and which it was."""
    told: asyncio.Future[signal.Signals] = asyncio.get_running_loop().create_future()

    def tell(number: signal.Signals) -> None:
        if not told.done():
            told.set_result(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, tell, number)
    return await told


async def run(serving: Serving, *, address: str, drain_seconds: float, grace_seconds: float) -> None:
    """Serves until told to stop. SIGTERM drains; SIGINT is for where no gateway is left that must notice."""
    await serving.start(address)
    if await until_told_to_stop() is signal.SIGINT:
        drain_seconds = 0
    log.info("draining", seconds=drain_seconds)
    await serving.drain(drain_seconds, grace_seconds=grace_seconds)
    log.info("stopped")
