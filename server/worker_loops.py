"""What the role `worker` does besides serving the operator: loops that go on until it ends."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from server.services import idempotency, sweeper
from server.services.ports import Clock
from server.storage import jobs
from server.storage.blobs import GcsBlobs
from server.storage.connection import PostgresOperatorDatabase
from server.storage.credentials import keep_credential
from server.storage.idempotency import PostgresIdempotencyKeys
from server.storage.single_holder import run_as_single_holder
from server.storage.uploads import PostgresUploads

log = structlog.get_logger("worker_loops")
FORGET_SECONDS = 60
CREDENTIAL_SECONDS = 10
Loop = Callable[[], Awaitable[None]]


def loops_of(
    dsn: str,
    *,
    database: PostgresOperatorDatabase,
    blobs: GcsBlobs,
    clock: Clock,
    lost_seconds: float,
    credential_file: Path | None,
) -> list[Loop]:
    """Jobs, sweeper, rescue of jobs whose worker died, and, for a real bucket, the gateway's credential."""

    async def delete_package_files(**package: Any) -> None:
        await sweeper.delete_package_files(blobs=blobs, **package)

    async def sweep() -> None:
        await sweeper.sweep(
            database=database, uploads=PostgresUploads(), blobs=blobs, clock=clock, lost_seconds=lost_seconds
        )

    async def forget() -> None:
        await idempotency.forget_expired(database=database, keys=PostgresIdempotencyKeys(), clock=clock)

    handlers = jobs.JobHandlers(delete_package_files=delete_package_files)
    # One app each: leaving `open_async` closes the connections of everybody who uses the same app.
    runner, rescuer = jobs.build_worker_app(dsn, handlers), jobs.build_worker_app(dsn, handlers)

    async def run_jobs() -> None:
        async with runner.open_async():
            await jobs.run_jobs(runner, lost_seconds=lost_seconds)

    async def rescue() -> None:
        async with rescuer.open_async():
            await jobs.rescue_stalled(rescuer, lost_seconds=lost_seconds)

    pause = lost_seconds / 4
    loops: list[Loop] = [
        lambda: _for_ever("jobs", run_jobs, pause_seconds=1),
        lambda: run_as_single_holder(dsn, "sweeper", lambda: _for_ever("sweeper", sweep, pause_seconds=pause)),
        lambda: run_as_single_holder(dsn, "rescue", lambda: _for_ever("rescue", rescue, pause_seconds=pause)),
        lambda: run_as_single_holder(dsn, "forget", lambda: _for_ever("forget", forget, pause_seconds=FORGET_SECONDS)),
    ]
    if credential_file is not None:
        keep = partial(keep_credential, credential_file)
        loops.append(partial(_for_ever, "credential", keep, pause_seconds=CREDENTIAL_SECONDS))
    return loops


async def _for_ever(name: str, work: Loop, *, pause_seconds: float) -> None:
    """Repeats `work`; what it raises is logged, for the next turn may go better."""
    while True:
        try:
            await work()
        except Exception as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise  # it failed while being cancelled: going on would lose the cancellation
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
