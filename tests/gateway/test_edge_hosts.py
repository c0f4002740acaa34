"""Which hosts are answered: that of the API, that of courses, and no other."""

import re
from typing import Any

import grpc
import pytest

from tests.edge import Edge
from tests.gateway.test_edge_answers import exchange


def asked(edge: Edge, *host_lines: str, target: str = "/api/health") -> tuple[int, str]:
    """Status and the rest of the answer to a GET with these lines for headers; `PORT` stands for the gateway's."""
    lines = [f"GET {target} HTTP/1.1", "x-api-key: any", *host_lines, "", ""]
    answer = exchange(edge, "\r\n".join(lines).replace("PORT", str(edge.port))).decode()
    return int(answer.split(" ")[1]), answer


@pytest.mark.parametrize("host", ["localhost:PORT", "localhost", "LocalHost:PORT"])
def test_the_api_answers_under_the_host_of_its_base_url(edge: Edge, host: str) -> None:
    assert asked(edge, f"Host: {host}")[0] == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:PORT",
        "127.0.0.1",
        "127.0.0.1:1",
        "localhost:1",
        "localhost.:PORT",
        "localhost.evil.example:PORT",
        "x@localhost:PORT",
        "[::1]:PORT",
        "",
    ],
)
@pytest.mark.parametrize("target", ["/api/health", "/api/v1/packages", "/content/a.b.c/x", "/"])
def test_any_other_host_serves_nothing(edge: Edge, host: str, target: str) -> None:
    status, answer = asked(edge, f"Host: {host}", target=target)
    assert status in (400, 404)
    assert re.search(r'\{"error":\{"code":"(NOT_FOUND|BAD_REQUEST)".*"details":\{\}\},"request_id":"[^"]+"\}$', answer)
    assert "access-control-" not in answer


def test_a_target_with_a_host_of_its_own_is_judged_by_that(edge: Edge) -> None:
    assert asked(edge, "Host: localhost:PORT", target="http://evil.example/api/health")[0] == 404


def test_a_foreign_host_has_no_preflight(edge: Edge) -> None:
    with edge.client() as client:
        headers = {"host": "evil.example", "origin": "http://evil.example", "access-control-request-method": "GET"}
        response = client.options("/api/v1/packages", headers=headers)
    assert response.status_code == 404
    assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize(
    "lines",
    [
        ("Host: localhost:PORT", "Host: localhost:PORT"),
        ("Host: localhost:PORT", "Host: evil.example"),
        ("Host: evil.example", "Host: localhost:PORT"),
        ("Host: 127.0.0.1:PORT", "Host: localhost:PORT"),
        ("Host: 127.0.0.1:PORT,localhost",),
    ],
)
def test_a_repeated_host_is_no_host(edge: Edge, lines: tuple[str, ...]) -> None:
    status, answer = asked(edge, *lines)
    assert status == 400
    assert '{"error":{"code":"BAD_REQUEST","message":"Invalid request","details":{}},"request_id":"' in answer


@pytest.mark.parametrize(
    ("authority", "code"),
    [(None, None), ("evil.example", grpc.StatusCode.NOT_FOUND), ("a,localhost", grpc.StatusCode.INVALID_ARGUMENT)],
)
def test_the_same_hosts_count_over_grpc(edge: Edge, authority: str | None, code: grpc.StatusCode | None) -> None:
    options = [("grpc.default_authority", authority)] if authority else []
    with grpc.insecure_channel(f"localhost:{edge.port}", options=options) as channel:
        health: Any = channel.unary_unary("/scorm.v1.HealthService/GetHealth")
        if code is None:
            assert health(b"")
            return
        with pytest.raises(grpc.RpcError) as caught:
            health(b"")
    assert caught.value.code() is code
