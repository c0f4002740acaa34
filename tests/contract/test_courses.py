"""Courses that are kept in memory."""

import asyncio
from uuid import UUID

import pytest

from server.domain.sessions.course import Course
from server.services import courses
from server.storage.connection import PostgresDatabase, PostgresOperatorDatabase
from tests.contract.sessions_fixtures import SessionHost
from tests.rows import store_tenant

MANY = 1000


@pytest.fixture
async def host(database: PostgresDatabase, operator_database: PostgresOperatorDatabase) -> SessionHost:
    return SessionHost.of(database, (await store_tenant(operator_database)).id)


async def found(host: SessionHost, package: UUID) -> Course | None:
    return await host.stores.courses.get(tenant_id=host.tenant, package_id=package)


@pytest.mark.parametrize("scos", [1, MANY])
async def test_whoever_asks_at_once_gets_the_same_course(host: SessionHost, scos: int) -> None:
    package = await host.course(scos=scos)
    asked = await asyncio.gather(*(found(host, package) for _ in range(8)))
    assert {id(course) for course in asked} == {id(asked[0])}
    assert asked[0] is not None
    assert list(asked[0].launchable) == [f"ITEM-{number}" for number in range(1, scos + 1)]


async def test_a_long_manifest_is_read_beside_everything_else(
    host: SessionHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    short, long = await host.course(), await host.course(scos=MANY)
    read, going_on = courses._read, asyncio.Event()
    loop = asyncio.get_running_loop()

    def slowly(manifest: str) -> Course:
        if len(manifest) > 64 * 1024:
            # Nobody could set it if this were done where everything else is.
            asyncio.run_coroutine_threadsafe(going_on.wait(), loop).result(10)
        return read(manifest)

    monkeypatch.setattr(courses, "_read", slowly)
    waiting = asyncio.create_task(found(host, long))
    while not (host.stores.courses._reading.locked() or waiting.done()):  # noqa: ASYNC110 - it has no event
        await asyncio.sleep(0)
    assert await found(host, short) is not None
    assert not waiting.done()
    going_on.set()
    assert await waiting is not None


async def test_what_was_not_used_for_longest_is_let_go(host: SessionHost, monkeypatch: pytest.MonkeyPatch) -> None:
    packages = [await host.course(scos=10) for _ in range(3)]
    first, second, third = [await found(host, package) for package in packages]
    assert first is not None
    monkeypatch.setattr(courses, "MOST_KEPT", 2 * first.size + 100)
    assert await found(host, packages[1]) is second
    assert await found(host, await host.course(scos=10)) is not None
    assert await found(host, packages[1]) is second
    assert await found(host, packages[0]) is not first
    assert await found(host, packages[2]) is not third


async def test_nobody_gets_a_course_that_is_not_there(host: SessionHost) -> None:
    assert await found(host, host.tenant) is None
