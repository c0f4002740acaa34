"""The shape of every answer of the gateway, over REST, on one connection and on many."""

import contextlib
import re
import socket
import time
from collections.abc import Callable
from typing import Any

import grpc
import httpx
import pytest

from server.domain import errors
from server.gen.scorm.v1 import package_pb2
from tests.edge import Edge
from tests.edge_upstreams import Key, fail

KEY = "answers-key"
CLOSE = "connection: close"
LEAKS = re.compile(
    r"^(server|grpc-.*|x-envoy-.*|x-powered-by|www-authenticate|x-error-.*|x-http-status|x-local-reply)$"
)


@pytest.fixture
def client(edge: Edge) -> httpx.Client:
    edge.upstream.keys[KEY] = Key("tenant-of-answers")
    return edge.client(KEY)


def raises(error: BaseException) -> Callable[[Any, Any], Any]:
    return lambda request, context: fail(context, error)


def assert_error(response: httpx.Response, status: int, code: str, details: object = None) -> None:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert list(body) == ["error", "request_id"]
    assert list(body["error"]) == ["code", "message", "details"]
    assert body["error"]["code"] == code
    assert body["error"]["details"] == (details or {})
    assert body["request_id"] == response.headers["x-request-id"]


def exchange(edge: Edge, *requests: str) -> bytes:
    """Sends requests one after the other on one connection and answers all that comes back."""
    with socket.create_connection(("127.0.0.1", edge.port)) as connection:
        for request in requests:
            connection.sendall(request.encode())
        received = b""
        with contextlib.suppress(TimeoutError):
            # The first bytes of each answer may take their time; whatever follows the last is there at once.
            connection.settimeout(20)
            while piece := connection.recv(65536):
                received += piece
                if received.count(b"HTTP/1.1 ") >= len(requests):
                    connection.settimeout(0.5)
        return received


def head(method: str, path: str, *more: str) -> str:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "host: localhost", f"x-api-key: {KEY}", *more, "", ""])


def test_an_error_of_the_core_arrives_as_it_wrote_it(edge: Edge, client: httpx.Client) -> None:
    edge.upstream.behaviours["missing"] = raises(errors.PackageNotFound())
    edge.upstream.behaviours["invalid"] = raises(errors.ValidationFailed({"a.b": ["Too long", "Too odd"]}))
    edge.upstream.behaviours["large"] = raises(errors.ValidationFailed({"a": ["x" * 20_000]}))
    assert_error(client.get("/api/v1/packages/missing"), 404, "PACKAGE_NOT_FOUND")
    faults = {"fieldErrors": {"a.b": ["Too long", "Too odd"]}}
    assert_error(client.delete("/api/v1/packages/invalid"), 400, "VALIDATION_ERROR", faults)
    assert_error(client.get("/api/v1/packages/large"), 400, "VALIDATION_ERROR", {"fieldErrors": {"a": ["x" * 20_000]}})


def test_an_error_after_the_first_headers_has_its_body_and_status_too(edge: Edge, client: httpx.Client) -> None:
    def late(request: Any, context: Any) -> Any:
        context.send_initial_metadata((("x-http-status", "201"),))
        time.sleep(0.05)
        return fail(context, errors.Conflict())

    edge.upstream.behaviours["late"] = late
    assert_error(client.get("/api/v1/packages/late"), 409, "CONFLICT")


@pytest.mark.parametrize("http2", [False, True])
@pytest.mark.parametrize("size", [1, 20_000_000])
def test_what_the_core_tells_behind_an_answer_is_in_its_headers(edge: Edge, size: int, http2: bool) -> None:
    told = {"x-http-status": "201", "location": "/api/v1/packages/p1", "etag": '"3"', "idempotent-replayed": "true"}

    def behind(request: Any, context: Any) -> Any:
        context.set_trailing_metadata((*told.items(), ("x-inner", "secret")))
        return package_pb2.Package(title="x" * size)

    edge.upstream.keys[KEY] = Key("tenant-of-answers")
    edge.upstream.behaviours["behind"] = behind
    with httpx.Client(base_url=edge.base_url, http1=not http2, http2=http2, headers={"x-api-key": KEY}) as client:
        answer = client.get("/api/v1/packages/behind", headers={"accept-encoding": "identity"})
    del told["x-http-status"]
    assert answer.status_code == 201
    assert {name: answer.headers.get(name) for name in told} == told
    assert answer.json()["title"] == "x" * size
    assert not {"x-http-status", "x-inner", "grpc-status"} & set(answer.headers)


def test_the_core_may_say_when_to_try_again(edge: Edge, client: httpx.Client) -> None:
    edge.upstream.behaviours["busy"] = raises(errors.Unavailable(retry_after_seconds=7))
    response = client.get("/api/v1/packages/busy")
    assert_error(response, 503, "SERVICE_UNAVAILABLE")
    assert response.headers["retry-after"] == "7"


@pytest.mark.parametrize(
    ("code", "status", "reason"),
    [
        (grpc.StatusCode.UNKNOWN, 500, "INTERNAL_ERROR"),
        (grpc.StatusCode.INTERNAL, 500, "INTERNAL_ERROR"),
        (grpc.StatusCode.UNIMPLEMENTED, 500, "INTERNAL_ERROR"),
        (grpc.StatusCode.UNAVAILABLE, 503, "SERVICE_UNAVAILABLE"),
        (grpc.StatusCode.CANCELLED, 503, "SERVICE_UNAVAILABLE"),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, 413, "PAYLOAD_TOO_LARGE"),
        (grpc.StatusCode.DEADLINE_EXCEEDED, 504, "GATEWAY_TIMEOUT"),
    ],
)
def test_a_core_that_breaks_down_shows_none_of_its_words(
    edge: Edge, client: httpx.Client, code: grpc.StatusCode, status: int, reason: str
) -> None:
    edge.upstream.behaviours["broken"] = lambda request, context: context.abort(code, "SELECT secret FROM /etc")
    response = client.get("/api/v1/packages/broken")
    assert_error(response, status, reason)
    assert "secret" not in response.text
    assert "secret" not in str(response.headers)


def endless(request: Any, context: Any) -> Any:
    """More than the transcoder takes in."""
    return package_pb2.Package(title="t" * 34_000_000)


def bottomless(request: Any, context: Any) -> Any:
    """Items nested deeper than the transcoder reads."""
    package = package_pb2.Package()
    item = package.metadata.items.add()
    for _ in range(120):
        item = item.children.add()
    return package


UNTOLD = [(endless, 500, "INTERNAL_ERROR"), (bottomless, 502, "BAD_GATEWAY")]


@pytest.mark.parametrize(("behaviour", "status", "code"), UNTOLD)
def test_an_answer_that_cannot_be_put_into_json_is_an_error_like_any_other(
    edge: Edge, client: httpx.Client, behaviour: Callable[[Any, Any], Any], status: int, code: str
) -> None:
    edge.upstream.behaviours["untold"] = behaviour
    response = client.get("/api/v1/packages/untold", headers={"x-request-id": "told-1"})
    assert_error(response, status, code)
    assert response.headers["x-request-id"] == "told-1"
    assert [name for name in response.headers if LEAKS.match(name)] == []
    assert "transcode" not in response.text
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(("behaviour", "status", "code"), UNTOLD)
def test_no_stray_byte_follows_the_head_of_an_answer_that_cannot_be_put_into_json(
    edge: Edge, client: httpx.Client, behaviour: Callable[[Any, Any], Any], status: int, code: str
) -> None:
    edge.upstream.behaviours["untold"] = behaviour
    received = exchange(edge, head("HEAD", "/api/v1/packages/untold"), head("GET", "/api/health", CLOSE))
    first, _, rest = received.partition(b"\r\n\r\n")
    assert first.startswith(f"HTTP/1.1 {status} ".encode())
    assert rest.startswith(b"HTTP/1.1 200 ")


def test_a_mistyped_query_parameter_is_named(client: httpx.Client) -> None:
    wrong = {"fieldErrors": {"limit": ["Must be an integer"]}}
    assert_error(client.get("/api/v1/packages?limit=abc"), 400, "VALIDATION_ERROR", wrong)
    assert_error(client.get("/api/v1/packages?limit=99999999999"), 400, "VALIDATION_ERROR", wrong)
    twice = {"fieldErrors": {"page": ["Must be given only once"]}}
    assert_error(client.get("/api/v1/packages?page=1&page=2"), 400, "VALIDATION_ERROR", twice)


@pytest.mark.parametrize(
    "query", ["package_id=2", "packageId=2", "a=b&package%5Fid=2&c", "package_id=2&packageId=3", "?"]
)
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_query_cannot_name_another_resource_than_the_path(client: httpx.Client, method: str, query: str) -> None:
    answer = client.request(method, f"/api/v1/packages/1?{query}")
    assert answer.status_code == 200, answer.text
    assert answer.json()["package_id" if method == "DELETE" else "id"] == "1"


def test_unknown_query_parameters_are_ignored(client: httpx.Client) -> None:
    assert client.get("/api/v1/packages?utm_source=x").status_code == 200


@pytest.mark.parametrize("path", ["/", "/nope", "/api", "/api/v1/packages/", "/api/v2/packages", "/player/x"])
def test_an_unknown_path_is_not_found_with_or_without_a_key(edge: Edge, client: httpx.Client, path: str) -> None:
    assert_error(client.get(path), 404, "NOT_FOUND")
    with edge.client() as anonymous:
        assert_error(anonymous.get(path), 404, "NOT_FOUND")


@pytest.mark.parametrize(
    "odd", ["a'b: 1", "a%: 1", "a-bin: @", "a-bin: aGk", "grpc-encoding: x", "grpc-trace-bin: @", "grpc-tags-bin: ,"]
)
def test_a_header_that_grpc_cannot_carry_fails_no_call_and_looks_like_no_failing_server(edge: Edge, odd: str) -> None:
    edge.upstream.keys[KEY] = Key("tenant-of-answers")
    for path in ("/api/v1/packages", "/api/health"):
        assert exchange(edge, head("GET", path, odd, CLOSE)).startswith(b"HTTP/1.1 200 ")


def test_a_header_that_is_no_text_stays_at_the_gateway(edge: Edge, client: httpx.Client) -> None:
    sent = {
        b"authorization": b"Bearer \xe9",
        b"user-agent": b"\xff",
        b"x-odd": b"\xc0\x80",
        b"x-fine": "\u00e9".encode(),
    }
    assert client.get("/api/v1/packages", headers=list(sent.items())).status_code == 200
    seen = edge.upstream.seen[-1]
    assert {name.decode() for name in sent} & set(seen) == {"x-fine"}


@pytest.mark.parametrize("name", ["if-match", "if-none-match", "idempotency-key"])
def test_a_condition_that_is_no_text_is_not_ignored(client: httpx.Client, name: str) -> None:
    answer = client.patch("/api/v1/packages/p", headers=[(name.encode(), b'"\xe9"')], json={"title": "x"})
    assert_error(answer, 400, "BAD_REQUEST")


@pytest.mark.parametrize("kind", ["application/grpc-web", "application/grpc; x", "application/grpcs"])
def test_what_only_begins_like_grpc_is_answered_in_json(client: httpx.Client, kind: str) -> None:
    assert_error(client.post("/scorm.v1.PackageService/X", headers={"content-type": kind}), 404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/api/v1/packages", "GET, HEAD, POST"),
        ("PUT", "/api/v1/packages/1", "DELETE, GET, HEAD, PATCH"),
        ("POST", "/api/v1/packages/1", "DELETE, GET, HEAD, PATCH"),
        ("DELETE", "/api/health", "GET, HEAD"),
        ("OPTIONS", "/api/health", "GET, HEAD"),
    ],
)
def test_a_method_that_a_path_has_not_is_refused_with_those_it_has(
    client: httpx.Client, method: str, path: str, allowed: str
) -> None:
    response = client.request(method, path)
    assert_error(response, 405, "METHOD_NOT_ALLOWED")
    assert response.headers["allow"] == allowed


def test_the_core_chooses_the_status_of_a_success(edge: Edge, client: httpx.Client) -> None:
    response = client.post("/api/v1/packages?uploaded_by=someone", files={"file": ("a.zip", b"x" * 3_000_000)})
    assert response.status_code == 201
    assert response.headers["location"] == "/api/v1/packages/p1"
    size, content_type, uploaded_by = response.json()["title"].split("|")
    assert int(size) > 3_000_000
    assert content_type.startswith("multipart/form-data; boundary=")
    assert uploaded_by == "someone"


@pytest.mark.parametrize("path", ["/api/health", "/api/v1/packages", "/nope", "/api/v1/packages?limit=x"])
def test_nothing_of_the_machinery_shows_and_browsers_are_held_back(client: httpx.Client, path: str) -> None:
    headers = client.get(path).headers
    assert [name for name in headers if LEAKS.match(name)] == []
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"


def test_a_callers_request_id_is_kept_only_if_it_is_well_formed(edge: Edge, client: httpx.Client) -> None:
    uuid = "5b0e1f0a-1111-1111-8111-111111111111"
    for good in ("a", "A.b_c-9", "x" * 128, uuid):
        response = client.get("/api/v1/packages/1", headers={"x-request-id": good})
        assert response.headers["x-request-id"] == good
        assert edge.upstream.seen[-1]["x-request-id"] == good
    for bad in (b"a b", b"x" * 129, "ä".encode(), b'a"b', b"{}"):
        response = client.get("/nope", headers=[(b"x-request-id", bad)])
        assert re.fullmatch(
            r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}", response.headers["x-request-id"]
        )
        assert_error(response, 404, "NOT_FOUND")
    twice = client.get("/nope", headers=[("x-request-id", "a"), ("x-request-id", "b")])
    assert twice.headers.get_list("x-request-id") == [twice.json()["request_id"]]


@pytest.mark.parametrize("secret", ["scorm_AbC-_9", "my-scorm_AbC-_9", "eyJhbGciOiJFZERTQSJ9.eyJh.c-_2"])
@pytest.mark.parametrize("path", ["/api/v1/packages/1", "/nope", "/a%2fb"])
def test_a_key_or_token_sent_as_the_request_id_goes_nowhere(
    edge: Edge, client: httpx.Client, secret: str, path: str
) -> None:
    response = client.get(path, headers={"x-request-id": secret})
    assert secret not in str(response.headers) + response.text
    given = response.headers["x-request-id"]
    assert secret not in str(edge.upstream.seen)
    deadline = time.monotonic() + 5
    while not any(line["request_id"] == given for line in edge.access_log()):
        assert time.monotonic() < deadline, "the call is logged under the id that it was given"
        time.sleep(0.05)
    assert secret not in (edge.directory / "access.log").read_text()


@pytest.mark.parametrize(
    ("request_text", "status", "code"),
    [
        ("GARBAGE\r\n\r\n", 400, "BAD_REQUEST"),
        ("GET / HTTP/1.1\r\n\r\n", 400, "BAD_REQUEST"),
        ("GET /api/health HTTP/1.0\r\n\r\n", 400, "BAD_REQUEST"),
        ("GET /a%2fb HTTP/1.1\r\nhost: x\r\n\r\n", 400, "BAD_REQUEST"),
        ("GET /%00 HTTP/1.1\r\nhost: x\r\n\r\n", 400, "BAD_REQUEST"),
        ("GET / HTTP/1.1\r\nhost: x\r\na_b: 1\r\n\r\n", 400, "BAD_REQUEST"),
        ("GET / HTTP/1.1\r\nhost: x\r\na: " + "b" * 70_000 + "\r\n\r\n", 431, "HEADERS_TOO_LARGE"),
        ("CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\n\r\n", 404, "NOT_FOUND"),
    ],
)
def test_what_is_hardly_http_is_answered_in_the_same_shape(
    edge: Edge, request_text: str, status: int, code: str
) -> None:
    received = exchange(edge, request_text)
    top, _, body = received.partition(b"\r\n\r\n")
    assert top.startswith(f"HTTP/1.1 {status} ".encode())
    headers = dict(line.split(": ", 1) for line in top.decode().split("\r\n")[1:])
    assert headers["content-type"] == "application/json"
    assert f'{{"error":{{"code":"{code}","message":' in body.decode()
    assert body.decode().endswith(f'"details":{{}}}},"request_id":"{headers["x-request-id"]}"}}')
    assert "x-local-reply" not in headers


@pytest.mark.parametrize("package", ["plain", "empty", "unchanged", "late", "missing", "long"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_no_stray_byte_follows_an_answer_on_its_connection(edge: Edge, method: str, package: str) -> None:
    def status(code: str, title: str = "") -> Callable[[Any, Any], Any]:
        def behaviour(request: Any, context: Any) -> Any:
            context.set_trailing_metadata((("x-http-status", code), ("etag", '"3"')))
            return package_pb2.Package(title=title)

        return behaviour

    def late(request: Any, context: Any) -> Any:
        context.send_initial_metadata(())
        time.sleep(0.02)
        return fail(context, errors.Conflict())

    edge.upstream.keys[KEY] = Key("tenant-of-answers")
    edge.upstream.behaviours |= {
        "plain": status("200"),
        "empty": status("204"),
        "unchanged": status("304"),
        "late": late,
        "missing": raises(errors.PackageNotFound()),
        "long": status("200", "long " * 1000),
    }
    first = head(method, f"/api/v1/packages/{package}", "accept-encoding: gzip")
    received = exchange(edge, first, head("GET", "/api/health", CLOSE))
    answers = received.split(b"HTTP/1.1 ")
    assert [answer[:3] for answer in answers[2:]] == [b"200"]
    assert answers[2].endswith(b'"checks":{"database":true}}')
    _, _, body = answers[1].partition(b"\r\n\r\n")
    assert (body == b"") == (method == "HEAD" or package in ("empty", "unchanged"))


def test_head_answers_what_get_would_without_the_body(edge: Edge, client: httpx.Client) -> None:
    got, headed = client.get("/api/v1/packages/1"), client.head("/api/v1/packages/1")
    assert headed.status_code == 200
    assert headed.content == b""
    assert headed.headers["content-length"] == got.headers["content-length"]
    assert client.head("/nope").status_code == 404


def test_lists_are_compressed_and_etags_survive(edge: Edge, client: httpx.Client) -> None:
    def tagged(request: Any, context: Any) -> Any:
        context.send_initial_metadata((("etag", '"3"'),))
        return package_pb2.Package(title="long " * 1000)

    edge.upstream.behaviours["tagged"] = tagged
    for encoding in ("gzip", "br", "zstd"):
        with client.stream("GET", "/api/v1/packages?limit=50", headers={"accept-encoding": encoding}) as response:
            assert response.headers["content-encoding"] == encoding
    response = client.get("/api/v1/packages/tagged", headers={"accept-encoding": "gzip"})
    assert response.headers["etag"] == 'W/"3"'
    client.get("/api/v1/packages/1", headers={"if-none-match": 'W/"3"', "if-match": 'W/"4"'})
    assert edge.upstream.seen[-1]["if-none-match"] == '"3"'
    assert edge.upstream.seen[-1]["if-match"] == '"4"'


def test_http2_is_spoken_and_no_trailer_gives_the_core_away(edge: Edge) -> None:
    edge.upstream.keys[KEY] = Key("tenant-of-answers")
    edge.upstream.behaviours["missing"] = raises(errors.PackageNotFound())
    with edge.client(KEY, http2=True, http1=False) as client:
        response = client.get("/api/v1/packages/missing")
        assert response.http_version == "HTTP/2"
        assert_error(response, 404, "PACKAGE_NOT_FOUND")
        assert [name for name in response.headers if LEAKS.match(name)] == []


def test_preflights_are_answered_without_a_key_or_the_core(edge: Edge) -> None:
    checks, calls = len(edge.upstream.checks), len(edge.upstream.seen)
    asked = {"origin": "https://app.example", "access-control-request-method": "POST"}
    with edge.client() as client:
        response = client.options("/api/v1/packages", headers=asked)
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == "https://app.example"
    assert "x-api-key" in response.headers["access-control-allow-headers"].lower()
    assert "POST" in response.headers["access-control-allow-methods"]
    assert response.headers["x-request-id"]
    assert (checks, calls) == (len(edge.upstream.checks), len(edge.upstream.seen))


@pytest.mark.parametrize("path", ["/api/v1/packages", "/api/v1/packages/1", "/nope"])
def test_scripts_of_other_origins_may_read_answers_and_their_headers(client: httpx.Client, path: str) -> None:
    for answer in (
        client.get(path, headers={"origin": "https://app.example"}),
        client.put(path, headers={"origin": "https://app.example"}),
        client.get(path, headers={"origin": "https://app.example", "x-api-key": ""}),
    ):
        assert answer.headers["access-control-allow-origin"] == "https://app.example"
        exposed = answer.headers["access-control-expose-headers"]
        for name in ("X-RateLimit-Remaining", "X-Request-Id", "ETag", "Location", "Retry-After"):
            assert name in exposed
        assert "access-control-allow-credentials" not in answer.headers


def test_health_passes_unchanged_even_when_it_is_bad(edge: Edge) -> None:
    edge.upstream.healthy = False
    try:
        with edge.client() as client:
            response = client.get("/api/health")
    finally:
        edge.upstream.healthy = True
    assert response.status_code == 503
    assert response.json() == {
        "status": "unhealthy",
        "service": "scorm-api",
        "version": "1.5.0",
        "checks": {"database": False},
    }
