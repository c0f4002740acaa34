"""The player's published files: on both hosts, read only, and nothing of the bucket besides."""

import urllib.parse
from collections.abc import Iterator

import httpx
import pytest

from server.services.static_files import CACHE_CONTROL
from tests.edge import Edge
from tests.edge_upstreams import BUCKET
from tests.gateway.test_edge_answers import assert_error
from tests.gateway.test_edge_content import raw

HASH = "0123456789abcdef"
SCRIPT = b"export const answer = 42;\n" * 400
WITHIN = f"/{BUCKET}/_static/"


@pytest.fixture(autouse=True)
def _published(edge: Edge) -> Iterator[None]:
    for name, kind in (("shell/shell.js", "text/javascript"), ("run/recover.html", "text/html")):
        edge.bucket.objects[f"_static/{HASH}/{name}"] = SCRIPT
        edge.bucket.kinds[f"_static/{HASH}/{name}"] = (f"{kind}; charset=utf-8", CACHE_CONTROL)
    edge.bucket.objects["tenants/secret"] = edge.bucket.objects["_static/short/x.js"] = b"secret"
    edge.bucket.requests.clear()
    yield
    edge.bucket.objects.clear()
    edge.bucket.kinds.clear()


@pytest.fixture(params=["base", "content"])
def origin(request: pytest.FixtureRequest, edge: Edge) -> str:
    return edge.base_url if request.param == "base" else edge.content_url


def asked(host: str, path: str = "shell/shell.js", *, method: str = "GET", **headers: str) -> httpx.Response:
    sent = {"accept-encoding": "identity"} | {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.request(method, f"{host}/static/{HASH}/{path}", headers=sent)


def test_a_script_comes_with_the_headers_of_what_never_changes(edge: Edge, origin: str) -> None:
    response = asked(origin, origin="https://elsewhere.example")
    assert (response.status_code, response.content) == (200, SCRIPT)
    policy = response.headers["content-security-policy"]
    assert "frame-ancestors" not in policy, "the page that recovers journals is framed by whoever frames the player"
    assert "default-src 'none'; script-src 'self'" in policy
    assert {name: response.headers[name] for name in response.headers if name not in ("date", "x-request-id")} == {
        "content-type": "text/javascript; charset=utf-8",
        "content-length": str(len(SCRIPT)),
        "etag": '"e1"',
        "cache-control": "public, max-age=31536000, immutable",
        "accept-ranges": "bytes",
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "content-security-policy": policy,
        "vary": "Accept-Encoding",
    }
    assert edge.bucket.requests[-1][1] == f"{WITHIN}{HASH}/shell/shell.js"


def test_storage_sees_its_own_credential_and_nothing_of_the_clients(edge: Edge, origin: str) -> None:
    assert asked(origin, "shell/shell.js?v=1&acl", cookie="a=b", x_api_key="key", authorization="x").status_code == 200
    method, path, headers = edge.bucket.requests[-1]
    assert (method, path) == ("GET", f"{WITHIN}{HASH}/shell/shell.js")
    assert headers["authorization"] == "Bearer storage-token"
    assert set(headers) - {"authorization", "host"} <= {"content-length"}


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
def test_scripts_are_compressed(origin: str, coding: str) -> None:
    with httpx.stream("GET", f"{origin}/static/{HASH}/shell/shell.js", headers={"accept-encoding": coding}) as response:
        sent = b"".join(response.iter_raw())
    assert response.headers["content-encoding"] == coding
    assert response.headers["vary"].lower() == "accept-encoding"
    assert response.headers["cache-control"] == CACHE_CONTROL
    assert len(sent) < len(SCRIPT) / 10


def test_head_ranges_and_conditions_work(edge: Edge, origin: str) -> None:
    headed = asked(origin, method="HEAD", accept_encoding="gzip")
    assert (headed.status_code, headed.headers["content-length"], headed.content) == (200, str(len(SCRIPT)), b"")
    assert edge.bucket.requests[-1][0] == "HEAD"
    part = asked(origin, range="bytes=7-11", accept_encoding="gzip")
    assert (part.status_code, part.content) == (206, b"const")
    unchanged = asked(origin, if_none_match='W/"e1"')
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert unchanged.headers["cache-control"] == CACHE_CONTROL
    assert_error(asked(origin, range="bytes=20000-"), 416, "RANGE_NOT_SATISFIABLE")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_files_can_only_be_read(edge: Edge, origin: str, method: str) -> None:
    response = asked(origin, method=method)
    assert_error(response, 405, "METHOD_NOT_ALLOWED")
    assert response.headers["allow"] == "GET, HEAD"
    assert edge.bucket.requests == []


def test_what_was_never_published_is_not_found(edge: Edge, origin: str) -> None:
    for path in (f"/static/{'f' * 16}/shell/shell.js", f"/static/{HASH}/missing.js"):
        response = httpx.get(origin + path)
        assert_error(response, 404, "NOT_FOUND")
        assert response.headers["cache-control"] == "no-store"
    edge.bucket.status = 403
    try:
        response = asked(origin)
    finally:
        edge.bucket.status = None
    assert_error(response, 502, "BAD_GATEWAY")
    assert "SecretInternals" not in response.text


ODD = [
    "/static/",
    "/static/x.js",
    "/static/short/x.js",
    f"/static/{HASH}",
    f"/static/{HASH}/",
    f"/static/{HASH}0/shell/shell.js",
    f"/static/{HASH.upper()}/shell/shell.js",
    f"/static/{HASH}/shell/",
    f"/static/{HASH}/../../tenants/secret",
    f"/static/{HASH}/../short/x.js",
    f"/static/{HASH}/%2e%2e/%2e%2e/tenants/secret",
    f"/static/{HASH}/..%2f..%2ftenants/secret",
    f"/static/{HASH}/..\\..\\tenants/secret",
    f"/static/{HASH}/%252e%252e/tenants/secret",
    f"/static/{HASH}/shell/shell.js%00",
    f"/static/{HASH}/shell/shell%2ejs%20",
    f"/static/{HASH}/ünicode.js",
    f"/static/../static/{HASH}/./..",
    "/static/../tenants/secret",
    "/_static/short/x.js",
    f"{WITHIN}short/x.js",
]


@pytest.mark.parametrize("target", ODD)
def test_no_path_leads_elsewhere_in_the_bucket(edge: Edge, origin: str, target: str) -> None:
    status, body = raw(edge, target.encode().decode("latin-1"), host=urllib.parse.urlsplit(origin).netloc)
    assert status in (400, 404)
    assert b'"code":' in body
    for _, path, _ in edge.bucket.requests:
        assert path.startswith(f"{WITHIN}{HASH}/")
        assert ".." not in path


def test_a_request_for_a_file_has_no_body(origin: str) -> None:
    for content in (b"x", iter([b"", b"x"])):
        response = httpx.request("GET", f"{origin}/static/{HASH}/shell/shell.js", content=content)
        assert_error(response, 400, "BAD_REQUEST")
    assert asked(origin).status_code == 200


def test_no_script_of_ours_becomes_a_service_worker(origin: str) -> None:
    assert_error(asked(origin, service_worker="script"), 403, "FORBIDDEN")
