"""The files in a zip that somebody sent, as checked streams.

Names, sizes and places come from the central directory alone, so that no second, differing description in a local
header counts. Threads read side by side: every read names its place, there is no shared file position.
"""

import binascii
import io
import os
import struct
import zlib
from dataclasses import dataclass
from typing import BinaryIO

from server.domain.errors import ValidationFailed
from server.domain.zip_rules import ZipEntry
from server.storage.zip_directory import DAMAGED, find_directory, read_records

_LOCAL = struct.Struct("<4s5H3L2H")
_BATCH_BYTES = 256 * 1024
_DEFLATED = 8


@dataclass(frozen=True, slots=True)
class Archive:
    """A zip in an open file. Threads may open and read entries at the same time: every read names its place."""

    descriptor: int
    size_bytes: int
    entries: tuple[ZipEntry, ...]
    directory_offset: int

    @classmethod
    def read(cls, descriptor: int, *, size_bytes: int, max_entries: int) -> "Archive":
        """Reads the directory. Raises ValidationFailed under `file` if it is no zip, damaged, or has more entries."""
        place = find_directory(descriptor, size_bytes)
        if place.count > max_entries:
            raise ValidationFailed.of("file", f"The zip has {place.count} entries; at most {max_entries} are accepted")
        entries: list[ZipEntry] = []
        for entry in read_records(descriptor, place):
            # A directory may hold more records than it announces.
            if len(entries) == max_entries:
                raise ValidationFailed.of("file", f"The zip has more than {max_entries} entries")
            entries.append(entry)
        if len(entries) != place.count:
            raise ValidationFailed.of("file", DAMAGED)
        return cls(descriptor, size_bytes, tuple(entries), place.offset)

    def open(self, index: int) -> BinaryIO:
        """The unpacked bytes of an entry, seekable. Reading its last byte proves size and checksum.

        Raises ValidationFailed under `file`, here or from any read, where the entry is not what the directory says.
        """
        entry = self.entries[index]
        if entry.header_offset + _LOCAL.size > self.directory_offset:
            raise _damaged(entry)
        header = os.pread(self.descriptor, _LOCAL.size, entry.header_offset)
        if header[:4] != b"PK\3\4":
            raise _damaged(entry)
        *_, name_length, extra_length = _LOCAL.unpack(header)
        start = entry.header_offset + _LOCAL.size + name_length + extra_length
        if start + entry.compressed_size > self.directory_offset:
            raise _damaged(entry)
        return io.BufferedReader(_EntryReader(self.descriptor, start, entry), buffer_size=64 * 1024)


def _damaged(entry: ZipEntry) -> ValidationFailed:
    shown = "".join(character for character in entry.name if character.isprintable())[:120]
    return ValidationFailed.of("file", f"'{shown}' is damaged: it is not what the directory of the ZIP archive says")


class _EntryReader(io.RawIOBase):
    """Unpacks an entry from its start; going back means unpacking again."""

    def __init__(self, descriptor: int, start: int, entry: ZipEntry) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._start = start
        self._entry = entry
        self._wanted = 0
        self._restart()
        if not entry.size:
            self._prove_end()

    def _restart(self) -> None:
        self._packed_read = 0
        self._unpacked = 0
        self._crc = 0
        self._inflate = zlib.decompressobj(-zlib.MAX_WBITS) if self._entry.compress_type == _DEFLATED else None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._wanted

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._wanted, os.SEEK_END: self._entry.size}[whence]
        self._wanted = max(0, base + offset)
        return self._wanted

    def readinto(self, buffer: "memoryview | bytearray") -> int:  # type: ignore[override]  # what io passes in fact
        if self._wanted >= self._entry.size or not len(buffer):
            return 0
        if self._wanted < self._unpacked:
            self._restart()
        while self._unpacked < self._wanted:
            self._next(min(_BATCH_BYTES, self._wanted - self._unpacked))
        # In batches, for a chunk of 8 MiB would be in memory twice; the buffered reader asks until it has its fill.
        piece = self._next(min(len(buffer), _BATCH_BYTES, self._entry.size - self._unpacked))
        buffer[: len(piece)] = piece
        self._wanted = self._unpacked
        return len(piece)

    def _next(self, most: int) -> bytes:
        """1 to `most` further bytes."""
        piece = self._unpack(most)
        if not piece:
            raise _damaged(self._entry)
        self._crc = binascii.crc32(piece, self._crc)
        self._unpacked += len(piece)
        if self._unpacked == self._entry.size:
            self._prove_end()
        return piece

    def _unpack(self, most: int) -> bytes:
        if self._inflate is None:
            return self._packed(most)
        piece = b""
        while not piece and not self._inflate.eof:
            packed = self._inflate.unconsumed_tail or self._packed(_BATCH_BYTES)
            try:
                piece = self._inflate.decompress(packed, most)
            except zlib.error as error:
                raise _damaged(self._entry) from error
            if not packed and not piece:
                break
        return piece

    def _packed(self, most: int) -> bytes:
        size = min(most, self._entry.compressed_size - self._packed_read)
        data = os.pread(self._descriptor, size, self._start + self._packed_read)
        self._packed_read += len(data)
        return data

    def _prove_end(self) -> None:
        """No byte follows, and the checksum is that of the directory."""
        more = self._unpack(1)
        # Some tools write an empty file as deflated, without the two bytes that this takes.
        whole = self._inflate is None or self._inflate.eof or not self._entry.compressed_size
        if more or not whole or self._crc != self._entry.crc:
            raise _damaged(self._entry)
