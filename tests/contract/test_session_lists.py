"""Pages and totals of sessions: always what a count of the rows would say, and read in the order of an index."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from itertools import product
from typing import Any
from uuid import UUID

import psycopg
import pytest

from server.domain.errors import Conflict, PackageNotFound, SessionNotFound
from server.domain.sessions.model import Completion, Session, Success
from server.services.ports import PageKey
from server.services.session_ports import SessionFilter
from server.services.session_upkeep import delete_package_sessions, fold
from server.storage.connection import PostgresDatabase, PostgresOperatorDatabase
from server.storage.session_lists import PostgresSessions, PostgresSessionUpkeep
from tests.contract.sessions_fixtures import SessionHost
from tests.contract.test_database_stores import explained
from tests.databases import Dsns
from tests.rows import store_tenant

STORE, UPKEEP = PostgresSessions(), PostgresSessionUpkeep()


@pytest.fixture
async def host(dsns: Dsns, operator_database: PostgresOperatorDatabase) -> AsyncIterator[SessionHost]:
    database = PostgresDatabase(dsns.server, pool_size=6)
    await database.open()
    yield SessionHost.of(database, (await store_tenant(operator_database)).id)
    await database.close()


def every_filter(packages: list[UUID], users: list[str]) -> list[SessionFilter]:
    return [
        SessionFilter(package_id=package, user_id=user, completion=completion, success=success)
        for package, user, completion, success in product(
            [None, *packages], [None, *users], [None, *Completion], [None, *Success]
        )
    ]


def statuses(dsns: Dsns, tenant: UUID) -> list[tuple[UUID, str, str, str]]:
    """What is there, row by row, in the eyes of the tables' owner."""
    with psycopg.connect(dsns.owner) as connection:
        return connection.execute(
            """
            select package_id, user_id, completion_status, success_status
            from sessions join packages using (tenant_id, package_id) where tenant_id = %s
            """,
            [tenant],
        ).fetchall()


async def assert_totals(dsns: Dsns, host: SessionHost, packages: list[UUID], users: list[str]) -> None:
    there = statuses(dsns, host.tenant)
    for wanted in every_filter(packages[:3], users[:2]):
        asked = (wanted.package_id, wanted.user_id, wanted.completion, wanted.success)
        counted = sum(all(a in (None, b) for a, b in zip(asked, row, strict=True)) for row in there)
        total = await host.database.read(host.tenant, STORE.total(wanted, tenant_id=host.tenant))
        assert (total.count, total.is_estimate) == (counted, False), wanted


async def fold_all(operators: PostgresOperatorDatabase) -> int:
    return await fold(database=operators, sessions=UPKEEP)


class Doings:
    """Changes at random, of packages that may vanish meanwhile."""

    def __init__(self, host: SessionHost, seed: int) -> None:
        self.host, self.random = host, random.Random(seed)
        self.packages: list[UUID] = []
        self.sessions: list[Session] = []
        self.users = ["ada", "bob", "eve"]

    async def step(self) -> None:
        choice = self.random.random()
        # With what others delete meanwhile it fails.
        with contextlib.suppress(SessionNotFound, PackageNotFound):
            if not self.packages or choice < 0.05:
                self.packages.append(await self.host.course())
            elif choice < 0.45 or not self.sessions:
                package, user = self.random.choice(self.packages), self.random.choice(self.users)
                # Deleted before the create could answer with it.
                with contextlib.suppress(Conflict):
                    self.sessions.append(await self.host.create(package, user, new_attempt=self.random.random() < 0.8))
            elif choice < 0.8:
                await self.host.update(
                    self.random.choice(self.sessions),
                    completion=self.random.choice([None, *Completion]),
                    success=self.random.choice([None, *Success]),
                )
            elif choice < 0.96:
                await self.host.delete(self.sessions.pop(self.random.randrange(len(self.sessions))))
            else:
                gone = self.packages.pop(self.random.randrange(len(self.packages)))
                await self.host.packages.delete(tenant_id=self.host.tenant, package_id=str(gone))


@pytest.mark.parametrize("seed", [1, 2])
async def test_every_total_is_exact_after_each_of_many_changes(
    dsns: Dsns, host: SessionHost, operator_database: PostgresOperatorDatabase, seed: int
) -> None:
    doings = Doings(host, seed)
    for turn in range(4):
        for _ in range(20):
            await doings.step()
        await assert_totals(dsns, host, doings.packages, doings.users)
        if turn % 2:
            assert await fold_all(operator_database) > 0
            assert await fold_all(operator_database) == 0
            await assert_totals(dsns, host, doings.packages, doings.users)


async def test_totals_are_exact_while_changes_come_at_once_and_are_folded(
    dsns: Dsns, host: SessionHost, operator_database: PostgresOperatorDatabase
) -> None:
    doings = Doings(host, 3)
    stopped = asyncio.Event()
    seen: list[int] = []

    async def fold_on() -> None:
        while not stopped.is_set():
            await fold_all(operator_database)

    async def look() -> None:
        # A fold in between neither loses a session nor counts it twice: what is never deleted is always there.
        kept = SessionFilter(user_id=None, package_id=steady)
        while not stopped.is_set():
            total = await host.database.read(host.tenant, STORE.total(kept, tenant_id=host.tenant))
            seen.append(total.count)

    steady = await host.course()
    for number in range(5):
        await host.create(steady, f"steady-{number}")
    async with asyncio.TaskGroup() as group:
        for watcher in (fold_on, look):
            group.create_task(watcher())
        async with asyncio.TaskGroup() as changes:
            for _ in range(4):
                changes.create_task(many(doings, 25))
        stopped.set()
    assert set(seen) == {5}
    await assert_totals(dsns, host, [*doings.packages, steady], doings.users)
    await fold_all(operator_database)
    await assert_totals(dsns, host, [*doings.packages, steady], doings.users)


async def many(doings: Doings, count: int) -> None:
    for _ in range(count):
        await doings.step()


async def test_a_deleted_packages_sessions_are_gone_at_once_and_their_rows_soon(
    dsns: Dsns, host: SessionHost, operator_database: PostgresOperatorDatabase
) -> None:
    kept, gone = await host.course(), await host.course()
    for package, number in product((kept, gone), range(3)):
        session = await host.create(package, f"user-{number}")
        await host.update(session, cmi_data={"cmi.suspend_data": "x"}, completion=Completion.COMPLETED)
    await host.packages.delete(tenant_id=host.tenant, package_id=str(gone))
    await assert_totals(dsns, host, [kept, gone], ["user-1"])
    page = await host.database.read(host.tenant, STORE.page(SessionFilter(), tenant_id=host.tenant, limit=10, offset=0))
    assert {one.package_id for one in page} == {kept}
    assert rows(dsns) == {"sessions": 6, "session_items": 6, "statements": 6}
    named: dict[str, Any] = {"database": operator_database, "sessions": UPKEEP, "tenant_id": host.tenant}
    async with operator_database.write() as transaction:
        assert await transaction.run(UPKEEP.delete_of_package(tenant_id=host.tenant, package_id=gone, limit=1)) == 1
    assert learners(dsns, gone) == ["user-0", "user-1"]
    assert await delete_package_sessions(**named, package_id=gone) == 2
    assert await delete_package_sessions(**named, package_id=gone) == 0
    # What was told of them stays.
    assert rows(dsns) == {"sessions": 3, "session_items": 3, "statements": 6}
    await assert_totals(dsns, host, [kept, gone], ["user-1"])


def learners(dsns: Dsns, package: UUID) -> list[str]:
    with psycopg.connect(dsns.owner) as connection:
        found = connection.execute("select user_id from sessions where package_id = %s order by user_id", (package,))
        return [user for (user,) in found]


def rows(dsns: Dsns) -> dict[str, int]:
    with psycopg.connect(dsns.owner) as connection:
        found = {}
        for table in ("sessions", "session_items", "statements"):
            (found[table],) = connection.execute(f"select count(*) from {table}".encode()).fetchone() or (0,)
    return found


@pytest.mark.parametrize("filters", [{}, {"user_id": "ada"}, {"completion": Completion.NOT_ATTEMPTED}])
async def test_following_the_key_of_each_page_reads_what_was_there_whatever_is_added(
    host: SessionHost, filters: dict[str, Any]
) -> None:
    package = await host.course()
    made = [await host.create(package, new_attempt=True) for _ in range(7)]
    found: list[UUID] = []
    after = PageKey(host.clock.now(), UUID(int=2**128 - 1))
    wanted = SessionFilter(**filters)
    while page := await host.database.read(
        host.tenant, STORE.page_after(wanted, tenant_id=host.tenant, limit=3, after=after)
    ):
        found += [one.id for one in page]
        after = PageKey(page[-1].created_at, page[-1].id)
        await host.create(package, new_attempt=True)
    assert found == [one.id for one in made[::-1]]


async def test_pages_are_read_in_the_order_of_an_index(
    dsns: Dsns, host: SessionHost, operator_database: PostgresOperatorDatabase
) -> None:
    packages = [await host.course() for _ in range(20)]
    package = packages[7]
    others = [(await store_tenant(operator_database)).id for _ in range(9)]
    with psycopg.connect(dsns.owner) as connection:
        # With packages of others the planner takes the tenant's to be fewer than they are.
        connection.execute(
            """
            insert into packages (tenant_id, package_id, title, version, schema_version, launch_path, manifest_path,
                file_size_bytes, expanded_bytes, file_count, metadata, manifest, created_at, updated_at)
            select other, gen_random_uuid(), title, version, schema_version, launch_path, manifest_path,
                file_size_bytes, expanded_bytes, file_count, metadata, manifest, created_at, updated_at
            from packages, unnest(%s::uuid[]) other where tenant_id = %s
            """,
            (others, host.tenant),
        )
        connection.execute(
            """
            insert into sessions (tenant_id, session_id, package_id, user_id, attempt, completion_status,
                success_status, time_ms, launches, holder, told_launch, runs, is_over, revision, created_at, updated_at)
            select %s, gen_random_uuid(), (%s::uuid[])[1 + n %% 20],
                'user-' || n %% 500, n,
                (array['not_attempted', 'incomplete', 'completed'])[1 + n %% 3],
                (array['unknown', 'passed', 'failed'])[1 + n %% 3],
                0, 0, 0, 0, 0, false, 1, now() - n * interval '1 second', now()
            from generate_series(1, 20000) n
            """,
            (host.tenant, packages),
        )
        connection.commit()
        connection.autocommit = True
        connection.execute("analyze")
    indexed = {
        "sessions_newest_idx": SessionFilter(),
        "sessions_of_package_idx": SessionFilter(package_id=package),
        "sessions_of_user_idx": SessionFilter(user_id="user-7"),
        "sessions_of_completion_idx": SessionFilter(completion=Completion.COMPLETED),
        "sessions_of_success_idx": SessionFilter(success=Success.PASSED),
        "sessions_of_package_completion_idx": SessionFilter(package_id=package, completion=Completion.COMPLETED),
    }
    after = PageKey(host.clock.now(), UUID(int=0))
    for index, wanted in indexed.items():
        for query in (
            STORE.page(wanted, tenant_id=host.tenant, limit=20, offset=0),
            STORE.page_after(wanted, tenant_id=host.tenant, limit=20, after=after),
            *([STORE.page(wanted, tenant_id=host.tenant, limit=20, offset=5000)] if wanted == SessionFilter() else []),
        ):
            plan = explained(dsns, host.tenant, query)
            assert index in plan, plan
            assert "Sort" not in plan, plan
            assert "Seq Scan on sessions" not in plan, plan
