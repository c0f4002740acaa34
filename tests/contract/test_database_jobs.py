"""Jobs are enqueued with the caller's transaction and run until they succeed; locks have one holder."""

import asyncio
from collections.abc import Callable
from uuid import UUID

import psycopg
import pytest
from procrastinate import App

from server.domain.ids import new_id
from server.storage import jobs
from server.storage.connection import PostgresDatabase, PostgresOperatorDatabase
from server.storage.jobs import JobHandlers, PostgresJobs, build_worker_app
from server.storage.single_holder import run_as_single_holder
from tests.databases import Dsns
from tests.rows import NOW, store_tenant


class Recorder:
    """Remembers what it was called with, and fails as often as it was told to."""

    def __init__(self, failures: int = 0) -> None:
        self.calls: list[tuple[UUID, UUID]] = []
        self.called = asyncio.Event()
        self._failures = failures

    async def __call__(self, *, tenant_id: UUID, package_id: UUID) -> None:
        self.calls.append((tenant_id, package_id))
        self.called.set()
        if len(self.calls) <= self._failures:
            raise OSError("storage is away")


@pytest.fixture
async def tenant(operator_database: PostgresOperatorDatabase) -> UUID:
    return (await store_tenant(operator_database)).id


def worker(dsns: Dsns, recorder: Recorder) -> App:
    async def import_nothing(**_: UUID) -> None:
        raise AssertionError("nobody asked for an import")

    handlers = JobHandlers(delete_package_files=recorder, import_package=import_nothing)
    return build_worker_app(dsns.operator, handlers)


async def enqueue(database: PostgresDatabase, tenant: UUID, package: UUID) -> None:
    async with database.write(tenant) as transaction:
        await transaction.run(PostgresJobs().delete_package_files(tenant_id=tenant, package_id=package))


def statuses(dsns: Dsns) -> list[tuple[str, int]]:
    with psycopg.connect(dsns.owner) as connection:
        return connection.execute("select status::text, attempts from jobs.procrastinate_jobs order by id").fetchall()


async def test_a_committed_job_runs_and_leaves_no_row(database: PostgresDatabase, dsns: Dsns, tenant: UUID) -> None:
    package, recorder = new_id(NOW), Recorder()
    await enqueue(database, tenant, package)
    app = worker(dsns, recorder)
    async with app.open_async():
        await jobs.run_waiting_jobs(app)
    assert recorder.calls == [(tenant, package)]
    assert statuses(dsns) == []


async def test_a_rolled_back_transaction_leaves_no_job(database: PostgresDatabase, dsns: Dsns, tenant: UUID) -> None:
    async def enqueue_and_raise() -> None:
        async with database.write(tenant) as transaction:
            await transaction.run(PostgresJobs().delete_package_files(tenant_id=tenant, package_id=new_id(NOW)))
            raise KeyError

    with pytest.raises(KeyError):
        await enqueue_and_raise()
    assert statuses(dsns) == []


async def test_a_job_that_waits_already_is_not_enqueued_twice(
    database: PostgresDatabase, dsns: Dsns, tenant: UUID
) -> None:
    package = new_id(NOW)
    for job in (package, package, new_id(NOW)):
        await enqueue(database, tenant, job)
    assert statuses(dsns) == [("todo", 0), ("todo", 0)]


async def test_a_failing_job_waits_and_is_tried_again(database: PostgresDatabase, dsns: Dsns, tenant: UUID) -> None:
    recorder = Recorder(failures=1)
    await enqueue(database, tenant, new_id(NOW))
    app = worker(dsns, recorder)
    async with app.open_async():
        await jobs.run_waiting_jobs(app)
        assert statuses(dsns) == [("todo", 1)]
        with psycopg.connect(dsns.owner) as connection:
            pause = connection.execute("select scheduled_at - now() from jobs.procrastinate_jobs").fetchone()
            assert pause is not None
            assert 0 < pause[0].total_seconds() <= 2
            connection.execute("update jobs.procrastinate_jobs set scheduled_at = now()")
        await jobs.run_waiting_jobs(app)
    assert len(recorder.calls) == 2
    assert statuses(dsns) == []


async def test_a_running_worker_hears_of_a_job_at_once(database: PostgresDatabase, dsns: Dsns, tenant: UUID) -> None:
    recorder = Recorder()
    app = worker(dsns, recorder)
    async with app.open_async():
        running = asyncio.create_task(jobs.run_jobs(app))
        await asyncio.sleep(0.3)
        await enqueue(database, tenant, new_id(NOW))
        # Polling alone would take up to 2 s.
        await asyncio.wait_for(recorder.called.wait(), 1)
        running.cancel()
        await asyncio.wait([running])


async def test_the_job_of_a_dead_worker_is_taken_up_again(database: PostgresDatabase, dsns: Dsns, tenant: UUID) -> None:
    package, recorder = new_id(NOW), Recorder()
    await enqueue(database, tenant, package)
    with psycopg.connect(dsns.owner) as connection:
        connection.execute("set search_path = jobs")
        connection.execute("insert into procrastinate_workers (last_heartbeat) values (now() - interval '1 hour')")
        connection.execute("select procrastinate_fetch_job_v2(null, (select id from procrastinate_workers))")
    assert statuses(dsns) == [("doing", 0)]
    app = worker(dsns, recorder)
    async with app.open_async():
        assert await jobs.rescue_stalled(app) == 1
        assert await jobs.rescue_stalled(app) == 0
        await jobs.run_waiting_jobs(app)
    assert recorder.calls == [(tenant, package)]


async def test_a_lock_has_one_holder_until_it_stops(dsns: Dsns) -> None:
    holders: list[str] = []

    async def hold(name: str) -> None:
        holders.append(name)
        try:
            await asyncio.sleep(60)
        finally:
            holders.remove(name)

    def contend(name: str, lock: str = "sweeper") -> "asyncio.Task[None]":
        return asyncio.create_task(
            run_as_single_holder(dsns.operator, lock, lambda: hold(name), retry_seconds=0.05, check_seconds=0.05)
        )

    first = contend("first")
    await until(lambda: holders == ["first"])
    second, other = contend("second"), contend("other", "rescue")
    await until(lambda: "other" in holders)
    await asyncio.sleep(0.2)
    assert sorted(holders) == ["first", "other"]
    first.cancel()
    await until(lambda: sorted(holders) == ["other", "second"])
    # A holder whose connection is lost stops, and seeks the lock again.
    ends_backends = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'scorm-sweeper'"
    with psycopg.connect(dsns.owner) as admin:
        admin.execute(ends_backends)
    await until(lambda: holders == ["other"])
    await until(lambda: sorted(holders) == ["other", "second"])
    for task in (second, other):
        task.cancel()
    await asyncio.wait([first, second, other])
    assert holders == []


async def test_what_the_work_raises_reaches_the_caller(dsns: Dsns) -> None:
    async def fail() -> None:
        raise KeyError("work")

    with pytest.raises(KeyError, match="work"):
        await run_as_single_holder(dsns.operator, "sweeper", fail)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)
