"""Of all files of an archive each is copied, or whoever waits for them is told at once."""

import asyncio
import os
import tempfile
from collections.abc import Iterator

import pytest

from server.domain.errors import Unavailable
from server.domain.zip_rules import plan
from server.services.transfer import Transfer, TransferThreads, wait_for
from server.storage.archive import Archive
from tests.contract.uploads_fixtures import LIMITS, MIB, NOTHING, Bucket, Host
from tests.factories import scorm12_package

PROMPTLY_SECONDS = 10
SMALL = {f"f/{number}.txt": b"x" for number in range(45)}
# In a session of their own, chunk by chunk.
LARGE = {f"large-{number}.bin": os.urandom(9 * MIB) for number in range(2)}
WHOLE, CHUNK = "POST /upload/", "PUT /upload/"


@pytest.fixture
def threads() -> Iterator[TransferThreads]:
    threads = TransferThreads(4)
    yield threads
    threads.close()


@pytest.fixture
def bucket(storage: Bucket) -> Iterator[Bucket]:
    storage.blobs.delete_prefix("")
    yield storage
    storage.end_faults()


async def transfer(threads: TransferThreads, bucket: Bucket, files: dict[str, bytes]) -> set[str]:
    """Copies a course with these files; answers the names that should be there then."""
    data = scorm12_package(files=files)
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        archive = Archive.read(file.fileno(), size_bytes=len(data), max_entries=1000)
        planned = plan(archive.entries, archive_size=len(data), limits=LIMITS)
        transfer = Transfer(threads, bucket.blobs, archive, planned.files, prefix="p")
        async with asyncio.timeout(PROMPTLY_SECONDS):
            await wait_for(transfer.ended)
    return {f"p/{file.name}" for file in planned.files}


async def test_every_file_is_there_once_it_has_ended(threads: TransferThreads, bucket: Bucket) -> None:
    expected = await transfer(threads, bucket, SMALL | LARGE)
    assert set(bucket.names()) == expected
    assert len(expected) > len(SMALL) + len(LARGE)


@pytest.mark.parametrize(
    ("files", "match", "kth"),
    [(SMALL, WHOLE, 1), (SMALL, WHOLE, 25), (SMALL, WHOLE, 45), (LARGE, CHUNK, 1), (LARGE, CHUNK, 4)],
    ids=["first", "some", "nearly-last", "large", "last-chunk"],
)
async def test_one_file_that_storage_refuses_fails_all(
    threads: TransferThreads, bucket: Bucket, files: dict[str, bytes], match: str, kth: int
) -> None:
    bucket.faults(fail_every=kth, times=1, status=403, match=match)
    with pytest.raises(Unavailable):
        await transfer(threads, bucket, files)


async def test_an_upload_of_which_storage_refuses_one_file_is_no_package(host: Host) -> None:
    # The first is the original.
    host.bucket.faults(fail_every=9, times=1, status=403, match=WHOLE)
    with pytest.raises(Unavailable):
        async with asyncio.timeout(PROMPTLY_SECONDS):
            await host.upload(scorm12_package(files=SMALL))
    assert host.uploads.outcomes == {"failed": 1}
    assert await host.left() == NOTHING
