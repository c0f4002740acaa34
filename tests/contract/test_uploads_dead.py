"""An upload that died is cleaned up and never becomes visible; one that lives is left alone."""

import asyncio
import io
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from server.domain.errors import Conflict, Unavailable
from server.domain.ids import new_id
from server.domain.packages import content_prefix, original_name
from server.services import sweeper
from server.services.ports import StaleUpload
from server.services.sweeper import delete_package_files
from server.storage.uploads import PostgresUploads
from tests.contract.uploads_fixtures import (
    NOTHING,
    Body,
    Bucket,
    Host,
    endless,
    running_host,
    until,
    with_limits,
)
from tests.databases import Dsns
from tests.factories import scorm12_package


async def stored_by_a_dead_process(host: Host) -> UUID:
    package_id = new_id(host.clock.now())
    async with host.database.write(host.tenant_id) as transaction:
        begin = PostgresUploads().begin(tenant_id=host.tenant_id, package_id=package_id, at=host.clock.now())
        await transaction.run(begin)
    prefix = content_prefix(host.tenant_id, package_id)
    for name in (f"{prefix}/index.html", original_name(host.tenant_id, package_id)):
        host.bucket.blobs.upload(
            name, io.BytesIO(b"x"), size_bytes=1, content_type="text/html", cache_control="private"
        )
    return package_id


async def test_what_a_killed_process_left_is_swept_once_it_is_stale(host: Host) -> None:
    kept = await host.upload(scorm12_package())
    names = host.bucket.names()
    await stored_by_a_dead_process(host)
    assert await host.sweep() == 0
    host.clock.ahead = timedelta(seconds=119)
    assert await host.sweep() == 0
    host.clock.ahead = timedelta(seconds=121)
    assert sorted(await asyncio.gather(host.sweep(), host.sweep())) in ([0, 1], [1, 1])
    assert host.bucket.names() == names
    assert await host.sweep() == 0
    assert await host.package(kept.id) == kept


async def test_files_of_a_deleted_package_go_and_nothing_else_does(host: Host) -> None:
    first, second = await host.upload(scorm12_package()), await host.upload(scorm12_package())
    for _ in range(2):
        await delete_package_files(blobs=host.bucket.blobs, tenant_id=host.tenant_id, package_id=first.id)
    assert {name.split("/")[3] for name in host.bucket.names()} == {str(second.id)}


async def test_an_upload_that_was_taken_for_dead_cannot_become_visible(host: Host) -> None:
    async def claim() -> None:
        host.clock.ahead = timedelta(days=1)
        assert await host.sweep() == 1

    with pytest.raises(Conflict):
        await host.upload(Body(scorm12_package(), after=claim))
    assert await host.left() == NOTHING


async def test_an_upload_beats_and_stops_by_itself_once_it_was_taken_for_dead(
    storage: Bucket, dsns: Dsns, tmp_path: Path
) -> None:
    def has_beaten(since: datetime) -> bool:
        with psycopg.connect(dsns.owner) as owner:
            return owner.execute("select 1 from uploads where beat_at >= %s", [since]).fetchone() is not None

    async with running_host(dsns, storage, tmp_path, limits=with_limits(beat_seconds=0.05)) as host:
        began = host.clock.now()
        task = asyncio.create_task(host.upload(Body(b"PK", after=endless)))
        await until(lambda: has_beaten(began))
        host.clock.ahead = timedelta(hours=1)
        # It says once more that it is alive.
        await until(lambda: has_beaten(began + timedelta(hours=1)))
        assert await host.sweep() == 0
        far = host.clock.now() + timedelta(days=1)
        claimed: list[StaleUpload] = []
        async with asyncio.timeout(60):
            # What beats at this moment is passed over.
            while not claimed:
                async with host.operator_database.write() as transaction:
                    claimed = await transaction.run(PostgresUploads().claim_stale(before=far, limit=10))
        async with asyncio.timeout(5):
            with pytest.raises(Conflict):
                await task
        assert await host.left() == NOTHING


async def test_an_upload_that_has_become_a_package_is_not_taken_for_dead(host: Host) -> None:
    late = host.answering_late()
    stored = await late.upload(scorm12_package())
    assert await host.package(stored.id) == stored
    await late.uploads.drain()


async def test_an_upload_that_cannot_report_itself_alive_gives_up_and_takes_its_files_along(
    storage: Bucket, dsns: Dsns, tmp_path: Path
) -> None:
    storage.blobs.delete_prefix("")
    limits = with_limits(beat_seconds=0.05, lost_seconds=0.2)
    data = scorm12_package(files={f"f/{number}.txt": b"x" for number in range(2000)})
    async with running_host(dsns, storage, tmp_path, limits=limits) as host:
        host.bucket.faults(latency_ms=50)
        task = asyncio.create_task(host.upload(data))
        await until(lambda: len(host.bucket.names()) > 10)
        await host.database.close()
        async with asyncio.timeout(5):
            with pytest.raises(Unavailable):
                await task
        await host.uploads.drain()
        assert host.bucket.names() == []
        host.clock.ahead = timedelta(hours=1)
        assert await host.sweep() == 1


async def test_uploads_that_died_by_the_hundred_are_swept_in_one_pass(host: Host) -> None:
    count = sweeper.BATCH + 1
    for _ in range(count):
        async with host.database.write(host.tenant_id) as transaction:
            await transaction.run(
                PostgresUploads().begin(
                    tenant_id=host.tenant_id, package_id=new_id(host.clock.now()), at=host.clock.now()
                )
            )
    host.clock.ahead = timedelta(hours=1)
    assert await host.sweep() == count
    assert await host.left() == NOTHING
