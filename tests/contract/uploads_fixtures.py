"""Everything that an upload process has, for real: Postgres, the storage client and a bucket, a disk spool."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from server.dev import storage as standin
from server.domain.api_keys import Plan, Tenant, TenantUsage
from server.domain.ids import new_id
from server.domain.packages import Package
from server.domain.zip_rules import ZipLimits
from server.services import sweeper
from server.services.transfer import TransferThreads
from server.services.uploads import UploadLimits, Uploads
from server.storage.blobs import GcsBlobs
from server.storage.connection import PostgresDatabase, PostgresOperatorDatabase
from server.storage.packages import PostgresPackages
from server.storage.quotas import PostgresQuotas
from server.storage.spool import DiskSpool
from server.storage.tenants import PostgresTenants
from server.storage.uploads import PostgresUploads
from tests.databases import Dsns

MIB = 1024**2
BUCKET = "packages"
LIMITS = ZipLimits(max_expanded_bytes=200 * MIB, max_files=6000)
# What `Host.left` answers where an upload left nothing.
NOTHING: tuple[list[str], int, int] = ([], 0, 0)


class SettableClock:
    """The machine's clock, which a test may set forward."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


class Body:
    """An upload's body: `data` in chunks, then whatever `after` does."""

    def __init__(
        self,
        data: bytes,
        *,
        filename: str | None = "course.zip",
        uploaded_by: str | None = "user-123",
        after: Callable[[], Any] | None = None,
    ) -> None:
        self.filename = filename
        self.uploaded_by = uploaded_by
        self._data = data
        self._after = after

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self._data), 256 * 1024):
            yield self._data[start : start + 256 * 1024]
        if self._after:
            await self._after()


@dataclass(frozen=True, slots=True)
class Bucket:
    """The storage stand-in with an empty bucket."""

    url: str
    blobs: GcsBlobs

    def names(self) -> list[str]:
        return [blob.name for blob in self.blobs.list("")]

    def faults(self, **plan: object) -> None:
        httpx.post(f"{self.url}/_faults", json=plan).raise_for_status()

    def end_faults(self) -> None:
        httpx.delete(f"{self.url}/_faults").raise_for_status()


@contextmanager
def running_bucket(place: Path) -> Iterator[Bucket]:
    with standin.start(place, fsync=False) as running, bucket_at(running.url) as bucket:
        yield bucket


@contextmanager
def bucket_at(url: str) -> Iterator[Bucket]:
    nobody = AnonymousCredentials()  # type: ignore[no-untyped-call]  # the library has no types
    client = storage.Client(project="test", credentials=nobody, client_options={"api_endpoint": url})
    blobs = GcsBlobs(BUCKET, threads=32, client=client)
    blobs.ensure_bucket()
    yield Bucket(url, blobs)
    blobs.close()


class AnswersLate:
    """A fault: Postgres whose answer to a COMMIT comes late where a package became visible with it."""

    def __init__(self, database: Any) -> None:
        self.read = database.read
        self._write = database.write

    @asynccontextmanager
    async def write(self, *tenant_ids: UUID) -> AsyncIterator[Any]:
        async with self._write(*tenant_ids) as transaction:
            asked = _Asked(transaction)
            yield asked
        if "packages.insert" in asked.names:
            await asyncio.sleep(0.5)


class _Asked:
    """A transaction that keeps the names of what it was asked."""

    def __init__(self, transaction: Any) -> None:
        self.names: list[str] = []
        self._transaction = transaction

    async def run(self, query: Any) -> Any:
        self.names.append(query.statement.name)
        return await self._transaction.run(query)


@dataclass(frozen=True, slots=True)
class Host:
    """An upload process with one tenant."""

    uploads: Uploads
    tenant_id: UUID
    database: PostgresDatabase
    operator_database: PostgresOperatorDatabase
    bucket: Bucket
    spool: DiskSpool
    clock: SettableClock
    swept: sweeper.Swept = field(default_factory=sweeper.Swept)

    def answering_late(self) -> "Host":
        """The same with signs of life by the moment, if Postgres were `AnswersLate`."""
        database: Any = AnswersLate(self.database)
        limits = dataclasses.replace(self.uploads.limits, beat_seconds=0.05)
        uploads = dataclasses.replace(self.uploads, database=database, limits=limits)
        return dataclasses.replace(self, database=database, uploads=uploads)

    async def upload(self, body: Body | bytes, *, declared_bytes: int | None = None) -> Package:
        source = Body(body) if isinstance(body, bytes) else body
        return await self.uploads.upload(tenant_id=self.tenant_id, source=source, declared_bytes=declared_bytes)

    async def usage(self) -> TenantUsage:
        found = await self.database.read(self.tenant_id, PostgresQuotas().usage(tenant_id=self.tenant_id))
        assert found is not None
        return found

    async def package(self, package_id: UUID) -> Package | None:
        return await self.database.read(
            self.tenant_id, PostgresPackages().get(tenant_id=self.tenant_id, package_id=package_id)
        )

    async def set_quota(self, *, packages: int | None = None, stored_bytes: int | None = None) -> None:
        async with self.operator_database.write() as transaction:
            await transaction.run(
                PostgresTenants().set_quota(
                    tenant_id=self.tenant_id, package_limit=packages, stored_bytes_limit=stored_bytes
                )
            )

    async def sweep(self) -> int:
        return await sweeper.sweep(
            database=self.operator_database,
            uploads=PostgresUploads(),
            blobs=self.bucket.blobs,
            clock=self.clock,
            lost_seconds=self.uploads.limits.lost_seconds,
            counts=self.swept,
        )

    async def left(self) -> tuple[list[str], int, int]:
        """After clean-up: names in the bucket, packages counted, and bytes of the spool that are taken."""
        await self.uploads.drain()
        return self.bucket.names(), (await self.usage()).package_count, self.spool.reserved_bytes


@asynccontextmanager
async def running_host(
    dsns: Dsns,
    bucket: Bucket,
    place: Path,
    *,
    limits: UploadLimits | None = None,
    spool_bytes: int = 1024 * MIB,
    max_file_bytes: int = 512 * MIB,
) -> AsyncIterator[Host]:
    clock = SettableClock()
    database, operator_database = PostgresDatabase(dsns.server, pool_size=4), PostgresOperatorDatabase(dsns.operator)
    await database.open()
    await operator_database.open()
    tenant = Tenant(id=new_id(clock.now()), name="Acme", plan=Plan.STANDARD, created_at=clock.now())
    async with operator_database.write() as transaction:
        await transaction.run(PostgresTenants().insert(tenant))
    threads = TransferThreads(32)
    spool = DiskSpool(place / "spool", budget_bytes=spool_bytes, max_file_bytes=max_file_bytes)
    uploads = Uploads(
        database=database,
        uploads=PostgresUploads(),
        packages=PostgresPackages(),
        quotas=PostgresQuotas(),
        blobs=bucket.blobs,
        clock=clock,
        spool=spool,
        limits=limits or UploadLimits(zip=LIMITS),
        threads=threads,
    )
    try:
        yield Host(uploads, tenant.id, database, operator_database, bucket, spool, clock)
    finally:
        bucket.end_faults()
        # What never ends shall fail its test, not hold up the others.
        async with asyncio.timeout(60):
            await uploads.drain()
        await asyncio.to_thread(threads.close)
        spool.close()
        await operator_database.close()
        await database.close()


def with_limits(**changes: Any) -> UploadLimits:
    return dataclasses.replace(UploadLimits(zip=LIMITS), **changes)


def endless() -> Awaitable[None]:
    return asyncio.sleep(60)


async def until(condition: Callable[[], Any]) -> None:
    """Asks again and again, as another process cannot tell."""
    for _ in range(6000):
        if await asyncio.to_thread(condition):
            return
        await asyncio.sleep(0.01)
    raise TimeoutError
