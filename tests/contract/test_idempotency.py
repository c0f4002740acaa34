"""Keys of requests that are done in one transaction, and what stands in their rows."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from server.domain.errors import Conflict, IdempotencyConflict, PackageNotFound
from server.domain.idempotency import KeyedRequest, keyed_request
from server.services.idempotency import Idempotency, forget_expired
from server.services.ports import Transaction
from server.storage.connection import PostgresDatabase, PostgresOperatorDatabase
from server.storage.idempotency import PostgresIdempotencyKeys
from server.storage.packages import PostgresPackages
from tests.contract.uploads_fixtures import SettableClock
from tests.databases import Dsns
from tests.rows import a_package, store_tenant

KEYS, PACKAGES = PostgresIdempotencyKeys(), PostgresPackages()


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


@pytest.fixture
def idempotency(database: PostgresDatabase, clock: SettableClock) -> Idempotency:
    return Idempotency(database=database, keys=KEYS, clock=clock)


@pytest.fixture
async def tenant(operator_database: PostgresOperatorDatabase) -> UUID:
    return (await store_tenant(operator_database)).id


def request(tenant: UUID, body: str = "body", key: str = "key-1") -> KeyedRequest:
    return keyed_request(key, tenant_id=tenant, operation="Tests/Make", parts=(body,))


def making(tenant: UUID) -> Any:
    """Work that stores a package and answers its id."""

    async def work(transaction: Transaction) -> Mapping[str, Any]:
        package = a_package(tenant)
        await transaction.run(PACKAGES.insert(package, manifest_json="{}", expanded_bytes=1, file_count=1))
        return {"id": str(package.id), "title": package.title, "size": 1}

    return work


async def made(database: PostgresDatabase, tenant: UUID) -> set[str]:
    return {str(p.id) for p in await database.read(tenant, PACKAGES.page(tenant_id=tenant, limit=50, offset=0))}


async def test_twenty_at_once_have_one_effect_and_one_answer(
    idempotency: Idempotency, database: PostgresDatabase, tenant: UUID
) -> None:
    outcomes = await asyncio.gather(
        *(idempotency.once(tenant_id=tenant, request=request(tenant), work=making(tenant)) for _ in range(20))
    )
    assert sorted(outcome.replayed for outcome in outcomes) == [False] + [True] * 19
    assert {str(outcome.facts["id"]) for outcome in outcomes} == await made(database, tenant)
    assert all(dict(outcome.facts) == dict(outcomes[0].facts) for outcome in outcomes)


async def test_without_a_key_everything_is_done_again(
    idempotency: Idempotency, database: PostgresDatabase, tenant: UUID
) -> None:
    for _ in range(2):
        assert not (await idempotency.once(tenant_id=tenant, request=None, work=making(tenant))).replayed
    assert len(await made(database, tenant)) == 2


async def test_another_request_under_the_key_is_a_conflict(
    idempotency: Idempotency, database: PostgresDatabase, tenant: UUID
) -> None:
    await idempotency.once(tenant_id=tenant, request=request(tenant), work=making(tenant))
    with pytest.raises(IdempotencyConflict) as conflict:
        await idempotency.once(tenant_id=tenant, request=request(tenant, "other"), work=making(tenant))
    assert conflict.value.held_by == "another_request"
    assert len(await made(database, tenant)) == 1


async def test_a_failure_and_a_cancellation_free_the_key_with_everything_else(
    idempotency: Idempotency, database: PostgresDatabase, tenant: UUID
) -> None:
    async def failing(transaction: Transaction) -> Mapping[str, Any]:
        await making(tenant)(transaction)
        raise PackageNotFound

    async def endless(transaction: Transaction) -> Mapping[str, Any]:
        await making(tenant)(transaction)
        await asyncio.sleep(60)
        raise AssertionError

    with pytest.raises(PackageNotFound):
        await idempotency.once(tenant_id=tenant, request=request(tenant), work=failing)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(idempotency.once(tenant_id=tenant, request=request(tenant), work=endless), 0.2)
    outcome = await idempotency.once(tenant_id=tenant, request=request(tenant, "other"), work=making(tenant))
    assert not outcome.replayed
    assert await made(database, tenant) == {outcome.facts["id"]}


async def test_an_answer_is_kept_for_a_day(idempotency: Idempotency, clock: SettableClock, tenant: UUID) -> None:
    first = await idempotency.once(tenant_id=tenant, request=request(tenant), work=making(tenant))
    clock.ahead = timedelta(hours=23, minutes=59)
    again = await idempotency.once(tenant_id=tenant, request=request(tenant), work=making(tenant))
    assert (again.facts["id"], again.replayed) == (first.facts["id"], True)
    clock.ahead = timedelta(hours=24, minutes=1)
    later = await idempotency.once(tenant_id=tenant, request=request(tenant), work=making(tenant))
    assert (later.facts["id"] != first.facts["id"], later.replayed) == (True, False)


async def test_a_claim_lasts_for_its_lease_and_one_that_lost_the_key_completes_nothing(
    idempotency: Idempotency, database: PostgresDatabase, clock: SettableClock, tenant: UUID
) -> None:
    dead = idempotency.new_claim(tenant_id=tenant, request=request(tenant))
    await idempotency.take(dead, request(tenant))
    for ahead in (1, 29):
        clock.ahead = timedelta(seconds=ahead)
        with pytest.raises(IdempotencyConflict) as running:
            await idempotency.once(tenant_id=tenant, request=request(tenant), work=making(tenant))
        assert running.value.held_by == "running_request"
    clock.ahead = timedelta(seconds=31)
    heir = await idempotency.once(tenant_id=tenant, request=request(tenant), work=making(tenant))
    assert not heir.replayed
    async with database.write(tenant) as transaction:
        assert not await transaction.run(dead.extend(at=clock.now()))
        assert not await transaction.run(dead.complete({"id": "dead"}, at=clock.now()))
    await idempotency.release(dead)
    again = await idempotency.once(tenant_id=tenant, request=request(tenant), work=making(tenant))
    assert (again.facts["id"], again.replayed) == (heir.facts["id"], True)


async def test_a_key_whose_commit_is_under_way_is_neither_freed_nor_taken(
    idempotency: Idempotency, database: PostgresDatabase, clock: SettableClock, tenant: UUID
) -> None:
    claim = idempotency.new_claim(tenant_id=tenant, request=request(tenant))
    await idempotency.take(claim, request(tenant))
    async with database.write(tenant) as transaction:
        assert await transaction.run(claim.complete({"id": "first"}, at=clock.now()))
        clock.ahead = timedelta(minutes=5)
        others = asyncio.gather(
            idempotency.release(claim),
            idempotency.take(claim, request(tenant, "other")),
            return_exceptions=True,
        )
        await asyncio.sleep(0.3)
        assert not others.done()
    _, taken = await others
    assert isinstance(taken, Conflict)
    outcome = await idempotency.once(tenant_id=tenant, request=request(tenant), work=making(tenant))
    assert (outcome.facts, outcome.replayed) == ({"id": "first"}, True)


async def test_tenants_do_not_share_keys_and_see_none_of_each_other(
    idempotency: Idempotency, database: PostgresDatabase, operator_database: PostgresOperatorDatabase, tenant: UUID
) -> None:
    other = (await store_tenant(operator_database)).id
    await idempotency.once(tenant_id=tenant, request=request(tenant), work=making(tenant))
    mine = KEYS.find(tenant_id=tenant, key_hash=request(tenant).key_hash, at=datetime.now(UTC))
    assert await database.read(tenant, mine)
    assert not await database.read(other, mine)
    assert not (await idempotency.once(tenant_id=other, request=request(other), work=making(other))).replayed


async def test_what_expired_is_forgotten_in_batches_and_nothing_else(
    idempotency: Idempotency,
    database: PostgresDatabase,
    operator_database: PostgresOperatorDatabase,
    clock: SettableClock,
    tenant: UUID,
) -> None:
    for number in range(3):
        await idempotency.once(tenant_id=tenant, request=request(tenant, key=f"old-{number}"), work=making(tenant))
    clock.ahead = timedelta(hours=25)
    kept = [request(tenant, key=f"new-{number}") for number in range(2)]
    for each in kept:
        await idempotency.once(tenant_id=tenant, request=each, work=making(tenant))
    async with operator_database.write() as transaction:
        assert await transaction.run(KEYS.forget_expired(before=clock.now(), limit=2)) == 2
    assert await forget_expired(database=operator_database, keys=KEYS, clock=clock) == 1
    assert await forget_expired(database=operator_database, keys=KEYS, clock=clock) == 0
    for each in kept:
        assert await database.read(tenant, KEYS.find(tenant_id=tenant, key_hash=each.key_hash, at=clock.now()))


async def test_a_row_holds_hashes_and_facts_only(idempotency: Idempotency, dsns: Dsns, tenant: UUID) -> None:
    await idempotency.once(tenant_id=tenant, request=request(tenant, "secret-body", "secret-key"), work=making(tenant))
    with psycopg.connect(dsns.server) as connection:
        connection.execute("select set_config('app.tenants', %s, true)", (f"{{{tenant}}}",))
        rows = connection.execute("select row_to_json(k)::text from idempotency_keys k").fetchall()
    assert len(rows) == 1
    assert "secret" not in rows[0][0]
    assert b"secret".hex() not in rows[0][0]


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        ("server", "truncate idempotency_keys"),
        ("server", "update idempotency_keys set key_hash = ''"),
        ("operator", "select facts from idempotency_keys"),
        ("operator", "update idempotency_keys set expires_at = now()"),
        ("operator", "insert into idempotency_keys (tenant_id) values (gen_random_uuid())"),
    ],
)
def test_no_role_may_do_more_than_it_needs(dsns: Dsns, role: str, statement: str) -> None:
    with psycopg.connect(getattr(dsns, role)) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement.encode())
