"""Packages on disk, gigabytes of them in seconds: one block of bytes again and again."""

import os
import random
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tests.factories.packages import course_files, manifest2004

MIB = 1024**2
BLOCK_BYTES = 4 * MIB
_STORED, _DEFLATED = 0, 8


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    name: bytes
    method: int
    crc: int
    packed: int
    size: int
    offset: int

    def header(self) -> bytes:
        return struct.pack(
            "<4s5H3L2H", b"PK\3\4", 20, 0, self.method, 0, 0x21, self.crc, self.packed, self.size, len(self.name), 0
        )

    def record(self) -> bytes:
        return struct.pack(
            "<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, self.method, 0, 0x21, self.crc, self.packed, self.size,
            len(self.name), 0, 0, 0, 0, 0o100644 << 16, self.offset,
        )  # fmt: skip  # in the order of the record


class _Writer:
    """A zip below 4 GiB."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._entries: list[_Entry] = []

    def add(self, name: str, block: bytes, *, times: int, deflated: bool) -> None:
        """A file that is `block` so many times, deflated block by block."""
        pieces = [block] * times
        if deflated:
            pieces = [_flushed(block)] * times + [zlib.compressobj(6, zlib.DEFLATED, -15).flush()]
        entry = _Entry(
            name=name.encode(),
            method=_DEFLATED if deflated else _STORED,
            crc=_crc(block, times),
            packed=sum(map(len, pieces)),
            size=len(block) * times,
            offset=self._file.tell(),
        )
        self._entries.append(entry)
        self._file.write(entry.header() + entry.name)
        for piece in pieces:
            self._file.write(piece)

    def finish(self) -> None:
        start = self._file.tell()
        directory = b"".join(entry.record() + entry.name for entry in self._entries)
        count = len(self._entries)
        end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, len(directory), start, 0)
        self._file.write(directory + end)


def _flushed(block: bytes) -> bytes:
    """A piece of a deflated stream that any other may follow."""
    deflate = zlib.compressobj(6, zlib.DEFLATED, -15)
    return deflate.compress(block) + deflate.flush(zlib.Z_FULL_FLUSH)


def _crc(block: bytes, times: int) -> int:
    crc = 0
    for _ in range(times):
        crc = zlib.crc32(block, crc)
    return crc


def _compressible(size: int) -> bytes:
    """Words, of which deflate leaves about a third."""
    chance = random.Random(1)
    words = ["".join(chance.choices("abcdefghijklmnop", k=chance.randint(2, 9))) for _ in range(4000)]
    text = " ".join(chance.choices(words, k=size // 4)).encode()
    return text[:size]


def write_large(path: Path, *, size_bytes: int, deflated: bool) -> None:
    """A course with eight large files, together a zip of about that size: videos stored, or text deflated."""
    block = _compressible(BLOCK_BYTES) if deflated else os.urandom(BLOCK_BYTES)
    packed = len(_flushed(block)) if deflated else BLOCK_BYTES
    with path.open("wb") as file:
        writer = _Writer(file)
        _add_course(writer)
        for number in range(8):
            name = f"media/{number}.{'json' if deflated else 'mp4'}"
            writer.add(name, block, times=size_bytes // packed // 8, deflated=deflated)
        writer.finish()


def write_small(path: Path, *, files: int) -> None:
    """A course with so many files of 1 to 16 KiB."""
    chance = random.Random(2)
    text = _compressible(16 * 1024)
    with path.open("wb") as file:
        writer = _Writer(file)
        written = _add_course(writer)
        for number in range(files - written):
            size = chance.randint(1024, len(text))
            writer.add(f"pages/{number // 100}/{number}.html", text[-size:], times=1, deflated=True)
        writer.finish()


def _add_course(writer: _Writer) -> int:
    files = course_files() | {"imsmanifest.xml": manifest2004().encode()}
    for name, data in files.items():
        writer.add(name, data, times=1, deflated=True)
    return len(files)
