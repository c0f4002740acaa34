"""Resumable uploads: sessions whose bytes are appended to a file and survive a restart.

https://cloud.google.com/storage/docs/performing-resumable-uploads
"""

import base64
import contextlib
import json
import os
import re
import sqlite3
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from server.dev.storage.bodies import Body
from server.dev.storage.conditions import ABSENT, Conditions
from server.dev.storage.contents import Content, Digests
from server.dev.storage.errors import ApiError, Disconnected, is_full
from server.dev.storage.objects import Objects, StoredObject

_CONTENT_RANGE = re.compile(r"bytes (?:(\d{1,18})-(\d{1,18}|\*)|\*)/(\d{1,18}|\*)")
_GRANULE_BYTES = 256 * 1024
_KEPT_SECONDS = 7 * 24 * 3600
# A client pauses between chunks for less.
_IDLE_SECONDS = 30
_COPY_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class UploadRequest:
    """What the start of the session asked for. `hashes` are what the bytes must have, in base64."""

    bucket: str
    name: str
    content_type: str
    properties: Mapping[str, Any]
    conditions: Mapping[str, int | None]
    hashes: Mapping[str, str]
    total: int | None


@dataclass(slots=True)
class _Session:
    """A running session. `digests` covers the first `received` bytes; None after a restart."""

    request: UploadRequest
    file: str
    received: int
    digests: Digests | None
    lock: threading.Lock


@dataclass(frozen=True, slots=True)
class Piece:
    """A Content-Range: where the bytes belong, None for a question about the state; the total if it is said."""

    start: int | None
    end: int | None
    total: int | None

    @classmethod
    def parse(cls, header: str | None) -> "Piece":
        """Without a header the body is the whole object. Raises ApiError 400."""
        if header is None:
            return cls(start=0, end=None, total=None)
        match = _CONTENT_RANGE.fullmatch(header)
        if match is None:
            raise ApiError(400, "Failed to parse Content-Range header.")
        numbers = [None if text in (None, "*") else int(text) for text in match.groups()]
        piece = cls(start=numbers[0], end=numbers[1], total=numbers[2])
        if piece.start is not None and piece.end is not None and piece.end < piece.start:
            raise ApiError(400, "Failed to parse Content-Range header.")
        return piece


class Uploads:
    """All resumable sessions of a data directory."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._sessions: dict[str, _Session] = {}
        self._lock = threading.Lock()
        oldest = (time.time() - _KEPT_SECONDS) * 1_000_000
        objects.index.write(lambda db: db.execute("DELETE FROM uploads WHERE created_us < ?", (oldest,)))

    def start(self, request: UploadRequest) -> str:
        """Begins a session and answers its id. Raises ApiError 404 and 412, as the end will again."""
        self._objects.bucket(request.bucket)
        try:
            current = self._objects.find(request.bucket, request.name.encode()).versions
        except ApiError:
            current = ABSENT
        Conditions(**request.conditions).check(current)
        upload_id, file = uuid.uuid4().hex, self._objects.contents.create()
        row = (upload_id, request.bucket, request.name.encode(), json.dumps(asdict(request)), file, 0)
        self._objects.index.write(
            lambda db: db.execute("INSERT INTO uploads VALUES (?,?,?,?,?,?,?,NULL)", (*row, time.time_ns() // 1000))
        )
        return upload_id

    def receive(self, upload_id: str, piece: Piece, body: Body, hashes: Mapping[str, str]) -> StoredObject | int:
        """Takes bytes, or answers a question. The object if the upload is complete, else the bytes that are safe."""
        session = self._session(upload_id)
        with session.lock:
            try:
                return self._receive(upload_id, session, piece, body, hashes)
            except (OSError, sqlite3.Error) as fault:
                if is_full(fault):
                    self._give_room(upload_id, session)
                raise

    def _receive(
        self, upload_id: str, session: _Session, piece: Piece, body: Body, hashes: Mapping[str, str]
    ) -> StoredObject | int:
        if (done := self._finished(upload_id)) is not None:
            return done
        if piece.start is not None:
            self._append(upload_id, session, piece, body)
        total = piece.total if piece.total is not None else session.request.total
        if piece.start is not None and piece.end is None:
            total = session.received if total is None else total
        if total is None or session.received < total:
            return session.received
        return self._publish(upload_id, session, total, hashes)

    def make_room(self) -> None:
        """Forgets sessions that nobody goes on with: the disk is full."""
        rows = self._objects.index.reader.execute("SELECT id, file FROM uploads WHERE finished IS NULL").fetchall()
        for upload_id, file in rows:
            with contextlib.suppress(ApiError, FileNotFoundError):
                idle_seconds = time.time() - self._objects.contents.path(file).stat().st_mtime
                session = self._session(upload_id)
                if idle_seconds > _IDLE_SECONDS and session.lock.acquire(blocking=False):
                    try:
                        if self._finished(upload_id) is None:
                            self._give_room(upload_id, session)
                    finally:
                        session.lock.release()

    def cancel(self, upload_id: str) -> None:
        """Forgets the session and its bytes."""
        session = self._session(upload_id)
        with session.lock:
            if self._finished(upload_id) is not None:
                raise ApiError(400, "The upload is complete.")
            self._forget(upload_id, session)

    def _session(self, upload_id: str) -> _Session:
        with self._lock:
            if upload_id in self._sessions:
                return self._sessions[upload_id]
            statement = "SELECT request, file, received FROM uploads WHERE id = ?"
            row = self._objects.index.reader.execute(statement, (upload_id,)).fetchone()
            if row is None:
                raise ApiError(404, "No such resumable upload.")
            request = UploadRequest(**json.loads(row[0]))
            digests = Digests() if row[2] == 0 else None
            session = _Session(request=request, file=row[1], received=row[2], digests=digests, lock=threading.Lock())
            self._sessions[upload_id] = session
            return session

    def _finished(self, upload_id: str) -> StoredObject | None:
        row = self._objects.index.reader.execute("SELECT finished FROM uploads WHERE id = ?", (upload_id,)).fetchone()
        if row is None:
            raise ApiError(404, "No such resumable upload.")
        return None if row[0] is None else _load(row[0])

    def _append(self, upload_id: str, session: _Session, piece: Piece, body: Body) -> None:
        """Appends what is new of the body. If the peer vanishes, whole granules are kept, as Cloud Storage does."""
        start = piece.start or 0
        if start > session.received:
            raise ApiError(400, f"The upload offset is {start}, which exceeds the {session.received} bytes uploaded.")
        _check_length(piece, body)
        skip, digests = session.received - start, self._digests(session)
        path = self._objects.contents.path(session.file)
        with path.open("r+b") as handle:
            handle.truncate(session.received)
            handle.seek(session.received)
            try:
                while data := body.read():
                    fresh = data[skip:]
                    skip = max(0, skip - len(data))
                    handle.write(fresh)
                    digests.update(fresh)
            except OSError:
                session.digests = None
                raise
            except (ApiError, Disconnected):
                kept = digests.size - digests.size % _GRANULE_BYTES
                handle.truncate(max(kept, session.received))
                session.digests = None
                self._record(upload_id, session, handle, max(kept, session.received))
                raise
            self._record(upload_id, session, handle, digests.size)

    def _record(self, upload_id: str, session: _Session, handle: Any, received: int) -> None:
        self._objects.contents.sync(handle)
        session.received = received
        self._objects.index.write(
            lambda db: db.execute("UPDATE uploads SET received = ? WHERE id = ?", (received, upload_id))
        )

    def _digests(self, session: _Session) -> Digests:
        """The digests of what is there; read again if an interruption or a restart lost them."""
        if session.digests is None:
            session.digests, left = Digests(), session.received
            with self._objects.contents.open(session.file) as handle:
                while left and (data := handle.read(min(left, _COPY_BYTES))):
                    session.digests.update(data)
                    left -= len(data)
            if left:  # it gave its room on a full disk, and a crash kept it from being forgotten
                raise ApiError(404, "No such resumable upload.")
        return session.digests

    def _publish(self, upload_id: str, session: _Session, total: int, hashes: Mapping[str, str]) -> StoredObject:
        request = session.request
        if session.received > total or request.total not in (None, total):
            raise ApiError(400, f"The upload has {session.received} bytes, {total} were announced.")
        content = self._digests(session).content(file=session.file)
        try:
            check_hashes(content, {**request.hashes, **hashes})
            stored = self._objects.put(
                request.bucket,
                request.name.encode(),
                content,
                content_type=request.content_type,
                properties=request.properties,
                conditions=Conditions(**request.conditions),
                also=lambda db, stored: _finish(db, upload_id, stored),
            )
        except ApiError:
            self._forget(upload_id, session)
            raise
        self._sessions.pop(upload_id, None)
        return stored

    def _give_room(self, upload_id: str, session: _Session) -> None:
        # First the bytes: until they are gone, the index has no room to write either.
        os.truncate(self._objects.contents.path(session.file), 0)
        self._forget(upload_id, session)

    def _forget(self, upload_id: str, session: _Session) -> None:
        self._objects.index.write(lambda db: db.execute("DELETE FROM uploads WHERE id = ?", (upload_id,)))
        self._objects.contents.remove(session.file)
        self._sessions.pop(upload_id, None)


def check_hashes(content: Content, hashes: Mapping[str, str]) -> None:
    """Compares with what the caller computed. Raises ApiError 400."""
    for name, digest in (("md5Hash", content.md5), ("crc32c", content.crc32c)):
        if name in hashes and digest is not None and base64.b64encode(digest).decode() != hashes[name]:
            raise ApiError(400, f"Provided {name} {hashes[name]!r} does not match the content.")


def _check_length(piece: Piece, body: Body) -> None:
    if piece.end is None:
        return
    size = piece.end - (piece.start or 0) + 1
    if body.length not in (None, size):
        raise ApiError(400, f"Content-Range speaks of {size} bytes, the body has {body.length}.")
    if piece.total is None and size % _GRANULE_BYTES:
        raise ApiError(400, f"Chunks but the last are multiples of {_GRANULE_BYTES} bytes.")
    if piece.total is not None and piece.end >= piece.total:
        raise ApiError(400, "Content-Range goes beyond its total.")


def _finish(db: sqlite3.Connection, upload_id: str, stored: StoredObject) -> None:
    row = asdict(stored)
    row.update(name=stored.name.decode(), md5=stored.md5 and stored.md5.hex(), crc32c=stored.crc32c.hex())
    db.execute("UPDATE uploads SET finished = ? WHERE id = ?", (json.dumps(row), upload_id))


def _load(finished: str) -> StoredObject:
    row = json.loads(finished)
    md5 = row["md5"] and bytes.fromhex(row["md5"])
    return StoredObject(**{**row, "name": row["name"].encode(), "md5": md5, "crc32c": bytes.fromhex(row["crc32c"])})
