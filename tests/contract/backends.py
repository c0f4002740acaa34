"""The servers that the storage suite runs against: our stand-in and, where it can be had, fake-gcs-server."""

import fcntl
import functools
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from server.dev.storage import start

FAKE_GCS_SERVER = "fake-gcs-server"
STANDIN = "standin"
_VERSION = "v1.56.1"
_TOOLS = Path(__file__).parents[2] / ".tools"
_INSTALL_SECONDS = 400
_START_SECONDS = 10


@dataclass(frozen=True)
class Backend:
    """A running server."""

    kind: str
    url: str

    def client(self) -> storage.Client:
        """A client of google-cloud-storage without credentials."""
        nobody = AnonymousCredentials()  # type: ignore[no-untyped-call]  # google-auth annotates half of itself
        return storage.Client(project="test", credentials=nobody, client_options={"api_endpoint": self.url})


@functools.cache
def fake_gcs_server() -> str | None:
    """The program of another make, so that not only we judge what we wrote. None if it is not to be had here."""
    if given := os.environ.get("FAKE_GCS_SERVER"):
        return given
    program = _TOOLS / FAKE_GCS_SERVER
    if not program.exists() and shutil.which("go"):
        _TOOLS.mkdir(exist_ok=True)
        # Workers of a parallel run come here at the same time and must come to the same result.
        with (_TOOLS / "install.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not program.exists() and not _failed_lately():
                _install()
    return str(program) if program.exists() else None


def _failed_lately() -> bool:
    marker = _TOOLS / "install.failed"
    return marker.exists() and time.time() - marker.stat().st_mtime < 600


def _install() -> None:
    command = ["go", "install", f"github.com/fsouza/fake-gcs-server@{_VERSION}"]
    try:
        subprocess.run(
            command, env={**os.environ, "GOBIN": str(_TOOLS)}, check=True, capture_output=True, timeout=_INSTALL_SECONDS
        )
    except (subprocess.SubprocessError, OSError):
        (_TOOLS / "install.failed").touch()


@contextmanager
def running(kind: str, directory: Path) -> Iterator[Backend]:
    """Starts one and stops it."""
    if kind == STANDIN:
        with start(directory, fsync=False) as standin:
            yield Backend(kind=kind, url=standin.url)
        return
    program = fake_gcs_server()
    assert program is not None
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    address = f"127.0.0.1:{port}"
    command = [program, "-scheme", "http", "-host", "127.0.0.1", "-port", str(port), "-backend", "memory"]
    command += ["-public-host", address, "-external-url", f"http://{address}", "-log-level", "error"]
    process = subprocess.Popen(command)
    try:
        _wait_until_it_accepts(port)
        yield Backend(kind=kind, url=f"http://{address}")
    finally:
        process.terminate()
        process.wait()


def make_bucket(client: httpx.Client) -> None:
    """A bucket named `bucket`, unless it is there."""
    client.post("/storage/v1/b", json={"name": "bucket"})


def put(client: httpx.Client, name: str, content: bytes) -> httpx.Response:
    """Uploads an object to `bucket`."""
    return client.post("/upload/storage/v1/b/bucket/o", params={"uploadType": "media", "name": name}, content=content)


def _wait_until_it_accepts(port: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
