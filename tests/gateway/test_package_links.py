"""Links that a package's owner gives away: its original file, and previews."""

import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import grpc
import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from server.gen.scorm.v1 import package_service_pb2 as pb
from server.gen.scorm.v1 import player_service_pb2
from server.gen.scorm.v1.package_service_pb2_grpc import PackageServiceStub
from server.gen.scorm.v1.player_service_pb2_grpc import PlayerServiceStub
from server.storage.signing import load_private_key
from tests.factories import scorm12_package
from tests.gateway.test_documented_packages import client, error_of, upload
from tests.gateway.test_native_grpc import refusal
from tests.stack import Stack, tenant_of

PACKAGE = scorm12_package()
BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture
def key(stack: Stack) -> str:
    return stack.new_tenant()


@pytest.fixture
def api(stack: Stack, key: str) -> Iterator[httpx.Client]:
    with client(stack, key) as opened:
        yield opened


@pytest.fixture
def package_id(api: httpx.Client) -> str:
    return str(upload(api, PACKAGE)["package_id"])


def preview(api: httpx.Client, package_id: str, **fields: Any) -> httpx.Response:
    return api.post(f"/api/v1/packages/{package_id}/preview", json=fields)


def forged(stack: Stack, *, key: Ed25519PrivateKey | None = None, **claims: Any) -> str:
    """A preview token with the copy's own key, unless another is given."""
    key = key or load_private_key(stack.var / "preview-signing-key.pem")
    usual = {"iss": "scorm-api", "aud": "preview", "exp": int(time.time()) + 60}
    return jwt.encode({**usual, **claims}, key, algorithm="EdDSA")


def test_the_original_is_downloaded_as_it_was_uploaded(stack: Stack, api: httpx.Client, package_id: str) -> None:
    api.patch(f"/api/v1/packages/{package_id}", json={"title": 'Über "uns": 日本/..'})
    answer = api.get(f"/api/v1/packages/{package_id}/download")
    body = answer.json()
    assert list(body) == ["download_url", "download_url_expires_at", "filename", "file_size_bytes"]
    assert (body["filename"], body["file_size_bytes"]) == ("Über uns 日本.zip", len(PACKAGE))
    assert body["download_url"].startswith(f"{stack.content_url}/download/")
    assert unquote(body["download_url"]).endswith("/Über uns 日本.zip")
    lifetime = datetime.fromisoformat(body["download_url_expires_at"]) - datetime.now(UTC)
    assert 3500 < lifetime.total_seconds() <= 3600
    file = httpx.get(body["download_url"])
    assert (file.status_code, file.content) == (200, PACKAGE)
    assert file.headers["content-type"] == "application/zip"
    assert file.headers["content-disposition"].startswith("attachment;")
    part = httpx.get(body["download_url"], headers={"range": "bytes=0-3"})
    assert (part.status_code, part.content) == (206, PACKAGE[:4])


def test_a_deleted_packages_download_is_gone_within_five_seconds(api: httpx.Client, package_id: str) -> None:
    url = api.get(f"/api/v1/packages/{package_id}/download").json()["download_url"]
    assert httpx.get(url).status_code == 200
    api.delete(f"/api/v1/packages/{package_id}")
    deleted = time.monotonic()
    while (answer := httpx.get(url)).status_code != 410:
        assert time.monotonic() - deleted < 5
        time.sleep(0.1)
    assert error_of(answer)["code"] == "GONE"


@pytest.mark.parametrize(("method", "name"), [("GET", "download"), ("POST", "preview")])
def test_a_package_that_is_not_the_tenants_has_no_links(
    stack: Stack, api: httpx.Client, package_id: str, method: str, name: str
) -> None:
    with client(stack, stack.new_tenant()) as foreign:
        answers = [foreign.request(method, f"/api/v1/packages/{package_id}/{name}", json={})]
    answers += [api.request(method, f"/api/v1/packages/{other}/{name}", json={}) for other in ("x", tenant_of_api(api))]
    for answer in answers:
        assert (answer.status_code, error_of(answer)["code"]) == (404, "PACKAGE_NOT_FOUND")


def tenant_of_api(api: httpx.Client) -> str:
    """A UUID that is no package's."""
    return tenant_of(api.headers["x-api-key"])


def test_links_need_the_scope_of_their_method(stack: Stack, key: str, package_id: str) -> None:
    with client(stack, stack.new_key(tenant_of(key), scopes=["read"])) as reader:
        assert reader.get(f"/api/v1/packages/{package_id}/download").status_code == 200
        assert error_of(preview(reader, package_id))["details"] == {"required_scope": "write"}


def test_a_preview_opens_the_course_without_a_key(stack: Stack, api: httpx.Client, package_id: str) -> None:
    answer = preview(api, package_id)
    assert answer.status_code == 201
    assert list(answer.json()) == ["preview"]
    made = answer.json()["preview"]
    assert list(made) == ["launch_url", "expires_at", "package_id"]
    assert made["launch_url"].startswith(f"{stack.base_url}/player/preview/")
    assert made["launch_url"] == answer.headers["location"]
    assert made["package_id"] == package_id
    lifetime = datetime.fromisoformat(made["expires_at"]) - datetime.now(UTC)
    assert 3500 < lifetime.total_seconds() <= 3600
    opened = httpx.get(made["launch_url"], headers=BROWSER)
    assert (opened.status_code, opened.headers["cache-control"]) == (200, "no-store")
    assert f"frame-src {stack.content_url}" in opened.headers["content-security-policy"]
    headed = httpx.head(made["launch_url"])
    assert (headed.status_code, headed.content) == (200, b"")
    assert httpx.post(made["launch_url"]).status_code == 405
    run_url = httpx.post(stack.base_url + shown(opened)["api"] + "/launch", content=b"{}").json()["deliver"]["runUrl"]
    assert run_url.startswith(f"{stack.content_url}/player/run/")
    course = httpx.get(stack.content_url + shown(httpx.get(run_url))["href"])
    assert course.status_code == 200
    # Whoever frames the player frames the course.
    assert "content-security-policy" not in course.headers


def shown(page: httpx.Response) -> dict[str, Any]:
    """What a page of the player was told."""
    assert page.status_code == 200
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.text, re.DOTALL)
    assert found is not None
    told: dict[str, Any] = json.loads(found[1])
    return told


@pytest.mark.parametrize("seconds", [60, 86400])
def test_a_preview_lasts_as_long_as_is_asked(api: httpx.Client, package_id: str, seconds: int) -> None:
    fields = {"expires_in_seconds": seconds, "redirect_url": "HTTPS://lms.example:8443/done?a=b#c"}
    made = preview(api, package_id, **fields).json()["preview"]
    lifetime = datetime.fromisoformat(made["expires_at"]) - datetime.now(UTC)
    assert seconds - 30 < lifetime.total_seconds() <= seconds


@pytest.mark.parametrize(
    "url",
    [
        "",
        "x",
        "//lms.example",
        "javascript:alert(1)",
        "ftp://x/",
        "http://",
        "https://u:p@x/",
        "https://x/ y",
        "https:x",
        "https://x/" + "a" * 1000,
    ],
)
def test_faults_of_a_preview_are_named_all_at_once(api: httpx.Client, package_id: str, url: str) -> None:
    for seconds in (59, 86401, -1):
        error = error_of(preview(api, package_id, expires_in_seconds=seconds, redirect_url=url))
        assert error["code"] == "VALIDATION_ERROR"
        assert set(error["details"]["fieldErrors"]) == {"expires_in_seconds", "redirect_url"}


def assert_page(answer: httpx.Response, status: int) -> None:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "frame-ancestors" not in policy, "it is shown in the frame that the player would be in"
    assert not re.search(r"src=|href=|<script|url\(", answer.text)
    assert answer.headers["x-request-id"] in answer.text


def test_a_link_that_is_no_more_is_told_by_a_page_to_browsers_and_by_json_to_others(
    stack: Stack, key: str, api: httpx.Client, package_id: str
) -> None:
    url = preview(api, package_id).json()["preview"]["launch_url"]
    root = f"{stack.base_url}/player/preview/"
    named: dict[str, Any] = {"tenant": tenant_of(key), "package": package_id}
    content = api.get(f"/api/v1/packages/{package_id}").json()["launch_url"].split("/")[4]
    download = api.get(f"/api/v1/packages/{package_id}/download").json()["download_url"].split("/")[4]
    claims, _, signature = url.rpartition("/")[2].rpartition(".")
    bad = ["x", "a.b.c", content, download, f"{claims}.{signature[::-1]}", "x" * 5000]
    bad += [forged(stack, **named, key=Ed25519PrivateKey.generate()), forged(stack, **named, aud="session")]
    expired = forged(stack, **named, exp=int(time.time()) - 1)
    assert httpx.get(root + forged(stack, **named)).status_code == 200
    api.delete(f"/api/v1/packages/{package_id}")
    cases = [(token, 404, "NOT_FOUND") for token in bad] + [(expired, 410, "GONE"), (url[len(root) :], 410, "GONE")]
    for token, status, code in cases:
        assert_page(httpx.get(root + token, headers=BROWSER), status)
        answer = httpx.get(root + token)
        assert (answer.status_code, error_of(answer)["code"]) == (status, code)
        assert httpx.head(root + token, headers=BROWSER).status_code == status


def test_the_same_over_grpc(stack: Stack, key: str, package_id: str) -> None:
    metadata = (("x-api-key", key),)
    with grpc.insecure_channel(stack.grpc_address) as channel:
        packages, player = PackageServiceStub(channel), PlayerServiceStub(channel)
        download = packages.GetPackageDownload(pb.GetPackageDownloadRequest(package_id=package_id), metadata=metadata)
        assert httpx.get(download.download_url).content == PACKAGE
        request = pb.CreatePackagePreviewRequest(package_id=package_id, expires_in_seconds=60)
        token = packages.CreatePackagePreview(request, metadata=metadata).preview.launch_url.rpartition("/")[2]
        page = player.OpenPreview(player_service_pb2.OpenPreviewRequest(token=token))
        assert (page.content_type, b"</html>" in page.data) == ("text/html; charset=utf-8", True)
        with pytest.raises(grpc.RpcError) as unknown:
            player.OpenPreview(player_service_pb2.OpenPreviewRequest(token="x"), metadata=(("accept", "text/html"),))
        assert (unknown.value.code(), refusal(unknown.value)[1].reason) == (grpc.StatusCode.NOT_FOUND, "NOT_FOUND")


def test_neither_kind_of_token_reaches_a_log(stack: Stack, api: httpx.Client, package_id: str) -> None:
    urls = [
        api.get(f"/api/v1/packages/{package_id}/download").json()["download_url"],
        preview(api, package_id).json()["preview"]["launch_url"],
    ]
    for url in urls:
        httpx.get(url)
    request_id = api.get("/api/v1/packages").headers["x-request-id"]
    deadline = time.monotonic() + 15
    while request_id not in stack.log("access"):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    written = "".join(path.read_text(errors="replace") for path in (stack.var / "log").iterdir())
    for url in urls:
        assert re.search(r"\.([\w-]{80,})", url).group(1) not in written  # type: ignore[union-attr]  # a signature
