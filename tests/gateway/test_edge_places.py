"""What changes while the gateway runs: processes come and go, keys and credentials are replaced."""

import threading
import time
from collections.abc import Callable
from concurrent import futures
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from grpc_health.v1 import health_pb2

from server.dev.gateway import render
from tests.edge import PREFIX, Edge, other_process, public_x, self_signed
from tests.edge_upstreams import Key
from tests.gateway.test_edge_answers import assert_error


def eventually(holds: Callable[[], bool], seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come to hold"
        time.sleep(0.05)


def test_without_any_server_health_and_errors_keep_their_shape(tmp_path: Path) -> None:
    with Edge.start(tmp_path) as edge, edge.client("key") as client:
        edge.upstream.keys["key"] = Key("t")
        edge.bucket.objects[f"{PREFIX}/x"] = b"x"
        token = edge.token()
        assert client.get("/api/v1/packages").status_code == 200
        assert edge.content("x", token=token).status_code == 200
        edge.server.stop(0).wait()
        health = client.get("/api/health")
        assert health.status_code == 503
        body = health.json()
        assert time.strptime(body.pop("timestamp"), "%Y-%m-%dT%H:%M:%SZ")
        assert body == {
            "status": "unhealthy",
            "service": "scorm-api",
            "version": "1.5.0",
            "checks": {"database": False},
        }
        assert client.head("/api/health").status_code == 503
        refused = client.get("/api/v1/packages")
        assert_error(refused, 503, "SERVICE_UNAVAILABLE")
        assert refused.headers["retry-after"] == "1"
        assert_error(client.get("/api/v1/packages", headers={"x-api-key": "new"}), 503, "SERVICE_UNAVAILABLE")
        assert_error(client.post("/api/v1/packages", content=b"zip"), 503, "SERVICE_UNAVAILABLE")
        assert edge.content("x", token=token).status_code == 200, "files that are granted still come"
        time.sleep(3.1)
        refused = edge.content("x", token=token)
        assert_error(refused, 503, "SERVICE_UNAVAILABLE")
        assert refused.headers["retry-after"] == "1"


@pytest.mark.parametrize("way", ["killed", "drained"])
def test_a_process_that_goes_costs_no_read(tmp_path: Path, way: str) -> None:
    with Edge.start(tmp_path) as edge, other_process("key") as (process, address):
        edge.upstream.keys["key"] = Key("t")
        render.write_endpoints(tmp_path, "serve", [edge.serve_address, address])
        time.sleep(2)  # until the new one has been found healthy
        stop, failures, served = threading.Event(), list[str](), list[int]()

        def read() -> None:
            with edge.client("key") as client:
                while not stop.is_set():
                    response = client.get("/api/v1/packages")
                    served.append(response.status_code)
                    if response.status_code != 200:
                        failures.append(response.text)

        with futures.ThreadPoolExecutor(4) as readers:
            reading = [readers.submit(read) for _ in range(4)]
            time.sleep(1.5)
            here, everywhere = len(edge.upstream.seen), len(served)
            if way == "killed":
                process.kill()
            else:
                edge.upstream.state.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
                time.sleep(2.5)
                edge.server.stop(5).wait()
            time.sleep(1.5)
            stop.set()
            for one in reading:
                one.result()
        assert failures == []
        assert 0.2 * everywhere < here < 0.8 * everywhere, "both processes had their share"
        assert len(served) > everywhere


def test_servers_may_listen_on_unix_sockets_and_be_replaced(tmp_path: Path) -> None:
    with Edge.start(tmp_path) as edge, edge.client("key") as client:
        edge.upstream.keys["key"] = Key("t")
        edge.server.stop(0).wait()
        other = edge.upstream.build()
        other.add_insecure_port(f"unix:{tmp_path}/serve")
        other.start()
        render.write_endpoints(tmp_path, "serve", [f"unix:{tmp_path}/serve"])
        eventually(lambda: client.get("/api/v1/packages").status_code == 200)
        other.stop(0)


def test_a_new_signing_key_counts_at_once_and_a_removed_one_no_more(tmp_path: Path) -> None:
    with Edge.start(tmp_path) as edge:
        edge.bucket.objects[f"{PREFIX}/x"] = b"x"
        old_key, new_key = edge.signing_key, Ed25519PrivateKey.generate()
        old_token, download = edge.token(), [("k1", public_x(edge.download_key))]
        edge.signing_key = new_key
        new_token = edge.token()
        assert edge.content("x", token=old_token).status_code == 200
        assert edge.content("x", token=new_token).status_code == 401
        render.write_jwt_keys(
            tmp_path, content=[("k2", public_x(new_key)), ("k1", public_x(old_key))], download=download
        )
        eventually(lambda: edge.content("x", token=edge.token(kid="k2")).status_code == 200)
        assert edge.content("x", token=old_token).status_code == 200
        render.write_jwt_keys(tmp_path, content=[("k2", public_x(new_key))], download=download)
        eventually(lambda: edge.content("x", token=old_token).status_code == 401)


def test_without_keys_files_are_refused_and_the_api_goes_on(tmp_path: Path) -> None:
    with Edge.start(tmp_path) as edge, edge.client("key") as client:
        edge.upstream.keys["key"] = Key("t")
        edge.bucket.objects[f"{PREFIX}/x"] = b"x"
        assert edge.content("x").status_code == 200
        (tmp_path / "new").write_text("garbage")
        (tmp_path / "new").rename(tmp_path / render.CONTENT_KEYS)
        time.sleep(0.5)
        assert edge.content("x").status_code == 200, "the last good keys stay"
        assert client.get("/api/v1/packages").status_code == 200


def test_a_new_storage_credential_counts_at_once(tmp_path: Path) -> None:
    with Edge.start(tmp_path) as edge:
        edge.bucket.objects[f"{PREFIX}/x"] = b"x"
        render.write_storage_credential(tmp_path, "renewed")

        def renewed() -> bool:
            assert edge.content("x").status_code == 200
            return edge.bucket.requests[-1][2]["authorization"] == "Bearer renewed"

        eventually(renewed)


@pytest.mark.parametrize(
    ("origin", "allowed"), [("https://app.example", True), ("https://evil.example", False), ("null", False)]
)
def test_a_place_may_name_the_origins_that_call_it(tmp_path: Path, origin: str, allowed: bool) -> None:
    with Edge.start(tmp_path, cors_origins=("https://app.example",)) as edge, edge.client() as client:
        calls = len(edge.upstream.seen)
        asked = {"origin": origin, "access-control-request-method": "GET"}
        preflight = client.options("/api/v1/packages", headers=asked)
        answer = client.get("/api/health", headers={"origin": origin})
        for response in (preflight, answer):
            assert response.headers.get("access-control-allow-origin") == (origin if allowed else None)
        assert len(edge.upstream.seen) == calls


def test_a_body_that_is_refused_early_is_refused_readably(tmp_path: Path) -> None:
    with Edge.start(tmp_path) as edge, edge.client() as client:
        response = client.post("/api/v1/packages", content=b"x" * 20_000_000)
        assert_error(response, 401, "UNAUTHORIZED")


def test_tls_is_spoken_where_there_is_a_certificate(tmp_path: Path) -> None:
    with Edge.start(tmp_path / "envoy", scheme="https", **self_signed(tmp_path)) as edge:
        with httpx.Client(verify=False, http2=True) as client:
            response = client.get(f"https://localhost:{edge.port}/api/health")
        assert (response.status_code, response.http_version) == (200, "HTTP/2")


def test_a_server_that_says_it_drains_gets_nothing_new(tmp_path: Path) -> None:
    with Edge.start(tmp_path) as edge, edge.client("key") as client:
        edge.upstream.keys["key"] = Key("t")
        assert client.get("/api/v1/packages").status_code == 200
        edge.upstream.state.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
        eventually(lambda: client.get("/api/v1/packages").status_code == 503)
        calls = len(edge.upstream.seen)
        for _ in range(10):
            assert client.get("/api/v1/packages").status_code == 503
        assert len(edge.upstream.seen) == calls
        edge.upstream.state.set("", health_pb2.HealthCheckResponse.SERVING)
        eventually(lambda: client.get("/api/v1/packages").status_code == 200)
