"""Downloads: one object under one name, to be saved, by a token of their own."""

import time
import urllib.parse
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.edge import PACKAGE, PREFIX, TENANT, Edge
from tests.edge_upstreams import BUCKET
from tests.gateway.test_edge_answers import assert_error
from tests.gateway.test_edge_content import raw

OBJECT = f"tenants/{TENANT}/packages/{PACKAGE}/original.zip"
NAME = "Ein Kurs – 日本.zip"


def token(edge: Edge, *, key: Ed25519PrivateKey | None = None, **claims: Any) -> str:
    usual = {
        "iss": "scorm-api",
        "aud": "download",
        "jti": "download-1",
        "tenant": TENANT,
        "package": PACKAGE,
        "object": OBJECT,
        "filename": NAME,
        "exp": int(time.time()) + 600,
    }
    payload = {name: value for name, value in {**usual, **claims}.items() if value is not None}
    return jwt.encode(payload, key or edge.download_key, algorithm="EdDSA", headers={"kid": "k1"})


def download(edge: Edge, signed: str | None = None, name: str = NAME, **options: Any) -> httpx.Response:
    edge.bucket.objects[OBJECT] = b"PK" * 500
    url = f"{edge.content_url}/download/{signed or token(edge)}/{urllib.parse.quote(name, safe='')}"
    return httpx.request(options.pop("method", "GET"), url, **options)


def test_a_download_is_saved_under_its_name_and_kept_by_nobody(edge: Edge) -> None:
    answer = download(edge)
    assert (answer.status_code, answer.content) == (200, b"PK" * 500)
    assert edge.bucket.requests[-1][1] == f"/{BUCKET}/{OBJECT}"
    shown = {name: answer.headers[name] for name in answer.headers if name not in ("date", "x-request-id")}
    full = urllib.parse.quote(NAME, safe="")
    assert shown.pop("content-disposition").endswith(f"; filename*=UTF-8''{full}")
    assert shown == {
        "content-type": "text/html",
        "content-length": "1000",
        "etag": '"e1"',
        "cache-control": "private, no-store",
        "accept-ranges": "bytes",
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "content-security-policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    }


def test_a_download_can_be_asked_about_and_resumed(edge: Edge) -> None:
    headed = download(edge, method="HEAD")
    assert (headed.status_code, headed.headers["content-length"], headed.content) == (200, "1000", b"")
    part = download(edge, headers={"range": "bytes=990-"})
    assert (part.status_code, part.headers["content-range"]) == (206, "bytes 990-999/1000")
    assert "content-disposition" in part.headers
    assert_error(download(edge, headers={"range": "bytes=1000-"}), 416, "RANGE_NOT_SATISFIABLE")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_a_download_can_only_be_read(edge: Edge, method: str) -> None:
    edge.bucket.requests.clear()
    answer = download(edge, method=method)
    assert_error(answer, 405, "METHOD_NOT_ALLOWED")
    assert answer.headers["allow"] == "GET, HEAD"
    assert edge.bucket.requests == []


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": 1},
        {"exp": None},
        {"aud": "content"},
        {"aud": "preview"},
        {"iss": "someone"},
        {"object": None},
        {"object": ["x"]},
        {"object": f"tenants/{TENANT}/packages/{PACKAGE}/content/a.zip"},
        {"object": "tenants/1/packages/../original.zip"},
        {"object": "secret.zip"},
    ],
)
def test_a_token_that_names_no_object_opens_nothing(edge: Edge, claims: dict[str, Any]) -> None:
    edge.bucket.requests.clear()
    assert_error(download(edge, token(edge, **claims)), 401, "UNAUTHORIZED")
    assert edge.bucket.requests == []


def test_a_token_of_one_kind_opens_nothing_of_the_other(edge: Edge) -> None:
    edge.bucket.requests.clear()
    # Warm, so that the cache of grants knows both tokens.
    edge.bucket.objects[f"{PREFIX}/{NAME}"] = b"x"
    content, name = edge.token(), urllib.parse.quote(NAME)
    assert edge.content(name, token=content).status_code == 200
    assert download(edge).status_code == 200
    edge.bucket.requests.clear()
    assert_error(download(edge, content), 401, "UNAUTHORIZED")
    assert_error(edge.content(name, token=token(edge)), 401, "UNAUTHORIZED")
    # Nor by the other's key with the right claims.
    assert_error(download(edge, token(edge, key=edge.signing_key)), 401, "UNAUTHORIZED")
    everything: dict[str, Any] = {"prefix": PREFIX, "fa": []}
    assert_error(edge.content(name, token=token(edge, aud="content", **everything)), 401, "UNAUTHORIZED")
    assert edge.bucket.requests == []


@pytest.mark.parametrize(
    "path", ["", "x.zip", "../x", "..%2fx", "%2e%2e/x", "a/b.zip", "//", "%00", "content/index.html", "original.zip"]
)
def test_no_path_means_another_object(edge: Edge, path: str) -> None:
    edge.bucket.requests.clear()
    status, _ = raw(edge, f"/download/{token(edge)}/{path}")
    assert status in (400, 401, 404)
    assert edge.bucket.requests == []


def test_an_object_of_another_kind_needs_no_other_route(edge: Edge) -> None:
    name = f"tenants/{TENANT}/dispatches/{PACKAGE}/dispatch-1.zip"
    edge.bucket.objects[name] = b"zip"
    assert download(edge, token(edge, object=name)).content == b"zip"


def test_a_revoked_download_is_gone(edge: Edge) -> None:
    signed = token(edge, jti="download-to-be-revoked")
    assert download(edge, signed).status_code == 200
    edge.upstream.gone.add("download-to-be-revoked")
    deadline = time.monotonic() + 5
    while (answer := download(edge, signed)).status_code == 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert_error(answer, 410, "GONE")
    assert "content-disposition" not in answer.headers


def test_downloads_are_on_the_content_origin_only_and_their_tokens_in_no_log(edge: Edge) -> None:
    signed = token(edge)
    assert_error(httpx.get(f"{edge.base_url}/download/{signed}/{NAME}"), 404, "NOT_FOUND")
    request_id = f"download-{time.time_ns()}"
    download(edge, signed, headers={"x-request-id": request_id})
    deadline = time.monotonic() + 5
    while not (found := [line for line in edge.access_log() if line["request_id"] == request_id]):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert found[0]["path"].startswith("/download/***/")
    written = (edge.directory / "access.log").read_text() + (edge.directory / "envoy.log").read_text()
    assert signed.split(".")[2] not in written
