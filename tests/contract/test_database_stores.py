"""What the stores promise in server/services/ports.py, on Postgres."""

import asyncio
import dataclasses
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from server.domain.api_keys import Plan
from server.domain.etags import ANY, IfMatch
from server.domain.ids import new_id
from server.domain.packages import Package, PackageChange, PackageSettings
from server.services.ports import PageKey, StaleUpload
from server.storage.api_keys import PostgresApiKeys
from server.storage.connection import PostgresDatabase, PostgresOperatorDatabase
from server.storage.packages import PostgresPackages
from server.storage.quotas import PostgresQuotas
from server.storage.tenants import PostgresTenants
from server.storage.uploads import PostgresUploads
from tests.databases import Dsns
from tests.rows import NOW, a_key, a_package, a_tenant, store_package, store_packages, store_tenant

PACKAGES, UPLOADS, QUOTAS = PostgresPackages(), PostgresUploads(), PostgresQuotas()
TENANTS, KEYS = PostgresTenants(), PostgresApiKeys()


@pytest.fixture
async def tenant(operator_database: PostgresOperatorDatabase) -> UUID:
    return (await store_tenant(operator_database)).id


async def test_a_package_comes_back_as_it_was_stored(database: PostgresDatabase, tenant: UUID) -> None:
    stored = await store_package(database, a_package(tenant))
    assert await database.read(tenant, PACKAGES.get(tenant_id=tenant, package_id=stored.id)) == stored
    assert await database.read(tenant, PACKAGES.exists(tenant_id=tenant, package_id=stored.id))
    without_metadata = dataclasses.replace(stored, metadata=None)
    assert await database.read(tenant, PACKAGES.page(tenant_id=tenant, limit=9, offset=0)) == [without_metadata]


async def test_pages_are_newest_first_and_complete(database: PostgresDatabase, tenant: UUID) -> None:
    ids = [package.id for package in await store_packages(database, tenant, 5)]
    pages = [await database.read(tenant, PACKAGES.page(tenant_id=tenant, limit=2, offset=at)) for at in (0, 2, 4, 6)]
    assert [[package.id for package in page] for page in pages] == [ids[:2], ids[2:4], ids[4:], []]


async def test_following_the_key_of_each_page_reads_all_packages_once(database: PostgresDatabase, tenant: UUID) -> None:
    same_time = [await store_package(database, a_package(tenant)) for _ in range(5)]
    ids = sorted((package.id for package in same_time), reverse=True)
    found: list[UUID] = []
    after = PageKey(NOW + timedelta(seconds=1), new_id(NOW))
    while page := await database.read(tenant, PACKAGES.page_after(tenant_id=tenant, limit=2, after=after)):
        found += [package.id for package in page]
        after = PageKey(page[-1].created_at, page[-1].id)
    assert found == ids


async def test_a_deleted_package_is_gone_and_told_once(database: PostgresDatabase, tenant: UUID) -> None:
    stored = await store_package(database, a_package(tenant, size=77))
    named: dict[str, Any] = {"tenant_id": tenant, "package_id": stored.id}
    async with database.write(tenant) as transaction:
        assert await transaction.run(PACKAGES.delete(**named)) == 77 + 5000
        assert await transaction.run(PACKAGES.delete(**named)) is None
    assert await database.read(tenant, PACKAGES.get(**named), PACKAGES.exists(**named)) == (None, False)


async def test_a_change_leaves_what_is_not_given_and_counts_only_where_a_value_differs(
    database: PostgresDatabase, tenant: UUID
) -> None:
    stored = await store_package(database, a_package(tenant))
    named: dict[str, Any] = {"tenant_id": tenant, "package_id": stored.id}
    later = NOW + timedelta(days=1)

    async def change(**fields: Any) -> Package | None:
        async with database.write(tenant) as transaction:
            return await transaction.run(
                PACKAGES.update(**named, change=PackageChange(**fields), if_match=ANY, at=later)
            )

    assert await change() == stored
    same = {"title": stored.title, "failed_completes": True, "mastery_overrides_status": True}
    assert await change(**same) == stored
    strict = PackageSettings(failed_completes=False)
    changed = dataclasses.replace(stored, settings=strict, revision=2, updated_at=later)
    assert await change(failed_completes=False) == changed
    renamed = dataclasses.replace(changed, title="Ünïcode", revision=3)
    assert await change(title="Ünïcode") == renamed
    assert await database.read(tenant, PACKAGES.get(**named), PACKAGES.revision(**named)) == (renamed, 3)


async def test_a_condition_decides_in_the_change_itself(database: PostgresDatabase, tenant: UUID) -> None:
    stored = await store_package(database, a_package(tenant))
    named: dict[str, Any] = {"tenant_id": tenant, "package_id": stored.id}

    async def rename(title: str, *revisions: int) -> bool:
        condition, change = IfMatch(frozenset(revisions)), PackageChange(title=title)
        async with database.write(tenant) as transaction:
            updated = await transaction.run(PACKAGES.update(**named, change=change, if_match=condition, at=NOW))
            await asyncio.sleep(0.01)
            return updated is not None

    assert not await rename("a")
    assert not await rename("a", 2)
    assert sorted(await asyncio.gather(rename("a", 1), rename("b", 7, 1))) == [False, True]
    async with database.write(tenant) as transaction:
        assert await transaction.run(PACKAGES.delete(**named, if_match=IfMatch(frozenset({1})))) is None
        assert await transaction.run(PACKAGES.delete(**named, if_match=IfMatch(frozenset({1, 2})))) is not None


async def test_quotas_hold_under_concurrent_uploads(
    dsns: Dsns, operator_database: PostgresOperatorDatabase, tenant: UUID
) -> None:
    async with operator_database.write() as transaction:
        await transaction.run(TENANTS.set_quota(tenant_id=tenant, package_limit=10, stored_bytes_limit=70))
    database = PostgresDatabase(dsns.server, pool_size=6)
    await database.open()

    async def charge() -> bool:
        async with database.write(tenant) as transaction:
            charged = await transaction.run(QUOTAS.charge_package(tenant_id=tenant, stored_bytes=10))
            await asyncio.sleep(0.005)
            return charged

    granted = await asyncio.gather(*(charge() for _ in range(20)))
    usage = await database.read(tenant, QUOTAS.usage(tenant_id=tenant))
    await database.close()
    assert usage is not None
    assert (sum(granted), usage.package_count, usage.stored_bytes) == (7, 7, 70)


@pytest.mark.parametrize(
    ("package_limit", "stored_bytes_limit", "granted"), [(None, None, 3), (2, None, 2), (None, 25, 2), (0, None, 0)]
)
async def test_each_limit_counts_and_none_is_unlimited(
    database: PostgresDatabase,
    operator_database: PostgresOperatorDatabase,
    tenant: UUID,
    package_limit: int | None,
    stored_bytes_limit: int | None,
    granted: int,
) -> None:
    async with operator_database.write() as transaction:
        await transaction.run(
            TENANTS.set_quota(tenant_id=tenant, package_limit=package_limit, stored_bytes_limit=stored_bytes_limit)
        )
    async with database.write(tenant) as transaction:
        answers = [await transaction.run(QUOTAS.charge_package(tenant_id=tenant, stored_bytes=10)) for _ in range(3)]
    assert sum(answers) == granted


async def test_a_released_package_is_taken_off(database: PostgresDatabase, tenant: UUID) -> None:
    async with database.write(tenant) as transaction:
        await transaction.run(QUOTAS.charge_package(tenant_id=tenant, stored_bytes=10))
        await transaction.run(QUOTAS.charge_package(tenant_id=tenant, stored_bytes=5))
        await transaction.run(QUOTAS.release_package(tenant_id=tenant, stored_bytes=10))
        usage = await transaction.run(QUOTAS.usage(tenant_id=tenant))
    assert usage is not None
    assert (usage.package_count, usage.stored_bytes) == (1, 5)


async def test_a_claimed_upload_neither_beats_nor_finishes(database: PostgresDatabase, tenant: UUID) -> None:
    named = {"tenant_id": tenant, "package_id": new_id(NOW)}
    async with database.write(tenant) as transaction:
        await transaction.run(UPLOADS.begin(**named, at=NOW))
        assert await transaction.run(UPLOADS.beat(**named, at=NOW))
        await transaction.run(UPLOADS.abandon(**named))
        assert not await transaction.run(UPLOADS.beat(**named, at=NOW))
        assert not await transaction.run(UPLOADS.finish(**named))


async def test_a_finished_upload_leaves_no_row(database: PostgresDatabase, tenant: UUID) -> None:
    named = {"tenant_id": tenant, "package_id": new_id(NOW)}
    async with database.write(tenant) as transaction:
        await transaction.run(UPLOADS.begin(**named, at=NOW))
        assert await transaction.run(UPLOADS.finish(**named))
        assert not await transaction.run(UPLOADS.finish(**named))


async def test_stale_and_abandoned_uploads_are_claimed_of_every_tenant_until_forgotten(
    database: PostgresDatabase, operator_database: PostgresOperatorDatabase
) -> None:
    late, fresh = NOW - timedelta(hours=1), NOW + timedelta(hours=1)
    rows: list[StaleUpload] = []
    for beat in (late, fresh, fresh):
        tenant = (await store_tenant(operator_database)).id
        rows.append(StaleUpload(tenant, new_id(NOW)))
        async with database.write(tenant) as transaction:
            await transaction.run(UPLOADS.begin(tenant_id=tenant, package_id=rows[-1].package_id, at=beat))
    stale, abandoned, live = rows
    async with database.write(abandoned.tenant_id) as transaction:
        await transaction.run(UPLOADS.abandon(tenant_id=abandoned.tenant_id, package_id=abandoned.package_id))

    async def claim() -> set[StaleUpload]:
        async with operator_database.write() as transaction:
            return set(await transaction.run(UPLOADS.claim_stale(before=NOW, limit=10)))

    assert await claim() == {stale, abandoned}
    assert await claim() == {stale, abandoned}
    async with operator_database.write() as transaction:
        for row in rows:
            await transaction.run(UPLOADS.forget(tenant_id=row.tenant_id, package_id=row.package_id))
    assert await claim() == set()
    async with database.write(live.tenant_id) as transaction:
        assert await transaction.run(UPLOADS.finish(tenant_id=live.tenant_id, package_id=live.package_id))


async def test_tenants_are_answered_with_their_usage_oldest_first(
    operator_database: PostgresOperatorDatabase,
) -> None:
    younger = await store_tenant(operator_database, a_tenant(name="B", at=NOW + timedelta(seconds=1)))
    older = await store_tenant(operator_database, a_tenant(name="A", plan=Plan.HIGH))
    everybody = await operator_database.read(TENANTS.usage(tenant_id=None))
    assert [usage.tenant for usage in everybody] == [older, younger]
    assert [usage.tenant for usage in await operator_database.read(TENANTS.usage(tenant_id=younger.id))] == [younger]
    assert (everybody[0].package_count, everybody[0].package_limit, everybody[0].stored_bytes) == (0, None, 0)


async def test_setting_plan_and_quota_answers_the_new_state_or_none(
    operator_database: PostgresOperatorDatabase,
) -> None:
    tenant = await store_tenant(operator_database)
    async with operator_database.write() as transaction:
        raised = await transaction.run(TENANTS.set_plan(tenant_id=tenant.id, plan=Plan.UNLIMITED))
        usage = await transaction.run(TENANTS.set_quota(tenant_id=tenant.id, package_limit=3, stored_bytes_limit=None))
        missing = new_id(NOW)
        assert await transaction.run(TENANTS.set_plan(tenant_id=missing, plan=Plan.HIGH)) is None
        nobody = TENANTS.set_quota(tenant_id=missing, package_limit=None, stored_bytes_limit=None)
        assert await transaction.run(nobody) is None
    assert raised == dataclasses.replace(tenant, plan=Plan.UNLIMITED)
    assert usage is not None
    assert (usage.tenant, usage.package_limit, usage.stored_bytes_limit) == (raised, 3, None)


async def test_a_key_is_identified_with_its_tenants_plan(
    database: PostgresDatabase, operator_database: PostgresOperatorDatabase, tenant: UUID
) -> None:
    key = a_key(tenant, expires_at=NOW + timedelta(days=1))
    async with operator_database.write() as transaction:
        assert await transaction.run(KEYS.insert(key, secret_hash=b"\x00\xffhash"))
        assert not await transaction.run(KEYS.insert(a_key(new_id(NOW)), secret_hash=b"x"))
    identity = await database.read(tenant, KEYS.identity(tenant_id=tenant, key_id=key.id))
    assert identity is not None
    assert (identity.plan, identity.scopes, identity.secret_hash) == (Plan.STANDARD, key.scopes, b"\x00\xffhash")
    assert (identity.expires_at, identity.revoked_at, identity.last_used_at) == (key.expires_at, None, None)
    assert await operator_database.read(KEYS.list(tenant_id=tenant)) == [key]
    assert await operator_database.read(KEYS.list(tenant_id=None)) == [key]


async def test_a_key_is_revoked_once_and_stays_known(
    database: PostgresDatabase, operator_database: PostgresOperatorDatabase, tenant: UUID
) -> None:
    key = a_key(tenant)
    async with operator_database.write() as transaction:
        await transaction.run(KEYS.insert(key, secret_hash=b"h"))
        first = await transaction.run(KEYS.revoke(key_id=key.id, at=NOW))
        again = await transaction.run(KEYS.revoke(key_id=key.id, at=NOW + timedelta(hours=1)))
        assert await transaction.run(KEYS.revoke(key_id=new_id(NOW), at=NOW)) is None
    assert first == again == dataclasses.replace(key, revoked_at=NOW)
    identity = await database.read(tenant, KEYS.identity(tenant_id=tenant, key_id=key.id))
    assert identity is not None
    assert identity.revoked_at == NOW


async def test_the_last_use_of_a_key_is_written_once_a_minute(
    database: PostgresDatabase, operator_database: PostgresOperatorDatabase, tenant: UUID
) -> None:
    key = a_key(tenant)
    async with operator_database.write() as transaction:
        await transaction.run(KEYS.insert(key, secret_hash=b"h"))
    seen = []
    for seconds in (0, 30, 61):
        async with database.write(tenant) as transaction:
            await transaction.run(KEYS.touch(tenant_id=tenant, key_id=key.id, at=NOW + timedelta(seconds=seconds)))
            identity = await transaction.run(KEYS.identity(tenant_id=tenant, key_id=key.id))
            assert identity is not None
            assert identity.last_used_at is not None
            seen.append((identity.last_used_at - NOW).total_seconds())
    assert seen == [0, 0, 61]


def explained(dsns: Dsns, tenant: UUID, query: Any) -> str:
    """The generic plan as the server's role, row-level security included."""
    with psycopg.connect(dsns.server, cursor_factory=psycopg.RawCursor) as connection:
        connection.execute("select set_config('app.tenants', $1, true)", (f"{{{tenant}}}",))
        connection.execute("set local plan_cache_mode = force_generic_plan")
        plan = connection.execute(b"explain (costs off) " + query.statement.text, query.parameters).fetchall()
    return "\n".join(line for (line,) in plan)


async def test_every_lookup_of_the_server_uses_an_index(
    dsns: Dsns, database: PostgresDatabase, operator_database: PostgresOperatorDatabase, tenant: UUID
) -> None:
    other = (await store_tenant(operator_database)).id
    with psycopg.connect(dsns.owner) as connection:
        connection.execute(
            """
            insert into packages select t, gen_random_uuid(), 'T', '2004', 's', 'l', 'm', 1, 1, 1, null, '{}', '{}', 1,
                now() - n * interval '1 second', now() from generate_series(1, 5000) n, unnest(%s::uuid[]) t
            """,
            ([tenant, other],),
        )
        connection.execute(
            "insert into api_keys select %s, gen_random_uuid(), '', '', '{}', now() from generate_series(1, 3000)",
            (other,),
        )
        connection.execute("insert into uploads select tenant_id, package_id, now(), now() from packages")
        connection.commit()
        connection.autocommit = True
        connection.execute("analyze")
    package, key = new_id(NOW), PageKey(NOW, new_id(NOW))
    named: dict[str, Any] = {"tenant_id": tenant, "package_id": package}
    expected = {
        PACKAGES.get(**named): "packages_pkey",
        PACKAGES.exists(**named): "packages_pkey",
        PACKAGES.revision(**named): "packages_pkey",
        PACKAGES.update(**named, change=PackageChange(title="T"), if_match=IfMatch(frozenset({1})), at=NOW): (
            "packages_pkey"
        ),
        PACKAGES.delete(**named): "packages_pkey",
        PACKAGES.delete(**named, if_match=IfMatch(frozenset({1}))): "packages_pkey",
        PACKAGES.page(tenant_id=tenant, limit=20, offset=0): "packages_newest_idx",
        PACKAGES.page_after(tenant_id=tenant, limit=20, after=key): "packages_newest_idx",
        KEYS.identity(tenant_id=tenant, key_id=package): "api_keys_pkey",
        UPLOADS.beat(**named, at=NOW): "uploads_pkey",
        UPLOADS.finish(**named): "uploads_pkey",
    }
    for query, index in expected.items():
        plan = explained(dsns, tenant, query)
        assert index in plan, plan
        assert "Sort" not in plan, plan
        assert "Seq Scan on packages" not in plan, plan
    after = explained(dsns, tenant, PACKAGES.page_after(tenant_id=tenant, limit=20, after=key))
    assert "Index Cond: ((tenant_id" in after, after
    assert "ROW(created_at, package_id) < ROW(" in after.split("Filter")[0], after
