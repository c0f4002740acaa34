"""Everything that a worker has for imports, for real, beside the host of uploads."""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from ipaddress import ip_network
from uuid import UUID

import procrastinate
import psycopg

from server.domain.imports import ImportJob
from server.rpc.imports import failure_of
from server.services.idempotency import Idempotency
from server.services.import_runs import ImportLimits, ImportRuns
from server.services.imports import Imports
from server.storage import jobs
from server.storage.egress import HttpEgress, default_ssl_context
from server.storage.idempotency import PostgresIdempotencyKeys
from server.storage.imports import PostgresImports
from server.storage.sealing import AesSealer
from tests.contract.uploads_fixtures import MIB, Host
from tests.databases import Dsns

SEALER = AesSealer(b"x" * 32)
LIMITS = ImportLimits(max_bytes=50 * MIB, report_seconds=0.1, connect_seconds=2, idle_seconds=20)
# Read once: it takes long.
EGRESS = HttpEgress(opened=[ip_network("127.0.0.0/8")], ssl_context=default_ssl_context())


def runs_on(host: Host, *, limits: ImportLimits = LIMITS) -> ImportRuns:
    return ImportRuns(
        database=host.database,
        imports=PostgresImports(),
        uploads=host.uploads,
        egress=EGRESS,
        sealer=SEALER,
        clock=host.clock,
        limits=limits,
        tell=failure_of,
    )


@dataclass(frozen=True, slots=True)
class Importer:
    """Imports of the host's tenant, and a worker for them."""

    host: Host
    dsns: Dsns
    api: Imports
    runs: ImportRuns

    async def ask(self, url: str, *, title: str | None = None, uploaded_by: str | None = None) -> ImportJob:
        job, _ = await self.api.create(tenant_id=self.host.tenant_id, url=url, uploaded_by=uploaded_by, title=title)
        return job

    async def state(self, job: ImportJob) -> ImportJob:
        return await self.api.get(tenant_id=job.tenant_id, import_job_id=str(job.id))

    async def cancel(self, job: ImportJob) -> ImportJob:
        cancelled, _ = await self.api.cancel(tenant_id=job.tenant_id, import_job_id=str(job.id))
        return cancelled

    async def until(self, job: ImportJob, holds: Callable[[ImportJob], bool]) -> ImportJob:
        """Asks again and again, as a client does."""
        async with asyncio.timeout(20):
            while not holds(now := await self.state(job)):  # noqa: ASYNC110 - as below
                await asyncio.sleep(0.02)
        return now

    async def run_waiting(self) -> None:
        """What is due now, as a worker does it."""
        async with self.app() as app:
            await jobs.run_waiting_jobs(app)

    @contextlib.asynccontextmanager
    async def app(self, handler: jobs.ImportPackage | None = None) -> AsyncIterator[procrastinate.App]:
        handlers = jobs.JobHandlers(delete_package_files=no_package, import_package=handler or self.runs.run)
        app = jobs.build_worker_app(self.dsns.operator, handlers)
        async with app.open_async():
            yield app

    @contextlib.asynccontextmanager
    async def worker(self, *, handler: jobs.ImportPackage | None = None, concurrency: int = 8) -> AsyncIterator[None]:
        """A worker that runs until the block ends."""
        async with self.app(handler) as app:
            working = asyncio.create_task(
                jobs.run_jobs(app, queue=jobs.IMPORTS_QUEUE, concurrency=concurrency, grace_seconds=0.1)
            )
            try:
                yield
            finally:
                working.cancel()
                await asyncio.gather(working, return_exceptions=True)

    def with_limits(self, **changes: object) -> "Importer":
        limits = dataclasses.replace(self.runs.limits, **changes)  # type: ignore[arg-type]  # fields of it
        return dataclasses.replace(self, runs=dataclasses.replace(self.runs, limits=limits))

    def waiting(self) -> list[tuple[str, float]]:
        """Status of each job in the queue, and in how many seconds it is due."""
        query = """
            select status::text, coalesce(extract(epoch from scheduled_at - now()), 0)::float
            from jobs.procrastinate_jobs order by id
        """
        with psycopg.connect(self.dsns.owner) as connection:
            return connection.execute(query).fetchall()

    def make_due(self, *, within_seconds: int = 10_000) -> None:
        """Ends the pauses of all waiting jobs that would be due within that time."""
        query = """
            update jobs.procrastinate_jobs set scheduled_at = null
            where scheduled_at < now() + make_interval(secs => %s)
        """
        with psycopg.connect(self.dsns.owner) as connection:
            connection.execute(query, (within_seconds,))

    def sealed_urls(self) -> list[bytes | None]:
        with psycopg.connect(self.dsns.owner) as connection:
            rows = connection.execute("select sealed_url from import_jobs order by created_at").fetchall()
        return [row[0] for row in rows]


def importer_on(host: Host, dsns: Dsns) -> Importer:
    api = Imports(
        database=host.database,
        imports=PostgresImports(),
        jobs=jobs.PostgresJobs(),
        egress=EGRESS,
        sealer=SEALER,
        clock=host.clock,
        idempotency=Idempotency(database=host.database, keys=PostgresIdempotencyKeys(), clock=host.clock),
    )
    return Importer(host, dsns, api, runs_on(host))


async def no_package(*, tenant_id: UUID, package_id: UUID) -> None:
    raise AssertionError("nobody deleted a package")


async def eventually(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.02)
