"""The servicer of `scorm.v1.PlayerService`."""

from typing import Any

import grpc
from google.api import httpbody_pb2

from server.gen.scorm.v1 import player_service_pb2, player_service_pb2_grpc
from server.rpc.packages import Links
from server.services.previews import Previews


class PlayerServicer(player_service_pb2_grpc.PlayerServiceServicer):
    """Converts, calls, converts. `server.rpc.pages` shows what goes wrong."""

    def __init__(self, *, previews: Previews, links: Links) -> None:
        self._previews = previews
        self._links = links

    async def OpenPreview(
        self, request: player_service_pb2.OpenPreviewRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> httpbody_pb2.HttpBody:
        _, package = await self._previews.open(token=request.token)
        await context.send_initial_metadata((("x-http-status", "302"), ("location", self._links.launch_url(package))))
        return httpbody_pb2.HttpBody(content_type="text/html; charset=utf-8")
