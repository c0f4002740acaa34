"""A process that stands still looks alive to the kernel: others take over, and once it goes on nothing is doubled."""

import asyncio
import contextlib
import functools
import time
from collections.abc import Iterator, Sequence

import httpx
import psutil

from tests.conftest import Scale
from tests.stack import Stack
from tests.stress.audit import audit, counted, table
from tests.stress.ledger import Ledger, Load, make_course
from tests.stress.test_drains import healthy, until
from tests.stress.test_imports import total, unfinished
from tests.web_server import answer, raw, running

PATIENCE_SECONDS = 120


@contextlib.contextmanager
def suspended(processes: Sequence[psutil.Process]) -> Iterator[None]:
    """They stand still until the block ends."""
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            process.resume()


def has_done(ledger: Ledger, wanted: int) -> bool:
    return ledger.done.total() >= wanted


async def test_reads_go_on_without_a_process_that_hangs(impatient: Stack, scale: Scale) -> None:
    key, ledger, slowest = impatient.new_tenant(), Ledger(), 0.0
    async with Load(impatient, key, ledger, seed=1) as load:
        for _ in range(5):
            await load.upload(size=0)
        await until(lambda: healthy(impatient))
        async with load.running(uploaders=0, deleters=0, readers=scale(2, 6)):
            for number in range(scale(1, 10)):
                began = time.monotonic()
                with suspended(impatient.children("serve")[number % 2 : number % 2 + 1]):
                    await until(lambda: not healthy(impatient))
                    slowest = max(slowest, time.monotonic() - began)
                    wanted = ledger.done.total() + 50
                    await until(functools.partial(has_done, ledger, wanted))
                await until(lambda: healthy(impatient))
    reads: list[tuple[str, object]] = [("reads", ledger.done.total()), ("failures", dict(ledger.failures))]
    rows = [("slowest to be noticed", f"{slowest:.1f} s"), *reads]
    print(table("One of two processes hangs under reads", rows))
    assert not ledger.failures


async def test_uploads_of_a_process_that_hung_are_whole_or_refused(impatient: Stack, scale: Scale) -> None:
    """It stands still for longer than an upload may be silent, and than the sweeper waits."""
    key, ledger = impatient.new_tenant(), Ledger()
    async with Load(impatient, key, ledger, seed=2) as load, load.running(uploaders=3, deleters=1, readers=1):
        for number in range(scale(1, 6)):
            await until(lambda: healthy(impatient))
            stored = len(ledger.stored)
            with suspended(impatient.children("upload")[number % 2 : number % 2 + 1]):
                await until(lambda: not healthy(impatient))
                await asyncio.sleep(8)
                assert len(ledger.stored) > stored, "the other process takes all"
    found = await asyncio.to_thread(audit, impatient, key, ledger)
    print(table("One of two upload processes hangs", counted(ledger, found)))
    found.check()


async def test_jobs_of_a_worker_that_hung_are_done_once(impatient: Stack, scale: Scale) -> None:
    """There is one worker: its jobs wait, and of what it had begun each becomes one package once it goes on."""
    count, key = scale(4, 40), impatient.new_tenant()
    course = make_course("Fire drill", size=100_000)
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(course.archive)}\r\n\r\n".encode()
    pieces = [course.archive[start : start + 4000] for start in range(0, len(course.archive), 4000)]
    async with (
        running() as web,
        httpx.AsyncClient(base_url=impatient.base_url, headers={"X-API-Key": key}, timeout=60) as api,
    ):
        web.answers |= {"/quick": answer(200, course.archive), "/slow": raw(head, *pieces, pause=0.05)}
        for number in range(count):
            asked = await api.post("/api/v1/imports", json={"url": web.url("/slow" if number % 2 else "/quick")})
            assert asked.status_code == 201, asked.text
        await asyncio.sleep(1)
        with suspended(impatient.children("worker")):
            # Longer than a worker may be silent, and an upload.
            await asyncio.sleep(8)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await unfinished(api, key):  # noqa: ASYNC110 - what is waited for has no event
                await asyncio.sleep(0.5)
        assert await total(api, key, "succeeded") == count
    found = await asyncio.to_thread(audit, impatient, key, Ledger(courses={course.title: course}))
    print(table("The worker hangs", [("imports", count), ("downloads", len(web.asked)), ("packages", found.packages)]))
    found.check()
    assert found.packages == count
