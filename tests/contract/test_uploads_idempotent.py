"""An upload under a key becomes one package, whatever happens to it and however often it comes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from server.domain.errors import IdempotencyConflict, QuotaExceeded, Unavailable, ValidationFailed
from server.domain.idempotency import KeyedRequest, keyed_request
from server.domain.packages import Package
from server.services.idempotency import Idempotency
from server.services.idempotent_uploads import IdempotentUploads
from server.services.ports import Database, Transaction
from server.storage.idempotency import PostgresIdempotencyKeys
from server.storage.packages import PostgresPackages
from tests.contract.uploads_fixtures import NOTHING, Body, Bucket, Host, endless, running_host, until, with_limits
from tests.databases import Dsns
from tests.factories import scorm12_package

COURSE = scorm12_package()


@dataclass(frozen=True, slots=True)
class Keyed:
    """Uploads of a host, by key."""

    host: Host
    idempotent: IdempotentUploads

    @classmethod
    def of(cls, host: Host) -> "Keyed":
        idempotency = Idempotency(database=host.database, keys=PostgresIdempotencyKeys(), clock=host.clock)
        return cls(host, IdempotentUploads(uploads=host.uploads, idempotency=idempotency))

    def request(self, declared: int | None = None) -> KeyedRequest:
        return keyed_request("key-1", tenant_id=self.host.tenant_id, operation="Upload", parts=(declared,))

    async def upload(self, body: Body | None = None, *, declared: int | None = None) -> tuple[Package, bool]:
        return await self.idempotent.upload(
            tenant_id=self.host.tenant_id,
            source=body or Body(COURSE),
            declared_bytes=declared,
            request=self.request(declared),
        )


@pytest.fixture
async def keyed(host: Host) -> AsyncIterator[Keyed]:
    keyed = Keyed.of(host)
    yield keyed
    await keyed.idempotent.drain()


async def test_twenty_at_once_become_one_package(keyed: Keyed) -> None:
    outcomes = await asyncio.gather(*(keyed.upload() for _ in range(20)), return_exceptions=True)
    answered = [outcome for outcome in outcomes if isinstance(outcome, tuple)]
    refused = [outcome for outcome in outcomes if not isinstance(outcome, tuple)]
    assert [replayed for _, replayed in answered].count(False) == 1
    assert all(isinstance(error, IdempotencyConflict) and error.held_by == "running_request" for error in refused)
    assert len({package.id for package, _ in answered}) == 1
    assert (await keyed.host.left())[1:] == (1, 0)


async def test_the_first_answer_comes_again_and_costs_nothing(keyed: Keyed, monkeypatch: pytest.MonkeyPatch) -> None:
    first, replayed = await keyed.upload()
    assert not replayed
    left = await keyed.host.left()
    await keyed.host.set_quota(packages=1, stored_bytes=1)

    def no_spool(**_: Any) -> None:
        raise AssertionError("the spool was used")

    monkeypatch.setattr(keyed.host.spool, "open", no_spool)
    drained: list[bool] = []

    async def end() -> None:
        drained.append(True)

    again, replayed = await keyed.upload(Body(COURSE, after=end))
    assert (again, replayed, drained) == (replace(first, metadata=None), True, [True])
    assert await keyed.host.left() == left


async def test_a_package_that_was_deleted_is_answered_all_the_same(keyed: Keyed) -> None:
    first, _ = await keyed.upload()
    tenant = keyed.host.tenant_id
    async with keyed.host.database.write(tenant) as transaction:
        await transaction.run(PostgresPackages().delete(tenant_id=tenant, package_id=first.id))
    again, replayed = await keyed.upload()
    assert (again.id, replayed) == (first.id, True)
    assert await keyed.host.package(first.id) is None


@pytest.mark.parametrize(
    ("body", "declared"),
    [
        (Body(COURSE), len(COURSE)),
        (Body(COURSE, filename="other.zip"), None),
        (Body(COURSE, uploaded_by="other"), None),
        (Body(COURSE, uploaded_by=None), None),
        (Body(COURSE[:-1]), None),
        (Body(COURSE + b"x", after=endless), None),
    ],
    ids=["declared-length", "filename", "uploader", "no-uploader", "shorter", "longer"],
)
async def test_another_upload_under_the_key_is_a_conflict(keyed: Keyed, body: Body, declared: int | None) -> None:
    await keyed.upload()
    with pytest.raises(IdempotencyConflict) as conflict:
        async with asyncio.timeout(10):
            await keyed.upload(body, declared=declared)
    assert conflict.value.held_by == "another_request"
    assert (await keyed.host.left())[1:] == (1, 0)


async def test_a_failed_upload_frees_its_key_before_it_is_told(keyed: Keyed) -> None:
    with pytest.raises(ValidationFailed):
        await keyed.upload(Body(b"no zip"))
    await keyed.host.set_quota(stored_bytes=1)
    with pytest.raises(QuotaExceeded):
        await keyed.upload()
    await keyed.host.set_quota()
    assert not (await keyed.upload())[1]


@pytest.mark.parametrize("body", [Body(b"no zip"), Body(COURSE)], ids=["refused-by-its-bytes", "refused-by-the-quota"])
async def test_a_key_is_free_before_its_failure_is_told_however_long_that_takes(keyed: Keyed, body: Body) -> None:
    class Slow:
        """Postgres that is slow with every transaction but the first, which takes the key."""

        def __init__(self, database: Database) -> None:
            self.read = database.read
            self._database = database
            self.writes = 0

        @asynccontextmanager
        async def write(self, *tenant_ids: UUID) -> AsyncIterator[Transaction]:
            self.writes += 1
            if self.writes > 1:
                await asyncio.sleep(0.5)
            async with self._database.write(*tenant_ids) as transaction:
                yield transaction

    await keyed.host.set_quota(stored_bytes=1)
    slow = Slow(keyed.host.database)
    database: Database = slow  # type: ignore[assignment]  # overloads of `read`
    idempotency = replace(keyed.idempotent.idempotency, database=database)
    with pytest.raises((ValidationFailed, QuotaExceeded)):
        await replace(keyed, idempotent=replace(keyed.idempotent, idempotency=idempotency)).upload(body)
    assert slow.writes == 2
    # At once, and by another upload: of a key still held it would be told so.
    await keyed.host.set_quota()
    assert not (await keyed.upload(Body(COURSE, filename="other.zip"), declared=len(COURSE)))[1]


async def test_a_cancelled_upload_frees_its_key(keyed: Keyed) -> None:
    task = asyncio.create_task(keyed.upload(Body(COURSE, after=endless)))
    await asyncio.sleep(0.3)
    with pytest.raises(IdempotencyConflict):
        await keyed.upload()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await keyed.idempotent.drain()
    assert await keyed.host.left() == NOTHING
    assert not (await keyed.upload())[1]


async def test_an_upload_that_lost_its_key_becomes_no_package(keyed: Keyed) -> None:
    go_on = asyncio.Event()
    slow = asyncio.create_task(keyed.upload(Body(COURSE, after=go_on.wait)))
    await until(lambda: bool(keyed.host.spool.reserved_bytes))
    await asyncio.sleep(0.2)
    keyed.host.clock.ahead = timedelta(seconds=31)
    heir, replayed = await keyed.upload()
    assert not replayed
    go_on.set()
    with pytest.raises(IdempotencyConflict):
        await slow
    await keyed.idempotent.drain()
    assert (await keyed.host.left())[1:] == (1, 0)
    again, replayed = await keyed.upload()
    assert (again.id, replayed) == (heir.id, True)


async def test_an_upload_on_its_way_keeps_its_key(storage: Bucket, dsns: Dsns, tmp_path: Path) -> None:
    storage.blobs.delete_prefix("")
    async with running_host(dsns, storage, tmp_path, limits=with_limits(beat_seconds=0.05)) as host:
        keyed, go_on = Keyed.of(host), asyncio.Event()
        slow = asyncio.create_task(keyed.upload(Body(COURSE, after=go_on.wait)))
        for seconds in (0, 25, 50, 75):
            host.clock.ahead = timedelta(seconds=seconds)
            await asyncio.sleep(0.3)
            with pytest.raises(IdempotencyConflict) as running:
                await keyed.upload()
            assert running.value.held_by == "running_request"
        go_on.set()
        assert not (await slow)[1]
        assert (await keyed.upload())[1]


async def test_a_key_that_was_completed_is_not_taken_for_lost(host: Host) -> None:
    late = Keyed.of(host.answering_late())
    stored, replayed = await late.upload()
    assert not replayed
    again, replayed = await Keyed.of(host).upload()
    assert (again.id, replayed) == (stored.id, True)
    await late.idempotent.drain()


async def test_a_package_whose_commit_got_no_answer_is_answered_from_the_next_time(keyed: Keyed) -> None:
    class LosesTheAnswer:
        """Postgres whose connection breaks once its second transaction was committed."""

        def __init__(self, database: Any) -> None:
            self.read = database.read
            self._database = database
            self._writes = 0

        @asynccontextmanager
        async def write(self, *tenant_ids: UUID) -> AsyncIterator[Transaction]:
            self._writes += 1
            async with self._database.write(*tenant_ids) as transaction:
                yield transaction
            if self._writes == 2:
                raise Unavailable

    database: Database = LosesTheAnswer(keyed.host.database)  # type: ignore[assignment]  # overloads of `read`
    losing = replace(keyed.idempotent, uploads=replace(keyed.host.uploads, database=database))
    with pytest.raises(Unavailable):
        await replace(keyed, idempotent=losing).upload()
    (package,) = await keyed.host.database.read(
        keyed.host.tenant_id, PostgresPackages().page(tenant_id=keyed.host.tenant_id, limit=9, offset=0)
    )
    again, replayed = await keyed.upload()
    assert (again.id, replayed) == (package.id, True)
