"""Archives byte by byte, so that every field of them can lie."""

import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_VERSION = 20
_UNIX = 3 << 8
_DATE_1980 = 0x21


@dataclass(frozen=True, slots=True)
class Member:
    """One file of an archive. Every field after `data` is what a well-behaved tool writes unless it is given.

    `name` as bytes is written as it is, without the UTF-8 flag. `size`, `compressed_size`, `crc` and `offset` are
    claims: they change the headers only. `local_name` is the name in the local header where it differs; `local` is
    another member whose header stands there instead. `packed` is in the archive in place of the packed data, and
    `trailer` directly behind it.
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
    local: "Member | None" = None
    packed: bytes | None = None
    trailer: bytes = b""
    disk: int = 0

    @property
    def raw_name(self) -> bytes:
        return _raw(self.name)

    @property
    def payload(self) -> bytes:
        """The bytes in the archive: deflated for method 8, else as they are."""
        if self.packed is not None:
            return self.packed
        if self.method != 8:
            return self.data
        deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
        return deflate.compress(self.data) + deflate.flush()


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """What the end of an archive claims where that is not the truth.

    `wide` makes what stands before the classic end record, from the directory's count, size and offset.
    """

    count: int | None = None
    size: int | None = None
    offset: int | None = None
    disk: int = 0
    wide: Callable[[int, int, int], bytes] = lambda count, size, offset: b""


TRUTH = End()


def zip_bytes(
    members: Sequence[Member],
    *,
    comment: bytes = b"",
    prefix: bytes = b"",
    suffix: bytes = b"",
    cut: int = 0,
    end: End = TRUTH,
) -> bytes:
    """An archive of these members in their order, the last `cut` bytes left out."""
    out, directory = bytearray(prefix), bytearray()
    for member in members:
        offset = len(out)
        out += _local_header(member) + member.payload + member.trailer
        directory += _record(member, offset if member.offset is None else member.offset)
    start = len(out)
    out += directory + end.wide(len(members), len(directory), start)
    count = len(members) if end.count is None else end.count
    size = len(directory) if end.size is None else end.size
    claimed = start if end.offset is None else end.offset
    out += struct.pack("<I4H2IH", 0x06054B50, end.disk, end.disk, count, count, size, claimed, len(comment))
    out += comment + suffix
    return bytes(out[: len(out) - cut])


def zip64_end(count: int, size: int, offset: int) -> bytes:
    """A zip64 end record and its locator (PKWARE APPNOTE 4.3.14 and 15), for `End.wide`."""
    record = struct.pack("<IQ2H2I4Q", 0x06064B50, 44, 45, 45, 0, 0, count, count, size, offset)
    return record + struct.pack("<IIQI", 0x07064B50, 0, offset + size, 1)


def zip64_extra(*values: int) -> bytes:
    """The extra field with the values that a record leaves unset (APPNOTE 4.5.3)."""
    return struct.pack(f"<2H{len(values)}Q", 1, 8 * len(values), *values)


def data_descriptor(data: bytes, packed: bytes) -> bytes:
    """What stands behind data of which nothing was known before (APPNOTE 4.3.9)."""
    return struct.pack("<4I", 0x08074B50, zlib.crc32(data), len(packed), len(data))


def _local_header(member: Member) -> bytes:
    told = member.local or member
    name = _raw(told.local_name if told.local_name is not None else told.name)
    return struct.pack("<I5H3I2H", 0x04034B50, *_fields(told, member.payload), len(name), 0) + name


def _record(member: Member, offset: int) -> bytes:
    fields = _fields(member, member.payload)
    lengths = len(member.raw_name), len(member.extra), 0
    return (
        struct.pack("<I6H3I3H", 0x02014B50, _UNIX | _VERSION, *fields, *lengths)
        + struct.pack("<2H2I", member.disk, 0, member.mode << 16, offset)
        + member.raw_name
        + member.extra
    )


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
