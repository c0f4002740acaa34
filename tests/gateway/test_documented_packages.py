"""The documented API's examples of packages, health, errors and limits, through Envoy, shapes to the letter."""

import asyncio
import json
import re
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.factories import scorm12_package, scorm2004_package
from tests.stack import Stack, tenant_of

UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\Z")
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z\Z")
DOCUMENTED_IN_LISTS = [
    "id",
    "tenant_id",
    "title",
    "version",
    "launch_url",
    "manifest_url",
    "file_size_bytes",
    "created_at",
    "updated_at",
]


@pytest.fixture
def key(stack: Stack) -> str:
    return stack.new_tenant()


@pytest.fixture
def api(stack: Stack, key: str) -> Iterator[httpx.Client]:
    with client(stack, key) as opened:
        yield opened


def client(stack: Stack, key: str) -> httpx.Client:
    return httpx.Client(base_url=stack.base_url, headers={"X-API-Key": key}, timeout=30)


def upload(api: httpx.Client, package: bytes | None = None, **fields: str) -> Any:
    answer = api.post(
        "/api/v1/packages", files={"file": ("course.zip", package or scorm12_package(), "application/zip")}, data=fields
    )
    assert answer.status_code == 201, answer.text
    return answer.json()


def error_of(answer: httpx.Response) -> Any:
    """The error of an answer that has the documented shape and nothing else."""
    body = answer.json()
    assert answer.headers["content-type"] == "application/json"
    assert list(body) == ["error", "request_id"]
    assert list(body["error"]) == ["code", "message", "details"]
    assert isinstance(body["error"]["details"], dict)
    assert body["request_id"] == answer.headers["x-request-id"]
    return body["error"]


def test_health_is_as_documented_and_needs_no_key(stack: Stack) -> None:
    answer = httpx.get(f"{stack.base_url}/api/health")
    body = answer.json()
    assert answer.status_code == 200
    assert list(body) == ["status", "service", "version", "timestamp", "checks"]
    assert (body["status"], body["service"], body["version"]) == ("healthy", "scorm-api", "1.5.0")
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\Z", body["timestamp"])
    assert body["checks"] == {"database": True}


def test_an_upload_answers_what_is_documented(api: httpx.Client, stack: Stack) -> None:
    package = scorm12_package(title="Course Title")
    answer = api.post(
        "/api/v1/packages", files={"file": ("course.zip", package, "application/zip")}, data={"uploaded_by": "user-123"}
    )
    body = answer.json()
    assert answer.status_code == 201
    assert list(body) == ["package_id", "title", "version", "launch_url", "manifest_url"]
    assert UUID7.match(body["package_id"])
    assert (body["title"], body["version"]) == ("Course Title", "1.2")
    assert body["launch_url"].startswith(f"{stack.content_url}/content/")
    assert body["manifest_url"].endswith("/imsmanifest.xml")
    assert answer.headers["location"] == f"/api/v1/packages/{body['package_id']}"


def test_a_package_reads_as_documented(api: httpx.Client, key: str) -> None:
    package = scorm2004_package(edition="3rd", title="Course Title")
    uploaded = upload(api, package, uploaded_by="user-123")
    answer = api.get(f"/api/v1/packages/{uploaded['package_id']}")
    body = answer.json()
    assert answer.status_code == 200
    documented = [*DOCUMENTED_IN_LISTS[:7], "metadata", *DOCUMENTED_IN_LISTS[7:]]
    assert list(body)[: len(documented)] == documented
    assert (body["id"], body["tenant_id"]) == (uploaded["package_id"], tenant_of(key))
    assert (body["title"], body["version"], body["uploaded_by"]) == ("Course Title", "2004", "user-123")
    assert body["launch_url"] == uploaded["launch_url"]
    assert body["metadata"]["sco_count"] == 1
    assert body["metadata"]["schema_version"] == "2004 3rd Edition"
    assert isinstance(body["metadata"]["description"], str)
    assert RFC3339.match(body["created_at"])
    assert RFC3339.match(body["updated_at"])
    # A JSON number, never a string.
    assert f'"file_size_bytes":{len(package)},' in answer.text


def test_a_launch_url_lives_for_a_day_and_stays_the_same_within_the_hour(api: httpx.Client) -> None:
    uploaded = upload(api)
    first, second = (api.get(f"/api/v1/packages/{uploaded['package_id']}").json() for _ in range(2))
    lifetime = datetime.fromisoformat(first["launch_url_expires_at"]) - datetime.now(UTC)
    assert timedelta(hours=24) - timedelta(minutes=1) <= lifetime <= timedelta(hours=25)
    if first["launch_url_expires_at"] == second["launch_url_expires_at"]:
        assert first["launch_url"] == second["launch_url"]


def test_a_list_reads_as_documented_newest_first(api: httpx.Client) -> None:
    ids = [upload(api)["package_id"] for _ in range(3)]
    answer = api.get("/api/v1/packages", params={"page": 1, "limit": 20})
    body = answer.json()
    assert list(body) == ["packages", "count"]
    assert body["count"] == 3
    assert [package["id"] for package in body["packages"]] == ids[::-1]
    for package in body["packages"]:
        assert [name for name in package if name in DOCUMENTED_IN_LISTS] == DOCUMENTED_IN_LISTS
        assert "metadata" not in package


def test_pages_end_and_cursors_walk_the_whole_list(api: httpx.Client) -> None:
    ids = [upload(api)["package_id"] for _ in range(3)][::-1]
    second = api.get("/api/v1/packages", params={"page": 2, "limit": 2}).json()
    assert [package["id"] for package in second["packages"]] == ids[2:]
    assert api.get("/api/v1/packages", params={"page": 3, "limit": 2}).json() == {"packages": [], "count": 3}
    first = api.get("/api/v1/packages", params={"limit": 2}).json()
    late = upload(api)["package_id"]
    rest = api.get("/api/v1/packages", params={"limit": 2, "cursor": first["next_cursor"]}).json()
    seen = [package["id"] for page in (first, rest) for package in page["packages"]]
    assert seen == ids
    assert late not in seen
    assert "next_cursor" not in rest


def test_an_empty_list_has_its_fields(api: httpx.Client) -> None:
    assert api.get("/api/v1/packages").text == '{"packages":[],"count":0}'


def test_deleting_answers_what_is_documented_and_only_once(api: httpx.Client) -> None:
    package_id = upload(api)["package_id"]
    answer = api.delete(f"/api/v1/packages/{package_id}")
    assert answer.status_code == 200
    assert answer.text == f'{{"success":true,"package_id":"{package_id}"}}'
    for again in (api.delete(f"/api/v1/packages/{package_id}"), api.get(f"/api/v1/packages/{package_id}")):
        assert again.status_code == 404
        assert error_of(again)["code"] == "PACKAGE_NOT_FOUND"
    assert api.get("/api/v1/packages").json()["count"] == 0


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("page=0", "page"),
        ("page=-1", "page"),
        ("page=abc", "page"),
        ("page=1.5", "page"),
        ("page=99999999999", "page"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=", "limit"),
        ("limit=1&limit=2", "limit"),
        ("cursor=nonsense", "cursor"),
        ("cursor=AAAA", "cursor"),
    ],
)
def test_a_parameter_out_of_bounds_is_named(api: httpx.Client, query: str, field: str) -> None:
    answer = api.get(f"/api/v1/packages?{query}")
    assert answer.status_code == 400
    error = error_of(answer)
    assert error["code"] == "VALIDATION_ERROR"
    assert list(error["details"]["fieldErrors"]) == [field]
    assert all(isinstance(fault, str) for fault in error["details"]["fieldErrors"][field])


def test_all_faults_are_told_at_once(api: httpx.Client) -> None:
    error = error_of(api.get("/api/v1/packages?page=0&limit=1000"))
    assert set(error["details"]["fieldErrors"]) == {"page", "limit"}


def test_text_that_is_no_utf_8_is_a_bad_request(api: httpx.Client) -> None:
    answer = api.get("/api/v1/packages?cursor=%ff%fe")
    assert answer.status_code == 400
    assert error_of(answer)["code"] == "BAD_REQUEST"


@pytest.mark.parametrize("media", ["application/grpc", "application/grpc-web", "application/grpc+proto"])
def test_a_rest_path_answers_json_whatever_type_the_request_claims(stack: Stack, key: str, media: str) -> None:
    headers = {"Content-Type": media, "grpc-timeout": "1n"}
    health = httpx.get(f"{stack.base_url}/api/health", headers=headers)
    assert (health.status_code, health.json()["status"]) == (200, "healthy")
    listed = httpx.get(f"{stack.base_url}/api/v1/packages", headers={**headers, "X-API-Key": key})
    assert (listed.status_code, listed.json()) == (200, {"packages": [], "count": 0})
    refused = httpx.get(f"{stack.base_url}/api/v1/packages", headers=headers)
    assert (refused.status_code, error_of(refused)["code"]) == (401, "UNAUTHORIZED")


@pytest.mark.parametrize("text", ["pkg-123", "01a20774-d357-7618-8c21-183dda924c56", "%00", "a" * 2000, "..%2f.."])
def test_an_id_that_leads_nowhere_is_not_found(api: httpx.Client, text: str) -> None:
    answer = api.get(f"/api/v1/packages/{text}")
    assert answer.status_code in (400, 404)
    assert error_of(answer)["code"] in ("PACKAGE_NOT_FOUND", "BAD_REQUEST", "NOT_FOUND")


def test_what_is_no_package_is_refused_with_the_reason_at_the_file(api: httpx.Client) -> None:
    answer = api.post("/api/v1/packages", files={"file": ("course.zip", b"not a zip", "application/zip")})
    assert answer.status_code == 400
    error = error_of(answer)
    assert (error["code"], error["message"]) == ("VALIDATION_ERROR", "Validation failed")
    assert "ZIP" in error["details"]["fieldErrors"]["file"][0]


def test_a_form_without_the_file_is_refused(api: httpx.Client) -> None:
    answer = api.post("/api/v1/packages", files={"uploaded_by": (None, "user-123")})
    assert answer.status_code == 400
    assert list(error_of(answer)["details"]["fieldErrors"]) == ["file"]


def test_another_content_type_is_refused(api: httpx.Client) -> None:
    answer = api.post("/api/v1/packages", json={"file": "x"})
    assert answer.status_code == 415
    assert error_of(answer)["code"] == "UNSUPPORTED_MEDIA_TYPE"


@pytest.mark.parametrize("header", [None, "", "nonsense", "scorm_abc123...", "scorm_" + "A" * 86])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_every_bad_key_is_refused_alike(stack: Stack, header: str | None, method: str) -> None:
    headers = {} if header is None else {"X-API-Key": header}
    answer = httpx.request(method, f"{stack.base_url}/api/v1/packages", headers=headers)
    assert answer.status_code == 401
    assert error_of(answer) == {"code": "UNAUTHORIZED", "message": "Missing or invalid API key", "details": {}}


def test_a_missing_scope_is_named(stack: Stack) -> None:
    reader = stack.new_tenant(scopes=["read"])
    writer = stack.new_key(tenant_of(reader), scopes=["write"])
    with client(stack, reader) as api:
        assert api.get("/api/v1/packages").status_code == 200
        refusals = {
            "write": api.post("/api/v1/packages", files={"file": ("a.zip", b"")}),
            "delete": api.delete("/api/v1/packages/x"),
        }
    with client(stack, writer) as api:
        refusals["read"] = api.get("/api/v1/packages")
    for scope, answer in refusals.items():
        assert answer.status_code == 403
        error = error_of(answer)
        assert (error["code"], error["details"]) == ("FORBIDDEN", {"required_scope": scope})


def test_an_lrs_key_opens_no_package(stack: Stack) -> None:
    with client(stack, stack.new_tenant(scopes=["lrs:all"])) as api:
        assert api.get("/api/v1/packages").status_code == 403


def test_a_tenant_sees_nothing_of_another(stack: Stack, api: httpx.Client) -> None:
    package_id = upload(api)["package_id"]
    with client(stack, stack.new_tenant()) as foreign:
        assert foreign.get("/api/v1/packages").json() == {"packages": [], "count": 0}
        for method in ("GET", "DELETE"):
            answer = foreign.request(method, f"/api/v1/packages/{package_id}")
            assert answer.status_code == 404
            assert error_of(answer)["code"] == "PACKAGE_NOT_FOUND"
    assert api.get(f"/api/v1/packages/{package_id}").status_code == 200


def test_a_quota_is_told_as_documented(stack: Stack, key: str, api: httpx.Client) -> None:
    stack.admin("quota", "set", "--tenant", tenant_of(key), "--packages", "1")
    upload(api)
    answer = api.post("/api/v1/packages", files={"file": ("course.zip", scorm12_package())})
    assert answer.status_code == 403
    assert error_of(answer) == {
        "code": "QUOTA_EXCEEDED",
        "message": "Package limit exceeded",
        "details": {"limit": 1, "current": 1},
    }


def test_a_wrong_method_says_which_there_are(api: httpx.Client) -> None:
    answer = api.put("/api/v1/packages")
    assert answer.status_code == 405
    assert error_of(answer)["code"] == "METHOD_NOT_ALLOWED"
    assert {"GET", "POST"} <= {method.strip() for method in answer.headers["allow"].split(",")}


def test_an_unknown_path_is_not_found_with_and_without_a_key(stack: Stack, api: httpx.Client) -> None:
    for answer in (api.get("/api/v1/nope"), httpx.get(f"{stack.base_url}/nope")):
        assert answer.status_code == 404
        assert error_of(answer)["code"] == "NOT_FOUND"


def test_every_answer_carries_the_limit_it_counts_against(stack: Stack) -> None:
    with client(stack, stack.new_tenant(plan="standard")) as api:
        first, second = (api.get("/api/v1/packages") for _ in range(2))
        assert first.headers["x-ratelimit-limit"] == "1000"
        assert int(second.headers["x-ratelimit-remaining"]) < int(first.headers["x-ratelimit-remaining"]) < 1000
        assert 0 <= int(first.headers["x-ratelimit-reset"]) - time.time() <= 61
        assert api.delete("/api/v1/packages/x").headers["x-ratelimit-limit"] == "100"
        assert api.post("/api/v1/packages", json={}).headers["x-ratelimit-limit"] == "10"


async def test_the_eleventh_upload_is_limited_and_another_tenant_is_not(stack: Stack) -> None:
    limited, other = stack.new_tenant(plan="standard"), stack.new_tenant(plan="standard")
    package = scorm12_package()
    async with httpx.AsyncClient(base_url=stack.base_url, timeout=60) as api:

        async def post(key: str) -> httpx.Response:
            files = {"file": ("course.zip", package, "application/zip")}
            return await api.post("/api/v1/packages", headers={"X-API-Key": key}, files=files)

        answers = await asyncio.gather(*(post(limited) for _ in range(11)))
        refused = [answer for answer in answers if answer.status_code == 429]
        assert sorted(answer.status_code for answer in answers) == [201] * 10 + [429]
        assert error_of(refused[0]) == {"code": "RATE_LIMIT_EXCEEDED", "message": "Rate limit exceeded", "details": {}}
        assert refused[0].headers["x-ratelimit-limit"] == "10"
        assert refused[0].headers["x-ratelimit-remaining"] == "0"
        assert int(refused[0].headers["retry-after"]) >= 1
        assert time.time() < int(refused[0].headers["x-ratelimit-reset"]) <= time.time() + 61
        assert (await post(other)).status_code == 201


def test_a_revoked_key_is_refused_within_five_seconds(stack: Stack, key: str, api: httpx.Client) -> None:
    assert api.get("/api/v1/packages").status_code == 200
    (listed,) = stack.admin("key", "list", "--tenant", tenant_of(key))["api_keys"]
    stack.admin("key", "revoke", listed["id"])
    revoked = time.monotonic()
    while (status := api.get("/api/v1/packages").status_code) == 200 and time.monotonic() - revoked < 10:
        time.sleep(0.1)
    assert status == 401
    assert time.monotonic() - revoked < 5


def test_a_callers_request_id_is_kept_and_a_wild_one_replaced(api: httpx.Client) -> None:
    kept = api.get("/api/v1/packages/x", headers={"X-Request-Id": "my-id_1.2"})
    assert kept.headers["x-request-id"] == kept.json()["request_id"] == "my-id_1.2"
    for wild in ("with space", "x" * 129, 'quote"', "é"):
        replaced = api.get("/api/v1/packages/x", headers=[(b"X-Request-Id", wild.encode())])
        assert re.match(r"[A-Za-z0-9._-]{1,128}\Z", replaced.headers["x-request-id"])
        assert replaced.headers["x-request-id"] == replaced.json()["request_id"]


def test_a_deleted_packages_content_is_gone_within_five_seconds(api: httpx.Client) -> None:
    uploaded = upload(api)
    assert httpx.get(uploaded["launch_url"]).status_code == 200
    api.delete(f"/api/v1/packages/{uploaded['package_id']}")
    deleted = time.monotonic()
    # Until the edge asks again its files may already be missing: then it is 404.
    while (answer := httpx.get(uploaded["launch_url"])).status_code != 410 and time.monotonic() - deleted < 10:
        time.sleep(0.1)
    assert answer.status_code == 410
    assert time.monotonic() - deleted < 5
    assert error_of(answer)["code"] == "GONE"


def test_neither_keys_nor_tokens_reach_a_log(stack: Stack, key: str, api: httpx.Client) -> None:
    uploaded = upload(api)
    token = urlsplit(uploaded["launch_url"]).path.split("/")[2]
    httpx.get(uploaded["launch_url"])
    httpx.get(uploaded["launch_url"].replace("index", "nothing"))
    api.get("/api/v1/packages", params={"cursor": key})
    odd = [(b"authorization", b"Bearer \xe9" + key.encode()), (b"x-odd", b"\xff" + key.encode())]
    assert httpx.get(f"{stack.base_url}/api/health", headers=odd).status_code == 200
    httpx.get(f"{stack.base_url}/api/v1/packages", headers={"X-API-Key": key[:-1] + "!"})
    with client(stack, key) as again:
        request_id = again.get("/api/v1/packages").headers["x-request-id"]
    deadline = time.monotonic() + 15
    while request_id not in stack.log("access") and time.monotonic() < deadline:
        time.sleep(0.1)
    written = "".join(path.read_text(errors="replace") for path in (stack.var / "log").iterdir())
    assert request_id in written
    assert key[6:60] not in written
    assert token.split(".")[1] not in written
    assert token.split(".")[2] not in written


def test_logs_are_json_with_the_request_id_on_both_sides(stack: Stack, api: httpx.Client) -> None:
    request_id = f"trace-{time.time_ns()}"
    api.get("/api/v1/packages", headers={"X-Request-Id": request_id})
    deadline = time.monotonic() + 15
    logs = {"gateway": ["access"], "server": ["serve-1", "serve-2"]}
    for names in logs.values():
        while not (lines := [line for name in names for line in stack.log(name).splitlines() if request_id in line]):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert all(isinstance(json.loads(line), dict) for line in lines)


def test_a_body_that_declares_too_much_is_refused_before_it_arrives(stack: Stack, key: str) -> None:
    boundary = "frontier"
    start = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.zip"\r\n\r\nPK'.encode()
    head = (
        f"POST /api/v1/packages HTTP/1.1\r\nHost: localhost:{stack.port}\r\nX-API-Key: {key}\r\n"
        f"Content-Type: multipart/form-data; boundary={boundary}\r\nContent-Length: {11 * 1024**3}\r\n\r\n"
    ).encode()
    with socket.create_connection(("127.0.0.1", stack.port), timeout=20) as connection:
        connection.sendall(head + start)
        answer = connection.recv(65536).decode()
    assert answer.startswith("HTTP/1.1 413 ")
    assert '"code":"PAYLOAD_TOO_LARGE"' in answer
    assert f'"limit_bytes":{10 * 1024**3}' in answer
