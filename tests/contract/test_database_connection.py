"""How reads and writes reach Postgres, and what they raise when it fails."""

import asyncio
import os
import random
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from sqlalchemy import select

from server.dev import postgres
from server.domain.errors import DatabaseFailed, Unavailable
from server.storage import connection
from server.storage.connection import PostgresDatabase, PostgresOperatorDatabase
from server.storage.failures import ConstraintViolated
from server.storage.migrate import ensure_login_roles, migrate
from server.storage.packages import PostgresPackages
from server.storage.quotas import PostgresQuotas
from server.storage.sql import SqlQuery, Statement
from server.storage.tenants import PostgresTenants
from tests.databases import Dsns
from tests.rows import NOW, a_package, a_tenant, store_package, store_tenant

PACKAGES, QUOTAS = PostgresPackages(), PostgresQuotas()


def asked(text: str) -> SqlQuery[Any]:
    """A query that the service has no use for; answers its first value."""
    read = Statement("tests.asked", select(1), text.encode(), (), {}, True, lambda rows: rows[0][0], None)
    return SqlQuery(read, ())


@pytest.fixture
async def tenant(operator_database: PostgresOperatorDatabase) -> UUID:
    return (await store_tenant(operator_database)).id


@pytest.fixture
async def postgres_of_ones_own(tmp_path: Path) -> AsyncIterator[postgres.Postgres]:
    """A server that may be killed, with the schema in its database `postgres`."""
    data_dir = tmp_path / "postgres"
    # Durable: else what was committed just before the crash may be gone after it.
    with postgres.start(data_dir) as server:
        migrate(server.dsn)
        yield server
    postgres.remove(data_dir)


async def test_a_read_is_one_round_trip_and_one_transaction(database: PostgresDatabase, tenant: UUID) -> None:
    started = asked("select transaction_timestamp()")
    before = database.traffic.round_trips
    first, second = await database.read(tenant, started, started)
    assert database.traffic.round_trips - before == 1
    assert first == second
    assert await database.read(tenant, started) > first


async def test_the_statements_of_hot_calls_are_counted(database: PostgresDatabase, tenant: UUID) -> None:
    package = await store_package(database, a_package(tenant))
    traffic, before = database.traffic, (database.traffic.statements, database.traffic.round_trips)
    page, usage = PACKAGES.page(tenant_id=tenant, limit=20, offset=0), QUOTAS.usage(tenant_id=tenant)
    await database.read(tenant, page, usage)
    assert (traffic.statements - before[0], traffic.round_trips - before[1]) == (2, 1)
    async with database.write(tenant) as transaction:
        await transaction.run(PACKAGES.delete(tenant_id=tenant, package_id=package.id))
        await transaction.run(QUOTAS.charge_package(tenant_id=tenant, stored_bytes=0))
    # BEGIN, the tenant and the first statement; the second; COMMIT.
    assert (traffic.statements - before[0], traffic.round_trips - before[1]) == (4, 4)


async def test_statements_are_prepared_at_their_first_use_and_once(dsns: Dsns, tenant: UUID) -> None:
    database = PostgresDatabase(dsns.server, pool_size=1)
    await database.open()
    for size in (1, 70_000, 5_000_000_000):
        async with database.write(tenant) as transaction:
            await transaction.run(QUOTAS.charge_package(tenant_id=tenant, stored_bytes=size))
    prepared = asked("select count(*) from pg_prepared_statements where statement like 'UPDATE tenant_quotas%'")
    assert await database.read(tenant, prepared) == 1
    await database.close()


async def test_a_write_left_by_an_exception_is_rolled_back(database: PostgresDatabase, tenant: UUID) -> None:
    with pytest.raises(KeyError):
        await _charge_and_raise(database, tenant)
    usage = await database.read(tenant, QUOTAS.usage(tenant_id=tenant))
    assert usage is not None
    assert usage.package_count == 0


async def _charge_and_raise(database: PostgresDatabase, tenant: UUID) -> None:
    async with database.write(tenant) as transaction:
        await transaction.run(QUOTAS.charge_package(tenant_id=tenant, stored_bytes=1))
        raise KeyError


async def test_whoever_is_cancelled_ends_and_takes_no_connection_along(dsns: Dsns, tenant: UUID) -> None:
    database, chance = PostgresDatabase(dsns.server, pool_size=2), random.Random(1)
    await database.open()

    async def call_for_ever() -> None:
        while True:
            await database.read(tenant, asked("select 1"))
            async with database.write(tenant) as transaction:
                await transaction.run(asked("select 1"))

    for _ in range(40):
        callers = [asyncio.create_task(call_for_ever()) for _ in range(20)]
        for caller in callers:
            await asyncio.sleep(chance.random() / 1000)
            caller.cancel()
        _, running = await asyncio.wait(callers, timeout=3)
        assert not running
        async with database.write(tenant) as one, database.write(tenant) as other:
            assert [await one.run(asked("select 1")), await other.run(asked("select 2"))] == [1, 2]
    await database.close()


async def test_a_violated_constraint_is_named(database: PostgresDatabase, tenant: UUID) -> None:
    package = await store_package(database, a_package(tenant))
    with pytest.raises(ConstraintViolated) as twice:
        await store_package(database, package)
    assert twice.value.constraint == "packages_pkey"
    with pytest.raises(ConstraintViolated) as below_zero:
        async with database.write(tenant) as transaction:
            await transaction.run(QUOTAS.release_package(tenant_id=tenant, stored_bytes=0))
    assert below_zero.value.constraint == "tenant_quotas_package_count_check"


async def test_a_failed_query_whose_error_is_swallowed_never_looks_committed(
    database: PostgresDatabase, tenant: UUID
) -> None:
    async def swallow() -> None:
        async with database.write(tenant) as transaction:
            await transaction.run(QUOTAS.charge_package(tenant_id=tenant, stored_bytes=1))
            with pytest.raises(DatabaseFailed):
                await transaction.run(asked("select 1/0"))

    with pytest.raises(DatabaseFailed):
        await swallow()
    assert await database.ping()


async def test_no_error_shows_what_postgres_said(database: PostgresDatabase, tenant: UUID) -> None:
    with pytest.raises(DatabaseFailed) as failure:
        await database.read(tenant, asked("select secret from nowhere"))
    assert str(failure.value) == "Database operation failed"
    assert isinstance(failure.value.__cause__, psycopg.errors.UndefinedTable)


async def test_a_statement_that_takes_too_long_is_unavailable(dsns: Dsns, tenant: UUID) -> None:
    impatient = PostgresDatabase(make_conninfo(dsns.server, options="-c statement_timeout=50"), pool_size=1)
    await impatient.open()
    with pytest.raises(Unavailable):
        await impatient.read(tenant, asked("select pg_sleep(5)"))
    assert await impatient.ping()
    await impatient.close()


async def test_a_pool_in_use_is_unavailable_after_its_time_out(
    dsns: Dsns, tenant: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "POOL_TIMEOUT_SECONDS", 0.2)
    narrow = PostgresDatabase(dsns.server, pool_size=1)
    await narrow.open()
    async with narrow.write(tenant) as transaction:
        await transaction.run(asked("select 1"))
        with pytest.raises(Unavailable):
            await narrow.read(tenant, asked("select 1"))
    assert await narrow.read(tenant, asked("select 1")) == 1
    await narrow.close()


async def test_connections_that_died_in_the_pool_are_replaced_unnoticed(
    database: PostgresDatabase, dsns: Dsns, tenant: UUID
) -> None:
    await asyncio.gather(*(database.read(tenant, asked("select 1")) for _ in range(4)))
    for begin_write in (False, True):
        with psycopg.connect(dsns.owner) as admin:
            admin.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'scorm-server'"
            )
        if begin_write:
            async with database.write(tenant) as transaction:
                assert await transaction.run(asked("select 1")) == 1
        else:
            assert await database.read(tenant, asked("select 1")) == 1


async def test_a_connection_lost_within_a_transaction_is_unavailable_and_commits_nothing(
    database: PostgresDatabase, dsns: Dsns, tenant: UUID
) -> None:
    async def lose() -> None:
        async with database.write(tenant) as transaction:
            await transaction.run(QUOTAS.charge_package(tenant_id=tenant, stored_bytes=1))
            pid = await transaction.run(asked("select pg_backend_pid()"))
            with psycopg.connect(dsns.owner) as admin:
                admin.execute("select pg_terminate_backend(%s, 2000)", (pid,))

    with pytest.raises(Unavailable):
        await lose()
    usage = await database.read(tenant, QUOTAS.usage(tenant_id=tenant))
    assert usage is not None
    assert usage.package_count == 0


async def test_reads_work_again_soon_after_postgres_crashed(postgres_of_ones_own: postgres.Postgres) -> None:
    server_dsn, operator_dsn = ensure_login_roles(postgres_of_ones_own.dsn, server_password="s", operator_password="o")
    operators = PostgresOperatorDatabase(operator_dsn)
    await operators.open()
    tenant = a_tenant()
    async with operators.write() as transaction:
        await transaction.run(PostgresTenants().insert(tenant))
    await operators.close()
    database = PostgresDatabase(server_dsn, pool_size=3)
    await database.open()
    pid = await database.read(tenant.id, asked("select pg_backend_pid()"))
    # One backend killed: Postgres ends all others too, and recovers.
    os.kill(pid, signal.SIGKILL)
    await asyncio.to_thread(wait_for_recovery, postgres_of_ones_own)
    began = time.monotonic()
    usage = None
    while usage is None and time.monotonic() - began < 10:
        try:
            usage = await database.read(tenant.id, QUOTAS.usage(tenant_id=tenant.id))
        except Unavailable:
            await asyncio.sleep(0.05)
    assert usage is not None
    await database.close()


def wait_for_recovery(server: postgres.Postgres) -> None:
    """Until then connections of before still answer, and a shutdown may hang in Postgres."""
    deadline = time.monotonic() + 30
    while (server.home / "postgres.log").read_text().count("ready to accept connections") < 2:
        assert time.monotonic() < deadline
        time.sleep(0.02)


async def test_without_postgres_reads_are_unavailable_and_ping_says_no(
    dsns: Dsns, tenant: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "POOL_TIMEOUT_SECONDS", 0.3)
    nobody = PostgresDatabase(make_conninfo(dsns.server, port=1), pool_size=1)
    await nobody.open()
    with pytest.raises(Unavailable):
        await nobody.read(tenant, asked("select 1"))
    assert await nobody.ping() is False
    await nobody.close()
    assert await nobody.ping() is False
    with pytest.raises(Unavailable):
        await nobody.read(tenant, asked("select 1"))


async def test_values_keep_their_type_and_zone(database: PostgresDatabase, tenant: UUID) -> None:
    stored = await store_package(database, a_package(tenant, size=2**40))
    found = await database.read(tenant, PACKAGES.get(tenant_id=tenant, package_id=stored.id))
    assert found is not None
    assert found.created_at == NOW
    assert found.created_at.utcoffset() == NOW.utcoffset()
    assert found.file_size_bytes == 2**40
