"""What the role `worker` does besides serving the operator: loops that go on until it ends."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from server.services import idempotency, session_upkeep, statement_upkeep, sweeper
from server.services.import_runs import ImportRuns
from server.services.ports import Blobs, Clock
from server.services.statement_folding import StatementFolding
from server.storage import jobs
from server.storage.connection import PostgresOperatorDatabase
from server.storage.credentials import keep_credential
from server.storage.idempotency import PostgresIdempotencyKeys
from server.storage.session_lists import PostgresSessionUpkeep
from server.storage.single_holder import run_as_single_holder
from server.storage.statement_folds import PostgresStatementFolds
from server.storage.statement_upkeep import PostgresStatementUpkeep
from server.storage.uploads import PostgresUploads

log = structlog.get_logger("worker_loops")
FORGET_SECONDS = 60
# How much every list reads that is not counted yet.
FOLD_SECONDS = 1
# How far `X-Experience-API-Consistent-Through` lags.
SETTLE_SECONDS = 0.1
CREDENTIAL_SECONDS = 10
IMPORT_GRACE_SECONDS = 2.0
MEASURE_SECONDS = 10
Loop = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class Counts:
    """What the loops have done so far, and how many jobs there were a moment ago."""

    turns: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    job_runs: jobs.JobCounts = field(default_factory=jobs.JobCounts)
    swept: sweeper.Swept = field(default_factory=sweeper.Swept)
    queues: Mapping[str, jobs.Queue] = field(default_factory=dict)


def loops_of(
    dsn: str,
    *,
    database: PostgresOperatorDatabase,
    blobs: Blobs,
    clock: Clock,
    lost_seconds: float,
    imports: ImportRuns,
    imports_at_once: int,
    credential_file: Path | None,
    iri_base: str,
    counts: Counts,
) -> list[Loop]:
    """Jobs, imports, totals, sweeper, rescue of dead workers' jobs, and for a real bucket the gateway's credential."""
    again = partial(_for_ever, counts)

    async def delete_package_files(**package: Any) -> None:
        await session_upkeep.delete_package_sessions(database=database, sessions=PostgresSessionUpkeep(), **package)
        await sweeper.delete_package_files(blobs=blobs, counts=counts.swept, **package)

    async def sweep() -> None:
        await sweeper.sweep(
            database=database,
            uploads=PostgresUploads(),
            blobs=blobs,
            clock=clock,
            lost_seconds=lost_seconds,
            counts=counts.swept,
        )

    async def forget() -> None:
        await idempotency.forget_expired(database=database, keys=PostgresIdempotencyKeys(), clock=clock)

    async def fold() -> None:
        await session_upkeep.fold(database=database, sessions=PostgresSessionUpkeep())

    folding = StatementFolding(database=database, folds=PostgresStatementFolds(), iri_base=iri_base)

    async def fold_statements() -> None:
        await folding.fold()

    async def settle() -> None:
        await statement_upkeep.settle(database=database, statements=PostgresStatementUpkeep())

    async def measure() -> None:
        counts.queues = await database.read(jobs.queues())

    handlers = jobs.JobHandlers(delete_package_files=delete_package_files, import_package=imports.run)
    # One app each: leaving `open_async` closes the connections of everybody who uses the same app.
    runner, importer, rescuer = (jobs.build_worker_app(dsn, handlers) for _ in range(3))

    async def run_jobs() -> None:
        async with runner.open_async():
            await jobs.run_jobs(runner, lost_seconds=lost_seconds, counts=counts.job_runs)

    async def run_imports() -> None:
        # Imports take long: they leave the other jobs alone, and whoever stops does not wait for them to end.
        async with importer.open_async():
            await jobs.run_jobs(
                importer,
                queue=jobs.IMPORTS_QUEUE,
                concurrency=imports_at_once,
                grace_seconds=IMPORT_GRACE_SECONDS,
                lost_seconds=lost_seconds,
                counts=counts.job_runs,
            )

    async def rescue() -> None:
        async with rescuer.open_async():
            await jobs.rescue_stalled(rescuer, lost_seconds=lost_seconds)

    pause = lost_seconds / 4
    loops: list[Loop] = [
        lambda: again("jobs", run_jobs, pause_seconds=1),
        lambda: again("imports", run_imports, pause_seconds=1),
        lambda: again("measure", measure, pause_seconds=MEASURE_SECONDS),
        lambda: run_as_single_holder(dsn, "fold", lambda: again("fold", fold, pause_seconds=FOLD_SECONDS)),
        lambda: run_as_single_holder(
            dsn, "fold statements", lambda: again("fold statements", fold_statements, pause_seconds=FOLD_SECONDS / 2)
        ),
        lambda: run_as_single_holder(dsn, "settle", lambda: again("settle", settle, pause_seconds=SETTLE_SECONDS)),
        lambda: run_as_single_holder(dsn, "sweeper", lambda: again("sweeper", sweep, pause_seconds=pause)),
        lambda: run_as_single_holder(dsn, "rescue", lambda: again("rescue", rescue, pause_seconds=pause)),
        lambda: run_as_single_holder(dsn, "forget", lambda: again("forget", forget, pause_seconds=FORGET_SECONDS)),
    ]
    if credential_file is not None:
        keep = partial(keep_credential, credential_file)
        loops.append(partial(again, "credential", keep, pause_seconds=CREDENTIAL_SECONDS))
    return loops


async def _for_ever(counts: Counts, name: str, work: Loop, *, pause_seconds: float) -> None:
    """Repeats `work`; what it raises is logged, for the next turn may go better."""
    while True:
        try:
            await work()
            counts.turns[name] += 1
        except Exception as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise  # it failed while being cancelled: going on would lose the cancellation
            counts.failures[name] += 1
            log.error("a loop of the worker failed", loop=name, exc_info=error)
        await asyncio.sleep(pause_seconds)


@contextlib.asynccontextmanager
async def in_background(*loops: Loop) -> AsyncIterator[None]:
    """Runs the loops until the block ends."""

    async def run(loop: Loop) -> None:
        await loop()

    tasks = [asyncio.create_task(run(loop)) for loop in loops]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
