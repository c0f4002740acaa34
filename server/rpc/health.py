"""The servicer of `scorm.v1.HealthService`."""

from typing import Any

import grpc

from server import VERSION
from server.gen.scorm.v1 import health_service_pb2, health_service_pb2_grpc
from server.rpc import context as calls
from server.services.ports import Clock, Database

SERVICE = "scorm-api"


class HealthServicer(health_service_pb2_grpc.HealthServiceServicer):
    """Asks what the service depends on."""

    def __init__(self, *, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def GetHealth(
        self, request: health_service_pb2.GetHealthRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> health_service_pb2.GetHealthResponse:
        checks = {"database": await self._database.ping()}
        healthy = all(checks.values())
        if not healthy:
            calls.tell(context, ("x-http-status", "503"))
        response = health_service_pb2.GetHealthResponse(
            status="healthy" if healthy else "unhealthy", service=SERVICE, version=VERSION, checks=checks
        )
        response.timestamp.FromDatetime(self._clock.now().replace(microsecond=0))
        return response
