"""The key filter: answers Envoy's ext_authz Check for API keys, and for content and download tokens.

What it tells Envoy is for the edge only (its cache, its limiter): the core authenticates every call again. An answer
of OK carries dynamic metadata that the gateway's Lua caches for 3 seconds; a denial carries the documented JSON and,
in the header `x-error-reason`, the reason, from which the gateway makes the status of native gRPC callers.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import grpc
import structlog
from envoy.config.core.v3 import base_pb2
from envoy.service.auth.v3 import external_auth_pb2, external_auth_pb2_grpc
from envoy.type.v3 import http_status_pb2
from google.rpc import status_pb2

from server.domain.api_keys import lrs_permissions
from server.domain.errors import Gone
from server.rpc.credentials import key_of
from server.rpc.errors import render
from server.services.authentication import Authenticator, Caller
from server.services.packages import Packages

log = structlog.get_logger("edge")
# Set by gateway/edge.lua, and taken from requests before it.
OPERATION_HEADER = "x-operation"
JWT_FILTER = "envoy.filters.http.jwt_authn"


class EdgeCheckServicer(external_auth_pb2_grpc.AuthorizationServicer):  # type: ignore[misc]  # xds-protos is untyped
    """Which of its two duties it does is told by `class` in the route's context extensions."""

    def __init__(self, *, authenticator: Authenticator, packages: Packages) -> None:
        self._authenticator = authenticator
        self._packages = packages

    async def Check(self, request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        """Never fails: whatever goes wrong is a denial with its error."""
        attributes = request.attributes
        headers, extensions = attributes.request.http.headers, attributes.context_extensions
        try:
            if (kind := extensions.get("class")) in ("content", "download"):
                return _allow(await self._grant(attributes, kind))
            resource = extensions.get("lrs")
            caller = await self._authenticator.authenticate(key_of(headers, basic=resource is not None))
            # Of a form that stands for another request the gateway says what it does.
            scope = headers.get(OPERATION_HEADER) if resource else None
            caller.require(scope or extensions["scope"], lrs_resource=resource)
            return _allow(_identity(caller))
        except Exception as error:
            return _deny(error, headers.get("x-request-id", ""))

    async def _grant(self, attributes: Any, kind: str) -> dict[str, str]:
        claims = attributes.metadata_context.filter_metadata[JWT_FILTER][kind]
        try:
            tenant_id, package_id, grant = UUID(claims["tenant"]), UUID(claims["package"]), claims["jti"]
        except ValueError as error:
            raise Gone from error
        await self._packages.grant_content(tenant_id=tenant_id, package_id=package_id)
        return {"grant": grant}


def _identity(caller: Caller) -> dict[str, Any]:
    identity: dict[str, Any] = {
        "tenant": str(caller.tenant_id),
        "plan": caller.plan.value,
        "key_id": str(caller.key_id),
        "scopes": ",".join(sorted(caller.scopes | lrs_permissions(caller.scopes))),
    }
    if caller.expires_at is not None:
        identity["expires_ms"] = caller.expires_at.timestamp() * 1000
    return identity


def _allow(metadata: Mapping[str, Any]) -> Any:
    response = external_auth_pb2.CheckResponse(
        status=status_pb2.Status(code=0), ok_response=external_auth_pb2.OkHttpResponse()
    )
    response.dynamic_metadata.update(metadata)
    return response


def _deny(error: Exception, request_id: str) -> Any:
    rendered = render(error)
    if rendered.entry.http_status >= 500:
        log.error("check failed", request_id=request_id, reason=rendered.reason, exc_info=error)
    headers = {"content-type": "application/json", "x-error-reason": rendered.reason}
    if rendered.retry_after_seconds is not None:
        headers["retry-after"] = str(rendered.retry_after_seconds)
    return external_auth_pb2.CheckResponse(
        status=status_pb2.Status(code=rendered.entry.code.value[0], message=rendered.message),
        denied_response=external_auth_pb2.DeniedHttpResponse(
            status=http_status_pb2.HttpStatus(code=rendered.entry.http_status),
            headers=_headers(headers),
            body=rendered.to_json(request_id),
        ),
    )


def _headers(headers: Mapping[str, str]) -> list[Any]:
    return [
        base_pb2.HeaderValueOption(
            header=base_pb2.HeaderValue(key=key, value=value),
            append_action=base_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD,
        )
        for key, value in headers.items()
    ]
