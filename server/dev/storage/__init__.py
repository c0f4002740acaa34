"""A stand-in for Google Cloud Storage: what google-cloud-storage and a gateway need of it, on local disk.

It speaks the JSON API (buckets; objects: simple, multipart and resumable upload, get, list, patch, delete, compose,
rewrite, copy, batch; generations and preconditions) and the reading part of the XML API, as the real one documents
them. An acknowledged write is on the disk; a crash leaves nothing half-written. Left out: versions other than the live
one, access control, notifications, lifecycle, decompressive transcoding, matchGlob, XML writes. Web pages (Origin,
Sec-Fetch-*) and Hosts other than its own are refused, and only its user can read its directory.

    python -m server.dev.storage --port 9023 --data var/storage
    STORAGE_EMULATOR_HOST=http://127.0.0.1:9023

Faults: `POST /_faults` with a plan as `faults.FaultPlan` describes it, `DELETE /_faults` ends it; `--faults` or
STORAGE_FAULTS sets one from the start:

    curl -d '{"latency_ms": 30, "fail_every": 10, "status": 503, "match": "POST /upload"}' http://127.0.0.1:9023/_faults
    curl -d '{"fail_every": 5, "cut": "response", "times": 3}' http://127.0.0.1:9023/_faults
    curl -d '{"bytes_per_second": 100000}' http://127.0.0.1:9023/_faults
    curl -X DELETE http://127.0.0.1:9023/_faults
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

_ROOT = Path(__file__).parents[3]
_STOP_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Running:
    """A stand-in in a process of its own."""

    process: "subprocess.Popen[str]"
    url: str

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.url.rpartition(":")[2])

    def stop(self) -> None:
        """Ends it in order. Can be repeated."""
        self.process.terminate()
        try:
            self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()

    def __enter__(self) -> "Running":
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self.stop()


def start(
    data: Path, *, host: str = "127.0.0.1", port: int = 0, fsync: bool = True, arguments: Sequence[str] = ()
) -> Running:
    """Starts `python -m server.dev.storage` and returns when it accepts. Raises RuntimeError if it does not start."""
    command = [sys.executable, "-m", "server.dev.storage", "--host", host, "--port", str(port), "--data", str(data)]
    command += ["--parent", str(os.getpid())]
    command += [*arguments, *([] if fsync else ["--no-fsync"])]
    process = subprocess.Popen(command, cwd=_ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    if not line.startswith("listening on "):
        process.wait()
        process.stdout.close()
        raise RuntimeError(f"the storage stand-in ended with status {process.returncode}")
    return Running(process=process, url=line.removeprefix("listening on "))
