"""No tenant sees another, even where a statement forgot its tenant."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import select

from server.domain.errors import DatabaseFailed
from server.domain.ids import new_id
from server.domain.imports import ImportJob
from server.domain.sessions.model import Completion, Success
from server.services.ports import PageKey
from server.services.session_ports import SessionFilter
from server.storage import sql, tables
from server.storage.api_keys import PostgresApiKeys
from server.storage.connection import PostgresDatabase, PostgresOperatorDatabase
from server.storage.imports import PostgresImports
from server.storage.packages import PostgresPackages
from server.storage.quotas import PostgresQuotas
from server.storage.sessions import PostgresCourses
from server.storage.sql import SqlQuery, Statement
from server.storage.uploads import PostgresUploads
from tests.contract.sessions_fixtures import SessionHost
from tests.databases import Dsns
from tests.rows import NOW, a_key, a_package, queries_of_lrs_documents, store_package, store_tenant

PACKAGES = PostgresPackages()

# A statement that forgot its tenant; the registry of the service does not have it.
ALL_PACKAGES = Statement(
    "tests.all_packages",
    select(tables.packages.c.tenant_id),
    b"select tenant_id from packages",
    (),
    {},
    True,
    lambda rows: {row[0] for row in rows},
    "on purpose",
)


@pytest.fixture
async def tenants(database: PostgresDatabase, operator_database: PostgresOperatorDatabase) -> list[UUID]:
    """Two tenants, each with a key, an upload and a package."""
    made = []
    for _ in range(2):
        tenant = (await store_tenant(operator_database)).id
        made.append(tenant)
        await store_package(database, a_package(tenant))
        async with operator_database.write() as transaction:
            await transaction.run(PostgresApiKeys().insert(a_key(tenant), secret_hash=b"hash"))
        async with database.write(tenant) as transaction:
            await transaction.run(PostgresUploads().begin(tenant_id=tenant, package_id=a_package(tenant).id, at=NOW))
    return made


@pytest.fixture
async def narrow(dsns: Dsns) -> AsyncIterator[PostgresDatabase]:
    """A pool of one connection, which everybody shares."""
    database = PostgresDatabase(dsns.server, pool_size=1)
    await database.open()
    yield database
    await database.close()


async def test_a_statement_without_its_tenant_sees_the_set_tenant_only(
    database: PostgresDatabase, tenants: list[UUID]
) -> None:
    for tenant in tenants:
        assert await database.read(tenant, SqlQuery(ALL_PACKAGES, ())) == {tenant}


async def test_a_transaction_sees_exactly_its_tenants(database: PostgresDatabase, tenants: list[UUID]) -> None:
    async with database.write(*tenants) as transaction:
        assert await transaction.run(SqlQuery(ALL_PACKAGES, ())) == set(tenants)
    async with database.write() as transaction:
        assert await transaction.run(SqlQuery(ALL_PACKAGES, ())) == set()


async def test_the_tenant_does_not_stay_on_the_connection(narrow: PostgresDatabase, tenants: list[UUID]) -> None:
    await narrow.read(tenants[0], SqlQuery(ALL_PACKAGES, ()))
    async with narrow.write(tenants[0]) as transaction:
        await transaction.run(SqlQuery(ALL_PACKAGES, ()))
    left = Statement("tests.left", select(1), b"select current_setting('app.tenants', true)", (), {}, True, list, None)
    connections: Any = narrow._connections
    connection, answers = await connections.start([(left.text, ()), (ALL_PACKAGES.text, ())])
    await connections.give(connection)
    assert answers[0].rows() in ([("",)], [(None,)])
    assert answers[1].rows() == []


async def test_tenants_interleaved_on_one_connection_never_see_each_other(
    narrow: PostgresDatabase, tenants: list[UUID]
) -> None:
    async def read(tenant: UUID) -> bool:
        return await narrow.read(tenant, SqlQuery(ALL_PACKAGES, ())) == {tenant}

    async def write(tenant: UUID) -> bool:
        async with narrow.write(tenant) as transaction:
            before = await transaction.run(SqlQuery(ALL_PACKAGES, ()))
            await asyncio.sleep(0)
            return before == await transaction.run(SqlQuery(ALL_PACKAGES, ())) == {tenant}

    assert all(await asyncio.gather(*(work(tenant) for _ in range(40) for tenant in tenants for work in (read, write))))


async def test_a_cancelled_call_leaves_nothing_to_the_next_tenant(
    narrow: PostgresDatabase, tenants: list[UUID]
) -> None:
    slow = Statement("tests.slow", select(1), b"select pg_sleep(20)", (), {}, True, len, None)
    first, second = tenants
    for begin_write in (False, True):

        async def work(write: bool = begin_write) -> None:
            if not write:
                await narrow.read(first, SqlQuery(slow, ()))
            async with narrow.write(first) as transaction:
                await transaction.run(SqlQuery(slow, ()))

        task = asyncio.create_task(work())
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(3):
            assert await narrow.read(second, SqlQuery(ALL_PACKAGES, ())) == {second}


async def test_nothing_can_be_written_for_another_tenant(database: PostgresDatabase, tenants: list[UUID]) -> None:
    mine, other = tenants
    with pytest.raises(DatabaseFailed) as failure:
        async with database.write(mine) as transaction:
            await transaction.run(PACKAGES.insert(a_package(other), manifest_json="{}", expanded_bytes=1, file_count=1))
    assert isinstance(failure.value.__cause__, psycopg.errors.InsufficientPrivilege)


def every_query(tenant: UUID) -> list[Any]:
    """One of each statement that the server runs and that answers what it found."""
    package = a_package(tenant).id
    return [
        PACKAGES.page(tenant_id=tenant, limit=10, offset=0),
        PACKAGES.page_after(tenant_id=tenant, limit=10, after=PageKey(NOW + timedelta(days=1), package)),
        PostgresQuotas().usage(tenant_id=tenant),
        PostgresQuotas().charge_package(tenant_id=tenant, stored_bytes=1),
    ]


async def test_every_query_of_one_tenant_finds_nothing_as_another(
    database: PostgresDatabase, operator_database: PostgresOperatorDatabase, tenants: list[UUID]
) -> None:
    mine, other = tenants
    (package,) = await database.read(other, PACKAGES.page(tenant_id=other, limit=1, offset=0))
    (key,) = await operator_database.read(PostgresApiKeys().list(tenant_id=other))
    named = [
        PACKAGES.get(tenant_id=other, package_id=package.id),
        PACKAGES.exists(tenant_id=other, package_id=package.id),
        PACKAGES.delete(tenant_id=other, package_id=package.id),
        PostgresApiKeys().identity(tenant_id=other, key_id=key.id),
    ]
    others = [
        *await queries_of_imports(database, other),
        *await queries_of_sessions(database, other),
        *await queries_of_lrs_documents(database, other),
    ]
    for query in [*every_query(other), *named, *others]:
        # Found as itself, in a transaction that is taken back, and not as another.
        with pytest.raises(_TakenBack):
            await _find_and_take_back(database, other, query)
        async with database.write(mine) as transaction:
            assert not await transaction.run(query), query.statement.name
        async with database.write() as transaction:
            assert not await transaction.run(query), query.statement.name


async def queries_of_imports(database: PostgresDatabase, tenant: UUID) -> list[Any]:
    """One of each statement that finds an import; makes what they find."""
    imports, run_id = PostgresImports(), new_id(NOW)
    job = ImportJob(
        id=new_id(NOW), tenant_id=tenant, url="u", title=None, uploaded_by=None, created_at=NOW, updated_at=NOW
    )
    running = job.begin(run_id=run_id, at=NOW)
    async with database.write(tenant) as transaction:
        await transaction.run(imports.insert(job, sealed_url=b"sealed"))
        await transaction.run(imports.count_new(tenant_id=tenant))
        await transaction.run(imports.save(running))
    after = PageKey(NOW + timedelta(days=1), job.id)
    return [
        *(imports.page(tenant_id=tenant, status=status, limit=10, offset=0) for status in (None, running.status)),
        *(
            imports.page_after(tenant_id=tenant, status=status, limit=10, after=after)
            for status in (None, running.status)
        ),
        imports.get(tenant_id=tenant, import_job_id=job.id),
        imports.lock(tenant_id=tenant, import_job_id=job.id),
        imports.sealed_url(tenant_id=tenant, import_job_id=job.id),
        imports.progress(running, bytes_received=1, bytes_total=None, at=NOW),
    ]


async def queries_of_sessions(database: PostgresDatabase, tenant: UUID) -> list[Any]:
    """One of each statement that finds something of a session; makes what they find."""
    host = SessionHost.of(database, tenant)
    session = await host.create(await host.course())
    run = await host.play(session)
    await run.commit({"cmi.core.lesson_status": "completed"})
    link, store, found = run.link, host.stores.sessions, SessionFilter(completion=Completion.COMPLETED)
    ids: dict[str, Any] = {"tenant_id": tenant, "session_id": session.id}
    after = PageKey(NOW + timedelta(days=10_000), session.id)
    everything = SessionFilter(
        package_id=session.package_id, user_id="ada", completion=Completion.COMPLETED, success=Success.UNKNOWN
    )
    filters = (SessionFilter(), found, everything)
    return [
        *(store.page(one, tenant_id=tenant, limit=10, offset=0) for one in filters),
        *(store.page_after(one, tenant_id=tenant, limit=10, after=after) for one in filters),
        *(Counted.of(store.total(one, tenant_id=tenant)) for one in filters),
        store.get(**ids),
        store.lock(**ids),
        store.hold_package(tenant_id=tenant, package_id=session.package_id),
        store.latest(tenant_id=tenant, package_id=session.package_id, user_id="ada"),
        PostgresCourses().manifest(tenant_id=tenant, package_id=session.package_id),
        host.stores.items.all(**ids),
        host.stores.items.get(**ids, item_id=link.item_id),
        host.stores.items.standings(**ids),
        host.stores.launches.latest(**ids),
        host.stores.launches.numbered(**ids, number=1),
        host.stores.launches.named(**ids, launch_id=UUID(run.played.launch_id)),
        store.delete(**ids),
    ]


class Counted:
    """A total as what a query finds: none is nothing."""

    @staticmethod
    def of(query: Any) -> Any:
        asked = query.statement
        read = dataclasses.replace(asked, read=lambda rows: asked.read(rows).count)
        return dataclasses.replace(query, statement=read)


class _TakenBack(Exception):
    """Rolls a transaction back."""


async def _find_and_take_back(database: PostgresDatabase, tenant: UUID, query: Any) -> None:
    async with database.write(tenant) as transaction:
        assert await transaction.run(query), query.statement.name
        raise _TakenBack


@pytest.mark.parametrize(
    "statement",
    [
        "insert into tenants select * from tenants",
        "update tenants set plan = 'unlimited'",
        "update tenant_quotas set package_limit = null",
        "insert into api_keys select * from api_keys",
        "update api_keys set scopes = '{}'",
        "update api_keys set revoked_at = null",
        "delete from api_keys",
        "truncate packages",
        "delete from import_jobs",
        "update import_jobs set url = ''",
        "update statements set statement = ''",
        "delete from statements",
        "delete from statement_keys",
        "update statement_counts set statement_count = 0",
        "delete from actor_rollups",
        "select setval('statements_settled', 1)",
        "delete from session_items",
        "delete from session_launches",
        "update session_counts set session_count = 0",
        "insert into session_counts select * from session_counts",
        "delete from session_counts",
        "update session_count_changes set difference = 0",
        "delete from session_count_changes",
        "truncate sessions",
        "alter table sessions disable row level security",
        "alter table packages disable row level security",
        "select args from jobs.procrastinate_jobs",
        "delete from jobs.procrastinate_jobs",
        "create table mine (x int)",
        "set role scorm_operator",
    ],
)
def test_the_server_role_may_do_no_more_than_it_needs(dsns: Dsns, statement: str) -> None:
    with psycopg.connect(dsns.server) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement.encode())


@pytest.mark.parametrize(
    "statement",
    [
        "delete from packages",
        "update packages set title = ''",
        "truncate tenants",
        "select sealed_url from import_jobs",
        "update sessions set completion_status = 'completed'",
        "insert into sessions select * from sessions",
        "select cmi_data from session_items",
        "select items from session_launches",
        "delete from statements",
        "update statements set statement = ''",
        "select content from lrs_documents",
        "insert into session_count_changes (tenant_id) select tenant_id from tenants",
    ],
)
def test_the_operator_role_may_neither_change_packages_nor_see_what_learners_did(dsns: Dsns, statement: str) -> None:
    with psycopg.connect(dsns.operator) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement.encode())


def test_the_registry_knows_all_statements_of_the_server() -> None:
    assert {"packages.get", "uploads.beat", "quotas.charge_package"} <= {s.name for s in sql.registered()}
