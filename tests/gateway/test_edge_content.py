"""Courses' files: which object a URL means, who may have it, and with which headers it comes."""

import http.client
import socket
import time
import urllib.parse
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.edge import PREFIX, Edge
from tests.edge_upstreams import BUCKET
from tests.gateway.test_edge_answers import assert_error
from tests.gateway.test_edge_overload import stat

WITHIN = f"/{BUCKET}/{PREFIX}/"


@pytest.fixture(autouse=True, params=["new", "known"])
def _tokens(request: pytest.FixtureRequest, edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every token is asked about and verified in full; or it was just before, so that the gateway remembers it."""
    make = Edge.token

    def token(self: Edge, **claims: Any) -> str:
        made = make(self, **{"jti": uuid4().hex, **claims})
        if request.param == "known":
            seen = len(self.bucket.requests)
            httpx.get(f"{self.content_url}/content/{made}/asked-before")
            del self.bucket.requests[seen:]
        return made

    monkeypatch.setattr(Edge, "token", token)


def raw(edge: Edge, target: str, *, host: str | None = None, headers: Sequence[str] = ()) -> tuple[int, bytes]:
    """Sends a request target exactly as it is given, which HTTP clients would tidy up. Answers status and body."""
    lines = [f"GET {target} HTTP/1.1", f"host: {host or f'127.0.0.1:{edge.port}'}", *headers, "", ""]
    with socket.create_connection(("127.0.0.1", edge.port)) as connection:
        connection.settimeout(5)
        connection.sendall("\r\n".join(lines).encode("latin-1"))
        response = http.client.HTTPResponse(connection)
        response.begin()
        return response.status, response.read()


@pytest.mark.parametrize(
    "name",
    [
        "index.html",
        "a b.html",
        "100%.html",
        "%2e%2e",
        "%41.html",
        "ünïcødé/日本語 😀.html",
        "a+b&c=d?e#f.html",
        "semi;colon,comma'quote\"<>[]{}|^`~!$(*)@:.html",
        "..hidden/...dots.../x..y",
        ".well-known/x",
        "deep/" * 30 + "x",
    ],
)
def test_every_file_name_reaches_storage_exactly(edge: Edge, name: str) -> None:
    edge.bucket.objects[f"{PREFIX}/{name}"] = name.encode()
    target = f"/content/{edge.token()}/{urllib.parse.quote(name)}"
    assert raw(edge, target) == (200, name.encode())
    assert urllib.parse.unquote(edge.bucket.requests[-1][1]) == WITHIN + name


ESCAPES = [
    "../x",
    "../../../other/secret",
    "a/../../x",
    "./../x",
    "..",
    ".",
    "a/..",
    "%2e%2e/x",
    "%2E%2E/x",
    ".%2e/x",
    "%2e./x",
    "a/%2e%2e/%2e%2e/x",
    "..%2fx",
    "..%2Fx",
    "%2fetc/passwd",
    "..%5cx",
    "..\\x",
    "%5c..%5cx",
    "%252e%252e/x",
    "%252e%252e%252fx",
    "%c0%ae%c0%ae/x",
    "%e0%80%ae%e0%80%ae/x",
    "%c0%afx",
    "%00",
    "x%00.html",
    "x%0d%0aevil: 1",
    "%0a",
    "%7f",
    "//x",
    "a//../../x",
    "..;/x",
    "..;a=b/x",
    "%2e%2e;/x",
    "%",
    "%2",
    "%zz",
    "%u002e%u002e/x",
    "\xff\xfe",
    "%ff",
    "%ed%a0%80",
    "%f4%90%80%80",
    "a/",
    "a/b//",
    "x?acl",
    "x#/../../y",
    "x?/../../../y",
]


@pytest.mark.parametrize("path", ESCAPES)
def test_no_path_leaves_the_packages_prefix(edge: Edge, path: str) -> None:
    edge.bucket.objects.pop(f"{PREFIX}/x", None)
    edge.bucket.requests.clear()
    status, _ = raw(edge, f"/content/{edge.token()}/{path}")
    assert status in (400, 401, 404)
    for _, asked, headers in edge.bucket.requests:
        decoded = urllib.parse.unquote_to_bytes(asked)
        assert decoded.startswith(WITHIN.encode())
        assert "?" not in asked
        assert not {b"..", b".", b""} & set(decoded.removeprefix(WITHIN.encode()).split(b"/"))
        assert "evil" not in headers


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.1:{port}/content/{token}/../../x",
        "http://evil.example/content/{token}/x",
        "/content/{token}/../{other}/x",
        "/content/../content/{token}/../x",
        "//content/{token}//../../x",
    ],
)
def test_no_form_of_request_target_leaves_the_prefix(edge: Edge, target: str) -> None:
    edge.bucket.objects.pop(f"{PREFIX}/x", None)
    edge.bucket.requests.clear()
    status, _ = raw(edge, target.format(port=edge.port, token=edge.token(), other="a.b.c"))
    assert status in (400, 401, 404)
    assert all(asked.startswith(WITHIN) for _, asked, _ in edge.bucket.requests)


def test_a_query_stays_at_the_gateway(edge: Edge) -> None:
    edge.bucket.objects[f"{PREFIX}/query.html"] = b"x"
    assert edge.content("query.html?generation=1&acl").status_code == 200
    assert edge.bucket.requests[-1][1] == WITHIN + "query.html"


def test_storage_sees_its_own_credential_and_nothing_of_the_clients(edge: Edge) -> None:
    edge.bucket.objects[f"{PREFIX}/plain.html"] = b"x"
    sent = {
        "authorization": "Bearer forged",
        "cookie": "session=1",
        "x-api-key": "key",
        "x-goog-user-project": "mine",
        "x-goog-encryption-key": "k",
        "x-http-method-override": "DELETE",
        "referer": "https://x/",
    }
    assert edge.content("plain.html", headers=sent).status_code == 200
    _, _, headers = edge.bucket.requests[-1]
    assert headers["authorization"] == "Bearer storage-token"
    assert set(headers) - {"authorization", "host"} <= {"range", "content-length"}


def test_a_file_comes_with_its_own_headers_and_the_gateways(edge: Edge) -> None:
    edge.bucket.objects[f"{PREFIX}/page.html"] = b"<html>"
    response = edge.content("page.html", headers={"accept-encoding": "identity"})
    assert response.status_code == 200
    assert {name: response.headers[name] for name in response.headers if name not in ("date", "x-request-id")} == {
        "content-type": "text/html",
        "content-length": "6",
        "etag": '"e1"',
        "cache-control": "private, max-age=3600",
        "accept-ranges": "bytes",
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "content-security-policy": f"frame-ancestors {edge.base_url}",
    }


@pytest.mark.parametrize(
    ("claim", "header"),
    [
        (["https://lms.example", "http://localhost:3001", "https://*.lms.example:8443"], None),
        (["'self'"], None),
        ([], "'none'"),
        (None, "'none'"),
        ("https://lms.example", "'none'"),
        (["*", "https://lms.example"], "'none'"),
        (["https://ok.example", "x; script-src *"], "'none'"),
        (["https://ok.example/path"], "'none'"),
        (["javascript:alert(1)"], "'none'"),
        ([1], "'none'"),
    ],
)
def test_the_token_says_who_may_frame_the_course(edge: Edge, claim: Any, header: str | None) -> None:
    response = edge.content("x", token=edge.token(fa=claim))
    expected = header or " ".join(claim)
    assert response.headers["content-security-policy"] == f"frame-ancestors {expected}"


def test_a_token_may_let_any_page_frame_the_course(edge: Edge) -> None:
    edge.bucket.objects[f"{PREFIX}/x"] = b"x"
    for response in (
        edge.content("x", token=edge.token(fa=["*"])),
        edge.content("missing", token=edge.token(fa=["*"])),
    ):
        # No `*`: that would leave out pages of apps, whose schemes are their own.
        assert "content-security-policy" not in response.headers
        assert response.headers["x-content-type-options"] == "nosniff"


def test_ranges_conditions_and_head_work_and_ranges_are_not_compressed(edge: Edge) -> None:
    edge.bucket.objects[f"{PREFIX}/long.html"] = b"0123456789" * 1000
    whole = edge.content("long.html", headers={"accept-encoding": "gzip"})
    assert (whole.headers["content-encoding"], whole.headers["etag"]) == ("gzip", 'W/"e1"')
    assert len(whole.content) == 10_000
    part = edge.content("long.html", headers={"range": "bytes=10-5009", "accept-encoding": "gzip"})
    assert part.status_code == 206
    assert part.headers["content-range"] == "bytes 10-5009/10000"
    assert part.headers["etag"] == '"e1"'
    assert "content-encoding" not in part.headers
    assert len(part.content) == 5000
    unchanged = edge.content("long.html", headers={"if-none-match": 'W/"e1"'})
    assert unchanged.status_code == 304
    headed = edge.content("long.html", method="HEAD", headers={"accept-encoding": "gzip"})
    assert (headed.status_code, headed.headers["content-length"]) == (200, "10000")
    beyond = edge.content("long.html", headers={"range": "bytes=20000-"})
    assert_error(beyond, 416, "RANGE_NOT_SATISFIABLE")


@pytest.mark.parametrize(
    ("status", "shown", "code"),
    [
        (400, 404, "NOT_FOUND"),
        (401, 502, "BAD_GATEWAY"),
        (403, 502, "BAD_GATEWAY"),
        (404, 404, "NOT_FOUND"),
        (429, 503, "SERVICE_UNAVAILABLE"),
        (500, 502, "BAD_GATEWAY"),
        (503, 503, "SERVICE_UNAVAILABLE"),
    ],
)
def test_nothing_that_storage_says_of_its_failures_is_shown(edge: Edge, status: int, shown: int, code: str) -> None:
    edge.bucket.status = status
    try:
        response = edge.content("x.html")
    finally:
        edge.bucket.status = None
    assert_error(response, shown, code)
    assert "SecretInternals" not in response.text
    assert response.headers["cache-control"] == "no-store"
    assert "etag" not in response.headers


@pytest.mark.parametrize("path", ["", "folder/", "missing.html"])
def test_what_is_no_file_is_not_found(edge: Edge, path: str) -> None:
    assert_error(edge.content(path), 404, "NOT_FOUND")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_files_can_only_be_read(edge: Edge, method: str) -> None:
    edge.bucket.requests.clear()
    response = edge.content("x", method=method)
    assert_error(response, 405, "METHOD_NOT_ALLOWED")
    assert response.headers["allow"] == "GET, HEAD"
    assert edge.bucket.requests == []


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": 1},
        {"exp": None},
        {"aud": "session"},
        {"iss": "someone"},
        {"prefix": "tenants/../secret"},
        {"prefix": "other"},
        {"prefix": None},
        {"prefix": ["tenants/1/packages/2/content"]},
        {"prefix": ""},
    ],
)
def test_a_token_that_grants_nothing_opens_nothing(edge: Edge, claims: dict[str, Any]) -> None:
    edge.bucket.requests.clear()
    edge.bucket.objects[f"{PREFIX}/x"] = b"x"
    response = edge.content("x", token=edge.token(**claims))
    assert_error(response, 401, "UNAUTHORIZED")
    assert response.json()["error"]["message"] == "This link is invalid or has expired"
    assert edge.bucket.requests == []


def test_a_forged_token_opens_nothing(edge: Edge) -> None:
    edge.bucket.requests.clear()
    claims = jwt.decode(edge.token(), options={"verify_signature": False})
    stranger = jwt.encode(claims, Ed25519PrivateKey.generate(), algorithm="EdDSA", headers={"kid": "k1"})
    symmetric = jwt.encode(claims, "x" * 32, algorithm="HS256", headers={"kid": "k1"})
    unsigned = jwt.encode(claims, "", algorithm="none")
    top, body, signature = edge.token().split(".")
    tampered = f"{top}.{body[:-2]}AA.{signature}"
    for token in (stranger, symmetric, unsigned, unsigned + "x", tampered, "a.b.c", "x", "x" * 3000 + ".y.z"):
        for headers in ({}, {"x-content-known": "true"}):
            assert_error(edge.content("x", token=token, headers=headers), 401, "UNAUTHORIZED")
    assert raw(edge, f"{WITHIN}x", headers=["x-content-known: true"])[0] == 404
    assert edge.bucket.requests == []


@pytest.mark.parametrize("sent", ["x", ["x"], ["", "x"]], ids=["with its length", "in chunks", "in late chunks"])
def test_a_request_for_a_file_has_no_body(edge: Edge, sent: str | list[str]) -> None:
    edge.bucket.objects[f"{PREFIX}/x"] = b"x"
    content = sent.encode() if isinstance(sent, str) else (part.encode() for part in sent)
    assert_error(edge.content("x", content=content), 400, "BAD_REQUEST")
    assert edge.content("x").status_code == 200


def test_a_token_is_not_remembered_for_longer_than_it_is_valid(edge: Edge) -> None:
    edge.bucket.objects[f"{PREFIX}/x"] = b"x"
    # What two clocks may differ by is over within the next second.
    time.sleep(1 - time.time() % 1)
    token = edge.token(exp=int(time.time()) - 1)
    assert edge.content("x", token=token).status_code == 200
    time.sleep(1.2)
    assert_error(edge.content("x", token=token), 401, "UNAUTHORIZED")


def test_a_known_token_is_not_verified_again(edge: Edge) -> None:
    edge.bucket.objects[f"{PREFIX}/x"] = b"x"
    token = edge.token()
    assert edge.content("x", token=token).status_code == 200
    verified = stat(edge, "http.main.jwt_authn.jwt_cache_hit")
    assert edge.content("x", token=token).status_code == 200
    assert edge.content("x", token=token, method="HEAD").status_code == 200
    assert stat(edge, "http.main.jwt_authn.jwt_cache_hit") == verified


def test_a_revoked_grant_is_gone_within_three_seconds_and_stays_gone(edge: Edge) -> None:
    edge.bucket.objects[f"{PREFIX}/x"] = b"x"
    grant = uuid4().hex
    token = edge.token(jti=grant)
    assert edge.content("x", token=token).status_code == 200
    edge.upstream.gone.add(grant)
    revoked_at = time.monotonic()
    asked_at = revoked_at
    while edge.content("x", token=token).status_code == 200:
        # However long the answer takes: what is asked later must not be let in.
        assert asked_at - revoked_at < 3.05
        time.sleep(0.02)
        asked_at = time.monotonic()
    asked = len(edge.upstream.checks)
    for _ in range(10):
        response = edge.content("x", token=token)
        assert_error(response, 410, "GONE")
    assert response.headers["cache-control"] == "no-store"
    # A refusal is remembered for 1.5 s.
    assert len(edge.upstream.checks) - asked <= 1 + (time.monotonic() - asked_at) / 1.5


def test_a_course_with_many_files_asks_once(edge: Edge) -> None:
    edge.bucket.objects[f"{PREFIX}/x"] = b"x"
    asked, token = len(edge.upstream.checks), edge.token(jti="many-files")
    began = time.monotonic()
    for _ in range(50):
        assert edge.content("x", token=token).status_code == 200
    # Again after 2 s, before the 3 s are over.
    assert len(edge.upstream.checks) - asked <= 1 + (time.monotonic() - began) / 2


def test_a_failure_of_storage_that_is_too_long_to_read_is_an_error_like_any_other(edge: Edge) -> None:
    edge.bucket.status, refusal = 500, edge.bucket.refusal
    edge.bucket.refusal = refusal * 200_000
    try:
        response = edge.content("x", headers={"x-request-id": "long-1"})
    finally:
        edge.bucket.status, edge.bucket.refusal = None, refusal
    assert_error(response, 500, "INTERNAL_ERROR")
    assert response.headers["x-request-id"] == "long-1"
    assert "x-local-reply" not in response.headers
    assert response.headers["cache-control"] == "no-store"


def test_courses_may_not_install_service_workers(edge: Edge) -> None:
    edge.bucket.objects[f"{PREFIX}/sw.js"] = b"x"
    assert_error(edge.content("sw.js", headers={"service-worker": "script"}), 403, "FORBIDDEN")


def test_each_host_serves_only_its_own(edge: Edge) -> None:
    edge.bucket.objects[f"{PREFIX}/x"] = b"x"
    token = edge.token()
    for path in ("/api/health", "/api/v1/packages", "/api/docs", "/player/session/x", "/player/preview/x", "/"):
        assert_error(httpx.get(edge.content_url + path), 404, "NOT_FOUND")
    for host in ("localhost", f"localhost:{edge.port}", "evil.example", "127.0.0.1"):
        assert raw(edge, f"/content/{token}/x", host=host)[0] == 404
    assert raw(edge, f"/content/{token}/x")[0] == 200


def test_files_of_a_course_are_not_readable_for_scripts_of_other_origins(edge: Edge) -> None:
    edge.bucket.objects[f"{PREFIX}/x"] = b"x"
    response = edge.content("x", headers={"origin": "https://evil.example"})
    assert "access-control-allow-origin" not in response.headers
