"""Every input of the hostile corpus, through Envoy: its answer, and that it leaves nothing behind."""

import itertools
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import psutil
import psycopg
import pytest

from tests.factories import scorm12_package
from tests.factories.hostile import Hostile, corpus, table
from tests.stack import Stack
from tests.stress.witness import PACKAGES, Lane

MIB = 1024**2
ROLES = ("serve", "upload", "worker", "storage", "envoy", "postgres")
LANES = 6
SWEPT_SECONDS = 30.0
SPOOL_BYTES = 48 * MIB
MAX_RESIDENT_BYTES = 300 * MIB


@contextmanager
def opened_lane(stack: Stack) -> Iterator[Lane]:
    key = stack.new_tenant()
    with ExitStack() as open_things:
        client = httpx.Client(base_url=stack.base_url, headers={"X-API-Key": key}, timeout=60)
        anonymous = httpx.Client(timeout=60)
        database = psycopg.connect(stack.database_url, autocommit=True)
        for thing in (client, anonymous, database):
            open_things.enter_context(thing)
        yield Lane(stack, key, stack.storage_url, client, anonymous, database)


def run(stack: Stack, cases: list[Hostile]) -> list[str]:
    """What went wrong, one sentence each."""
    with opened_lane(stack) as lane:
        return [fault for case in cases if (fault := lane.fault(case)) is not None]


def pids(stack: Stack) -> dict[str, list[int]]:
    return {role: sorted(child.pid for child in stack.children(role)) for role in ROLES}


def spooled(process: psutil.Process) -> list[str]:
    """Files of the spool that a process still holds; they have no names."""
    links = (Path(f"/proc/{process.pid}/fd") / name for name in os.listdir(f"/proc/{process.pid}/fd"))
    return [target for link in links if "/spool/" in (target := os.readlink(link))]


def peak_bytes(process: psutil.Process) -> int:
    """The most that it ever had in memory."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


@pytest.fixture
def cramped(tmp_path: Path) -> Iterator[Stack]:
    """A copy whose spool has room for little, so that budget which is not given back is missed; it sweeps often."""
    environment = {"SPOOL_BYTES": str(SPOOL_BYTES), "LOST_SECONDS": "20", "UPLOAD_STALL_SECONDS": "6"}
    stack = Stack.start(tmp_path, serve_processes=1, environment=environment)
    yield stack
    stack.discard()


def test_hostile_input_is_answered_as_the_corpus_says_and_leaves_nothing_behind(cramped: Stack) -> None:
    cases = list(corpus())
    began, before = time.monotonic(), pids(cramped)
    with ThreadPoolExecutor(LANES) as pool:
        lanes = (cases[number::LANES] for number in range(LANES))
        faults = list(itertools.chain(*pool.map(lambda lane: run(cramped, lane), lanes)))
    assert not faults, "\n".join(faults)
    assert pids(cramped) == before
    for process in cramped.children("upload"):
        assert spooled(process) == []
        assert peak_bytes(process) < MAX_RESIDENT_BYTES
    for log in (cramped.var / "log").glob("*.log"):
        written = log.read_text(errors="replace")
        assert '"level": "error"' not in written, log.name
        assert "Traceback" not in written, log.name
    assert_the_whole_budget_is_there(cramped)
    wait_until_swept(cramped)
    took = time.monotonic() - began
    peak = max(map(peak_bytes, cramped.children("upload"))) // MIB
    print(f"{table()}\n{len(cases)} inputs in {took:.0f} s; the upload process had {peak} MiB at most")


def wait_until_swept(stack: Stack) -> None:
    """The rows of uploads that failed go last, with the sweeper's next pass."""
    deadline = time.monotonic() + SWEPT_SECONDS
    with psycopg.connect(stack.database_url, autocommit=True) as database:
        while (left := database.execute("select count(*) from uploads").fetchall()) != [(0,)]:
            assert time.monotonic() < deadline, left
            time.sleep(0.2)


def assert_the_whole_budget_is_there(stack: Stack) -> None:
    package = scorm12_package(files={"noise.bin": os.urandom(SPOOL_BYTES - MIB)})
    answer = httpx.post(
        f"{stack.base_url}{PACKAGES}",
        headers={"X-API-Key": stack.new_tenant()},
        files={"file": ("c.zip", package)},
        timeout=120,
    )
    assert answer.status_code == 201, answer.text
