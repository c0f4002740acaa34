"""The stand-in on a full disk: it says so, and gives back the room of what it cannot finish."""

import errno
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from server.dev.storage import start
from server.dev.storage.contents import Contents
from server.dev.storage.server import Options, StorageServer
from tests.contract.backends import make_bucket, put

GRANULE = 256 * 1024
NAME = {"name": "large"}


@pytest.fixture
def http(data: Path) -> Iterator[httpx.Client]:
    """To a stand-in in this process."""
    server = StorageServer(Options(data=data, fsync=False))
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=10) as client:
        make_bucket(client)
        yield client
    server.stop(grace_seconds=1)
    serving.join()


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Fills the disk for files, until it is undone."""

    def sync(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Contents, "sync", sync)
        yield patched


def files(data: Path) -> list[Path]:
    return [path for path in (data / "files").rglob("*") if path.is_file()]


def session_of(http: httpx.Client) -> str:
    query = {"uploadType": "resumable"}
    location: str = http.post("/upload/storage/v1/b/bucket/o", params=query, json=NAME).headers["location"]
    return location


def append(http: httpx.Client, session: str, at: int) -> httpx.Response:
    return http.put(session, content=bytes(GRANULE), headers={"Content-Range": f"bytes {at}-{at + GRANULE - 1}/*"})


def test_a_session_that_finds_no_room_is_gone_with_its_bytes(
    http: httpx.Client, data: Path, request: pytest.FixtureRequest
) -> None:
    session = session_of(http)
    assert append(http, session, 0).status_code == 308
    patched = request.getfixturevalue("full")
    refused = append(http, session, GRANULE)
    assert refused.status_code == 507
    assert refused.json()["error"]["message"] == "There is no space left on the disk of the stand-in."
    assert append(http, session, GRANULE).status_code == 404
    assert files(data) == []
    patched.undo()
    assert put(http, "small", b"x").status_code == 200


@pytest.mark.usefixtures("full")
def test_an_object_that_finds_no_room_leaves_nothing(http: httpx.Client, data: Path) -> None:
    assert put(http, "large", bytes(GRANULE)).status_code == 507
    assert files(data) == []


def test_sessions_that_nobody_goes_on_with_give_room_first(
    http: httpx.Client, data: Path, request: pytest.FixtureRequest
) -> None:
    abandoned = session_of(http)
    append(http, abandoned, 0)
    (file,) = files(data)
    minute_ago = time.time() - 60
    os.utime(file, (minute_ago, minute_ago))
    running = session_of(http)
    assert append(http, running, 0).status_code == 308
    patched = request.getfixturevalue("full")
    assert put(http, "other", bytes(GRANULE)).status_code == 507
    patched.undo()
    assert append(http, abandoned, GRANULE).status_code == 404
    assert append(http, running, GRANULE).status_code == 308
    assert len(files(data)) == 1


def test_a_session_whose_bytes_are_gone_does_not_go_on_with_zeros(data: Path) -> None:
    with start(data, fsync=False) as standin, httpx.Client(base_url=standin.url) as client:
        make_bucket(client)
        session = session_of(client).removeprefix(standin.url)
        append(client, session, 0)
    os.truncate(files(data)[0], 0)
    with start(data, fsync=False) as standin, httpx.Client(base_url=standin.url) as client:
        assert append(client, session, GRANULE).status_code == 404
