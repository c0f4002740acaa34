"""Archives that are more than they seem: by ratio, by nesting, by overlap, by number."""

import functools
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace

from server.domain.zip_rules import LOCAL_HEADER_BYTES
from tests.factories.hostile.case import MANIFEST, Family, Hostile, archive, course
from tests.factories.packages import scorm12_package
from tests.factories.zips import End, Member, zip64_end, zip_bytes

_MIB = 1024**2
_RATIO = "The zip unpacks to more than 100 times its size, which no course does"
_SHARES = "shares bytes of the archive with another file"


def cases() -> Iterator[Hostile]:
    """All of them."""
    yield _case("66 MiB of zeros in 66 KiB", _zeros, _RATIO)
    yield _case("100 files of 1 MiB of zeros", _many_zeros, _RATIO)
    yield _case("66 MiB of zeros said to be one byte", lambda: course(_zeros_member(size=1)), "'zeros' is damaged")
    yield _case(
        "66 MiB of zeros said to be one byte, as the manifest",
        lambda: course(manifest=_zeros_member("imsmanifest.xml", size=1)),
        "'imsmanifest.xml' is damaged",
    )
    yield _case(
        "a manifest of 11 MiB in 11 KiB",
        lambda: course(manifest=Member("imsmanifest.xml", b" " * 11 * _MIB)),
        "The manifest is larger than 10485760 bytes",
    )
    yield _case("one byte said to be 60 GiB", lambda: course(*_giants(15)), "The unpacked package is larger than", 413)
    yield _case("a bomb in a zip in a zip: nothing unpacks those inside", _nested, status=201)
    yield _case("a zip that holds itself, as far as it can", _quine, "'self.zip' is damaged")
    yield _case("250 records of one file", lambda: _same_file(250), _SHARES)
    yield _case("files that quote the headers of the next (Fifield)", lambda: _fifield(100), _SHARES)
    yield _case("only a zip in a zip", lambda: zip_bytes([Member("course.zip", scorm12_package())]), "another archive")
    yield _case(
        "a course and a bomb that nothing refers to",
        lambda: scorm12_package(files={"unused.bin": bytes(66 * _MIB)}),
        _RATIO,
    )
    yield _case("50,001 files", lambda: _empty_files(50_001), "at most 50000 are accepted")
    yield _case("100,001 entries", lambda: _empty_files(100_001), "at most 100000 are accepted")
    yield _case("65,536 entries that call themselves none", lambda: _empty_files(65_536, told=0), "cannot be read")
    yield _case("5,000 folders around one course", lambda: course(*_folders(5000)), status=201)
    yield _case("empty deflate blocks by the ten thousand", _empty_blocks, status=201)


@functools.cache
def _zeros_packed() -> bytes:
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = bytes(_MIB)
    return b"".join(deflate.compress(block) for _ in range(66)) + deflate.flush()


def _zeros_member(name: str = "zeros", *, size: int = 66 * _MIB) -> Member:
    return Member(name, packed=_zeros_packed(), size=size, crc=zlib.crc32(bytes(66 * _MIB)))


def _zeros() -> bytes:
    return course(_zeros_member())


def _many_zeros() -> bytes:
    packed = Member("", bytes(_MIB)).payload
    crc = zlib.crc32(bytes(_MIB))
    return course(*(Member(f"zeros{number}", packed=packed, size=_MIB, crc=crc) for number in range(100)))


def _giants(count: int) -> list[Member]:
    return [Member(f"giant{number}", b"x", size=0xFFFFFFFE) for number in range(count)]


def _nested() -> bytes:
    inner = zip_bytes([_zeros_member()])
    for _ in range(3):
        inner = zip_bytes([Member("inner.zip", inner)])
    return course(Member("inner.zip", inner))


def _quine() -> bytes:
    """A stored file whose data begin at their own header and would end behind the directory."""
    whole = course(Member("self.zip", method=0))
    size = len(whole) - whole.rindex(b"PK\3\4") - LOCAL_HEADER_BYTES - len("self.zip")
    return course(Member("self.zip", method=0, size=size, compressed_size=size))


def _same_file(count: int) -> bytes:
    kernel = bytes(_MIB)
    first = course(Member("kernel", kernel))
    at = first.rindex(b"PK\3\4")
    packed = Member("", kernel).payload
    copies = [
        Member(f"copy{n}", b"", packed=b"", offset=at, size=_MIB, compressed_size=len(packed)) for n in range(count)
    ]
    return course(Member("kernel", kernel), *copies)


def _fifield(count: int) -> bytes:
    """David Fifield's: the data of each file begin with the header of the next, quoted as a stored block."""
    data = bytes(_MIB)
    packed = Member("", data).payload
    kernel = packed
    quotes = b""
    files: list[Member] = []
    for number in range(count):
        member = Member(f"zeros{number}", packed=packed, size=len(data), crc=zlib.crc32(data))
        header = zip_bytes([member])[: LOCAL_HEADER_BYTES + len(member.raw_name)]
        # Their places, from the end of the kernel backwards, are known once all are there.
        files.append(replace(member, offset=len(quotes) + len(header)))
        block = struct.pack("<BHH", 0, len(header), len(header) ^ 0xFFFF)
        quotes = block + header + quotes
        packed, data = block + header + packed, header + data
    quotes = quotes[5:]
    start = zip_bytes([MANIFEST]).index(b"PK\1\2")
    placed = [
        replace(file, packed=b"", compressed_size=len(file.payload), offset=start + len(quotes) - (file.offset or 0))
        for file in files
    ]
    return zip_bytes([replace(MANIFEST, trailer=quotes + kernel), *placed])


def _empty_files(count: int, *, told: int | None = None) -> bytes:
    members = [Member(f"f{number}", method=0) for number in range(count)]
    wide = count + 1 if told is None else told

    def end_64(_: int, size: int, offset: int) -> bytes:
        return zip64_end(wide, size, offset) if told is None else b""

    return zip_bytes([MANIFEST, *members], end=End(count=min(wide, 0xFFFF), wide=end_64))


def _folders(count: int) -> list[Member]:
    return [Member(f"folder{number}/", method=0) for number in range(count)]


def _empty_blocks() -> bytes:
    # A stored block of no bytes is five bytes long and unpacks to nothing.
    return course(Member("blocks", b"x", packed=b"\0\0\0\xff\xff" * 10_000 + Member("", b"x").payload))


def _case(name: str, data: Callable[[], bytes], says: str = "", status: int = 400) -> Hostile:
    return archive(Family.BOMBS, name, data, says, status)
