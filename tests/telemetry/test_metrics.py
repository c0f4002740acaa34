"""The page of metrics, and what the parts of a process count for it."""

import socket

import httpx
import psycopg
import pytest

from server.domain.ids import new_id
from server.rpc.lifecycle import CannotListen
from server.storage import jobs
from server.storage.connection import PostgresDatabase, PostgresOperatorDatabase
from server.storage.http_adapter import operation_of, outcome_of
from server.telemetry import readings
from server.telemetry.metrics import Metrics
from server.worker_loops import Counts
from tests.databases import Dsns
from tests.edge import free_port
from tests.rows import NOW, store_tenant


async def test_the_page_is_served_while_the_process_runs_and_no_longer() -> None:
    address = f"127.0.0.1:{free_port()}"
    async with httpx.AsyncClient() as client:
        async with Metrics.opened(address, "serve"):
            page = (await client.get(f"http://{address}/metrics")).text
        with pytest.raises(httpx.ConnectError):
            await client.get(f"http://{address}/metrics")
    assert 'scorm_build_info{python="3.' in page
    assert 'role="serve"' in page
    assert "process_resident_memory_bytes" in page


async def test_an_address_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(CannotListen, match=f"METRICS_ADDRESS {address}"):
            async with Metrics.opened(address, "serve"):
                pass


async def test_without_an_address_calls_are_not_counted() -> None:
    async with Metrics.opened(None, "serve") as metrics:
        assert metrics.arounds == []


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [
        ("POST", "/upload/storage/v1/b/scorm/o?uploadType=multipart", "upload"),
        ("PUT", "/upload/storage/v1/b/scorm/o?upload_id=x", "upload"),
        ("GET", "/storage/v1/b/scorm/o?prefix=tenants%2F&alt=json", "list"),
        ("GET", "/storage/v1/b/scorm/o/tenants%2Fa", "get"),
        ("GET", "/download/storage/v1/b/scorm/o/a?alt=media", "download"),
        ("POST", "/batch/storage/v1", "batch"),
        ("DELETE", "/storage/v1/b/scorm/o/a", "delete"),
        ("POST", "/storage/v1/b", "other"),
    ],
)
def test_requests_to_storage_have_a_name_each(method: str, path: str, operation: str) -> None:
    assert operation_of(method, f"https://storage.googleapis.com{path}") == operation


def test_what_the_storage_client_repeats_is_told_from_what_was_refused() -> None:
    outcomes = {status: outcome_of(status) for status in (200, 204, 308, 404, 412, 408, 429, 503)}
    assert [status for status, outcome in outcomes.items() if outcome == "answered"] == [200, 204, 308]
    assert [status for status, outcome in outcomes.items() if outcome == "refused"] == [404, 412]


async def test_jobs_are_counted_by_queue_and_state_and_the_oldest_has_an_age(
    database: PostgresDatabase, operator_database: PostgresOperatorDatabase, dsns: Dsns
) -> None:
    assert await operator_database.read(jobs.queues()) == {}
    tenant, asked = await store_tenant(operator_database), jobs.PostgresJobs()
    for _ in range(2):
        async with database.write(tenant.id) as transaction:
            await transaction.run(asked.delete_package_files(tenant_id=tenant.id, package_id=new_id(NOW)))
    async with database.write(tenant.id) as transaction:
        await transaction.run(asked.import_package(tenant_id=tenant.id, import_job_id=new_id(NOW)))
    with psycopg.connect(dsns.owner) as connection:
        connection.execute("update jobs.procrastinate_jobs set status = 'doing' where queue_name = 'imports'")
    queues = await operator_database.read(jobs.queues())
    assert {name: (queue.waiting, queue.running) for name, queue in queues.items()} == {
        "default": (2, 0),
        "imports": (0, 1),
    }
    assert all(0 < queue.oldest_seconds < 60 for queue in queues.values())
    assert asked.enqueued == {"delete_package_files": 2, "import_package": 1}
    found = {
        (sample.name, sample.labels["queue"]): sample.value
        for family in readings.worker(Counts(queues={"imports": queues["imports"]}))
        for sample in family.samples
        if "queue" in sample.labels
    }
    assert found["scorm_jobs_running", "imports"] == 1
    assert found["scorm_jobs_waiting", "default"] == 0


async def test_a_job_counts_as_failed_each_time_that_it_fails(
    database: PostgresDatabase, operator_database: PostgresOperatorDatabase, dsns: Dsns
) -> None:
    tenant, counts = await store_tenant(operator_database), Counts()

    async def fail(**_: object) -> None:
        raise OSError("storage is away")

    async with database.write(tenant.id) as transaction:
        await transaction.run(jobs.PostgresJobs().delete_package_files(tenant_id=tenant.id, package_id=new_id(NOW)))
    app = jobs.build_worker_app(dsns.operator, jobs.JobHandlers(delete_package_files=fail, import_package=fail))
    async with app.open_async():
        await jobs.run_waiting_jobs(app, counts=counts.job_runs)
    assert counts.job_runs.failed == {"delete_package_files": 1}
    assert counts.job_runs.succeeded == {}
    samples = {sample.name: sample.value for family in readings.worker(counts) for sample in family.samples}
    assert samples["scorm_jobs_failed_total"] == 1


async def test_the_pool_is_told_with_who_waits_for_it(database: PostgresDatabase) -> None:
    await database.ping()
    pools = {"server": database}
    samples = {sample.name: sample.value for family in readings.databases(pools) for sample in family.samples}
    assert samples["scorm_database_pool_size"] == 2
    assert samples["scorm_database_pool_taken_total"] == 1
    assert samples["scorm_database_pool_waiting"] == 0
    assert samples["scorm_database_round_trips_total"] == 1
