"""Jobs on procrastinate, in the schema `jobs`: enqueued with the caller's transaction, run by the worker.

A job's arguments are ids. It is retried until it succeeds, with growing pauses, and a job whose worker died is taken
up again by `rescue_stalled`; a handler may therefore run more than once and must not mind.
"""

import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

import procrastinate
from procrastinate.job_context import JobContext
from procrastinate.jobs import Job
from procrastinate.retry import BaseRetryStrategy, RetryDecision
from procrastinate.worker import Worker
from sqlalchemy import Boolean, Float, Integer, Text, cast, column, extract, func, literal_column, select, table
from sqlalchemy.dialects.postgresql import JSONB, insert

from server.domain.errors import Unavailable
from server.services.ports import Query
from server.storage import tables
from server.storage.sql import nothing, param, statement

QUEUE = "default"
IMPORTS_QUEUE = "imports"
# So many imports of one tenant run at once, in all workers together: jobs with the same lock run one after the other.
IMPORT_LANES = 2
LONGEST_PAUSE_SECONDS = 600
LOST_SECONDS = 60.0

# An import's priority falls with the second in which it is due, counted from here: within a lane the one that is due
# first is the next, and one that pauses keeps nobody waiting. It fits until 2091.
_EPOCH = 1_700_000_000

# procrastinate's own tables, as far as we use them.
_jobs = table(
    "procrastinate_jobs",
    column("id"),
    column("queue_name", Text()),
    column("task_name", Text()),
    column("lock", Text()),
    column("priority", Integer()),
    column("queueing_lock", Text()),
    column("args", JSONB()),
    column("status", Text()),
    schema=tables.JOBS_SCHEMA,
)
_events = table(
    "procrastinate_events", column("job_id"), column("type", Text()), column("at"), schema=tables.JOBS_SCHEMA
)
# The tenant's id appears as text: in the arguments, and in the lock that keeps the same job from waiting twice.
_TENANT, _PACKAGE = param("tenant", Text()), param("package", Text())

# An INSERT, where procrastinate itself calls procrastinate_defer_jobs_v1: that raises if the same job waits already,
# and would take the caller's transaction with it.
_DELETE_PACKAGE_FILES = statement(
    "jobs.delete_package_files",
    insert(_jobs)
    .values(
        queue_name=literal_column(f"'{QUEUE}'"),
        task_name=literal_column("'delete_package_files'"),
        queueing_lock=literal_column("'delete_package_files/'", Text())
        + _TENANT
        + literal_column("'/'", Text())
        + _PACKAGE,
        args=func.jsonb_build_object(literal_column("'tenant_id'"), _TENANT, literal_column("'package_id'"), _PACKAGE),
    )
    .on_conflict_do_nothing(index_elements=[_jobs.c.queueing_lock], index_where=literal_column("status = 'todo'")),
    nothing,
)

_JOB = param("job", Text())
_IMPORT_PACKAGE = statement(
    "jobs.import_package",
    insert(_jobs).values(
        queue_name=literal_column(f"'{IMPORTS_QUEUE}'"),
        task_name=literal_column("'import_package'"),
        lock=param("lane", Text()),
        priority=literal_column(f"-(extract(epoch from now()) - {_EPOCH})::int", Integer()),
        args=func.jsonb_build_object(literal_column("'tenant_id'"), _TENANT, literal_column("'import_job_id'"), _JOB),
    ),
    nothing,
)


@dataclass(frozen=True, slots=True)
class Queue:
    """Jobs that wait, for their turn or for another try, those that run, and the age of the oldest of all."""

    waiting: int = 0
    running: int = 0
    oldest_seconds: float = 0.0


_age = cast(extract("epoch", func.now() - func.min(_events.c.at)), Float())
_WAITS = literal_column("status = 'todo'", Boolean())
_RUNS = literal_column("status = 'doing'", Boolean())
_COUNT = func.count(_jobs.c.id.distinct())
_QUEUES = statement(
    "jobs.queues",
    select(
        _jobs.c.queue_name,
        _COUNT.filter(_WAITS),
        _COUNT.filter(_RUNS),
        func.coalesce(_age, 0.0),
    )
    .select_from(
        _jobs.outerjoin(
            _events, (_events.c.job_id == _jobs.c.id) & (literal_column("type") == literal_column("'deferred'"))
        )
    )
    .where(literal_column("status IN ('todo', 'doing')"))
    .group_by(_jobs.c.queue_name),
    lambda rows: {name: Queue(*counted) for name, *counted in rows},
    across_tenants="how many there are, of all tenants together",
)


def queues() -> Query[dict[str, Queue]]:
    """How much there is to do, by queue; one that has nothing is absent. Operator role."""
    return _QUEUES.bind()


class PostgresJobs:
    """Keeps `server.services.ports.Jobs`. `enqueued` counts, by task, what was asked for."""

    def __init__(self) -> None:
        self.enqueued: Counter[str] = Counter()

    def delete_package_files(self, *, tenant_id: UUID, package_id: UUID) -> Query[None]:
        """Removes everything under the package's prefix. Enqueued once while the same job waits."""
        self.enqueued["delete_package_files"] += 1
        return _DELETE_PACKAGE_FILES.bind(tenant=str(tenant_id), package=str(package_id))

    def import_package(self, *, tenant_id: UUID, import_job_id: UUID) -> Query[None]:
        """Runs an import, after those of the same tenant that are due before it in one of its lanes."""
        self.enqueued["import_package"] += 1
        lane = f"imports/{tenant_id}/{import_job_id.int % IMPORT_LANES}"
        return _IMPORT_PACKAGE.bind(tenant=str(tenant_id), job=str(import_job_id), lane=lane)


class DeletePackageFiles(Protocol):
    """Does the work of the job of that name. Whatever it raises, it is called again later."""

    def __call__(self, *, tenant_id: UUID, package_id: UUID) -> Awaitable[None]: ...


class ImportPackage(Protocol):
    """Does the work of the job of that name. Whatever it raises, it is called again later."""

    def __call__(self, *, tenant_id: UUID, import_job_id: UUID) -> Awaitable[None]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class JobHandlers:
    """Who does the work of each job."""

    delete_package_files: DeletePackageFiles
    import_package: ImportPackage


@dataclass(frozen=True, slots=True)
class JobCounts:
    """Runs of jobs so far, by task; `retried` are those that were not the first of their job."""

    succeeded: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    retried: Counter[str] = field(default_factory=Counter)

    async def count(self, run: Callable[[], Awaitable[Any]], context: JobContext, worker: Worker) -> Any:
        """A middleware of procrastinate's worker."""
        task = context.job.task_name
        self.retried[task] += context.job.attempts > 0
        try:
            result = await run()
        except Exception:
            self.failed[task] += 1
            raise
        self.succeeded[task] += 1
        return result


class _ForEver(BaseRetryStrategy):
    """Again after 2, 4, 8, … seconds, at most LONGEST_PAUSE_SECONDS, or when the exception says."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision:
        pause = min(2 ** min(job.attempts + 1, 16), LONGEST_PAUSE_SECONDS)
        if isinstance(exception, Unavailable) and exception.retry_after_seconds is not None:
            pause = exception.retry_after_seconds
        due = int(time.time()) + pause
        return RetryDecision(retry_in={"seconds": pause}, priority=None if job.lock is None else _EPOCH - due)


def build_worker_app(operator_dsn: str, handlers: JobHandlers, *, pool_size: int = 4) -> procrastinate.App:
    """procrastinate's app with our tasks. Use it as `async with app.open_async(): await run_jobs(app)`."""
    connector = procrastinate.PsycopgConnector(
        conninfo=operator_dsn,
        kwargs={"options": f"-c search_path={tables.JOBS_SCHEMA}", "application_name": "scorm-jobs"},
        min_size=1,
        max_size=pool_size,
    )
    app = procrastinate.App(connector=connector)

    @app.task(name="delete_package_files", queue=QUEUE, retry=_ForEver())
    async def delete_package_files(*, tenant_id: str, package_id: str) -> None:
        await handlers.delete_package_files(tenant_id=UUID(tenant_id), package_id=UUID(package_id))

    @app.task(name="import_package", queue=IMPORTS_QUEUE, retry=_ForEver())
    async def import_package(*, tenant_id: str, import_job_id: str) -> None:
        await handlers.import_package(tenant_id=UUID(tenant_id), import_job_id=UUID(import_job_id))

    return app


async def run_jobs(
    app: procrastinate.App,
    *,
    queue: str = QUEUE,
    concurrency: int = 4,
    grace_seconds: float = 10.0,
    lost_seconds: float = LOST_SECONDS,
    counts: JobCounts | None = None,
) -> None:
    """Runs jobs of a queue until cancelled; then those that run have `grace_seconds`. What succeeded leaves no row.

    A worker counts as dead for `rescue_stalled` after half of `lost_seconds`, and says thrice as often that it lives.
    """
    await app.run_worker_async(
        queues=[queue],
        concurrency=concurrency,
        delete_jobs="successful",
        install_signal_handlers=False,
        shutdown_graceful_timeout=grace_seconds,
        fetch_job_polling_interval=2.0,
        update_heartbeat_interval=lost_seconds / 6,
        stalled_worker_timeout=lost_seconds / 2,
        worker_middleware=[(counts or JobCounts()).count],
    )


async def run_waiting_jobs(app: procrastinate.App, *, counts: JobCounts | None = None) -> None:
    """Runs what is due now, and returns."""
    await app.run_worker_async(
        wait=False,
        delete_jobs="successful",
        install_signal_handlers=False,
        listen_notify=False,
        worker_middleware=[(counts or JobCounts()).count],
    )


async def rescue_stalled(app: procrastinate.App, *, lost_seconds: float = LOST_SECONDS) -> int:
    """Puts the jobs of dead workers back, and says how many. One pass; the worker repeats it."""
    stalled = list(await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=lost_seconds / 2))
    for job in stalled:
        await app.job_manager.retry_job(job)
    return len(stalled)
