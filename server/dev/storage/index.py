"""The index: one SQLite file, written by one thread that commits whole queues at once."""

import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS buckets (
    name TEXT PRIMARY KEY, created_us INTEGER NOT NULL, properties TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS objects (
    bucket TEXT NOT NULL, name BLOB NOT NULL, generation INTEGER NOT NULL, metageneration INTEGER NOT NULL,
    size INTEGER NOT NULL, md5 BLOB, crc32c BLOB NOT NULL, components INTEGER, content_type TEXT NOT NULL,
    properties TEXT NOT NULL, created_us INTEGER NOT NULL, updated_us INTEGER NOT NULL,
    inline_id INTEGER, file TEXT,
    PRIMARY KEY (bucket, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS inline (id INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS uploads (
    id TEXT PRIMARY KEY, bucket TEXT NOT NULL, name BLOB NOT NULL, request TEXT NOT NULL, file TEXT NOT NULL,
    received INTEGER NOT NULL, created_us INTEGER NOT NULL, finished TEXT
) WITHOUT ROWID;
"""
_MOST_PER_COMMIT = 256

Operation = Callable[[sqlite3.Connection], Any]


class Index:
    """SQLite in WAL mode. Readers never wait; an acknowledged write is on the disk."""

    def __init__(self, path: Path, *, fsync: bool) -> None:
        self._path = path
        self._synchronous = "FULL" if fsync else "OFF"
        self._local = threading.local()
        self._queue: queue.SimpleQueue[tuple[Operation, Future[Any]] | None] = queue.SimpleQueue()
        self._connect().executescript(f"PRAGMA journal_mode=WAL; {_SCHEMA}")
        self._writer = threading.Thread(target=self._write_forever, name="index-writer", daemon=True)
        self._writer.start()

    @property
    def reader(self) -> sqlite3.Connection:
        """This thread's connection; only SELECT may go through it."""
        try:
            connection: sqlite3.Connection = self._local.connection
        except AttributeError:
            connection = self._local.connection = self._connect()
        return connection

    def write(self, operation: Callable[[sqlite3.Connection], T]) -> T:
        """Runs `operation` in a transaction shared with other callers and returns after it is on the disk.

        An operation that raises changes nothing, and its exception is passed on.
        """
        future: Future[T] = Future()
        self._queue.put((operation, future))
        return future.result()

    def close(self) -> None:
        """Finishes what is queued."""
        self._queue.put(None)
        self._writer.join()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, timeout=30, cached_statements=64)
        connection.executescript(
            f"PRAGMA synchronous={self._synchronous}; PRAGMA wal_autocheckpoint=4000; PRAGMA mmap_size=268435456;"
        )
        return connection

    def _write_forever(self) -> None:
        connection = self._connect()
        going_on = True
        while going_on:
            batch = [self._queue.get()]
            while len(batch) < _MOST_PER_COMMIT and not self._queue.empty():
                batch.append(self._queue.get())
            going_on = None not in batch
            _commit(connection, [item for item in batch if item is not None])
        connection.close()


def _commit(connection: sqlite3.Connection, batch: list[tuple[Operation, Future[Any]]]) -> None:
    answers: list[tuple[Future[Any], Any, Exception | None]] = []
    try:
        connection.execute("BEGIN IMMEDIATE")
        for operation, future in batch:
            answers.append((future, *_attempt(connection, operation)))
        connection.execute("COMMIT")
    except sqlite3.Error as fault:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        for _, future in batch:
            future.set_exception(fault)
        return
    for future, result, refusal in answers:
        if refusal is None:
            future.set_result(result)
        else:
            future.set_exception(refusal)


def _attempt(connection: sqlite3.Connection, operation: Operation) -> tuple[Any, Exception | None]:
    connection.execute("SAVEPOINT one")
    try:
        result = operation(connection)
    except sqlite3.Error:
        raise
    except Exception as refusal:
        connection.execute("ROLLBACK TO one")
        return None, refusal
    connection.execute("RELEASE one")
    return result, None
