"""Copying packages to storage on threads: many small files at once, large ones in bounded memory."""

import asyncio
import contextvars
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, BinaryIO, TypeVar, cast

from server.domain.content_types import cache_control, content_type
from server.domain.zip_rules import PlannedFile
from server.services.ports import Blobs
from server.services.upload_ports import Archive, SpooledFile, UploadStopped

T = TypeVar("T")

# Larger files go to storage in chunks of 8 MiB. So many chunks may be in memory at once, whoever sends them.
LARGE_BYTES = 1024**2
CHUNKS_AT_ONCE = 6
LARGEST_AT_ONCE = 4
TURN_SECONDS = 0.25


class ContextThreads(ThreadPoolExecutor):
    """Threads that work in the context of who asked for it, as `asyncio.to_thread` does."""

    def submit(self, work: Callable[..., T], /, *arguments: Any, **options: Any) -> "Future[T]":
        """See `ThreadPoolExecutor`."""
        return super().submit(contextvars.copy_context().run, work, *arguments, **options)


class TransferThreads:
    """The threads of a process that uploads share. `count` is how many requests for files storage gets at once.

    `originals` has a thread for each running upload, as one waits for its client most of the time; `chores` judge
    archives and delete what failed uploads left.
    """

    def __init__(self, count: int, *, max_uploads: int = 128) -> None:
        self.count = count
        self.max_uploads = max_uploads
        self.files = ContextThreads(count, thread_name_prefix="transfer")
        self.originals = ContextThreads(max_uploads, thread_name_prefix="original")
        self.chores = ContextThreads(4, thread_name_prefix="upload-chore")
        self.chunks = threading.BoundedSemaphore(CHUNKS_AT_ONCE)

    def close(self) -> None:
        """Waits for all threads to end."""
        for pool in (self.files, self.originals, self.chores):
            pool.shutdown()


async def wait_for(future: "Future[T]") -> T:
    """The result of work in a thread. Cancelling the caller does not cancel the work."""
    waiting = asyncio.wrap_future(future)
    # Seen here, for a cancelled caller never asks for it, and asyncio would log that nobody did.
    waiting.add_done_callback(lambda done: done.cancelled() or done.exception())
    await asyncio.wait((waiting,))
    return waiting.result()


def copy_original(threads: TransferThreads, blobs: Blobs, spooled: SpooledFile, *, name: str) -> "Future[None]":
    """Starts to copy the uploaded file while it arrives. It becomes an object only after `spooled.accept()`."""
    slot = _Slot(threads.chunks)
    source = _Metered(spooled.reader(before_read=slot.acquire), slot=slot)

    def copy() -> None:
        with slot:
            blobs.upload(
                name,
                # Has what the storage client calls of a file; only the nominal type is missing.
                cast(BinaryIO, source),
                size_bytes=None,
                content_type="application/zip",
                cache_control="private, no-cache",
            )

    return threads.originals.submit(copy)


class Transfer:
    """Copies files of an archive to `{prefix}/{name}`, each with its content type.

    A few threads take the largest files, the others the smallest, so that neither latency nor bandwidth waits for the
    other. Each works for a short turn, then queues again, so that uploads share the threads fairly. The first failure
    ends all.
    """

    def __init__(
        self, threads: TransferThreads, blobs: Blobs, archive: Archive, files: Iterable[PlannedFile], *, prefix: str
    ) -> None:
        self._threads = threads
        self._blobs = blobs
        self._archive = archive
        self._prefix = prefix
        self._lock = threading.Lock()
        self._files = deque(sorted(files, key=lambda file: file.size, reverse=True))
        self._largest_running = 0
        self._failure: BaseException | None = None
        self._workers = min(threads.count, len(self._files))
        self.ended: Future[None] = Future()
        if not self._workers:
            self.ended.set_result(None)
        for _ in range(self._workers):
            threads.files.submit(self._work)

    def stop(self) -> None:
        """Ends the copying soon. `ended` tells when."""
        self._fail(UploadStopped())

    def _work(self) -> None:
        turn_ends = time.monotonic() + TURN_SECONDS
        try:
            while self._copy_next():
                if time.monotonic() >= turn_ends:
                    self._threads.files.submit(self._work)
                    return
        except BaseException as error:
            self._fail(error)
        self._leave()

    def _copy_next(self) -> bool:
        """Copies one file; False if none is left to copy."""
        with self._lock:
            if self._failure or not self._files:
                return False
            largest = self._largest_running < LARGEST_AT_ONCE
            file = self._files.popleft() if largest else self._files.pop()
            self._largest_running += largest
        try:
            self._copy(file)
        finally:
            with self._lock:
                self._largest_running -= largest
        return True

    def _copy(self, file: PlannedFile) -> None:
        with self._archive.open(file.index) as entry, _Slot(self._threads.chunks) as slot:

            def before_read() -> None:
                if self._failure:
                    raise UploadStopped
                slot.acquire()

            large = file.size > LARGE_BYTES
            self._blobs.upload(
                f"{self._prefix}/{file.name}",
                # As in `copy_original`.
                cast(BinaryIO, _Metered(entry, slot=slot, before_read=before_read)) if large else entry,
                size_bytes=file.size,
                content_type=content_type(file.name),
                cache_control=cache_control(file.name),
            )

    def _fail(self, error: BaseException) -> None:
        with self._lock:
            self._failure = self._failure or error

    def _leave(self) -> None:
        with self._lock:
            self._workers -= 1
            if self._workers:
                return
        if self._failure:
            self.ended.set_exception(self._failure)
        else:
            self.ended.set_result(None)


class _Slot:
    """The right to hold one chunk in memory."""

    def __init__(self, chunks: threading.BoundedSemaphore) -> None:
        self._chunks = chunks
        self._held = False

    def __enter__(self) -> "_Slot":
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def acquire(self) -> None:
        """Waits until it may be held. May be repeated."""
        if not self._held:
            self._chunks.acquire()
            self._held = True

    def release(self) -> None:
        """May be repeated."""
        if self._held:
            self._held = False
            self._chunks.release()


class _Metered:
    """A file whose reads are chunks: asking for the next one says that the one before is no longer in memory."""

    def __init__(self, source: BinaryIO, *, slot: _Slot, before_read: Callable[[], None] = lambda: None) -> None:
        self._source = source
        self._slot = slot
        self._before_read = before_read

    def read(self, size: int = -1) -> bytes:
        """See `BinaryIO`."""
        self._slot.release()
        self._before_read()
        return self._source.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        """See `BinaryIO`."""
        return self._source.seek(offset, whence)

    def tell(self) -> int:
        """See `BinaryIO`."""
        return self._source.tell()

    def readable(self) -> bool:
        """See `BinaryIO`."""
        return True

    def seekable(self) -> bool:
        """See `BinaryIO`."""
        return True
