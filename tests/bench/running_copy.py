"""The running copy that is measured, the baselines beside it, and the groups of processes that a row meters."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
from psycopg.conninfo import make_conninfo

from server.dev.postgres.cluster import SUPERUSER, remembered
from server.storage.blobs import GcsBlobs
from tests.bench.load import Outcome, Plan
from tests.stack import ROOT, Stack

BUCKET = "scorm"
READY_SECONDS = 30.0
STOP_SECONDS = 20.0
DELETED_SECONDS = 120.0


@dataclass(slots=True)
class Copy:
    """A copy as `make run` starts it, durable, with one `serve` process. `scratch` is for files of the benchmarks."""

    stack: Stack
    scratch: Path

    @classmethod
    @contextlib.contextmanager
    def running(cls) -> Iterator["Copy"]:
        """Removes everything in the end."""
        place = Path(tempfile.mkdtemp(prefix="scorm-bench-"))
        # Root runs Postgres as nobody, on files below.
        place.chmod(0o711)
        stack = Stack.start(place / "var", serve_processes=1, durable=True)
        try:
            scratch = place / "scratch"
            scratch.mkdir()
            yield cls(stack, scratch)
        finally:
            stack.discard()
            shutil.rmtree(place)

    def processes(self, *roles: str) -> dict[str, list[psutil.Process]]:
        """The processes of each role, for `meter.metered`."""
        return {role: self.stack.children(role) for role in roles}

    def environment(self, role: str) -> Mapping[str, str]:
        """What a process of the role was started with."""
        return self.stack.children(role)[0].environ()

    @property
    def storage_url(self) -> str:
        """The storage stand-in."""
        return self.environment("upload")["STORAGE_EMULATOR_HOST"]

    @property
    def owner_dsn(self) -> str:
        """The database as its owner, a superuser."""
        data_dir = self.stack.var / "postgres"
        password = ((remembered(data_dir) or data_dir) / "password").read_text().strip()
        return make_conninfo(self.environment("serve")["DATABASE_URL"], user=SUPERUSER, password=password)

    def get(self, path: str, key: str) -> Any:
        """The JSON of an answer through Envoy."""
        request = urllib.request.Request(self.stack.base_url + path, headers={"X-API-Key": key})
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def delete(self, path: str, key: str) -> None:
        """Deletes a resource through Envoy."""
        request = urllib.request.Request(self.stack.base_url + path, headers={"X-API-Key": key}, method="DELETE")
        urllib.request.urlopen(request).close()

    def plan_faults(self, plan: Mapping[str, object]) -> None:
        """Puts a fault plan of the storage stand-in in force; an empty one ends it."""
        data = json.dumps(plan).encode()
        urllib.request.urlopen(urllib.request.Request(f"{self.storage_url}/_faults", data=data, method="POST")).close()

    def objects_left(self, prefix: str) -> bool:
        """Whether storage has objects under a prefix."""
        url = f"{self.storage_url}/storage/v1/b/{BUCKET}/o?maxResults=1&prefix={prefix}"
        with urllib.request.urlopen(url) as answer:
            return bool(json.load(answer).get("items"))

    def empty(self, prefix: str) -> None:
        """Deletes what storage has under a prefix."""
        os.environ["STORAGE_EMULATOR_HOST"] = self.storage_url
        blobs = GcsBlobs(BUCKET, threads=2)
        blobs.delete_prefix(prefix)
        blobs.close()

    def wait_until_deleted(self, prefix: str) -> None:
        """Until the worker has deleted the files of a package."""
        deadline = time.monotonic() + DELETED_SECONDS
        while self.objects_left(prefix):
            assert time.monotonic() < deadline, f"{prefix} is still there"
            time.sleep(0.1)


@contextlib.contextmanager
def program(*arguments: str, ready: Path | int, environment: Mapping[str, str]) -> Iterator[psutil.Process]:
    """Runs a program until the block ends; it is ready once the socket or port `ready` is there."""
    with subprocess.Popen(arguments, cwd=ROOT, env={**os.environ, **environment}) as process:
        try:
            deadline = time.monotonic() + READY_SECONDS
            while not _is_ready(ready):
                assert process.poll() is None, f"{arguments} ended with {process.returncode}"
                assert time.monotonic() < deadline, f"{arguments} did not come up"
                time.sleep(0.05)
            yield psutil.Process(process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS)
            process.kill()


def _is_ready(ready: Path | int) -> bool:
    if isinstance(ready, Path):
        return ready.exists()
    with contextlib.suppress(OSError), contextlib.closing(_connect(ready)):
        return True
    return False


def _connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=1)


def asked(plan: Plan) -> Outcome:
    """Runs the load generator in a process of its own."""
    return Outcome(**_json_of("tests.bench.load", asdict(plan)))


def worked(module: str, request: Mapping[str, object], environment: Mapping[str, str] | None = None) -> Any:
    """Runs a module of the benchmarks that reads JSON and prints JSON."""
    return _json_of(module, request, environment)


def _json_of(module: str, request: Mapping[str, Any], environment: Mapping[str, str] | None = None) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", module],
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        input=json.dumps(request),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def shown(lines: Sequence[str]) -> None:
    """Prints progress."""
    for line in lines:
        print(line, flush=True)
