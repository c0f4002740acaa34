"""The Idempotency-Key of POSTs that are one transaction each, through Envoy: previews, imports and their end."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import grpc
import httpx
import psycopg
import pytest
from google.api import annotations_pb2

from server.gen.scorm.v1 import import_service_pb2 as pb
from server.gen.scorm.v1.import_service_pb2_grpc import ImportServiceStub
from server.main import SERVED
from tests.factories import scorm12_package
from tests.gateway.test_documented_packages import error_of
from tests.stack import Stack, tenant_of
from tests.web_server import WebServer, raw, running

STALLED = raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", end=False)
POSTS = ["preview", "import", "cancel"]
# Where an empty one would be refused for itself.
BODIES = {"/api/v1/sessions": {"user_id": "ada"}}


@dataclass(frozen=True, slots=True)
class Posts:
    """What may be posted for a tenant that has a package and an import under way."""

    api: httpx.AsyncClient
    tenant: str
    urls: dict[str, str]
    bodies: dict[str, dict[str, Any]]
    others: dict[str, dict[str, Any]]

    async def send(self, name: str, idempotency_key: str | None, **changes: Any) -> httpx.Response:
        headers = {} if idempotency_key is None else {"idempotency-key": idempotency_key}
        return await self.api.post(self.urls[name], json={**self.bodies[name], **changes}, headers=headers)

    async def imports(self) -> int:
        return int((await self.api.get("/api/v1/imports")).json()["pagination"]["total"])


@pytest.fixture
async def web() -> AsyncIterator[WebServer]:
    async with running() as server:
        server.answers["/stalled"] = STALLED
        yield server


@pytest.fixture
async def posts(stack: Stack, web: WebServer) -> AsyncIterator[Posts]:
    key = stack.new_tenant()
    async with httpx.AsyncClient(base_url=stack.base_url, headers={"X-API-Key": key}, timeout=30) as api:
        uploaded = await api.post("/api/v1/packages", files={"file": ("course.zip", scorm12_package())})
        job = (await api.post("/api/v1/imports", json={"url": web.url("/stalled")})).json()["import_job"]
        yield Posts(
            api,
            tenant_of(key),
            urls={
                "preview": f"/api/v1/packages/{uploaded.json()['package_id']}/preview",
                "import": "/api/v1/imports",
                "cancel": f"/api/v1/imports/{job['id']}/cancel",
            },
            bodies={"preview": {"expires_in_seconds": 600}, "import": {"url": web.url("/stalled?a=1")}, "cancel": {}},
            others={"preview": {"expires_in_seconds": 601}, "import": {"url": web.url("/stalled?a=2")}},
        )


def told(name: str, answer: httpx.Response) -> Any:
    """What must be the same each time: of a preview all but its link and the link's time."""
    body = answer.json()
    return body["preview"]["package_id"] if name == "preview" else body["import_job"]


@pytest.mark.parametrize("name", POSTS)
async def test_the_same_again_is_answered_as_the_first_and_says_so(posts: Posts, name: str) -> None:
    first, again = [await posts.send(name, "key-1") for _ in range(2)]
    assert first.status_code == again.status_code == (200 if name == "cancel" else 201)
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert told(name, again) == told(name, first)
    assert list(again.json()) == list(first.json())
    assert await posts.imports() == (2 if name == "import" else 1)


async def test_an_import_is_answered_as_it_was_queued_whatever_has_become_of_it(posts: Posts) -> None:
    first = await posts.send("import", "key-1", title="Mine", uploaded_by="user-1")
    location = first.headers["location"]
    assert (await posts.api.post(f"{location}/cancel")).json()["import_job"]["status"] == "cancelled"
    again = await posts.send("import", "key-1", title="Mine", uploaded_by="user-1")
    assert (again.json(), again.headers["location"]) == (first.json(), location)


async def test_a_preview_again_is_a_link_whose_time_begins_anew(posts: Posts) -> None:
    first = (await posts.send("preview", "key-1")).json()["preview"]
    await asyncio.sleep(1.1)
    again = await posts.send("preview", "key-1")
    made = again.json()["preview"]
    assert made["expires_at"] > first["expires_at"]
    assert again.headers["location"] == made["launch_url"] != first["launch_url"]
    async with httpx.AsyncClient() as browser:
        assert (await browser.get(made["launch_url"])).status_code == 200
    await posts.api.delete(posts.urls["preview"].removesuffix("/preview"))
    gone = await posts.send("preview", "key-1")
    assert (gone.status_code, gone.headers["idempotent-replayed"]) == (201, "true")
    assert (await posts.send("preview", "key-2")).status_code == 404


@pytest.mark.parametrize("name", ["preview", "import"])
async def test_another_body_under_the_key_is_a_conflict(posts: Posts, name: str) -> None:
    await posts.send(name, "key-1")
    refused = await posts.send(name, "key-1", **posts.others[name])
    assert refused.status_code == 409
    assert error_of(refused) == {
        "code": "CONFLICT",
        "message": "This Idempotency-Key was used for another request",
        "details": {"idempotency_key": "another_request"},
    }
    assert await posts.imports() == (2 if name == "import" else 1)


async def test_a_key_is_for_one_call_on_one_path(posts: Posts) -> None:
    other = (await posts.send("import", "key-1")).headers["location"]
    for name in ("preview", "cancel"):
        assert error_of(await posts.send(name, "key-1"))["details"] == {"idempotency_key": "another_request"}
    assert (await posts.send("cancel", "key-2")).status_code == 200
    elsewhere = await posts.api.post(f"{other}/cancel", json={}, headers={"idempotency-key": "key-2"})
    assert error_of(elsewhere)["details"] == {"idempotency_key": "another_request"}
    form = {"file": ("course.zip", scorm12_package())}
    uploaded = await posts.api.post("/api/v1/packages", files=form, headers={"idempotency-key": "key-1"})
    assert uploaded.status_code == 409
    assert (await posts.api.get(other)).json()["import_job"]["status"] != "cancelled"


@pytest.mark.parametrize("name", POSTS)
async def test_twins_at_once_have_one_effect_and_one_answer(posts: Posts, name: str) -> None:
    answers = await asyncio.gather(*(posts.send(name, "key-1") for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200 if name == "cancel" else 201}
    assert sorted("idempotent-replayed" in answer.headers for answer in answers) == [False] + [True] * 19
    assert all(told(name, answer) == told(name, answers[0]) for answer in answers)
    assert await posts.imports() == (2 if name == "import" else 1)


async def test_what_was_refused_frees_the_key(posts: Posts) -> None:
    refused = await posts.send("import", "key-1", url="ftp://example.com/")
    assert refused.status_code == 400
    missing = "/api/v1/imports/01920000-0000-7000-8000-000000000000/cancel"
    assert (await posts.api.post(missing, json={}, headers={"idempotency-key": "key-1"})).status_code == 404
    assert (await posts.send("import", "key-1")).status_code == 201


async def test_without_a_key_an_import_is_made_each_time(posts: Posts) -> None:
    made = {told("import", await posts.send("import", None))["id"] for _ in range(2)}
    assert len(made) == 2


def posted_paths() -> list[str]:
    """Every POST of customers that the gateway leads to; what the player's pages send is numbered.

    The Experience API has ids of its own for it.
    """
    methods = [method for service in SERVED for method in service.methods]
    rules = [method.GetOptions().Extensions[annotations_pb2.http] for method in methods]
    return sorted(rule.post for rule in rules if rule.post and not rule.post.startswith(("/player/", "/xapi/")))


@pytest.mark.parametrize("path", posted_paths())
async def test_every_post_judges_its_key(posts: Posts, path: str) -> None:
    url = re.sub(r"\{\w+_id\}", str(uuid4()), path)
    headers = {"idempotency-key": "two words"}
    sent: dict[str, Any] = (
        {"files": {"file": ("a.zip", b"x")}} if path.endswith("/packages") else {"json": BODIES.get(path, {})}
    )
    refused = await posts.api.post(url, headers=headers, **sent)
    assert refused.status_code == 400
    assert set(error_of(refused)["details"]["fieldErrors"]) == {"Idempotency-Key"}


async def test_rest_and_grpc_share_a_key(stack: Stack, posts: Posts) -> None:
    over_rest = await posts.send("import", "key-1")
    metadata = (("x-api-key", posts.api.headers["x-api-key"]), ("idempotency-key", "key-1"))
    async with grpc.aio.insecure_channel(stack.grpc_address) as channel:
        call = ImportServiceStub(channel).CreateImport(
            pb.CreateImportRequest(url=posts.bodies["import"]["url"]), metadata=metadata
        )
        over_grpc = (await call).import_job
        assert dict(await call.trailing_metadata())["idempotent-replayed"] == "true"
    assert over_grpc.id == over_rest.json()["import_job"]["id"]


SLOW_COMMIT = """
create function commit_slowly() returns trigger language plpgsql as $$ begin perform pg_sleep(3); return null; end $$;
create constraint trigger slow_commit after update on idempotency_keys deferrable initially deferred
for each row when (new.tenant_id = '{tenant}') execute function commit_slowly()
"""
COMMITTING = "select count(*) from pg_stat_activity where query = 'COMMIT' and state = 'active'"


@pytest.mark.parametrize("name", ["import", "cancel"])
async def test_an_effect_whose_server_died_before_its_answer_is_answered_afterwards(
    stack: Stack, posts: Posts, name: str
) -> None:
    with psycopg.connect(stack.database_url, autocommit=True) as database:
        database.execute(SLOW_COMMIT.format(tenant=posts.tenant).encode())
        try:
            first = asyncio.create_task(posts.send(name, "key-1"))
            await until(lambda: database.execute(COMMITTING).fetchone() == (1,))
            for process in stack.children("serve"):
                process.kill()
            assert (await first).status_code == 503
        finally:
            database.execute(b"drop function commit_slowly cascade")
        again = await posts.send(name, "key-1")
        deadline = time.monotonic() + 30
        while again.status_code == 503:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.2)
            again = await posts.send(name, "key-1")
    assert again.headers["idempotent-replayed"] == "true"
    assert await posts.imports() == (2 if name == "import" else 1)
    location = f"/api/v1/imports/{again.json()['import_job']['id']}"
    assert (await posts.api.get(location)).json()["import_job"]["status"] in ("queued", "running", "cancelled")


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - Postgres has no event
            await asyncio.sleep(0.05)
