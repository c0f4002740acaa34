"""Learners' pages: which host serves which, what reaches the server, what comes back, how much of it one may ask."""

import gzip
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from google.api import httpbody_pb2

from server.domain.errors import Conflict, Gone, Unavailable
from server.rpc.errors import render
from tests.edge import Edge
from tests.edge_upstreams import fail
from tests.gateway.test_edge_answers import assert_error, exchange

HEAD = "eyJhbGciOiJFZERTQSJ9.eyJzZXNzaW9uIjoiMSJ9"
TOKEN = f"{HEAD}.c2lnbmF0dXJl-_TheSignatureTellsOneFromAnother"
FEW = 5

# Method, path, RPC: of each host.
BASE = [
    ("GET", "/player/session/{}", "OpenSession"),
    ("POST", "/player/session/{}/launch", "BeginLaunch"),
    ("POST", "/player/session/{}/navigate", "Navigate"),
    ("GET", "/player/preview/{}", "OpenPreview"),
    ("POST", "/player/preview/{}/launch", "BeginPreview"),
    ("POST", "/player/preview/{}/navigate", "NavigatePreview"),
]
CONTENT = [("GET", "/player/run/{}", "OpenRun"), ("POST", "/player/run/{}/commit", "CommitRun")]
EVERY = [("base", *route) for route in BASE] + [("content", *route) for route in CONTENT]
PAGES = [(host, path) for host, method, path, _ in EVERY if method == "GET"]
COMMIT = f"/player/run/{TOKEN}/commit"


@pytest.fixture(autouse=True)
def _alone(edge: Edge) -> Iterator[None]:
    edge.upstream.played.clear()
    yield
    edge.upstream.play = None


def url(edge: Edge, host: str, path: str, token: str = TOKEN) -> str:
    return (edge.base_url if host == "base" else edge.content_url) + path.format(token)


@pytest.mark.parametrize(("host", "method", "path", "rpc"), EVERY)
def test_a_page_is_served_on_its_host_and_on_no_other(edge: Edge, host: str, method: str, path: str, rpc: str) -> None:
    content = b"{}" if method == "POST" else None
    response = httpx.request(method, url(edge, host, path), content=content)
    assert (response.status_code, response.json()) == (200, {"rpc": rpc})
    ((called, request),) = edge.upstream.played
    assert (called, request.token) == (rpc, TOKEN)
    other = "content" if host == "base" else "base"
    assert_error(httpx.request(method, url(edge, other, path), content=content), 404, "NOT_FOUND")
    assert len(edge.upstream.played) == 1


@pytest.mark.parametrize(("host", "method", "path", "rpc"), EVERY)
def test_another_method_is_refused(edge: Edge, host: str, method: str, path: str, rpc: str) -> None:
    for other in {"GET", "POST", "PUT", "DELETE", "PATCH"} - {method}:
        response = httpx.request(other, url(edge, host, path))
        assert_error(response, 405, "METHOD_NOT_ALLOWED")
        assert response.headers["allow"] == ("GET, HEAD" if method == "GET" else "POST")
    assert edge.upstream.played == []


@pytest.mark.parametrize(("host", "path"), PAGES)
def test_head_tells_what_get_would(edge: Edge, host: str, path: str) -> None:
    edge.upstream.play = lambda request, context: httpbody_pb2.HttpBody(content_type="text/html", data=b"x" * 5000)
    with httpx.Client() as client:
        for method in ("HEAD", "GET", "HEAD", "GET"):
            response = client.request(method, url(edge, host, path), headers={"accept-encoding": "gzip"})
            assert (response.status_code, len(response.content)) == (200, 5000 if method == "GET" else 0)


BODIES = {
    "JSON": b'{"launch": 3, "values": {"a": "b"}}',
    "gzip": gzip.compress(b'{"launch": 3}' * 100),
    "no text": bytes(range(256)) * 8,
    "empty": b"",
    "a mebibyte": b"x" * 1024 * 1024,
    "two mebibytes": b"y" * 2 * 1024 * 1024,
}


@pytest.mark.parametrize("kind", ["text/plain;charset=UTF-8", "application/json", "application/octet-stream", None])
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("chunked", [False, True])
def test_a_commit_reaches_the_server_untouched(edge: Edge, kind: str | None, body: bytes, chunked: bool) -> None:
    headers = {"content-type": kind} if kind else {}
    content = iter([body[: len(body) // 2], body[len(body) // 2 :]]) if chunked else body
    response = httpx.post(edge.content_url + COMMIT, content=content, headers=headers, timeout=10)
    assert (response.status_code, response.json()) == (200, {"rpc": "CommitRun"})
    ((_, request),) = edge.upstream.played
    assert request.token == TOKEN
    assert request.body.data == body


@pytest.mark.parametrize(("host", "method", "path", "rpc"), [route for route in EVERY if route[1] == "POST"])
def test_a_body_reaches_each_call(edge: Edge, host: str, method: str, path: str, rpc: str) -> None:
    assert httpx.post(url(edge, host, path), content=BODIES["gzip"]).status_code == 200
    assert httpx.post(url(edge, host, path)).status_code == 200
    (_, first), (_, second) = edge.upstream.played
    assert (first.body.data, second.body.data) == (BODIES["gzip"], b"")


@pytest.mark.parametrize("kind", ["application/grpc", "application/grpc+proto"])
def test_a_body_that_claims_to_be_grpc_is_none(edge: Edge, kind: str) -> None:
    assert httpx.post(edge.content_url + COMMIT, content=b"{}", headers={"content-type": kind}).status_code == 200
    ((_, request),) = edge.upstream.played
    assert request.body.data == b"{}"


def test_neither_query_nor_body_says_which_link_it_is(edge: Edge) -> None:
    path = f"{COMMIT}?token=other&body.data=b3RoZXI%3D"
    assert httpx.post(edge.content_url + path, content=b'{"token": "another"}').status_code in (200, 400)
    for _, request in edge.upstream.played:
        assert request.token == TOKEN
        assert request.body.data == b'{"token": "another"}'


def test_a_commit_that_is_too_large_is_refused(edge: Edge) -> None:
    for content in (b"x" * (2 * 1024 * 1024 + 1), iter([b"x" * 1024 * 1024] * 3)):
        response = httpx.post(edge.content_url + COMMIT, content=content, timeout=10)
        assert_error(response, 413, "PAYLOAD_TOO_LARGE")
    assert edge.upstream.played == []


def page(request: Any, context: Any) -> Any:
    context.send_initial_metadata(
        (("x-http-status", "200"), ("content-security-policy", "default-src 'none'; script-src 'self'"))
    )
    return httpbody_pb2.HttpBody(content_type="text/html; charset=utf-8", data=b"<!DOCTYPE html>")


@pytest.mark.parametrize(("host", "path"), PAGES)
def test_a_page_has_the_servers_policy_and_nothing_that_keeps_others_from_framing_it(
    edge: Edge, host: str, path: str
) -> None:
    edge.upstream.play = page
    headers = {"accept": "text/html", "accept-encoding": "identity", "origin": "https://lms.example"}
    response = httpx.get(url(edge, host, path), headers=headers)
    assert (response.status_code, response.content) == (200, b"<!DOCTYPE html>")
    assert {name: response.headers[name] for name in response.headers if name not in ("date", "x-request-id")} == {
        "content-type": "text/html; charset=utf-8",
        "content-length": "15",
        "cache-control": "no-store",
        "content-security-policy": "default-src 'none'; script-src 'self'",
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
    }


def moved(request: Any, context: Any) -> Any:
    context.send_initial_metadata((("x-http-status", "302"), ("location", "https://lms.example/")))
    return httpbody_pb2.HttpBody(content_type="text/html")


@pytest.mark.parametrize(("host", "path"), PAGES)
def test_the_server_may_choose_status_and_location(edge: Edge, host: str, path: str) -> None:
    edge.upstream.play = moved
    response = httpx.get(url(edge, host, path))
    assert (response.status_code, response.headers["location"]) == (302, "https://lms.example/")


@pytest.mark.parametrize(("host", "method", "path", "rpc"), EVERY)
@pytest.mark.parametrize(("error", "status", "code"), [(Gone(), 410, "GONE"), (Conflict("held"), 409, "CONFLICT")])
def test_what_goes_wrong_is_told_as_documented(
    edge: Edge, host: str, method: str, path: str, rpc: str, error: Exception, status: int, code: str
) -> None:
    edge.upstream.play = lambda request, context: fail(context, error)
    response = httpx.request(method, url(edge, host, path))
    assert_error(response, status, code)
    assert response.headers["cache-control"] == "no-store"
    assert "cross-origin-opener-policy" not in response.headers
    assert "frame-ancestors" not in response.headers["content-security-policy"], "it is shown in the page's frame"


@pytest.mark.parametrize(("host", "path"), PAGES)
@pytest.mark.parametrize(
    ("error", "status", "words"), [(Gone(), 410, "for a new one"), (Unavailable(), 503, "Try again in a moment")]
)
def test_a_browser_is_shown_a_page_of_what_went_wrong(
    edge: Edge, host: str, path: str, error: Exception, status: int, words: str
) -> None:
    edge.upstream.play = lambda request, context: fail(context, error)
    headers = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8", "x-request-id": "page-1"}
    response = httpx.get(url(edge, host, path), headers=headers)
    assert (response.status_code, response.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert words in response.text
    assert f"{render(error).reason} page-1" in response.text
    assert "frame-ancestors" not in response.headers["content-security-policy"]
    headed = httpx.head(url(edge, host, path), headers=headers)
    assert (headed.status_code, headed.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert_error(httpx.get(url(edge, host, path), headers={"accept": "*/*"}), status, render(error).reason)


def test_what_a_page_asks_is_told_in_json_whatever_it_accepts(edge: Edge) -> None:
    edge.upstream.play = lambda request, context: fail(context, Gone())
    response = httpx.post(edge.content_url + COMMIT, content=b"{}", headers={"accept": "text/html"})
    assert_error(response, 410, "GONE")


def test_the_api_still_may_be_framed_by_nobody(edge: Edge) -> None:
    response = httpx.get(f"{edge.base_url}/api/health")
    assert response.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert response.headers["cross-origin-opener-policy"] == "same-origin"


@pytest.mark.parametrize(("host", "method", "path", "rpc"), EVERY)
def test_no_link_is_logged(edge: Edge, host: str, method: str, path: str, rpc: str) -> None:
    for number, token in enumerate((TOKEN, "opaque-" + TOKEN[-20:])):
        headers = {"x-request-id": f"{rpc}-{number}-{time.time_ns()}"}
        httpx.request(method, url(edge, host, path + "?token=" + token, token), headers=headers)
        deadline = time.monotonic() + 5
        while not (lines := [line for line in edge.access_log() if line["request_id"] == headers["x-request-id"]]):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert [line["path"] for line in lines] == [path.format("***")]
    logged = (edge.directory / "access.log").read_text()
    assert TOKEN not in logged
    assert TOKEN[-20:] not in logged


def few(**limits: int) -> Callable[[str], str]:
    """Makes limits of so many a minute small enough to be reached at once, and never filled again meanwhile."""

    def edit(config: str) -> str:
        for name, many in limits.items():
            size = {"link": 600, "player": 12000, "open": 6000}[name]
            config, found = re.subn(
                rf'"max_tokens": {size},\s+"tokens_per_fill": {size},\s+"fill_interval": "60s"',
                f'"max_tokens": {many}, "tokens_per_fill": {many}, "fill_interval": "3600s"',
                config,
            )
            assert found
        return config

    return edit


def statuses(edge: Edge, times: int, token: str = TOKEN, address: str = "192.0.2.1") -> list[int]:
    headers = {"x-forwarded-for": address}
    with httpx.Client(base_url=edge.content_url, headers=headers) as client:
        return [client.post(f"/player/run/{token}/commit", content=b"{}").status_code for _ in range(times)]


def test_a_link_has_a_limit_that_others_at_its_address_do_not_share(tmp_path: Path) -> None:
    with Edge.start(tmp_path, edit=few(link=FEW, open=FEW), trusted_proxies=1) as edge:
        assert statuses(edge, FEW + 1) == [200] * FEW + [429]
        assert len(edge.upstream.played) == FEW
        response = httpx.get(f"{edge.content_url}/player/run/{TOKEN}", headers={"x-forwarded-for": "192.0.2.9"})
        assert_error(response, 429, "RATE_LIMIT_EXCEEDED")
        assert int(response.headers["retry-after"]) >= 1
        shown = httpx.get(
            f"{edge.content_url}/player/run/{TOKEN}", headers={"accept": "text/html", "x-request-id": "<b>"}
        )
        assert (shown.status_code, shown.headers["content-type"]) == (429, "text/html; charset=utf-8")
        assert "<h1>Rate limit exceeded</h1>" in shown.text
        assert "<b>" not in shown.text
        spelt = "".join(f"%{ord(character):02x}" for character in TOKEN)
        assert statuses(edge, 1, spelt) == [429], "the same link"
        assert statuses(edge, 1, TOKEN + "=x") == [429], "the same link, as Python reads base64"
        assert httpx.post(f"{edge.base_url}/player/session/{TOKEN}/launch").status_code == 429
        # A school behind one address, and more of them than may ask without a key.
        for learner in range(FEW * 3):
            assert statuses(edge, 2, f"{HEAD}.{learner:03}{TOKEN[-40:]}") == [200, 200]


def test_an_address_has_a_limit_for_all_of_its_links(tmp_path: Path) -> None:
    with Edge.start(tmp_path, edit=few(player=FEW), trusted_proxies=1) as edge:
        told = [statuses(edge, 1, f"{HEAD}.{learner:03}{TOKEN[-40:]}")[0] for learner in range(FEW + 1)]
        assert told == [200] * FEW + [429]
        assert statuses(edge, 1, address="192.0.2.2") == [200]
        headers = {"x-forwarded-for": "192.0.2.1"}
        assert httpx.get(f"{edge.base_url}/api/health", headers=headers).status_code == 200


def test_a_request_target_cannot_lead_past_its_host(edge: Edge) -> None:
    lines = f"GET /player/session/x/../../run/{TOKEN} HTTP/1.1\r\nHost: localhost:{edge.port}\r\n\r\n"
    assert exchange(edge, lines).startswith(b"HTTP/1.1 404")
