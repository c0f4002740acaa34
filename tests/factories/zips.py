"""Archives byte by byte, so that every field of them can lie."""

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

_VERSION = 20
_UNIX = 3 << 8
_DATE_1980 = 0x21


@dataclass(frozen=True, slots=True)
class Member:
    """One file of an archive. Every field after `data` is what a well-behaved tool writes unless it is given.

    `name` as bytes is written as it is, without the UTF-8 flag. `size`, `compressed_size`, `crc` and `offset` are
    claims: they change the headers only. `local_name` is the name in the local header where it differs.
    """

    name: str | bytes
    data: bytes = b""
    method: int = 8
    mode: int = 0o100644
    flags: int | None = None
    size: int | None = None
    compressed_size: int | None = None
    crc: int | None = None
    offset: int | None = None
    local_name: str | bytes | None = None
    extra: bytes = b""

    @property
    def raw_name(self) -> bytes:
        return _raw(self.name)

    @property
    def payload(self) -> bytes:
        """The bytes in the archive: deflated for method 8, else as they are."""
        if self.method != 8:
            return self.data
        deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
        return deflate.compress(self.data) + deflate.flush()


def zip_bytes(members: Sequence[Member], *, comment: bytes = b"", prefix: bytes = b"", cut: int = 0) -> bytes:
    """An archive of these members in their order, the last `cut` bytes left out."""
    out, directory = bytearray(prefix), bytearray()
    for member in members:
        offset, payload = len(out), member.payload
        fields = _fields(member, payload)
        local = _raw(member.local_name if member.local_name is not None else member.name)
        out += struct.pack("<IHHHHHIIIHH", 0x04034B50, *fields, len(local), 0) + local + payload
        claimed = offset if member.offset is None else member.offset
        directory += struct.pack(
            "<IHHHHHHIIIHH", 0x02014B50, _UNIX | _VERSION, *fields, len(member.raw_name), len(member.extra)
        )
        directory += struct.pack("<HHHII", 0, 0, 0, member.mode << 16, claimed) + member.raw_name + member.extra
    start = len(out)
    out += directory
    count = len(members)
    out += struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, count, count, len(directory), start, len(comment)) + comment
    return bytes(out[: len(out) - cut])


def _fields(member: Member, payload: bytes) -> tuple[int, ...]:
    """Version, flags, method, time, date, CRC-32, compressed size, size."""
    flags = member.flags
    if flags is None:
        flags = 0x800 if isinstance(member.name, str) and not member.name.isascii() else 0
    return (
        _VERSION,
        flags,
        member.method,
        0,
        _DATE_1980,
        zlib.crc32(member.data) if member.crc is None else member.crc,
        len(payload) if member.compressed_size is None else member.compressed_size,
        len(member.data) if member.size is None else member.size,
    )


def _raw(name: str | bytes) -> bytes:
    return name if isinstance(name, bytes) else name.encode()
