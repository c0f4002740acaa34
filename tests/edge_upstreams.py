"""Upstreams of the gateway that do as they are told: the core with its key filter, and storage.

Run as a program it serves the core for the keys that it is given, and prints where.
"""

import contextlib
import http.server
import sys
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from concurrent import futures
from dataclasses import dataclass, field
from typing import Any

import grpc
from envoy.service.auth.v3 import external_auth_pb2_grpc
from google.api import httpbody_pb2
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from server.domain.api_keys import lrs_permissions
from server.domain.errors import DomainError, Gone, MissingScope, Unauthorized
from server.gen.scorm.v1 import (
    health_service_pb2,
    health_service_pb2_grpc,
    lrs_service_pb2,
    lrs_service_pb2_grpc,
    package_pb2,
    package_service_pb2,
    package_service_pb2_grpc,
    player_service_pb2_grpc,
    xapi_service_pb2,
    xapi_service_pb2_grpc,
)
from server.rpc import edge_check
from server.rpc.credentials import key_of
from server.rpc.errors import render as render_error
from server.rpc.lifecycle import LARGE_MESSAGE_BYTES, OPTIONS

BUCKET = "bucket1"
# By what it says a call of the LRS has the behaviour of that name.
BEHAVIOUR_HEADER = "x-behaviour"
Context = grpc.ServicerContext
Behaviour = Callable[[Any, Context], Any]


@dataclass(slots=True)
class Key:
    """What Check says of a key."""

    tenant: str
    plan: str = "unlimited"
    scopes: tuple[str, ...] = ("read", "write", "delete")
    expires_ms: float | None = None


@dataclass(frozen=True, slots=True)
class LrsCall:
    """One call of the LRS, or of the documented xAPI surface."""

    rpc: str
    request: Any
    metadata: dict[str, str]


def fail(context: Context, error: BaseException, *told: tuple[str, str]) -> Any:
    """Ends a call as the server's interceptor does; `told` are what the call had to tell besides."""
    metadata = {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}
    rendered, request_id = render_error(error), metadata.get("x-request-id", "")
    trailers: list[tuple[str, str | bytes]] = [
        ("grpc-status-details-bin", rendered.to_status(request_id).SerializeToString()),
        *told,
    ]
    if "x-envoy-original-path" in metadata:
        trailers.append(("x-error-json", rendered.to_json(request_id)))
        trailers.append(("x-http-status", str(rendered.entry.http_status)))
    if rendered.retry_after_seconds is not None:
        trailers.append(("retry-after", str(rendered.retry_after_seconds)))
    context.set_trailing_metadata(tuple(trailers))
    context.abort(rendered.entry.code, rendered.message)


@dataclass(slots=True)
class Upstream(
    package_service_pb2_grpc.PackageServiceServicer,
    health_service_pb2_grpc.HealthServiceServicer,
    player_service_pb2_grpc.PlayerServiceServicer,
    external_auth_pb2_grpc.AuthorizationServicer,  # type: ignore[misc]  # xds-protos is untyped
):
    """The core. `behaviours` maps a package id to what GetPackage and DeletePackage do with it.

    `checks` are what the key filter was asked: once for each request, though the gateway asks again whom it lost.
    `played` are the calls of learners' pages, answered by `play`; `lrs_calls` those of xAPI, answered by the behaviour
    that their header names, else with the name of the RPC.
    """

    keys: dict[str, Key] = field(default_factory=dict)
    behaviours: dict[str, Behaviour] = field(default_factory=dict)
    checks: list[Any] = field(default_factory=list)
    seen: list[dict[str, Any]] = field(default_factory=list)
    gone: set[str] = field(default_factory=set)
    healthy: bool = True
    upload: Behaviour | None = None
    play: Behaviour | None = None
    played: list[tuple[str, Any]] = field(default_factory=list)
    lrs_calls: list[LrsCall] = field(default_factory=list)
    title: str = "a course"
    state: Any = field(default_factory=health.HealthServicer)
    _checked: set[str] = field(default_factory=set)

    def _note(self, context: Context) -> None:
        self.seen.append(dict(context.invocation_metadata()))

    def Check(self, request: Any, context: Context) -> Any:
        attributes = request.attributes
        stream_id = attributes.request.http.id
        if stream_id not in self._checked:
            self._checked.add(stream_id)
            self.checks.append(request)
        request_id = attributes.request.http.headers.get("x-request-id", "")
        try:
            return edge_check._allow(self._judge(attributes))
        except DomainError as error:
            return edge_check._deny(error, request_id)

    def _judge(self, attributes: Any) -> dict[str, Any]:
        if (kind := attributes.context_extensions.get("class")) in ("content", "download"):
            claims = attributes.metadata_context.filter_metadata[edge_check.JWT_FILTER][kind]
            if claims["jti"] in self.gone:
                raise Gone
            return {"grant": claims["jti"]}
        headers, resource = attributes.request.http.headers, attributes.context_extensions.get("lrs")
        key = self.keys.get(key_of(headers, basic=resource is not None) or "")
        if key is None:
            raise Unauthorized
        said = headers.get(edge_check.OPERATION_HEADER) if resource else None
        scope = said or attributes.context_extensions["scope"]
        allowed = {*key.scopes, *lrs_permissions(frozenset(key.scopes))}
        if (f"lrs/{resource}/{scope}" if resource else scope) not in allowed:
            raise MissingScope(scope)
        identity = {"tenant": key.tenant, "plan": key.plan, "key_id": "key-1", "scopes": ",".join(sorted(allowed))}
        return identity | ({"expires_ms": key.expires_ms} if key.expires_ms else {})

    def ListPackages(self, request: Any, context: Context) -> Any:
        self._note(context)
        packages = [package_pb2.Package(id=str(number), title=self.title) for number in range(request.limit)]
        return package_service_pb2.ListPackagesResponse(packages=packages, count=len(packages))

    def GetPackage(self, request: Any, context: Context) -> Any:
        self._note(context)
        behaviour = self.behaviours.get(request.package_id)
        return behaviour(request, context) if behaviour else package_pb2.Package(id=request.package_id, title="t")

    def DeletePackage(self, request: Any, context: Context) -> Any:
        self._note(context)
        behaviour = self.behaviours.get(request.package_id)
        response = package_service_pb2.DeletePackageResponse(success=True, package_id=request.package_id)
        return behaviour(request, context) if behaviour else response

    def UploadPackage(self, requests: Iterator[Any], context: Context) -> Any:
        self._note(context)
        if self.upload:
            return self.upload(requests, context)
        size, first = 0, None
        for request in requests:
            first = first or request
            size += len(request.body.data)
        context.send_initial_metadata((("x-http-status", "201"), ("location", "/api/v1/packages/p1")))
        title = f"{size}|{first.body.content_type if first else ''}|{first.uploaded_by if first else ''}"
        return package_service_pb2.UploadPackageResponse(package_id="p1", title=title, version="1.2")

    def GetHealth(self, request: Any, context: Context) -> Any:
        if not self.healthy:
            context.send_initial_metadata((("x-http-status", "503"),))
        status = "healthy" if self.healthy else "unhealthy"
        return health_service_pb2.GetHealthResponse(
            status=status, service="scorm-api", version="1.5.0", checks={"database": self.healthy}
        )

    def _play(self, rpc: str, request: Any, context: Context) -> Any:
        self._note(context)
        self.played.append((rpc, request))
        if self.play:
            return self.play(request, context)
        return httpbody_pb2.HttpBody(content_type="application/json", data=b'{"rpc":"%s"}' % rpc.encode())

    def OpenSession(self, request: Any, context: Context) -> Any:
        return self._play("OpenSession", request, context)

    def BeginLaunch(self, request: Any, context: Context) -> Any:
        return self._play("BeginLaunch", request, context)

    def Navigate(self, request: Any, context: Context) -> Any:
        return self._play("Navigate", request, context)

    def OpenPreview(self, request: Any, context: Context) -> Any:
        return self._play("OpenPreview", request, context)

    def BeginPreview(self, request: Any, context: Context) -> Any:
        return self._play("BeginPreview", request, context)

    def NavigatePreview(self, request: Any, context: Context) -> Any:
        return self._play("NavigatePreview", request, context)

    def OpenRun(self, request: Any, context: Context) -> Any:
        return self._play("OpenRun", request, context)

    def CommitRun(self, request: Any, context: Context) -> Any:
        return self._play("CommitRun", request, context)

    def _answer_lrs(self, rpc: str, request: Any, context: Context) -> Any:
        self._note(context)
        call = LrsCall(rpc, request, self.seen[-1])
        self.lrs_calls.append(call)
        if behaviour := self.behaviours.get(call.metadata.get(BEHAVIOUR_HEADER, "")):
            return behaviour(request, context)
        return httpbody_pb2.HttpBody(content_type="application/json", data=b'{"rpc":"%s"}' % rpc.encode())

    def _lrs_servicer(self, service: ServiceDescriptor, base: type) -> Any:
        """A servicer whose every RPC that answers with bytes is answered alike."""

        def method(rpc: str) -> Callable[[Any, Any, Context], Any]:
            return lambda _, request, context: self._answer_lrs(rpc, request, context)

        mine = [one.name for one in service.methods if one.output_type is httpbody_pb2.HttpBody.DESCRIPTOR]
        return type(service.name, (base,), {name: method(name) for name in mine})()

    def build(self) -> grpc.Server:
        """A server of it that listens nowhere yet."""
        options = [*OPTIONS, ("grpc.max_receive_message_length", LARGE_MESSAGE_BYTES)]
        server = grpc.server(futures.ThreadPoolExecutor(64), options=options)
        lrs = self._lrs_servicer(
            lrs_service_pb2.DESCRIPTOR.services_by_name["LrsService"], lrs_service_pb2_grpc.LrsServiceServicer
        )
        lrs_service_pb2_grpc.add_LrsServiceServicer_to_server(lrs, server)
        xapi = self._lrs_servicer(
            xapi_service_pb2.DESCRIPTOR.services_by_name["XapiService"], xapi_service_pb2_grpc.XapiServiceServicer
        )
        xapi_service_pb2_grpc.add_XapiServiceServicer_to_server(xapi, server)
        package_service_pb2_grpc.add_PackageServiceServicer_to_server(self, server)
        health_service_pb2_grpc.add_HealthServiceServicer_to_server(self, server)
        player_service_pb2_grpc.add_PlayerServiceServicer_to_server(self, server)
        external_auth_pb2_grpc.add_AuthorizationServicer_to_server(self, server)
        self.state.set("", health_pb2.HealthCheckResponse.SERVING)
        health_pb2_grpc.add_HealthServicer_to_server(self.state, server)
        reflection.enable_server_reflection([reflection.SERVICE_NAME], server)
        return server

    def serve(self) -> tuple[grpc.Server, str]:
        """Starts a process's worth of it, and tells where."""
        server = self.build()
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        return server, f"127.0.0.1:{port}"


@dataclass(slots=True)
class Bucket:
    """Storage. `objects` maps object names to bytes; `requests` has method, raw path and headers of each request.

    `kinds` has the type and caching of objects that are not usual ones.

    With a `status` it answers nothing else, and `refusal` for its body.
    """

    objects: dict[str, bytes] = field(default_factory=dict)
    kinds: dict[str, tuple[str, str]] = field(default_factory=dict)
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    status: int | None = None
    refusal: bytes = b"<?xml version='1.0'?><Error><Code>SecretInternals</Code></Error>"

    def serve(self) -> http.server.ThreadingHTTPServer:
        """Starts it on a free port."""
        bucket = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            server_version = "UploadServer"

            def do_GET(self) -> None:
                bucket.requests.append((self.command, self.path, dict(self.headers)))
                name = urllib.parse.unquote(self.path).removeprefix(f"/{BUCKET}/")
                body = bucket.objects.get(name)
                status = bucket.status or (200 if body is not None else 404)
                if status >= 400:
                    body = bucket.refusal
                data = body or b""
                wanted = self.headers.get("Range")
                etag = self.headers.get("If-None-Match")
                self.close_connection = False
                if status == 200 and etag == '"e1"':
                    status, data = 304, b""
                elif status == 200 and wanted:
                    first, last = wanted.removeprefix("bytes=").split("-")
                    if int(first) >= len(data):
                        status, data = 416, b"<Error/>"
                    else:
                        whole, status = len(data), 206
                        data = data[int(first) : int(last or whole - 1) + 1]
                self.send_response(status)
                self.send_header("x-goog-generation", "1")
                self.send_header("x-guploader-uploadid", "u")
                self.send_header("alt-svc", "h3")
                self.send_header("x-frame-options", "DENY")
                self.send_header("set-cookie", "a=b")
                kind, caching = bucket.kinds.get(name, ("text/html", "private, max-age=3600"))
                self.send_header("cache-control", caching)
                self.send_header("accept-ranges", "bytes")
                self.send_header("etag", '"e1"')
                if status == 206:
                    self.send_header("content-range", f"bytes {first}-{int(first) + len(data) - 1}/{whole}")
                self.send_header("content-type", kind if status < 400 else "application/xml")
                if status != 304:
                    self.send_header("content-length", str(len(data)))
                self.end_headers()
                if self.command == "GET":
                    with contextlib.suppress(ConnectionError):  # the gateway may have read enough
                        self.wfile.write(data)

            do_HEAD = do_PUT = do_POST = do_DELETE = do_GET

            def log_message(self, format: str, *args: Any) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server


if __name__ == "__main__":
    kept, where = Upstream(keys={name: Key("t") for name in sys.argv[1:]}).serve()
    print(where, flush=True)
    kept.wait_for_termination()
