"""Imports through Envoy, over REST and gRPC, from a real web server."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import httpx
import pytest

from server.gen.scorm.v1 import import_service_pb2 as pb
from server.gen.scorm.v1.import_service_pb2_grpc import ImportServiceStub
from tests.factories import scorm12_package
from tests.stack import Stack, tenant_of
from tests.web_server import WebServer, answer, raw, running

UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\Z")
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z\Z")
COURSE = scorm12_package(title="Fire drill")
STALLED = raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + COURSE[:1000], end=False)


@pytest.fixture
def key(stack: Stack) -> str:
    return stack.new_tenant()


@pytest.fixture
async def api(stack: Stack, key: str) -> AsyncIterator[httpx.AsyncClient]:
    async with client(stack, key) as opened:
        yield opened


@pytest.fixture
async def web() -> AsyncIterator[WebServer]:
    async with running() as server:
        server.answers |= {"/course.zip": answer(200, COURSE), "/stalled": STALLED}
        yield server


def client(stack: Stack, key: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=stack.base_url, headers={"X-API-Key": key}, timeout=30)


async def ask(api: httpx.AsyncClient, url: str, **fields: str) -> Any:
    answered = await api.post("/api/v1/imports", json={"url": url, **fields})
    assert answered.status_code == 201, answered.text
    return answered.json()["import_job"]


async def until(api: httpx.AsyncClient, job: Any, holds: Callable[[Any], bool]) -> Any:
    async with asyncio.timeout(30):
        while True:
            now = (await api.get(f"/api/v1/imports/{job['id']}")).json()["import_job"]
            if holds(now):
                return now
            await asyncio.sleep(0.05)


def has_ended(job: Any) -> bool:
    return job["status"] not in ("queued", "running")


def error_of(answered: httpx.Response) -> Any:
    body = answered.json()
    assert list(body) == ["error", "request_id"]
    assert body["request_id"] == answered.headers["x-request-id"]
    return body["error"]


async def test_a_package_is_imported(stack: Stack, key: str, api: httpx.AsyncClient, web: WebServer) -> None:
    url = web.url("/course.zip?token=s3cret")
    answered = await api.post("/api/v1/imports", json={"url": url, "title": "Mine", "uploaded_by": "user-1"})
    assert answered.status_code == 201
    job = answered.json()["import_job"]
    assert answered.headers["location"] == f"/api/v1/imports/{job['id']}"
    assert list(answered.json()) == ["import_job"]
    assert UUID7.match(job["id"])
    assert RFC3339.match(job["created_at"])
    assert RFC3339.match(job["updated_at"])
    assert job == {
        "id": job["id"],
        "tenant_id": tenant_of(key),
        "url": web.url("/course.zip"),
        "status": "queued",
        "bytes_received": 0,
        "created_at": job["created_at"],
        "updated_at": job["updated_at"],
    }
    done = await until(api, job, has_ended)
    assert done["status"] == "succeeded", done
    assert (done["bytes_received"], done["bytes_total"]) == (len(COURSE), len(COURSE))
    assert RFC3339.match(done["started_at"])
    assert RFC3339.match(done["finished_at"])
    assert "error" not in done
    package = (await api.get(f"/api/v1/packages/{done['package_id']}")).json()
    assert (package["title"], package["uploaded_by"]) == ("Mine", "user-1")
    async with httpx.AsyncClient() as browser:
        assert (await browser.get(package["launch_url"])).status_code == 200
    for name in ("serve-1", "serve-2", "worker", "access"):
        assert "s3cret" not in stack.log(name)


async def test_what_cannot_be_imported_says_why(api: httpx.AsyncClient, web: WebServer) -> None:
    web.answers["/page"] = answer(200, b"<html>Log in</html>")
    for target, fields in (("/nothing", {"url"}), ("/page", {"file"})):
        failed = await until(api, await ask(api, web.url(target)), has_ended)
        assert failed["status"] == "failed"
        assert (failed["error"]["code"], failed["error"]["message"]) == ("VALIDATION_ERROR", "Validation failed")
        assert set(failed["error"]["details"]["fieldErrors"]) == fields
        assert "package_id" not in failed


async def test_a_quota_is_told_with_its_numbers(stack: Stack, key: str, api: httpx.AsyncClient, web: WebServer) -> None:
    stack.admin("quota", "set", "--tenant", tenant_of(key), "--packages", "0", "--bytes", "10000000000")
    failed = await until(api, await ask(api, web.url("/course.zip")), has_ended)
    assert failed["error"] == {
        "code": "QUOTA_EXCEEDED",
        "message": "Package limit exceeded",
        "details": {"limit": 0, "current": 0},
    }


async def test_a_running_import_is_cancelled_within_two_seconds(api: httpx.AsyncClient, web: WebServer) -> None:
    job = await ask(api, web.url("/stalled"))
    await until(api, job, lambda now: now["bytes_received"] == 1000)
    cancelled = await api.post(f"/api/v1/imports/{job['id']}/cancel")
    assert cancelled.status_code == 200, cancelled.text
    assert cancelled.json()["import_job"]["status"] == "cancelled"
    async with asyncio.timeout(5):
        while web.open_connections:  # noqa: ASYNC110 - the server has no event
            await asyncio.sleep(0.02)
    again = await api.post(f"/api/v1/imports/{job['id']}/cancel", json={})
    assert (again.status_code, again.json()) == (200, cancelled.json())
    assert (await api.get("/api/v1/packages")).json()["count"] == 0


async def test_what_has_ended_cannot_be_cancelled(api: httpx.AsyncClient, web: WebServer) -> None:
    job = await ask(api, web.url("/nothing"))
    await until(api, job, has_ended)
    answered = await api.post(f"/api/v1/imports/{job['id']}/cancel")
    assert answered.status_code == 409
    assert error_of(answered) == {"code": "CONFLICT", "message": "The import has already failed", "details": {}}


async def test_lists_have_totals_and_filters(api: httpx.AsyncClient, web: WebServer) -> None:
    jobs = [await ask(api, web.url("/nothing")) for _ in range(3)]
    for job in jobs:
        await until(api, job, has_ended)
    body = (await api.get("/api/v1/imports", params={"limit": 2})).json()
    assert list(body) == ["import_jobs", "pagination", "next_cursor"]
    assert body["pagination"] == {"page": 1, "limit": 2, "total": 3, "total_pages": 2}
    assert [job["id"] for job in body["import_jobs"]] == [jobs[2]["id"], jobs[1]["id"]]
    rest = (await api.get("/api/v1/imports", params={"limit": 2, "cursor": body["next_cursor"]})).json()
    assert [job["id"] for job in rest["import_jobs"]] == [jobs[0]["id"]]
    assert "next_cursor" not in rest
    none = (await api.get("/api/v1/imports", params={"status": "queued"})).json()
    assert none == {"import_jobs": [], "pagination": {"page": 1, "limit": 20, "total": 0, "total_pages": 0}}


@pytest.mark.parametrize(
    ("asked", "fields"),
    [
        ({}, {"url"}),
        ({"url": "https://169.254.169.254/latest/meta-data"}, {"url"}),
        ({"url": "https://user:secret@example.com/"}, {"url"}),
        ({"url": "file:///etc/passwd", "title": "t" * 501}, {"url", "title"}),
    ],
)
async def test_what_cannot_be_meant_is_refused_at_once(
    api: httpx.AsyncClient, asked: dict[str, str], fields: set[str]
) -> None:
    answered = await api.post("/api/v1/imports", json=asked)
    assert answered.status_code == 400
    error = error_of(answered)
    assert (error["code"], set(error["details"]["fieldErrors"])) == ("VALIDATION_ERROR", fields)


async def test_imports_of_others_and_what_is_none_are_not_there(
    stack: Stack, api: httpx.AsyncClient, web: WebServer
) -> None:
    job = await ask(api, web.url("/nothing"))
    async with client(stack, stack.new_tenant()) as other:
        for answered in (
            await other.get(f"/api/v1/imports/{job['id']}"),
            await other.post(f"/api/v1/imports/{job['id']}/cancel"),
            await api.get("/api/v1/imports/imp-123"),
        ):
            assert answered.status_code == 404
            assert error_of(answered)["code"] == "IMPORT_NOT_FOUND"
        assert (await other.get("/api/v1/imports")).json()["pagination"]["total"] == 0


async def test_scopes_methods_and_limits_are_those_of_the_table(stack: Stack) -> None:
    tenant = stack.new_tenant(plan="standard")
    reader = stack.new_key(tenant_of(tenant), scopes=["read"])
    async with client(stack, reader) as readers:
        for path in ("/api/v1/imports", "/api/v1/imports/x/cancel"):
            answered = await readers.post(path, json={"url": "https://example.com/"})
            assert answered.status_code == 403
            assert error_of(answered)["details"] == {"required_scope": "write"}
        assert (await readers.get("/api/v1/imports")).headers["x-ratelimit-limit"] == "1000"
        refused = await readers.put("/api/v1/imports")
        assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD, POST")
    async with client(stack, tenant) as writers:
        asked = await writers.post("/api/v1/imports", json={"url": "ftp://example.com/"})
        assert asked.headers["x-ratelimit-limit"] == "10"
        assert (await writers.post("/api/v1/imports/x/cancel")).headers["x-ratelimit-limit"] == "100"


async def test_the_same_over_grpc(stack: Stack, key: str, web: WebServer) -> None:
    metadata = (("x-api-key", key),)
    async with grpc.aio.insecure_channel(stack.grpc_address) as channel:
        imports: Any = ImportServiceStub(channel)
        job = (
            await imports.CreateImport(pb.CreateImportRequest(url=web.url("/course.zip")), metadata=metadata)
        ).import_job
        async with asyncio.timeout(30):
            while job.status in ("queued", "running"):
                await asyncio.sleep(0.05)
                job = (await imports.GetImport(pb.GetImportRequest(import_id=job.id), metadata=metadata)).import_job
        assert (job.status, bool(job.package_id)) == ("succeeded", True)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await imports.CancelImport(pb.CancelImportRequest(import_id=job.id), metadata=metadata)
        assert refused.value.code() is grpc.StatusCode.ABORTED
        found = await imports.ListImports(pb.ListImportsRequest(status="succeeded"), metadata=metadata)
        assert (len(found.import_jobs), found.pagination.total) == (1, 1)
