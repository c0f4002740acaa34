"""An accepted upload is complete in storage, visible and counted."""

import asyncio
import dataclasses
import io
import os
import threading
import zipfile
from datetime import timedelta
from typing import Any

import pytest

from server.domain.errors import QuotaExceeded
from server.domain.packages import content_prefix, original_name
from server.services.packages import Packages
from server.storage.jobs import PostgresJobs
from server.storage.packages import PostgresPackages
from server.storage.quotas import PostgresQuotas
from server.storage.session_lists import PostgresSessions
from tests.contract.uploads_fixtures import MIB, Body, Host
from tests.factories import Member, course_files, manifest12, scorm12_package, scorm2004_package, zip_bytes


def stored(host: Host, name: str) -> bytes:
    blob = host.bucket.blobs._bucket.blob(name)
    data: bytes = blob.download_as_bytes()
    return data


async def test_a_scorm_1_2_package_is_stored_with_all_its_files(host: Host) -> None:
    data = scorm12_package(title="Fire drill", scos=2)
    package = await host.upload(data)
    assert (package.title, package.version, package.launch_path) == ("Fire drill", "1.2", "sco1/index.html")
    assert (package.file_size_bytes, package.uploaded_by) == (len(data), "user-123")
    assert await host.package(package.id) == package
    prefix = content_prefix(host.tenant_id, package.id)
    objects = {blob.name: blob for blob in host.bucket.blobs.list("")}
    expected = {f"{prefix}/{name}" for name in [*course_files(2), "imsmanifest.xml"]}
    assert set(objects) == expected | {original_name(host.tenant_id, package.id)}
    assert stored(host, f"{prefix}/sco2/picture.png") == course_files(2)["sco2/picture.png"]
    assert stored(host, original_name(host.tenant_id, package.id)) == data
    assert objects[f"{prefix}/sco1/index.html"].content_type == "text/html"
    assert host.bucket.blobs._bucket.get_blob(f"{prefix}/sco1/index.html").cache_control == "private, no-cache"
    usage = await host.usage()
    unpacked = len(manifest_of(data)) + sum(map(len, course_files(2).values()))
    assert (usage.package_count, usage.stored_bytes) == (1, len(data) + unpacked)


def manifest_of(data: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return archive.read("imsmanifest.xml")


async def test_a_deleted_package_gives_back_all_that_was_counted_for_it(host: Host) -> None:
    kept, deleted = [await host.upload(scorm12_package(files={"zeros.bin": bytes(size)})) for size in (MIB, 2 * MIB)]
    before = (await host.usage()).stored_bytes
    packages = Packages(
        database=host.database,
        packages=PostgresPackages(),
        quotas=PostgresQuotas(),
        sessions=PostgresSessions(),
        jobs=PostgresJobs(),
        clock=host.clock,
    )
    await packages.delete(tenant_id=host.tenant_id, package_id=str(deleted.id))
    assert 2 * MIB < before - (await host.usage()).stored_bytes < 2.1 * MIB
    await packages.delete(tenant_id=host.tenant_id, package_id=str(kept.id))
    usage = await host.usage()
    assert (usage.package_count, usage.stored_bytes) == (0, 0)


@pytest.mark.parametrize("edition", ["2nd", "3rd", "4th"])
async def test_scorm_2004_packages_are_stored(host: Host, edition: str) -> None:
    package = await host.upload(scorm2004_package(edition=edition))
    assert package.version == "2004"
    assert package.metadata is not None
    assert package.metadata.schema_version == f"2004 {edition} Edition"


async def test_the_clean_up_has_nothing_left_to_do_after_a_success(host: Host) -> None:
    await host.upload(scorm12_package())
    assert (host.uploads.outcomes, host.uploads.running) == ({"stored": 1}, 1)
    names, count, reserved = await host.left()
    assert (len(names), count, reserved) == (6, 1, 0)
    assert (host.uploads.running, host.spool.received_bytes) == (0, len(scorm12_package()))
    host.clock.ahead += timedelta(days=1)
    assert await host.sweep() == 0
    assert host.bucket.names() == names


async def test_a_wrapped_package_lies_at_the_content_root_and_says_so(host: Host) -> None:
    package = await host.upload(scorm12_package(folder="course/"))
    assert f"{content_prefix(host.tenant_id, package.id)}/imsmanifest.xml" in host.bucket.names()
    assert package.metadata is not None
    assert any("folder 'course'" in warning for warning in package.metadata.warnings)


async def test_the_title_falls_back_to_the_file_name(host: Host) -> None:
    files = {"imsmanifest.xml": manifest12(title="").encode(), **course_files()}
    data = zip_bytes([Member(name, content) for name, content in files.items()])
    assert (await host.upload(Body(data, filename="My course.ZIP"))).title == "My course"
    assert (await host.upload(Body(data, filename=None))).title == "Untitled package"


@pytest.mark.parametrize("method", [0, 8])
async def test_large_and_small_files_arrive_unchanged(host: Host, method: int) -> None:
    large = {f"large{number}.mp4": os.urandom(size) for number, size in enumerate([20 * MIB + 5, 9 * MIB, 2 * MIB])}
    small = {f"small/{number}.txt": b"%d" % number for number in range(100)}
    files = {"imsmanifest.xml": manifest12().encode(), **course_files(), **large, **small, "empty.txt": b""}
    data = zip_bytes([Member(name, content, method=method) for name, content in files.items()])
    package = await host.upload(data, declared_bytes=len(data) + 400)
    prefix = content_prefix(host.tenant_id, package.id)
    assert len(host.bucket.names()) == len(files) + 1
    for name in [*large, "small/77.txt", "empty.txt"]:
        assert stored(host, f"{prefix}/{name}") == files[name]
    assert stored(host, original_name(host.tenant_id, package.id)) == data


class Counted:
    """Storage that counts how many objects it is sent at the same time."""

    def __init__(self, blobs: Any) -> None:
        self.most = 0
        self._now = 0
        self._blobs = blobs
        self._lock = threading.Lock()

    def upload(self, *arguments: Any, **options: Any) -> None:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        try:
            self._blobs.upload(*arguments, **options)
        finally:
            with self._lock:
                self._now -= 1


async def test_as_many_small_files_are_on_their_way_as_there_are_threads(host: Host) -> None:
    data = scorm12_package(files={f"f/{number}.txt": b"x" for number in range(64)})
    # Long enough for a busy machine to begin them all.
    host.bucket.faults(latency_ms=500)
    counted: Any = Counted(host.bucket.blobs)
    uploads = dataclasses.replace(host.uploads, blobs=counted)
    await uploads.upload(tenant_id=host.tenant_id, source=Body(data))
    await uploads.drain()
    # With the original, unless it was sent before.
    assert counted.most in (uploads.threads.count, uploads.threads.count + 1)


async def test_two_uploads_at_once_share_the_threads(host: Host) -> None:
    data = scorm12_package(files={f"f/{number}.txt": b"x" for number in range(1500)})
    host.bucket.faults(latency_ms=20)
    first = asyncio.create_task(host.upload(data))
    await asyncio.sleep(0.3)
    await host.upload(scorm12_package())
    assert not first.done()
    await first


async def test_faults_of_storage_are_retried(host: Host) -> None:
    host.bucket.faults(fail_every=7, status=503)
    package = await host.upload(scorm12_package(scos=4, files={"large.bin": os.urandom(20 * MIB)}))
    host.bucket.end_faults()
    assert len(host.bucket.names()) == len(course_files(4)) + 3
    assert await host.package(package.id) is not None


async def test_twenty_uploads_with_five_left_make_exactly_five(host: Host) -> None:
    await host.set_quota(packages=5)
    data = scorm12_package()
    results = await asyncio.gather(*(host.upload(data) for _ in range(20)), return_exceptions=True)
    refused = [result for result in results if isinstance(result, QuotaExceeded)]
    assert len(refused) == 15
    assert {(error.limit, error.current) for error in refused} == {(5, 5)}
    names, count, reserved = await host.left()
    assert (len({name.split("/")[3] for name in names}), count, reserved) == (5, 5, 0)
