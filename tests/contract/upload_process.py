"""An upload process of its own that takes in one file and tells what memory it needed at most.

python -m tests.contract.upload_process SERVER_DSN OPERATOR_DSN STORAGE_URL SPOOL_DIR FILE
"""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import uvloop

from server.storage.allocator import give_large_blocks_back
from tests.contract.uploads_fixtures import LIMITS, MIB, Body, bucket_at, running_host, with_limits
from tests.databases import Dsns


class FileBody(Body):
    """A file, read as it is sent."""

    def __init__(self, path: Path) -> None:
        super().__init__(b"")
        self._path = path

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with self._path.open("rb") as file:
            while chunk := await asyncio.to_thread(file.read, MIB):
                yield chunk


async def main(server: str, operator: str, url: str, place: str, path: str) -> None:
    give_large_blocks_back()
    with bucket_at(url) as bucket:
        limits = with_limits(zip=replace(LIMITS, max_expanded_bytes=20_000 * MIB))
        async with running_host(
            Dsns("", server, operator),
            bucket,
            Path(place),
            limits=limits,
            spool_bytes=20_000 * MIB,
            max_file_bytes=10_000 * MIB,
        ) as host:
            started = time.monotonic()
            package = await host.upload(FileBody(Path(path)))
            seconds = time.monotonic() - started
    print(json.dumps({"package_id": str(package.id), "peak_bytes": peak_bytes(), "seconds": seconds}))


def peak_bytes() -> int:
    """Resident memory at its highest. Not by getrusage, whose maximum begins with that of the parent process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
