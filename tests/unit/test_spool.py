"""The spool: bounded on every path, readable while it grows, nothing left behind."""

import asyncio
import errno
import os
import threading
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest

from server import main
from server.config import Settings, SettingsError
from server.domain.errors import TooLarge, Unavailable
from server.services.upload_ports import FORM_OVERHEAD_BYTES, UploadStopped
from server.storage.spool import DiskSpool
from server.storage.spool_directory import SpoolUnusable

MIB = 1024**2


@pytest.fixture
async def spool(tmp_path: Path) -> AsyncIterator[DiskSpool]:
    opened = DiskSpool(tmp_path / "spool", budget_bytes=100 * MIB, max_file_bytes=60 * MIB, step_bytes=16 * MIB)
    yield opened
    opened.close()
    assert opened.reserved_bytes == 0


async def test_what_was_written_is_read_from_any_place(spool: DiskSpool) -> None:
    file = spool.open(tenant_id=uuid4())
    data = os.urandom(3 * MIB + 17)
    for start in range(0, len(data), 700_000):
        await file.write(data[start : start + 700_000])
    await file.finish()
    file.accept()
    reader = file.reader()
    assert reader.read() == data
    assert reader.read(10) == b""
    reader.seek(MIB)
    assert (reader.read(5), reader.tell()) == (data[MIB : MIB + 5], MIB + 5)
    assert reader.seek(-3, os.SEEK_END) == len(data) - 3
    assert reader.read(10) == data[-3:]
    await file.close()


async def test_a_reader_gets_bytes_while_they_arrive_and_the_end_only_when_the_file_is_accepted(
    spool: DiskSpool,
) -> None:
    file = spool.open(tenant_id=uuid4())
    with ThreadPoolExecutor(1) as pool:
        reader = file.reader()
        first = asyncio.wrap_future(pool.submit(reader.read, 2 * MIB))
        await file.write(b"a" * MIB)
        await asyncio.sleep(0.05)
        assert not first.done()
        await file.write(b"b" * MIB)
        await file.finish()
        assert await first == b"a" * MIB + b"b" * MIB
        end = asyncio.wrap_future(pool.submit(reader.read, MIB))
        await asyncio.sleep(0.05)
        assert not end.done()
        file.accept()
        assert await end == b""
    await file.close()


async def test_stopping_fails_a_reader_that_waits(spool: DiskSpool) -> None:
    file = spool.open(tenant_id=uuid4())
    with ThreadPoolExecutor(1) as pool:
        waiting = asyncio.wrap_future(pool.submit(file.reader().read, 10))
        await asyncio.sleep(0.02)
        file.stop()
        with pytest.raises(UploadStopped):
            await waiting
    await file.close()


async def test_memory_is_taken_only_after_the_bytes_are_there(spool: DiskSpool) -> None:
    file = spool.open(tenant_id=uuid4())
    called = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        reading = asyncio.wrap_future(pool.submit(file.reader(before_read=called.set).read, 5))
        await asyncio.sleep(0.02)
        assert not called.is_set()
        await file.write(b"12345")
        await file.finish()
        assert await reading == b"12345"
        assert called.is_set()
    await file.close()


async def test_a_declared_size_takes_nothing_from_others_until_its_bytes_arrive(spool: DiskSpool) -> None:
    silent = [spool.open(tenant_id=uuid4(), declared_bytes=60 * MIB) for _ in range(10)]
    assert spool.reserved_bytes == 0
    file = spool.open(tenant_id=uuid4(), declared_bytes=60 * MIB)
    for _ in range(60):
        await file.write(b"x" * MIB)
    await file.finish()
    for waiting in [*silent, file]:
        await waiting.close()


async def test_a_declared_size_beyond_what_is_free_now_is_unavailable_at_once(spool: DiskSpool) -> None:
    file = spool.open(tenant_id=uuid4())
    for _ in range(50):
        await file.write(b"x" * MIB)
    await file.finish()
    with pytest.raises(Unavailable) as refused:
        spool.open(tenant_id=uuid4(), declared_bytes=50 * MIB + 1)
    assert refused.value.retry_after_seconds == 30
    await spool.open(tenant_id=uuid4(), declared_bytes=50 * MIB).close()
    await file.close()


async def test_bytes_are_reserved_in_steps_corrected_at_the_end_and_never_beyond_the_budget(spool: DiskSpool) -> None:
    taken = spool.open(tenant_id=uuid4())
    for _ in range(45):
        await taken.write(b"x" * MIB)
    assert spool.reserved_bytes == 48 * MIB
    await taken.finish()
    assert spool.reserved_bytes == 45 * MIB
    file = spool.open(tenant_id=uuid4())
    await file.write(b"x")
    assert spool.reserved_bytes == 61 * MIB
    for _ in range(54):
        await file.write(b"x" * MIB)
    await file.write(b"x" * (MIB - 1))
    assert spool.reserved_bytes == 100 * MIB
    with pytest.raises(Unavailable):
        await file.write(b"x")
    await file.close()
    assert spool.reserved_bytes == 45 * MIB
    await taken.close()


async def test_of_files_that_fill_the_spool_together_only_as_many_fail_as_must(spool: DiskSpool) -> None:
    first, second, third = (spool.open(tenant_id=uuid4()) for _ in range(3))
    for file in (first, second, third):
        await file.write(b"x" * 32 * MIB)
    with pytest.raises(Unavailable):
        await first.write(b"x" * 5 * MIB)
    waiting = [asyncio.create_task(file.write(b"x" * 20 * MIB)) for file in (second, third)]
    await asyncio.sleep(0.02)
    assert not any(task.done() for task in waiting)
    await first.close()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(result) for result in results] == [type(None), Unavailable]
    await second.close()
    await third.close()


async def test_a_file_that_is_cancelled_while_it_waits_for_room_takes_none(spool: DiskSpool) -> None:
    first, second = spool.open(tenant_id=uuid4()), spool.open(tenant_id=uuid4())
    for file in (first, second):
        await file.write(b"x" * 48 * MIB)
    with pytest.raises(Unavailable):
        await first.write(b"x" * 5 * MIB)
    waiting = asyncio.create_task(second.write(b"x" * 5 * MIB))
    await asyncio.sleep(0.02)
    waiting.cancel()
    await second.close()
    await first.close()


async def test_a_tenant_cannot_fill_the_spool_so_that_others_find_no_room(spool: DiskSpool) -> None:
    greedy, other = uuid4(), uuid4()
    files = [spool.open(tenant_id=greedy) for _ in range(2)]
    for file in files:
        await file.write(b"x" * 30 * MIB)
    with pytest.raises(Unavailable, match="all the room that one tenant may have") as refused:
        await files[0].write(b"x")
    assert refused.value.retry_after_seconds == 30
    with pytest.raises(Unavailable, match="all the room that one tenant may have"):
        spool.open(tenant_id=greedy, declared_bytes=1)
    found = spool.open(tenant_id=other, declared_bytes=40 * MIB)
    await found.write(b"x" * 40 * MIB)
    with pytest.raises(Unavailable, match="Too many uploads"):
        spool.open(tenant_id=uuid4(), declared_bytes=1)
    for file in (*files, found):
        await file.close()
    alone = spool.open(tenant_id=greedy, declared_bytes=60 * MIB)
    await alone.write(b"x" * 60 * MIB)
    await alone.close()


async def test_for_what_a_tenant_gives_back_of_its_share_only_its_own_files_wait(spool: DiskSpool) -> None:
    greedy, other = uuid4(), uuid4()
    first, second = (spool.open(tenant_id=greedy) for _ in range(2))
    third = spool.open(tenant_id=other)
    for file in (first, second):
        await file.write(b"x" * 30 * MIB)
    with pytest.raises(Unavailable):
        await first.write(b"x")
    waiting = asyncio.create_task(second.write(b"x"))
    await third.write(b"x" * 20 * MIB)
    assert not waiting.done()
    await first.close()
    await waiting
    for file in (second, third):
        await file.close()


@pytest.mark.parametrize(
    ("budget", "largest", "share"), [(40, 10, 20), (24, 20, 20), (10, 10, 10), (5, 10, 5)], ids=lambda size: f"{size}"
)
def test_a_share_is_half_or_the_largest_package(tmp_path: Path, budget: int, largest: int, share: int) -> None:
    opened = DiskSpool(tmp_path / "spool", budget_bytes=budget, max_file_bytes=largest)
    assert opened.share_bytes == share
    opened.close()


async def test_a_byte_and_silence_hold_little_of_a_default_spool(tmp_path: Path) -> None:
    opened = DiskSpool(tmp_path / "spool", budget_bytes=256 * MIB, max_file_bytes=60 * MIB)
    silent = [opened.open(tenant_id=uuid4(), declared_bytes=60 * MIB) for _ in range(128)]
    for file in silent:
        await file.write(b"x")
    assert opened.reserved_bytes <= 128 * MIB
    for file in silent:
        await file.close()
    opened.close()


async def test_a_package_beyond_the_limit_is_too_large_whether_declared_or_not(spool: DiskSpool) -> None:
    with pytest.raises(TooLarge, match=f"The package is larger than {60 * MIB} bytes"):
        spool.open(tenant_id=uuid4(), declared_bytes=60 * MIB + FORM_OVERHEAD_BYTES + 1)
    file = spool.open(tenant_id=uuid4(), declared_bytes=60 * MIB + FORM_OVERHEAD_BYTES)
    for _ in range(60):
        await file.write(b"x" * MIB)
    with pytest.raises(TooLarge):
        await file.write(b"x")
    await file.close()


async def test_a_full_disk_is_unavailable(spool: DiskSpool, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    file = spool.open(tenant_id=uuid4())
    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", full)
        await file.write(b"x" * MIB)
        with pytest.raises(Unavailable, match="no disk space") as refused:
            await file.finish()
    assert refused.value.retry_after_seconds == 30
    await file.close()


async def test_closing_during_a_cancelled_write_waits_for_the_thread(
    spool: DiskSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = threading.Event()
    real = os.pwrite

    def slow(descriptor: int, data: memoryview, offset: int) -> int:
        time.sleep(0.1)
        size = real(descriptor, data, offset)
        written.set()
        return size

    monkeypatch.setattr(os, "pwrite", slow)
    file = spool.open(tenant_id=uuid4())
    await file.write(b"x" * MIB)
    waiting = asyncio.create_task(file.finish())
    await asyncio.sleep(0.02)
    waiting.cancel()
    await file.close()
    assert written.is_set()
    await file.close()


async def test_no_file_has_a_name(spool: DiskSpool) -> None:
    file = spool.open(tenant_id=uuid4())
    await file.write(b"x" * 2 * MIB)
    await file.finish()
    assert list(spool.directory.iterdir()) == []
    assert spool.directory.stat().st_mode & 0o777 == 0o700
    await file.close()


def test_what_a_killed_process_left_is_removed_at_start(tmp_path: Path) -> None:
    old, young, other = tmp_path / "upload-old", tmp_path / "upload-young", tmp_path / "other"
    for path in (old, young, other):
        path.write_bytes(b"x")
    for path in (old, other):
        os.utime(path, (0, 0))
    DiskSpool(tmp_path, budget_bytes=1, max_file_bytes=1).close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "upload-young"]


def test_what_is_no_plain_file_is_left_alone_at_start(tmp_path: Path) -> None:
    (tmp_path / "upload-dangling").symlink_to(tmp_path / "nothing")
    (tmp_path / "upload-folder").mkdir()
    os.utime(tmp_path / "upload-folder", (0, 0))
    DiskSpool(tmp_path, budget_bytes=1, max_file_bytes=1).close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["upload-dangling", "upload-folder"]


def test_a_leftover_that_another_process_removes_meanwhile_does_not_stop_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "upload-old"
    path.touch()
    os.utime(path, (0, 0))
    real = Path.unlink

    def second(self: Path, missing_ok: bool = False) -> None:
        real(self)
        real(self, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", second)
    DiskSpool(tmp_path, budget_bytes=1, max_file_bytes=1).close()
    assert list(tmp_path.iterdir()) == []


def test_a_link_is_not_followed_to_a_directory_that_somebody_chose(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir(mode=0o700)
    (target / "upload-precious").write_bytes(b"x")
    os.utime(target / "upload-precious", (0, 0))
    (tmp_path / "spool").symlink_to(target)
    with pytest.raises(SpoolUnusable, match="a link"):
        DiskSpool(tmp_path / "spool", budget_bytes=1, max_file_bytes=1)
    assert (target / "upload-precious").exists()


@pytest.mark.parametrize("mode", [0o750, 0o702, 0o777])
def test_a_directory_that_others_can_reach_into_is_refused(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    with pytest.raises(SpoolUnusable, match="is open to other users"):
        DiskSpool(tmp_path, budget_bytes=1, max_file_bytes=1)


def test_a_directory_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(SpoolUnusable, match="belongs to user"):
        DiskSpool(tmp_path, budget_bytes=1, max_file_bytes=1)


def test_a_directory_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    for name in ("file", "file/below", "dangling"):
        with pytest.raises(SpoolUnusable, match="cannot be made"):
            DiskSpool(tmp_path / name, budget_bytes=1, max_file_bytes=1)


def test_a_role_says_which_setting_named_an_unusable_directory(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    environment = {
        "SPOOL_DIR": str(tmp_path / "link"),
        "DATABASE_URL": "postgresql://nobody@127.0.0.1/none",
        "API_KEY_PEPPER_FILE": "unread",
        "CONTENT_SIGNING_KEY_FILE": "unread",
        "DOWNLOAD_SIGNING_KEY_FILE": "unread",
        "PREVIEW_SIGNING_KEY_FILE": "unread",
        "SESSION_TOKEN_KEY_FILE": "unread",
    }
    with pytest.raises(SettingsError, match=r"SPOOL_DIR: .* link"):
        main._spool(Settings.from_environment(environment))
