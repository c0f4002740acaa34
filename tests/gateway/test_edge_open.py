"""What needs no key takes nothing from calls that have one, however much of it is asked for and never ended."""

import re
import time
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from server.dev import asks
from tests.edge import Edge
from tests.edge_upstreams import Key
from tests.h2_streams import Unended

CHECK = "/grpc.health.v1.Health/Check"
GET_HEALTH = "/scorm.v1.HealthService/GetHealth"
REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    """A gateway that other tests do not share: these look at how many requests are under way."""
    with Edge.start(tmp_path_factory.mktemp("edge")) as edge:
        edge.upstream.keys["key"] = Key("t")
        yield edge


def under_way(edge: Edge, cluster: str) -> int:
    """Requests that servers have of the gateway now."""
    told = asks._admin(f"{edge.directory}/admin", "GET", f"/stats?filter=^cluster.{cluster}.upstream_rq_active$")
    found = re.search(r": (\d+)$", told, re.MULTILINE)
    assert found is not None, told
    return int(found.group(1))


def check(edge: Edge) -> Any:
    with grpc.insecure_channel(f"localhost:{edge.port}") as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        return health.Check(health_pb2.HealthCheckRequest(), timeout=5).status


@pytest.mark.parametrize("path", [CHECK, GET_HEALTH, REFLECTION, "/grpc.health.v1.Health/Watch"])
def test_calls_with_a_key_and_health_are_answered_under_a_flood_of_open_calls(edge: Edge, path: str) -> None:
    with Unended.held(edge.port, path, connections=4), edge.client("key", timeout=5) as client:
        assert under_way(edge, "serve") == 0
        assert under_way(edge, "open") <= (32 if path == REFLECTION else 0)
        assert client.get("/api/v1/packages").status_code == 200
        assert client.post("/api/v1/packages", content=b"zip").status_code == 201
        assert client.get("/api/health").status_code == 200
        assert check(edge) == health_pb2.HealthCheckResponse.SERVING


def test_what_is_too_much_is_unavailable_and_what_is_held_ends(edge: Edge) -> None:
    with Unended.held(edge.port, REFLECTION, connections=1) as streams:
        refused = list(streams.statuses.values())
        assert len(refused) == 250 - 32
        assert {told["grpc-status"] for told in refused} == {str(grpc.StatusCode.UNAVAILABLE.value[0])}
        began = time.monotonic()
        while len(streams.statuses) < 250:
            assert time.monotonic() < began + 12
            streams.listen(0.2)
        ended = list(streams.statuses.values())[-32:]
        assert {told["grpc-status"] for told in ended} == {str(grpc.StatusCode.DEADLINE_EXCEEDED.value[0])}
    assert under_way(edge, "open") == 0


def test_health_cannot_be_watched(edge: Edge) -> None:
    with grpc.insecure_channel(f"localhost:{edge.port}") as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        with pytest.raises(grpc.RpcError) as caught:
            next(health.Watch(health_pb2.HealthCheckRequest(), timeout=5))
    # What clients that watch by themselves take for: not offered, so go on.
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_a_call_with_a_key_that_is_never_ended_holds_no_server_either(edge: Edge) -> None:
    path = "/scorm.v1.PackageService/GetPackage"
    with Unended.held(edge.port, path, connections=1, key="key"):
        assert under_way(edge, "serve") == 0
