"""Postgres on a disk that fills up: callers are told, nothing acknowledged is lost, and room makes it work again."""

import asyncio
import contextlib
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.faults.test_disk_full import MIB, can_mount
from tests.stack import Stack
from tests.stress.audit import audit
from tests.stress.ledger import Ledger, Load

# For the programs of Postgres too, where its user cannot reach ours.
DISKS = [600 * MIB]
TRIES = 200
WORKS_SECONDS = 60.0


@pytest.fixture
def disk(request: pytest.FixtureRequest) -> Iterator[Path]:
    """Where the user of Postgres can get, which no directory of pytest is."""
    folder = Path(tempfile.mkdtemp(prefix="scorm-disk-", dir="/var/tmp"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={request.param},mode=755", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)
    folder.rmdir()


@pytest.fixture
def stack(disk: Path, tmp_path: Path) -> Iterator[Stack]:
    place = tmp_path / "var" / "postgres"
    place.mkdir(parents=True)
    (place / "LOCATION").write_text(str(disk / "home"))
    stack = Stack.start(tmp_path / "var", serve_processes=1, durable=True, environment={"LOST_SECONDS": "3"})
    yield stack
    stack.discard()


def fill(disk: Path) -> Path:
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(MIB))
    return filler


def use_up_log(stack: Stack) -> None:
    """Makes Postgres take the next file of its log, of which it keeps some in store."""
    with contextlib.suppress(psycopg.Error), psycopg.connect(stack.database_url, autocommit=True) as connection:
        connection.execute("select pg_switch_wal()")


@pytest.mark.parametrize("disk", DISKS if can_mount() else [], indirect=True)
async def test_a_full_database_is_told_and_recovers(stack: Stack, disk: Path) -> None:
    key, ledger = stack.new_tenant(), Ledger()
    async with Load(stack, key, ledger, seed=1) as load:
        await load.upload(size=0)
        filler = await asyncio.to_thread(fill, disk)
        for _ in range(TRIES):
            answer = await load.upload(size=0)
            if answer is None or answer.status_code != 201:
                break
            await asyncio.to_thread(use_up_log, stack)
        assert answer is not None
        assert (answer.status_code, answer.json()["error"]["code"]) in {
            (503, "SERVICE_UNAVAILABLE"),
            (500, "DATABASE_ERROR"),
        }
        for _ in range(3):
            await load.upload(size=0)
        filler.unlink()
        began = time.monotonic()
        while (answer := await load.upload(size=0)) is None or answer.status_code != 201:
            assert time.monotonic() < began + WORKS_SECONDS, "it does not work again"
            await asyncio.sleep(0.2)
    (await asyncio.to_thread(audit, stack, key, ledger)).check()
    assert not ledger.unhinted
