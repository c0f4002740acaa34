"""Buckets and objects: what the index knows, and every change to it."""

import json
import sqlite3
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from server.dev.storage.conditions import ABSENT, Conditions, Versions
from server.dev.storage.contents import Content, Contents
from server.dev.storage.directory import FILES, INDEX, claim
from server.dev.storage.errors import ApiError, is_full, no_bucket, no_object
from server.dev.storage.index import Index

_COLUMNS = (
    "bucket, name, generation, metageneration, size, md5, crc32c, components, content_type, properties, "
    "created_us, updated_us, inline_id, file"
)
_SELECT = f"SELECT {_COLUMNS} FROM objects WHERE bucket = ? AND name = ?"
_MOST_NAME_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket. `properties` is what its creator sent."""

    name: str
    created_us: int
    properties: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StoredObject:
    """A row of the index. `name` is UTF-8; `properties` are the caller's metadata beside the content type."""

    bucket: str
    name: bytes
    generation: int
    metageneration: int
    size: int
    md5: bytes | None
    crc32c: bytes
    components: int | None
    content_type: str
    properties: Mapping[str, Any]
    created_us: int
    updated_us: int
    inline_id: int | None
    file: str | None

    @property
    def versions(self) -> Versions:
        """What preconditions look at."""
        return Versions(generation=self.generation, metageneration=self.metageneration)

    @property
    def modified_at(self) -> datetime:
        """In whole seconds, as HTTP dates are."""
        return datetime.fromtimestamp(self.updated_us // 1_000_000, UTC)


def object_name(raw: bytes) -> bytes:
    """Checks a decoded name, https://cloud.google.com/storage/docs/objects#naming. Raises ApiError 400."""
    try:
        raw.decode()
    except UnicodeDecodeError:
        raise ApiError(400, "Object names are UTF-8") from None
    if not 1 <= len(raw) <= _MOST_NAME_BYTES or b"\r" in raw or b"\n" in raw or raw in (b".", b".."):
        raise ApiError(400, "Object names have 1 to 1024 bytes, no line breaks, and are not . or ..")
    return raw


class Objects:
    """All buckets and objects of a data directory."""

    def __init__(self, index: Index, contents: Contents) -> None:
        self.index = index
        self.contents = contents
        row = index.reader.execute("SELECT max(generation) FROM objects").fetchone()
        self._last_generation: int = row[0] or 0

    def create_bucket(self, name: str, properties: Mapping[str, Any]) -> Bucket:
        """Raises ApiError 409 if it is there."""
        bucket = Bucket(name=name, created_us=_now_us(), properties=properties)

        def operation(db: sqlite3.Connection) -> None:
            if _bucket(db, name):
                raise ApiError(
                    409, "Your previous request to create the named bucket succeeded and you already own it."
                )
            db.execute("INSERT INTO buckets VALUES (?, ?, ?)", (name, bucket.created_us, json.dumps(properties)))

        self.index.write(operation)
        return bucket

    def bucket(self, name: str) -> Bucket:
        """Raises ApiError 404."""
        if (bucket := _bucket(self.index.reader, name)) is None:
            raise no_bucket(name)
        return bucket

    def buckets(self) -> list[Bucket]:
        """All, by name."""
        rows = self.index.reader.execute("SELECT name, created_us, properties FROM buckets ORDER BY name")
        return [Bucket(name=row[0], created_us=row[1], properties=json.loads(row[2])) for row in rows]

    def delete_bucket(self, name: str) -> None:
        """Raises ApiError 404, and 409 if it is not empty."""

        def operation(db: sqlite3.Connection) -> None:
            if _bucket(db, name) is None:
                raise no_bucket(name)
            if db.execute("SELECT 1 FROM objects WHERE bucket = ? LIMIT 1", (name,)).fetchone():
                raise ApiError(409, "The bucket you tried to delete is not empty.")
            db.execute("DELETE FROM buckets WHERE name = ?", (name,))

        self.index.write(operation)

    def find(self, bucket: str, name: bytes, *, generation: int | None = None) -> StoredObject:
        """Raises ApiError 404. Only the live generation is kept."""
        found = _object(self.index.reader, bucket, name)
        if found is None or generation not in (None, found.generation):
            self.bucket(bucket)
            raise no_object(bucket, name)
        return found

    def open(self, bucket: str, name: bytes, *, generation: int | None = None) -> tuple[StoredObject, bytes | BinaryIO]:
        """An object with its bytes or an open file, which belong together even while it is being replaced."""
        while True:
            found = self.find(bucket, name, generation=generation)
            if found.file is None:
                row = self.index.reader.execute("SELECT data FROM inline WHERE id = ?", (found.inline_id,)).fetchone()
                if row is not None:
                    return found, bytes(row[0])
                continue
            try:
                return found, self.contents.open(found.file)
            except FileNotFoundError:
                # Replaced or deleted since it was looked up. Unless it is still the same: then the disk lost it.
                if _object(self.index.reader, bucket, name) == found:
                    raise

    def put(
        self,
        bucket: str,
        name: bytes,
        content: Content,
        *,
        content_type: str,
        properties: Mapping[str, Any],
        conditions: Conditions,
        components: int | None = None,
        also: Callable[[sqlite3.Connection, StoredObject], None] | None = None,
    ) -> StoredObject:
        """Publishes an object in place of what was there; `also` joins its transaction. Discards refused content."""

        def operation(db: sqlite3.Connection) -> tuple[StoredObject, str | None]:
            if _bucket(db, bucket) is None:
                raise no_bucket(bucket)
            current = _object(db, bucket, name)
            conditions.check(current.versions if current else ABSENT)
            now = _now_us()
            self._last_generation = max(now, self._last_generation + 1)
            fresh = StoredObject(
                bucket=bucket, name=name, generation=self._last_generation, metageneration=1, size=content.size,
                md5=content.md5, crc32c=content.crc32c, components=components, content_type=content_type,
                properties=properties, created_us=now, updated_us=now, inline_id=_insert_inline(db, content),
                file=content.file,
            )  # fmt: skip  # one field a line would be longer than the screen
            _drop(db, current)
            _insert(db, fresh)
            if also:
                also(db, fresh)
            return fresh, current.file if current else None

        try:
            stored, replaced = self.index.write(operation)
        except (ApiError, sqlite3.Error) as fault:
            # After other faults of the index only its next start knows what became of the transaction.
            if isinstance(fault, ApiError) or is_full(fault):
                self.contents.remove(content.file)
            raise
        self.contents.remove(replaced)
        return stored

    def delete(self, bucket: str, name: bytes, *, generation: int | None, conditions: Conditions) -> None:
        """Raises ApiError 404 and 412."""

        def operation(db: sqlite3.Connection) -> str | None:
            current = self._current(db, bucket, name, generation)
            conditions.check(current.versions)
            _drop(db, current)
            return current.file

        self.contents.remove(self.index.write(operation))

    def patch(
        self, bucket: str, name: bytes, change: Callable[[StoredObject], StoredObject], *, conditions: Conditions
    ) -> StoredObject:
        """Replaces metadata and raises the metageneration. Raises ApiError 404 and 412."""

        def operation(db: sqlite3.Connection) -> StoredObject:
            current = self._current(db, bucket, name, None)
            conditions.check(current.versions)
            fresh = replace(change(current), metageneration=current.metageneration + 1, updated_us=_now_us())
            db.execute(
                "UPDATE objects SET metageneration = ?, updated_us = ?, content_type = ?, properties = ?"
                " WHERE bucket = ? AND name = ?",
                (
                    fresh.metageneration,
                    fresh.updated_us,
                    fresh.content_type,
                    json.dumps(fresh.properties),
                    bucket,
                    name,
                ),
            )
            return fresh

        return self.index.write(operation)

    def _current(self, db: sqlite3.Connection, bucket: str, name: bytes, generation: int | None) -> StoredObject:
        current = _object(db, bucket, name)
        if current is None or generation not in (None, current.generation):
            raise no_object(bucket, name) if _bucket(db, bucket) else no_bucket(bucket)
        return current


def open_objects(directory: Path, *, fsync: bool) -> Objects:
    """Opens or makes a data directory, and removes what a crash left behind."""
    claim(directory)
    index = Index(directory / INDEX, fsync=fsync)
    contents = Contents(directory / FILES, fsync=fsync)
    rows = index.reader.execute(
        "SELECT file FROM objects WHERE file IS NOT NULL UNION SELECT file FROM uploads WHERE finished IS NULL"
    )
    contents.sweep({row[0] for row in rows})
    return Objects(index, contents)


def from_row(row: tuple[Any, ...]) -> StoredObject:
    """A row with the columns of `_COLUMNS`."""
    values = [*row]
    values[9] = json.loads(row[9])
    return StoredObject(*values)


def select_after(
    db: sqlite3.Connection, bucket: str, *, start: bytes, end: bytes | None, limit: int
) -> list[StoredObject]:
    """Objects whose names are in [start, end), by name."""
    ending = "" if end is None else " AND name < ?"
    statement = f"SELECT {_COLUMNS} FROM objects WHERE bucket = ? AND name >= ?{ending} ORDER BY name LIMIT ?"
    parameters = (bucket, start, limit) if end is None else (bucket, start, end, limit)
    return [from_row(row) for row in db.execute(statement, parameters)]


def _now_us() -> int:
    return time.time_ns() // 1000


def _bucket(db: sqlite3.Connection, name: str) -> Bucket | None:
    row = db.execute("SELECT created_us, properties FROM buckets WHERE name = ?", (name,)).fetchone()
    return row and Bucket(name=name, created_us=row[0], properties=json.loads(row[1]))


def _object(db: sqlite3.Connection, bucket: str, name: bytes) -> StoredObject | None:
    row = db.execute(_SELECT, (bucket, name)).fetchone()
    return row and from_row(row)


def _insert_inline(db: sqlite3.Connection, content: Content) -> int | None:
    if content.file is not None:
        return None
    return db.execute("INSERT INTO inline (data) VALUES (?)", (content.data,)).lastrowid


def _insert(db: sqlite3.Connection, fresh: StoredObject) -> None:
    values = (
        fresh.bucket, fresh.name, fresh.generation, fresh.metageneration, fresh.size, fresh.md5, fresh.crc32c,
        fresh.components, fresh.content_type, json.dumps(fresh.properties), fresh.created_us, fresh.updated_us,
        fresh.inline_id, fresh.file,
    )  # fmt: skip  # in the order of _COLUMNS
    db.execute(f"INSERT INTO objects ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)", values)


def _drop(db: sqlite3.Connection, current: StoredObject | None) -> None:
    if current is None:
        return
    db.execute("DELETE FROM objects WHERE bucket = ? AND name = ?", (current.bucket, current.name))
    if current.inline_id is not None:
        db.execute("DELETE FROM inline WHERE id = ?", (current.inline_id,))
