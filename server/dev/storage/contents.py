"""Bytes of objects: small ones go into the index, larger ones into files that are never changed once published."""

import contextlib
import hashlib
import os
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import google_crc32c

INLINE_LIMIT_BYTES = 64 * 1024
_COPY_BYTES = 1024 * 1024
# Where there is fdatasync it saves the journal the times of the file.
_sync_data = getattr(os, "fdatasync", os.fsync)


@dataclass(frozen=True, slots=True)
class Content:
    """Bytes at rest: `data` if small, else the name of a file. `md5` is None for composed objects."""

    size: int
    md5: bytes | None
    crc32c: bytes
    data: bytes | None
    file: str | None


class Contents:
    """The directory of files. Names are made up here, so no object name ever becomes a path."""

    def __init__(self, directory: Path, *, fsync: bool) -> None:
        self._directory = directory
        self._fsync = fsync
        for shard in range(256):
            (directory / f"{shard:02x}").mkdir(mode=0o700, parents=True, exist_ok=True)

    def path(self, file: str) -> Path:
        """Where a file lies."""
        return self._directory / file[:2] / file

    def create(self) -> str:
        """Makes an empty file that survives a crash."""
        file = uuid.uuid4().hex
        self.path(file).touch(mode=0o600, exist_ok=False)
        self._sync_directory(file)
        return file

    def open(self, file: str) -> BinaryIO:
        """Opens for reading. Raises FileNotFoundError if the object was replaced or deleted meanwhile."""
        return self.path(file).open("rb", buffering=0)

    def remove(self, file: str | None) -> None:
        """Removes a file; readers that have it open keep their bytes."""
        if file is not None:
            self.path(file).unlink(missing_ok=True)

    def sync(self, handle: BinaryIO) -> None:
        """Puts what was written on the disk."""
        handle.flush()
        if self._fsync:
            _sync_data(handle.fileno())

    def copy(self, content: Content) -> Content:
        """The same bytes under another file name, without moving them."""
        if content.file is None:
            return content
        file = uuid.uuid4().hex
        os.link(self.path(content.file), self.path(file))
        self._sync_directory(file)
        return Content(size=content.size, md5=content.md5, crc32c=content.crc32c, data=None, file=file)

    def sweep(self, known: set[str]) -> None:
        """Removes files that a crash left without an entry in the index."""
        for shard in os.scandir(self._directory):
            for entry in os.scandir(shard.path):
                if entry.name not in known:
                    os.unlink(entry.path)

    def _sync_directory(self, file: str) -> None:
        if not self._fsync:
            return
        descriptor = os.open(self.path(file).parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class Digests:
    """MD5 and CRC32C of a stream, and its length."""

    def __init__(self) -> None:
        self.size = 0
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._crc32c = 0

    def update(self, piece: bytes) -> None:
        """Takes the next bytes."""
        self.size += len(piece)
        self._md5.update(piece)
        self._crc32c = google_crc32c.extend(self._crc32c, piece)

    def content(self, *, data: bytes | None = None, file: str | None = None, composed: bool = False) -> Content:
        """What was seen, lying there."""
        md5 = None if composed else self._md5.digest()
        return Content(size=self.size, md5=md5, crc32c=self._crc32c.to_bytes(4, "big"), data=data, file=file)


class ContentWriter:
    """Takes a stream of unknown length and keeps it in memory only while it is small."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents
        self._digests = Digests()
        self._small = bytearray()
        self._file: str | None = None
        self._handle: BinaryIO | None = None

    def write(self, piece: bytes) -> None:
        """Appends."""
        self._digests.update(piece)
        if self._handle is None and len(self._small) + len(piece) <= INLINE_LIMIT_BYTES:
            self._small += piece
            return
        if self._handle is None:
            self._file = self._contents.create()
            self._handle = self._contents.path(self._file).open("wb")
            self._handle.write(self._small)
            self._small.clear()
        self._handle.write(piece)

    def append_from(self, source: BinaryIO) -> None:
        """Appends a whole file."""
        while piece := source.read(_COPY_BYTES):
            self.write(piece)

    def finish(self, *, composed: bool = False) -> Content:
        """The bytes, on the disk or (if small) to be put there with the index entry."""
        if self._handle is None:
            return self._digests.content(data=bytes(self._small), composed=composed)
        self._contents.sync(self._handle)
        self._handle.close()
        return self._digests.content(file=self._file, composed=composed)

    def discard(self) -> None:
        """Forgets everything."""
        if self._handle is not None:
            # Closing writes what is still in memory, for which a full disk has no room.
            with contextlib.suppress(OSError):
                self._handle.close()
        self._contents.remove(self._file)
