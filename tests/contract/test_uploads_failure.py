"""Of an upload that is refused or broken off nothing remains."""

import asyncio
import contextlib
import io
import os
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from server.domain.api_keys import Plan, Tenant
from server.domain.errors import (
    DomainError,
    InvalidRequest,
    QuotaExceeded,
    TooLarge,
    Unauthorized,
    Unavailable,
    ValidationFailed,
)
from server.domain.ids import new_id
from server.services.attempt import Attempt
from server.services.ports import Database, Transaction
from server.storage import blobs
from server.storage.tenants import PostgresTenants
from tests.contract.uploads_fixtures import (
    LIMITS,
    MIB,
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
from tests.factories import Member, course_files, manifest12, scorm12_package, zip_bytes

LARGE = os.urandom(20 * MIB)


def course(*members: Member) -> bytes:
    files = {"imsmanifest.xml": manifest12().encode(), **course_files()}
    return zip_bytes([*(Member(name, data) for name, data in files.items()), *members])


async def cancelled(task: "asyncio.Task[Any]") -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"plainly no zip", "The file is no ZIP archive, or it is truncated"),
        (course()[:-100], "The file is no ZIP archive, or it is truncated"),
        (LARGE, "The file is no ZIP archive, or it is truncated"),
        (zip_bytes([Member("index.html", b"x")]), None),
        (zip_bytes([Member("imsmanifest.xml", b"<manifest")]), None),
        (course(Member("../escape.txt", b"x")), "'../escape.txt' leads out of its folder"),
        (course(Member("small.txt", b"x" * 99, crc=1)), "'small.txt' is damaged: "),
        (course(Member("large.bin", LARGE, crc=1)), "'large.bin' is damaged: "),
        (course(Member("longer.bin", LARGE, size=len(LARGE) - 1)), "'longer.bin' is damaged: "),
        (course(Member("shorter.bin", LARGE, size=len(LARGE) + 1)), "'shorter.bin' is damaged: "),
    ],
    ids=["text", "cut", "noise", "no-manifest", "no-xml", "escape", "crc", "large-crc", "longer", "shorter"],
)
async def test_a_bad_package_is_refused_with_its_fault_and_leaves_nothing(
    host: Host, data: bytes, fault: str | None
) -> None:
    with pytest.raises(ValidationFailed) as refused:
        await host.upload(data)
    assert list(refused.value.field_errors) == ["file"]
    assert refused.value.field_errors["file"][0].startswith(fault or "")
    assert host.uploads.outcomes == {"refused": 1}
    assert await host.left() == NOTHING


@pytest.mark.parametrize("error", [InvalidRequest("broken off"), ValidationFailed.of("uploaded_by", "too long")])
async def test_what_the_body_raises_comes_out_and_leaves_nothing(host: Host, error: DomainError) -> None:
    async def fail() -> None:
        raise error

    with pytest.raises(type(error)) as raised:
        await host.upload(Body(scorm12_package(files={"large.bin": LARGE}), after=fail))
    assert raised.value is error
    assert await host.left() == NOTHING


async def test_before_a_package_is_accepted_no_object_exists(host: Host) -> None:
    seen: list[list[str]] = []

    async def look() -> None:
        await asyncio.sleep(0.3)
        seen.append(await asyncio.to_thread(host.bucket.names))

    await host.upload(Body(scorm12_package(files={"large.bin": LARGE}), after=look))
    assert seen == [[]]


async def test_a_manifest_of_unreasonable_size_is_not_read(host: Host) -> None:
    data = zip_bytes([Member("imsmanifest.xml", b" " * (11 * MIB))])
    with pytest.raises(ValidationFailed) as refused:
        await host.upload(data)
    assert refused.value.field_errors == {"file": [f"The manifest is larger than {10 * MIB} bytes"]}


async def test_a_package_beyond_the_limits_is_too_large(storage: Bucket, dsns: Dsns, tmp_path: Path) -> None:
    limits = with_limits(zip=replace(LIMITS, max_expanded_bytes=10 * MIB))
    async with running_host(dsns, storage, tmp_path, limits=limits, max_file_bytes=15 * MIB) as host:
        with pytest.raises(TooLarge, match="The unpacked package"):
            await host.upload(course(Member("zeros.bin", bytes(11 * MIB))))
        with pytest.raises(TooLarge, match="The package"):
            await host.upload(course(Member("noise.bin", LARGE)))
        with pytest.raises(TooLarge, match="The package"):
            await host.upload(b"", declared_bytes=18 * MIB)
        assert await host.left() == NOTHING


async def test_an_exhausted_spool_is_unavailable_and_leaves_nothing(
    storage: Bucket, dsns: Dsns, tmp_path: Path
) -> None:
    async with running_host(dsns, storage, tmp_path, spool_bytes=30 * MIB) as host:
        told = asyncio.Event()
        first = asyncio.create_task(host.upload(Body(LARGE, after=told.wait)))
        await until(lambda: host.spool.reserved_bytes >= len(LARGE))
        with pytest.raises(Unavailable) as refused:
            await host.upload(LARGE)
        assert refused.value.retry_after_seconds == 30
        told.set()
        # It had all the room that it needs, and turns out to be no zip.
        with pytest.raises(ValidationFailed):
            await first
        assert await host.left() == NOTHING


async def test_more_uploads_at_once_than_threads_are_unavailable(host: Host) -> None:
    host.uploads.threads.max_uploads = 1
    first = asyncio.create_task(host.upload(Body(b"x", after=endless)))
    await asyncio.sleep(0.1)
    with pytest.raises(Unavailable):
        await host.upload(scorm12_package())
    await cancelled(first)
    await host.uploads.drain()
    await host.upload(scorm12_package())


async def stalling(host: Host) -> None:
    """Uploads something that does not come. Whom a busy machine keeps waiting for the database asks again."""
    while True:
        with contextlib.suppress(Unavailable):
            await host.upload(Body(b"PK", after=endless), declared_bytes=512 * MIB)
        await asyncio.sleep(0.1)


async def test_a_tenant_that_stalls_all_its_uploads_takes_no_room_from_others(
    storage: Bucket, dsns: Dsns, tmp_path: Path
) -> None:
    other = new_id(datetime.now(UTC))
    async with running_host(dsns, storage, tmp_path, max_file_bytes=512 * MIB, spool_bytes=1024 * MIB) as host:
        async with host.operator_database.write() as transaction:
            tenant = Tenant(id=other, name="Other", plan=Plan.STANDARD, created_at=host.clock.now())
            await transaction.run(PostgresTenants().insert(tenant))
        stalled = [asyncio.create_task(stalling(host)) for _ in range(64)]
        await until(lambda: host.spool.reserved_bytes == 64 * MIB or any(task.done() for task in stalled))
        assert [task.exception() for task in stalled if task.done()] == []
        with pytest.raises(Unavailable, match="This tenant has 64 uploads on their way"):
            await host.upload(scorm12_package())
        await host.uploads.upload(tenant_id=other, source=Body(scorm12_package()), declared_bytes=512 * MIB)
        for task in stalled:
            await cancelled(task)
        await host.uploads.drain()
        await host.upload(scorm12_package())


async def test_a_tenant_that_is_gone_is_unauthorized(host: Host) -> None:
    with pytest.raises(Unauthorized):
        await host.uploads.upload(tenant_id=new_id(host.clock.now()), source=Body(scorm12_package()))


async def test_a_used_up_quota_is_told_before_the_body_is_read(host: Host) -> None:
    await host.set_quota(packages=0)
    with pytest.raises(QuotaExceeded) as refused:
        await host.upload(Body(b"", after=endless))
    assert (refused.value.message, refused.value.limit, refused.value.current) == ("Package limit exceeded", 0, 0)


async def test_stored_bytes_beyond_the_quota_are_refused_and_leave_nothing(host: Host) -> None:
    data = course(Member("zeros.bin", bytes(MIB)))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        stored = len(data) + sum(entry.file_size for entry in archive.infolist())
    await host.set_quota(stored_bytes=stored - 1)
    with pytest.raises(QuotaExceeded) as refused:
        await host.upload(data)
    assert (refused.value.message, refused.value.limit) == ("Storage limit exceeded", stored - 1)
    assert await host.left() == NOTHING
    await host.set_quota(stored_bytes=stored)
    await host.upload(data)


async def test_unpacked_bytes_beyond_the_quota_are_refused_before_they_are_copied(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def store(*_: object) -> None:
        raise AssertionError("files were copied")

    monkeypatch.setattr(Attempt, "store", store)
    await host.set_quota(stored_bytes=MIB)
    with pytest.raises(QuotaExceeded):
        await host.upload(course(Member("zeros.bin", bytes(MIB))))


async def test_a_client_that_disconnects_while_sending_leaves_nothing(host: Host) -> None:
    task = asyncio.create_task(host.upload(Body(LARGE, after=endless)))
    await asyncio.sleep(0.5)
    await cancelled(task)
    assert await host.left() == NOTHING
    assert host.uploads.outcomes == {"cancelled": 1}
    assert (await host.sweep(), await host.sweep()) == (1, 0)
    assert (host.swept.claimed, host.swept.swept, host.swept.left) == (1, 1, 0)


async def test_a_client_that_disconnects_while_files_are_copied_leaves_nothing(host: Host) -> None:
    host.bucket.faults(latency_ms=50)
    files = {f"f/{number}.txt": b"x" for number in range(500)} | {"large.bin": LARGE}
    task = asyncio.create_task(host.upload(scorm12_package(files=files)))
    await until(lambda: len(host.bucket.names()) > 10)
    await cancelled(task)
    assert await host.left() == NOTHING


async def test_storage_that_fails_for_good_is_unavailable_and_the_sweeper_removes_the_rest(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blobs, "_RETRY", blobs._RETRY.with_timeout(0.5))
    data = scorm12_package(files={f"f/{number}.txt": b"x" for number in range(2000)})
    host.bucket.faults(latency_ms=10)
    task = asyncio.create_task(host.upload(data))
    await until(lambda: len(host.bucket.names()) > 10)
    host.bucket.faults(fail_every=1, status=503)
    with pytest.raises(Unavailable):
        await task
    await host.uploads.drain()
    assert host.uploads.outcomes == {"failed": 1}
    assert await host.sweep() == 0
    assert host.swept.left == 1
    host.bucket.end_faults()
    left = len(host.bucket.names())
    assert left > 0
    assert await host.sweep() == 1
    assert host.swept.removed_objects == left
    assert await host.left() == NOTHING


async def test_storage_that_fails_is_told_while_the_body_still_arrives(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blobs, "_RETRY", blobs._RETRY.with_timeout(0.3))
    host.bucket.faults(fail_every=1, status=503)

    class Slow(Body):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            for _ in range(10_000):
                yield b"x" * 100_000
                await asyncio.sleep(0.01)

    async with asyncio.timeout(10):
        with pytest.raises(Unavailable):
            await host.upload(Slow(b""))


async def test_a_package_whose_commit_got_no_answer_keeps_its_files(host: Host) -> None:
    class LosesTheAnswer:
        """Postgres whose connection breaks after the third transaction's COMMIT has been done."""

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

    database: Database = LosesTheAnswer(host.database)  # type: ignore[assignment]  # overloads of `read`
    with pytest.raises(Unavailable):
        await replace(host.uploads, database=database).upload(tenant_id=host.tenant_id, source=Body(scorm12_package()))
    await asyncio.sleep(0.5)
    names, count, reserved = await host.left()
    assert (len(names), count, reserved) == (6, 1, 0)
    host.clock.ahead = timedelta(days=1)
    assert await host.sweep() == 0
