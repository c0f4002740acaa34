"""Processes come and go under load, and no caller notices."""

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import psutil

from server.dev import asks
from tests.conftest import Scale
from tests.stack import Stack, tenant_of
from tests.stress.audit import audit, counted, table
from tests.stress.ledger import PACKAGES, Ledger, Load, make_course

BACK_SECONDS = 60.0


def healthy(stack: Stack) -> bool:
    """Whether the gateway sends calls to every process."""
    sockets = Path((stack.var / "sockets").read_text())
    stats = asks._admin(str(sockets / "envoy-admin"), "GET", "/stats?filter=(serve|authz|upload).membership_healthy")
    return [line.rpartition(" ")[2] for line in stats.splitlines()] == ["2", "2", "2"]


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + BACK_SECONDS
    while not await asyncio.to_thread(condition):
        assert time.monotonic() < deadline, "did not happen in time"
        await asyncio.sleep(0.1)


async def restart(stack: Stack, process: psutil.Process, number: signal.Signals) -> None:
    """Ends a process and returns once the gateway counts on the one in its place."""
    backs = stack.log("stdout").count(" is back\n")
    process.send_signal(number)
    await until(lambda: stack.log("stdout").count(" is back\n") > backs)
    await until(lambda: healthy(stack))


async def test_a_rolling_restart_fails_no_request(impatient: Stack, scale: Scale) -> None:
    key, ledger, restarts = impatient.new_tenant(), Ledger(), 0
    async with Load(impatient, key, ledger, seed=1) as load, load.running(uploaders=2, deleters=2, readers=scale(2, 6)):
        await until(lambda: healthy(impatient))
        while restarts == 0 or ledger.done.total() < scale(0, 10_000):
            for process in [*impatient.children("serve")[: scale(1, 2)], *impatient.children("upload")[: scale(1, 2)]]:
                await restart(impatient, process, signal.SIGTERM)
                restarts += 1
    found = await asyncio.to_thread(audit, impatient, key, ledger)
    print(table("Rolling restart under load", [("restarts", restarts), *counted(ledger, found)]))
    assert not ledger.failures
    found.check()


async def test_a_killed_process_fails_no_read(impatient: Stack, scale: Scale) -> None:
    key, ledger, kills = impatient.new_tenant(), Ledger(), 0
    async with Load(impatient, key, ledger, seed=1) as load:
        for _ in range(5):
            await load.upload(size=0)
        async with load.running(uploaders=0, deleters=0, readers=scale(2, 6)):
            # The next at once, as nothing that the gateway still has to learn of the last may count.
            while kills < 3 or ledger.done.total() < scale(0, 10_000):
                await restart(impatient, impatient.children("serve")[kills % 2], signal.SIGKILL)
                kills += 1
    rows = [("kills", kills), ("reads", ledger.done.total()), ("failures", dict(ledger.failures))]
    print(table("Death of one of two processes under reads", rows))
    assert not ledger.failures


async def test_an_upload_under_way_outlives_the_call_for_its_process_to_end(impatient: Stack) -> None:
    key, course, ledger = impatient.new_tenant(), make_course("Course", size=2_000_000), Ledger()

    async def slowly() -> AsyncIterator[bytes]:
        for start in range(0, len(course.archive), 100_000):
            yield course.archive[start : start + 100_000]
            await asyncio.sleep(0.25)

    headers = {"X-API-Key": key, "Content-Type": "application/zip"}
    async with httpx.AsyncClient(base_url=impatient.base_url, headers=headers, timeout=30) as client:
        uploading = asyncio.create_task(client.post(PACKAGES, content=slowly()))
        await asyncio.sleep(1)
        for process in impatient.children("upload"):
            process.send_signal(signal.SIGTERM)
        answer = await uploading
    assert answer.status_code == 201
    ledger.courses[course.title] = course
    ledger.stored[answer.json()["package_id"]] = course.title
    (await asyncio.to_thread(audit, impatient, key, ledger)).check()


async def test_a_copy_that_is_stopped_answers_what_it_has_begun(tmp_path: Path) -> None:
    stack = Stack.start(tmp_path / "var", serve_processes=1)
    key, ledger = stack.new_tenant(), Ledger()
    async with Load(stack, key, ledger, seed=1) as load:
        await load.upload(size=0)
        async with load.running(uploaders=1, deleters=0, readers=4):
            await asyncio.sleep(1)
            stopping = asyncio.create_task(asyncio.to_thread(stack.stop))
            await until(lambda: ledger.failures.total() > 50)
        assert await stopping == 0
    taken = [json.loads(line) for line in stack.log("access").splitlines()]
    stack.discard()
    print(table("Stop under load", [("answered", ledger.done.total()), ("failures", dict(ledger.failures))]))
    # No connection is taken any more, and none that was taken is broken off. ReadError: it still waited to be taken.
    assert {failure.rpartition(" ")[2] for failure in ledger.failures} - {"ReadError"} == {"ConnectError"}
    loads = [request for request in taken if request["tenant_id"] == tenant_of(key)]
    assert {request["flags"] for request in loads} == {"-"}
    assert len(loads) == ledger.done.total()


async def test_a_gateway_that_is_told_to_end_behind_the_back_of_its_copy_comes_back(impatient: Stack) -> None:
    """Envoy drains only when it is asked to, as a copy does that stops: SIGTERM breaks off what is under way."""
    key, ledger = impatient.new_tenant(), Ledger()
    async with (
        Load(impatient, key, ledger, seed=3) as load,
        load.running(uploaders=2, deleters=1, readers=2),
    ):
        await until(lambda: ledger.done.total() > 20)
        await restart(impatient, impatient.children("envoy")[0], signal.SIGTERM)
        stored, done = len(ledger.stored), ledger.done.total()
        await until(lambda: len(ledger.stored) > stored and ledger.done.total() > done + 20)
    found = await asyncio.to_thread(audit, impatient, key, ledger)
    print(table("SIGTERM to the gateway under load", counted(ledger, found)))
    found.check()
    assert "envoy ended with status 0" in impatient.log("stdout")
    # Broken off, refused at the door, or told when to come again.
    kinds = {failure.rpartition(" ")[2] for failure in ledger.failures}
    assert kinds <= {"ConnectError", "ReadError", "WriteError", "RemoteProtocolError", "503"}
    assert not ledger.unhinted
