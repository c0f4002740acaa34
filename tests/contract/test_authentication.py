"""API keys against Postgres: what is live, what is cached and for how long, and what is written back."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from server.domain.api_keys import KeyText
from server.domain.errors import MissingScope, Unauthorized
from server.services.administration import Administration
from server.services.authentication import Authenticator
from server.storage.api_keys import PostgresApiKeys
from server.storage.connection import PostgresDatabase, PostgresOperatorDatabase
from server.storage.tenants import PostgresTenants

PEPPER = b"p" * 32


class TestClock:
    """A clock that tests move."""

    __test__ = False

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def pass_by(self, **duration: float) -> None:
        self.time += timedelta(**duration)


@pytest.fixture
def clock() -> TestClock:
    return TestClock()


@pytest.fixture
def administration(operator_database: PostgresOperatorDatabase, clock: TestClock) -> Administration:
    return Administration(
        database=operator_database, tenants=PostgresTenants(), api_keys=PostgresApiKeys(), clock=clock, pepper=PEPPER
    )


@pytest.fixture
async def authenticator(database: PostgresDatabase, clock: TestClock) -> AsyncIterator[Authenticator]:
    opened = Authenticator(database=database, api_keys=PostgresApiKeys(), clock=clock, pepper=PEPPER)
    yield opened
    await opened.close()


async def make_key(
    administration: Administration, *, scopes: frozenset[str] = frozenset({"read"}), expires_at: datetime | None = None
) -> KeyText:
    tenant = await administration.create_tenant(name="Acme")
    _, text = await administration.create_key(
        tenant_id=str(tenant.id), name="test", scopes=scopes, expires_at=expires_at
    )
    return text


async def test_a_live_key_is_its_tenants_with_its_scopes(
    administration: Administration, authenticator: Authenticator
) -> None:
    key = await make_key(administration)
    caller = await authenticator.authenticate(str(key))
    assert (caller.tenant_id, caller.key_id, caller.scopes) == (key.tenant_id, key.key_id, frozenset({"read"}))
    caller.require("read")
    with pytest.raises(MissingScope) as error:
        caller.require("write")
    assert error.value.required_scope == "write"


async def test_whatever_is_no_key_is_unauthorized_and_malformed_ones_ask_nobody(
    administration: Administration, authenticator: Authenticator, database: PostgresDatabase
) -> None:
    key = await make_key(administration)
    before = database.traffic.statements
    for malformed in (None, "", "nonsense", str(key)[:-1], f" {key}"):
        with pytest.raises(Unauthorized):
            await authenticator.authenticate(malformed)
    assert database.traffic.statements == before
    for unknown in (
        KeyText(key.tenant_id, key.key_id, b"x" * 32),
        KeyText(uuid4(), key.key_id, key.secret),
        KeyText(key.tenant_id, uuid4(), key.secret),
    ):
        with pytest.raises(Unauthorized):
            await authenticator.authenticate(str(unknown))


async def test_another_pepper_opens_nothing(
    administration: Administration, database: PostgresDatabase, clock: TestClock
) -> None:
    key = await make_key(administration)
    other = Authenticator(database=database, api_keys=PostgresApiKeys(), clock=clock, pepper=b"q" * 32)
    with pytest.raises(Unauthorized):
        await other.authenticate(str(key))


async def test_a_revoked_key_is_refused_once_the_cache_has_aged(
    administration: Administration, authenticator: Authenticator, clock: TestClock
) -> None:
    key = await make_key(administration)
    await authenticator.authenticate(str(key))
    await administration.revoke_key(key_id=str(key.key_id))
    clock.pass_by(seconds=1.4)
    await authenticator.authenticate(str(key))
    clock.pass_by(seconds=0.2)
    with pytest.raises(Unauthorized):
        await authenticator.authenticate(str(key))


async def test_an_expired_key_is_refused_at_once_though_it_is_cached(
    administration: Administration, authenticator: Authenticator, clock: TestClock
) -> None:
    key = await make_key(administration, expires_at=clock.now() + timedelta(seconds=1))
    await authenticator.authenticate(str(key))
    clock.pass_by(seconds=1)
    with pytest.raises(Unauthorized):
        await authenticator.authenticate(str(key))


async def test_many_callers_at_once_make_one_look_up(
    administration: Administration, authenticator: Authenticator, database: PostgresDatabase
) -> None:
    key = await make_key(administration)
    before = database.traffic.statements
    await asyncio.gather(*(authenticator.authenticate(str(key)) for _ in range(50)))
    await authenticator.close()
    # One to look up, one to write the time of last use.
    assert database.traffic.statements == before + 2


async def test_one_caller_who_leaves_does_not_fail_the_others(
    administration: Administration, authenticator: Authenticator
) -> None:
    key = await make_key(administration)
    leaving, staying = (asyncio.create_task(authenticator.authenticate(str(key))) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    assert (await staying).key_id == key.key_id


async def test_the_time_of_last_use_is_kept_to_the_minute(
    administration: Administration, authenticator: Authenticator, clock: TestClock
) -> None:
    key = await make_key(administration)
    times = []
    for seconds in (0, 30, 31):
        clock.pass_by(seconds=seconds)
        await authenticator.authenticate(str(key))
        await authenticator.close()
        (listed,) = await administration.list_keys(tenant_id=str(key.tenant_id))
        times.append(listed.last_used_at)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    assert times == [start, start, start + timedelta(seconds=61)]
