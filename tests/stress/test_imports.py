"""Many imports at once while their worker is killed: each becomes one package, and nothing else stays."""

import asyncio
import time

import httpx

from tests.conftest import Scale
from tests.stack import Stack
from tests.stress.audit import audit, table
from tests.stress.ledger import Ledger, make_course
from tests.web_server import answer, raw, running

PATIENCE_SECONDS = 300


async def test_every_import_becomes_one_package_however_often_the_worker_dies(impatient: Stack, scale: Scale) -> None:
    # Fewer deaths than times that a job may begin: one that is always running when the worker dies is given up.
    count, kills = scale(6, 200), scale(1, 4)
    keys = [impatient.new_tenant() for _ in range(scale(2, 8))]
    course = make_course("Fire drill", size=200_000)
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(course.archive)}\r\n\r\n".encode()
    pieces = [course.archive[start : start + 4000] for start in range(0, len(course.archive), 4000)]
    began = time.monotonic()
    async with running() as web, httpx.AsyncClient(base_url=impatient.base_url, timeout=60) as api:
        web.answers |= {"/quick": answer(200, course.archive), "/slow": raw(head, *pieces, pause=0.05)}
        for number in range(count):
            url = web.url("/slow" if number % 2 else "/quick")
            asked = await api.post(
                "/api/v1/imports", json={"url": url}, headers={"X-API-Key": keys[number % len(keys)]}
            )
            assert asked.status_code == 201, asked.text
        for _ in range(kills):
            await asyncio.sleep(2)
            impatient.kill("worker")
        async with asyncio.timeout(PATIENCE_SECONDS):
            while sum([await unfinished(api, key) for key in keys]):  # noqa: ASYNC110 - what is waited for has no event
                await asyncio.sleep(0.5)
        seconds = time.monotonic() - began
        for number, key in enumerate(keys):
            assert await total(api, key, "succeeded") == len(range(number, count, len(keys)))
    for number, key in enumerate(keys):
        ledger = Ledger(courses={course.title: course})
        found = await asyncio.to_thread(audit, impatient, key, ledger)
        found.check()
        assert found.packages == len(range(number, count, len(keys)))
    rows = [
        ("imports", count),
        ("deaths of the worker", kills),
        ("downloads", len(web.asked)),
        ("seconds", round(seconds)),
    ]
    print(table("imports", rows))


async def unfinished(api: httpx.AsyncClient, key: str) -> int:
    return await total(api, key, "queued") + await total(api, key, "running")


async def total(api: httpx.AsyncClient, key: str, status: str) -> int:
    answered = await api.get("/api/v1/imports", params={"status": status}, headers={"X-API-Key": key})
    return int(answered.json()["pagination"]["total"])
