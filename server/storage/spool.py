"""Disk space for uploads on their way: bounded, nameless, readable while it grows."""

import asyncio
import errno
import io
import os
import tempfile
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, cast
from uuid import UUID

from server.domain.errors import TooLarge, Unavailable
from server.services.upload_ports import FORM_OVERHEAD_BYTES, UploadStopped
from server.storage.archive import Archive
from server.storage.spool_directory import PREFIX, make_private, remove_leftovers

MIB = 1024**2
BATCH_BYTES = MIB
# Small: whoever sends a byte and falls silent holds no more than this.
STEP_BYTES = MIB
RETRY_AFTER_SECONDS = 30

_FULL = (errno.ENOSPC, errno.EDQUOT)


def _no_room() -> Unavailable:
    return Unavailable("Too many uploads are on their way", retry_after_seconds=RETRY_AFTER_SECONDS)


def _no_share() -> Unavailable:
    fault = "This tenant's uploads on their way take all the room that one tenant may have"
    return Unavailable(fault, retry_after_seconds=RETRY_AFTER_SECONDS)


def _no_disk() -> Unavailable:
    return Unavailable("There is no disk space left for uploads", retry_after_seconds=RETRY_AFTER_SECONDS)


class DiskSpool:
    """Fulfils `Spool`. One per process, used from its event loop; `budget_bytes` bounds all files together.

    A tenant has half of them at most, or one file of the largest size where that is more: alone it can always upload.
    Raises SpoolUnusable where the directory cannot be made, or is there and somebody else could reach into it.
    """

    def __init__(
        self, directory: Path, *, budget_bytes: int, max_file_bytes: int, step_bytes: int = STEP_BYTES
    ) -> None:
        make_private(directory)
        remove_leftovers(directory)
        self.directory = directory
        self.max_file_bytes = max_file_bytes
        self.step_bytes = step_bytes
        self.reserved_bytes = 0
        self.received_bytes = 0
        self._leaving: set[DiskSpooledFile] = set()
        self.budget_bytes = budget_bytes
        self.share_bytes = max(budget_bytes // 2, min(budget_bytes, max_file_bytes))
        self._reserved_of: Counter[UUID] = Counter()
        self.threads = ThreadPoolExecutor(4, thread_name_prefix="spool")

    def open(self, *, tenant_id: UUID, declared_bytes: int | None = None) -> "DiskSpooledFile":
        """See `Spool.open`. What is declared takes no budget: only bytes that have arrived do."""
        if declared_bytes is not None and declared_bytes > self.max_file_bytes + FORM_OVERHEAD_BYTES:
            raise TooLarge(what="The package", limit_bytes=self.max_file_bytes)
        size = min(declared_bytes or 0, self.max_file_bytes)
        if size > self.free_bytes:
            raise _no_room()
        if size > self._share_left(tenant_id):
            raise _no_share()
        return DiskSpooledFile(self, tenant_id)

    @property
    def free_bytes(self) -> int:
        """Budget that nobody has reserved."""
        return self.budget_bytes - self.reserved_bytes

    async def reserve(self, file: "DiskSpooledFile", size: int) -> int:
        """Takes budget for a file, and as much ahead as a step; answers how much. Raises Unavailable.

        Of files that fill the spool, or their tenant's share of it, together only as many fail as must: while one that
        failed is being closed, the others wait for what it gives back.
        """
        while size > min(self.free_bytes, self._share_left(file.tenant_id)):
            full = size > self.free_bytes
            leaving = next((other for other in self._leaving if full or other.tenant_id == file.tenant_id), None)
            if leaving is None:
                self._leaving.add(file)
                raise _no_room() if full else _no_share()
            await leaving.closed.wait()
        taken = max(size, min(self.step_bytes, self.free_bytes, self._share_left(file.tenant_id)))
        self._count(file, taken)
        return taken

    def release(self, file: "DiskSpooledFile", size: int) -> None:
        """Gives budget of a file back."""
        self._count(file, -size)

    def _count(self, file: "DiskSpooledFile", size: int) -> None:
        self.reserved_bytes += size
        self._reserved_of[file.tenant_id] += size
        if not self._reserved_of[file.tenant_id]:
            del self._reserved_of[file.tenant_id]

    def _share_left(self, tenant_id: UUID) -> int:
        return self.share_bytes - self._reserved_of[tenant_id]

    def leave(self, file: "DiskSpooledFile") -> None:
        """Says that a file has given all its budget back."""
        self._leaving.discard(file)

    def close(self) -> None:
        """Ends the threads. No file may be open any more."""
        self.threads.shutdown()


class DiskSpooledFile:
    """Fulfils `SpooledFile`. Writing and closing belong to the event loop, readers and archives to threads."""

    def __init__(self, spool: DiskSpool, tenant_id: UUID) -> None:
        self._spool = spool
        self.tenant_id = tenant_id
        self._reserved = 0
        try:
            self._file = tempfile.TemporaryFile(dir=spool.directory, prefix=PREFIX, buffering=0)  # noqa: SIM115  # lives as long as the upload
        except OSError as error:
            raise _translated(error) from error
        self._received = 0
        self._batch: list[bytes] = []
        self._batch_bytes = 0
        self._writing: asyncio.Future[None] | None = None
        self._closing = False
        self.closed = asyncio.Event()
        self.grown = threading.Condition()
        self.written = 0
        self.accepted = False
        self.stopped = False

    @property
    def size_bytes(self) -> int:
        """See `SpooledFile`."""
        return self._received

    async def write(self, chunk: bytes) -> None:
        """See `SpooledFile`. Holds back up to a batch, and waits for the disk once another batch is on its way."""
        received = self._received + len(chunk)
        if received > self._spool.max_file_bytes:
            raise TooLarge(what="The package", limit_bytes=self._spool.max_file_bytes)
        if received > self._reserved:
            taken = await self._spool.reserve(self, received - self._reserved)
            self._reserved += taken
        self._received = received
        self._spool.received_bytes += len(chunk)
        self._batch.append(chunk)
        self._batch_bytes += len(chunk)
        if self._batch_bytes >= BATCH_BYTES:
            await self._flush()

    async def finish(self) -> None:
        """See `SpooledFile`."""
        await self._flush()
        await self._written()
        self._spool.release(self, self._reserved - self._received)
        self._reserved = self._received

    def reader(self, *, before_read: Callable[[], None] = lambda: None) -> BinaryIO:
        """See `SpooledFile`."""
        # Has every method of BinaryIO that a reader needs; only the nominal type is missing.
        return cast(BinaryIO, _GrowingReader(self, before_read))

    def accept(self) -> None:
        """See `SpooledFile`."""
        with self.grown:
            self.accepted = True
            self.grown.notify_all()

    def stop(self) -> None:
        """See `SpooledFile`."""
        with self.grown:
            self.stopped = True
            self.grown.notify_all()

    def archive(self, *, max_entries: int) -> Archive:
        """See `SpooledFile`."""
        return Archive.read(self.fileno(), size_bytes=self.written, max_entries=max_entries)

    async def close(self) -> None:
        """See `SpooledFile`. May be repeated."""
        if self._closing:
            return
        self._closing = True
        self.stop()
        if self._writing is not None:
            # The descriptor must not be closed, and its number reused, under a running write.
            await asyncio.gather(self._writing, return_exceptions=True)
        self._file.close()
        self._spool.release(self, self._reserved)
        self._spool.leave(self)
        self.closed.set()

    def fileno(self) -> int:
        """The open file."""
        return self._file.fileno()

    async def _flush(self) -> None:
        await self._written()
        if self._batch:
            batch, self._batch, self._batch_bytes = b"".join(self._batch), [], 0
            self._writing = asyncio.get_running_loop().run_in_executor(self._spool.threads, self._append, batch)

    async def _written(self) -> None:
        if self._writing is not None:
            try:
                # Shielded: a cancelled upload waits in `close` for what runs in the thread.
                await asyncio.shield(self._writing)
            except OSError as error:
                raise _translated(error) from error
            self._writing = None

    def _append(self, batch: bytes) -> None:
        rest = memoryview(batch)
        while rest:
            size = os.pwrite(self.fileno(), rest, self.written)
            rest = rest[size:]
            with self.grown:
                self.written += size
                self.grown.notify_all()


def _translated(error: OSError) -> Exception:
    return _no_disk() if error.errno in _FULL else error


class _GrowingReader(io.RawIOBase):
    """Reads with a position of its own. A read waits until it can be answered in full."""

    def __init__(self, file: DiskSpooledFile, before_read: Callable[[], None]) -> None:
        super().__init__()
        self._source = file
        self._before_read = before_read
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = self._position if whence == os.SEEK_CUR else self._await_end() if whence == os.SEEK_END else 0
        self._position = max(0, base + offset)
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        if size is None or size < 0:
            size = max(0, self._await_end() - self._position)
        self._await_bytes(self._position + size)
        self._before_read()
        pieces = []
        while size and (piece := os.pread(self._source.fileno(), size, self._position)):
            self._position += len(piece)
            size -= len(piece)
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _await_end(self) -> int:
        self._await_bytes(None)
        return self._source.written

    def _await_bytes(self, end: int | None) -> None:
        """Waits until the file reaches `end` or has been accepted. Raises UploadStopped."""
        source = self._source
        with source.grown:
            source.grown.wait_for(
                lambda: source.stopped or source.accepted or (end is not None and source.written >= end)
            )
            if source.stopped:
                raise UploadStopped
