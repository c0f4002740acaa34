"""Many imports at once while their worker is killed again and again: each becomes one package."""

import asyncio
import json
import time

import httpx

from tests.conftest import Scale
from tests.factories import scorm12_package
from tests.stack import Stack
from tests.web_server import answer, raw, running

COURSE = scorm12_package(title="Fire drill")
# A dead worker's jobs are taken up after 30 s, and only looked for now and then.
PATIENCE_SECONDS = 600


async def test_every_import_becomes_one_package_however_often_the_worker_dies(stack: Stack, scale: Scale) -> None:
    count, kills = scale(6, 200), scale(0, 4)
    tenants = [stack.new_tenant() for _ in range(scale(2, 8))]
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(COURSE)}\r\n\r\n".encode()
    pieces = [COURSE[start : start + 1000] for start in range(0, len(COURSE), 1000)]
    began = time.monotonic()
    async with running() as web, httpx.AsyncClient(base_url=stack.base_url, timeout=60) as api:
        web.answers |= {"/quick": answer(200, COURSE), "/slow": raw(head, *pieces, pause=0.05)}
        for number in range(count):
            url = web.url("/slow" if number % 2 else "/quick")
            key = tenants[number % len(tenants)]
            asked = await api.post("/api/v1/imports", json={"url": url}, headers={"X-API-Key": key})
            assert asked.status_code == 201, asked.text
        for _ in range(kills):
            await asyncio.sleep(5)
            stack.kill("worker")
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await unfinished(api, tenants):
                await asyncio.sleep(1)
        for number, key in enumerate(tenants):
            expected = len(range(number, count, len(tenants)))
            assert await total(api, key, "imports?status=succeeded", "pagination", "total") == expected
            assert await total(api, key, "packages", "count") == expected
    print(
        json.dumps({"imports": count, "kills": kills, "requests": len(web.asked), "seconds": time.monotonic() - began})
    )


async def unfinished(api: httpx.AsyncClient, keys: list[str]) -> int:
    return sum(
        [
            await total(api, key, f"imports?status={status}", "pagination", "total")
            for key in keys
            for status in ("queued", "running")
        ]
    )


async def total(api: httpx.AsyncClient, key: str, path: str, *names: str) -> int:
    body = (await api.get(f"/api/v1/{path}", headers={"X-API-Key": key})).json()
    for name in names:
        body = body[name]
    return int(body)
