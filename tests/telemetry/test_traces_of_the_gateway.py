"""The gateway's spans: they begin traces, follow nobody, and hold nothing that opens something."""

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from server.gen.scorm.v1 import package_service_pb2 as pb
from server.gen.scorm.v1.package_service_pb2_grpc import PackageServiceStub
from tests.edge import PREFIX, Edge
from tests.edge_upstreams import Key
from tests.telemetry.collector import Collector

KEY = "scorm_" + "S3cr3t" * 14 + "ab"
GRPC = {"content-type": "application/grpc"}
THEIRS = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector.running() as running:
        yield running


def test_nothing_that_a_caller_sent_is_exported(collector: Collector, tmp_path: Path) -> None:
    with Edge.start(tmp_path, otlp_endpoint=collector.endpoint) as edge:
        edge.upstream.keys[KEY] = Key("t")
        edge.bucket.objects[f"{PREFIX}/a"] = b"x"
        token = edge.token()
        everywhere = {
            "user-agent": KEY,
            "cookie": f"session={KEY}",
            "authorization": f"Basic {KEY}",
            "referer": f"http://x/{token}",
            "x-client-trace-id": KEY,
            "x-envoy-downstream-service-cluster": KEY,
            "baggage": f"key={KEY}",
            "grpc-timeout": KEY,
        }
        calls = {
            "query": ("GET", f"/api/v1/packages?limit=1&user_id={KEY}", {}),
            "id": ("GET", f"/api/v1/packages/{token}", {}),
            "unknown": ("GET", f"/elsewhere/{KEY}/{token}?{KEY}", {}),
            "player": ("GET", f"/player/session/{token}", {}),
            "player-grpc": ("POST", f"/player/session/{token}", GRPC),
            "grpc": ("POST", f"/{KEY}/x", {"content-type": f"application/grpc+{KEY}"}),
            "content": ("GET", f"{edge.content_url}/content/{token}/a?{KEY}", {}),
            "content-grpc": ("POST", f"{edge.content_url}/content/{token}/a", GRPC),
            "forged": ("GET", f"{edge.content_url}/content/{token}x/a", {}),
            "host": ("POST", "/x", {"host": f"{KEY.replace('_', '-')}.example", **GRPC}),
            "escaped": ("GET", f"/api/v1/packages/..%2f{KEY}", {}),
            KEY: ("GET", "/api/v1/packages", {}),
            token: ("OPTIONS", f"/{token}", {"origin": "http://x", "access-control-request-method": "GET", **GRPC}),
        }
        with edge.client(KEY) as client:
            for name, (method, url, headers) in calls.items():
                client.request(method, url, headers={"x-request-id": name, **everywhere, **headers})
        # Preflights, and what is refused before any filter, have an id of the gateway's or no span at all.
        collector.wait_for(lambda: len({span.trace_id for span in collector.spans}) >= len(calls) - 1)
    exported = b"".join(collector.exported)
    assert KEY.encode() not in exported
    assert KEY.replace("_", "-").encode() not in exported
    for part in token.split(".")[1:]:
        assert part.encode() not in exported
    paths = {
        span.attributes["request_id"]: span.attributes["http.url"] for span in collector.spans if not span.parent_id
    }
    assert paths["query"] == "/api/v1/packages"
    assert paths["content"] == "/content/***/a"
    assert paths["unknown"] == "/elsewhere/***/***"


def test_a_trace_begins_at_the_gateway_whatever_a_client_says(collector: Collector, tmp_path: Path) -> None:
    with Edge.start(tmp_path, otlp_endpoint=collector.endpoint) as edge:
        edge.upstream.keys["key"] = Key("t")
        with edge.client("key") as client:
            headers = {"traceparent": f"00-{THEIRS}-b7ad6b7169203331-00", "tracestate": "a=b", "x-request-id": "rest"}
            assert client.get("/api/v1/packages", headers=headers).status_code == 200
        with grpc.insecure_channel(f"localhost:{edge.port}") as channel:
            metadata = (*headers.items(), ("x-api-key", "key"))
            PackageServiceStub(channel).GetPackage(pb.GetPackageRequest(package_id="x"), metadata=metadata)
        collector.wait_for(lambda: len(collector.of("rest")) == 2)
        for seen, span in zip(edge.upstream.seen, collector.of("rest"), strict=True):
            assert seen["traceparent"] == f"00-{span.trace_id}-{span.span_id}-01"
            assert not seen.get("tracestate")
            assert (span.trace_id == THEIRS, span.parent_id) == (False, "")


def test_what_is_not_kept_is_not_told_and_servers_hear_of_it(collector: Collector, tmp_path: Path) -> None:
    with Edge.start(tmp_path, otlp_endpoint=collector.endpoint, trace_ratio=0.0) as edge:
        edge.upstream.keys["key"] = Key("t")
        forced = {"x-client-trace-id": "1", "x-envoy-force-trace": "true"}
        with edge.client("key") as client:
            for _ in range(20):
                client.get("/api/v1/packages", headers=forced)
        assert all(seen["traceparent"].endswith("-00") for seen in edge.upstream.seen)
    assert collector.spans == []


def test_without_a_collector_there_is_no_trace(edge: Edge) -> None:
    edge.upstream.keys["untraced"] = Key("t")
    with edge.client("untraced") as client:
        client.get("/api/v1/packages/1", headers={"traceparent": f"00-{THEIRS}-b7ad6b7169203331-01"})
    assert "traceparent" not in edge.upstream.seen[-1]
    assert '"tracing"' not in (edge.directory / "envoy.yaml").read_text()
