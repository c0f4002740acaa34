"""The central directory of a zip that somebody sent, read in bounded memory (PKWARE APPNOTE 4.3).

The standard library's reader loads a directory of any size and makes an object of every record before anything can be
judged; hence this one. Classic and zip64 archives, with or without bytes before and after them.
"""

import binascii
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from server.domain.errors import ValidationFailed
from server.domain.zip_rules import ZipEntry, decode_name

_END = struct.Struct("<4s4H2LH")
_END_64_LOCATOR = struct.Struct("<4sLQL")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_RECORD = struct.Struct("<4s6H3L5H2L")
_MAX_COMMENT_BYTES = 0xFFFF
_BATCH_BYTES = 256 * 1024
# All names are in memory until they are judged. No path in a package may have a quarter of that length.
MAX_NAME_BYTES = 4096
MAX_DIRECTORY_BYTES = 32 * 1024**2
_UNSET_16, _UNSET_32 = 0xFFFF, 0xFFFFFFFF
_ZIP64_EXTRA, _UNICODE_PATH_EXTRA = 0x0001, 0x7075

DAMAGED = "The ZIP archive is damaged: its directory cannot be read"
_NO_ZIP = "The file is no ZIP archive, or it is truncated"
_PARTS = "A ZIP archive in several parts is not accepted"


@dataclass(frozen=True, slots=True)
class DirectoryPlace:
    """Where the directory lies. `shift` is the length of what stands before the archive, which offsets leave out."""

    count: int
    size: int
    offset: int
    shift: int


def find_directory(descriptor: int, size_bytes: int) -> DirectoryPlace:
    """Finds the directory from the end of the file. Raises ValidationFailed under `file`."""
    tail_size = min(size_bytes, _END.size + _MAX_COMMENT_BYTES)
    tail = os.pread(descriptor, tail_size, size_bytes - tail_size)
    at = _end_record(tail)
    if at is None:
        raise ValidationFailed.of("file", _NO_ZIP)
    _, disk, start_disk, _, count, size, offset, _ = _END.unpack_from(tail, at)
    if disk not in (0, _UNSET_16) or start_disk not in (0, _UNSET_16):
        raise ValidationFailed.of("file", _PARTS)
    end = size_bytes - tail_size + at
    # Looked for in any case: tools write it from 2 GiB on, when the classic values are still valid.
    return _find_wide(descriptor, end) or _placed(count, size, offset, end=end)


def _end_record(tail: bytes) -> int | None:
    """Where the end record is: the last one whose comment reaches to the end, else the last whose comment fits.

    The signature may stand in a comment too, and some tools append bytes to the archive.
    """
    found = None
    at = tail.rfind(b"PK\5\6", 0, max(0, len(tail) - _END.size + 4))
    while at >= 0:
        end = at + _END.size + _END.unpack_from(tail, at)[-1]
        if end == len(tail):
            return at
        if end < len(tail) and found is None:
            found = at
        at = tail.rfind(b"PK\5\6", 0, at + 3)
    return found


def _find_wide(descriptor: int, end_place: int) -> DirectoryPlace | None:
    """The zip64 form (APPNOTE 4.3.14), or None if there is none before the classic one."""
    place = end_place - _END_64_LOCATOR.size
    raw = os.pread(descriptor, _END_64_LOCATOR.size, place) if place >= 0 else b""
    if raw[:4] != b"PK\6\7":
        return None
    # Directly before the locator, unless something of unknown use stands between: then where the locator says.
    for offset in (place - _END_64.size, _END_64_LOCATOR.unpack(raw)[2]):
        record = os.pread(descriptor, _END_64.size, offset) if 0 <= offset < place else b""
        if len(record) == _END_64.size and record[:4] == b"PK\6\6":
            *_, count, size, start = _END_64.unpack(record)
            return _placed(count, size, start, end=offset)
    raise ValidationFailed.of("file", DAMAGED)


def _placed(count: int, size: int, offset: int, *, end: int) -> DirectoryPlace:
    """The directory ends where its end record begins; bytes before the archive shift every offset alike."""
    shift = end - size - offset
    if shift < 0:
        raise ValidationFailed.of("file", _NO_ZIP)
    return DirectoryPlace(count, size, offset + shift, shift)


def read_records(descriptor: int, directory: DirectoryPlace) -> Iterator[ZipEntry]:
    """Every record, read in batches whatever the directory's size. Raises ValidationFailed under `file`."""
    if directory.size > MAX_DIRECTORY_BYTES:
        raise ValidationFailed.of("file", f"The directory of the zip is larger than {MAX_DIRECTORY_BYTES} bytes")
    batch = b""
    for more in _batches(descriptor, directory):
        batch += more
        at = 0
        while (length := _record_length(batch, at)) is not None:
            yield _entry(batch[at : at + length], directory.shift)
            at += length
        batch = batch[at:]
    if batch:
        raise ValidationFailed.of("file", DAMAGED)


def _batches(descriptor: int, directory: DirectoryPlace) -> Iterator[bytes]:
    end = directory.offset + directory.size
    for place in range(directory.offset, end, _BATCH_BYTES):
        yield os.pread(descriptor, min(_BATCH_BYTES, end - place), place)


def _record_length(batch: bytes, at: int) -> int | None:
    """The length of the record that begins at `at`, or None while it is not there as a whole."""
    if len(batch) - at < _RECORD.size:
        return None
    record = _RECORD.unpack_from(batch, at)
    if record[0] != b"PK\1\2":
        raise ValidationFailed.of("file", DAMAGED)
    length = _RECORD.size + sum(record[10:13])
    return length if at + length <= len(batch) else None


def _entry(record: bytes, shift: int) -> ZipEntry:
    _, _, _, flags, method, _, _, crc, packed, size, *rest = _RECORD.unpack_from(record)
    name_length, extra_length, _, disk, _, attributes, offset = rest
    raw_name = record[_RECORD.size : _RECORD.size + name_length]
    extra = dict(_extra_fields(record[_RECORD.size + name_length : _RECORD.size + name_length + extra_length]))
    if _UNSET_32 in (size, packed, offset):
        size, packed, offset = _wide(extra.get(_ZIP64_EXTRA, b""), size, packed, offset)
    if disk not in (0, _UNSET_16):
        raise ValidationFailed.of("file", _PARTS)
    wide_name = extra.get(_UNICODE_PATH_EXTRA, b"")
    if max(len(raw_name), len(wide_name)) > MAX_NAME_BYTES:
        raise ValidationFailed.of("file", f"The zip has a file whose name is longer than {MAX_NAME_BYTES} bytes")
    name = _unicode_path(wide_name, raw_name) or decode_name(raw_name)
    return ZipEntry(
        name=name,
        is_dir=name.endswith(("/", "\\")),
        compressed_size=packed,
        size=size,
        crc=crc,
        flag_bits=flags,
        external_attr=attributes,
        header_offset=offset + shift,
        compress_type=method,
    )


def _extra_fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 4 <= len(data):
        kind, length = struct.unpack_from("<2H", data, at)
        yield kind, data[at + 4 : at + 4 + length]
        at += 4 + length


def _wide(extra: bytes, *narrow: int) -> list[int]:
    """APPNOTE 4.5.3: the zip64 field holds, in this order, just those values that the record leaves unset."""
    wide = struct.iter_unpack("<Q", extra[: len(extra) // 8 * 8])
    try:
        return [next(wide)[0] if value == _UNSET_32 else value for value in narrow]
    except StopIteration:
        raise ValidationFailed.of("file", DAMAGED) from None


def _unicode_path(extra: bytes, raw_name: bytes) -> str | None:
    """APPNOTE 4.6.9: the name in UTF-8, valid while the checksum of the other one in it still fits."""
    if len(extra) <= 5 or extra[0] != 1:
        return None
    if struct.unpack_from("<L", extra, 1)[0] != binascii.crc32(raw_name):
        return None
    try:
        return extra[5:].decode()
    except UnicodeDecodeError:
        return None
