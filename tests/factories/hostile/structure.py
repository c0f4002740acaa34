"""Archives that lie: headers, sizes, checksums, ends and beginnings that do not fit each other."""

import zlib
from collections.abc import Iterator

from tests.factories.hostile.case import Family, Hostile, archive, course
from tests.factories.packages import scorm12_package
from tests.factories.zips import End, Member, data_descriptor, zip64_end, zip64_extra, zip_bytes

_NO_ZIP = "The file is no ZIP archive, or it is truncated"
_DIRECTORY = "The ZIP archive is damaged: its directory cannot be read"
_PARTS = "A ZIP archive in several parts is not accepted"
_DAMAGED = "'evil' is damaged: it is not what the directory of the ZIP archive says"
_BEYOND = "'evil' lies beyond the end of the archive: the upload may be truncated"
_UNSET = 0xFFFFFFFF
_TEXT = b"some text that is longer when it is packed than it was, as it has no repetition"


def cases() -> Iterator[Hostile]:
    """All of them."""
    yield from _truncated()
    yield from _surrounded()
    yield from _encrypted_or_packed()
    yield from _lying_entries()
    yield from _lying_ends()
    yield from _zip64()


def _truncated() -> Iterator[Hostile]:
    yield _case("one byte", b"P", _NO_ZIP)
    yield _case("text", b"no zip at all", _NO_ZIP)
    yield _case("another kind of archive", b"Rar!\x1a\x07\x01\0" + bytes(200), _NO_ZIP)
    yield _case("only an end record", zip_bytes([]), "The zip holds no files")
    yield _case("only folders", zip_bytes([Member("a/"), Member("b/")]), "The zip holds no files")
    whole = course(Member("evil", bytes(range(256)), method=0))
    yield _case("only its first 30 bytes", whole[:30], _NO_ZIP)
    yield _case("only its first half", whole[: len(whole) // 2], _NO_ZIP)
    yield _case("without its end record", whole[:-22], _NO_ZIP)
    yield _case("truncated by the last byte", scorm12_package()[:-1], _NO_ZIP)
    yield _case("without its first 100 bytes", scorm12_package()[100:], _NO_ZIP)
    yield _case("with 100 bytes missing in the middle", whole[:600] + whole[700:], _NO_ZIP)


def _surrounded() -> Iterator[Hostile]:
    yield _case("junk before", course(prefix=b"MZ" + b"\x90" * 5000), status=201)
    yield _case("junk before that offsets leave out", b"#!/bin/sh\nexit 1\n" + course(), status=201)
    yield _case("junk behind", course(suffix=b"\r\n" * 100), status=201)
    yield _case("70,000 bytes of junk behind", course(suffix=bytes(70_000)), _NO_ZIP)
    yield _case("a page of HTML that is also a zip", course(prefix=b"<html><script>alert(1)</script><!--"), status=201)
    yield _case("a PDF that is also a zip", course(prefix=b"%PDF-1.7\n1 0 obj\n", suffix=b"\n%%EOF"), status=201)
    yield _case("a GIF that is also a zip", course(prefix=b"GIF89a\1\0\1\0\0\0\0;"), status=201)
    yield _case("two archives, one behind the other", course() + scorm12_package(title="Second"), status=201)
    yield _case("an end record in the comment", course(comment=b"PK\5\6" + bytes(18)), "The zip holds no files")
    yield _case(
        "an end record with a comment of its own in the comment",
        course(comment=b"PK\5\6" + b"\xff" * 18 + b"more"),
        status=201,
    )
    yield _case("a comment longer than it says", course(comment=b"x" * 9, suffix=b"y" * 9), status=201)
    yield _case("a comment shorter than it says", course(comment=b"x" * 90, cut=9), _NO_ZIP)


def _encrypted_or_packed() -> Iterator[Hostile]:
    aes = b"\1\x99\7\0\2\0AE\3\x08\0"
    for what, member in (
        ("ZipCrypto", Member("evil", _TEXT, flags=1, packed=bytes(12) + _TEXT)),
        ("AES (WinZip)", Member("evil", _TEXT, method=99, flags=1, extra=aes)),
        ("strong encryption", Member("evil", _TEXT, flags=1 << 6 | 1)),
        ("a masked directory", Member("evil", _TEXT, flags=1 << 13)),
    ):
        yield _case(f"encrypted: {what}", course(member), "'evil' is encrypted")
    yield _case(
        "an encrypted directory (PKZIP 6)",
        course(end=End(wide=lambda c, s, o: b"PK\6\x08" + bytes(40))),
        _DIRECTORY,
    )
    yield _case("a patch", course(Member("evil", _TEXT, flags=1 << 5)), "'evil' is a patch, not a file")
    for method, name in (
        (1, "shrink"),
        (9, "deflate64"),
        (12, "bzip2"),
        (14, "LZMA"),
        (93, "Zstandard"),
        (97, "method 97"),
    ):
        yield _case(
            f"packed with {name}",
            course(Member("evil", _TEXT, method=method)),
            f"'evil' is compressed with {name}; only stored and deflated files are accepted",
        )


def _lying_entries() -> Iterator[Hostile]:
    other = "The directory counts: "
    for what, local in (
        ("name", Member("../../other", _TEXT)),
        ("CRC", Member("evil", _TEXT, crc=7)),
        ("size", Member("evil", _TEXT, size=7)),
        ("flags", Member("evil", _TEXT, flags=1)),
    ):
        yield _case(
            f"another {what} in the local header ({other[:-2].lower()})",
            course(Member("evil", _TEXT, local=local)),
            status=201,
        )
    packed = Member("", _TEXT).payload
    for what, member, fault in (
        ("CRC", Member("evil", _TEXT, crc=7), _DAMAGED),
        ("size one too large", Member("evil", _TEXT, size=len(_TEXT) + 1), _DAMAGED),
        ("size one too small", Member("evil", _TEXT, size=len(_TEXT) - 1), _DAMAGED),
        ("size 0", Member("evil", _TEXT, size=0), _DAMAGED),
        ("packed size beyond the end", Member("evil", _TEXT, compressed_size=10**6), _BEYOND),
        ("packed size too small", Member("evil", _TEXT, compressed_size=5), _DAMAGED),
        ("offset beyond the end", Member("evil", _TEXT, offset=10**8), _BEYOND),
        ("offset in the middle of another file", Member("evil", _TEXT, offset=50), "shares bytes of the archive"),
        ("stream that is no deflate", Member("evil", _TEXT, packed=b"\xff" * 30), _DAMAGED),
        ("stream that ends too early", Member("evil", _TEXT, packed=packed[:-5]), _DAMAGED),
        ("stream with junk behind it", Member("evil", _TEXT, packed=packed + b"junk"), None),
        ("size of a stored file", Member("evil", _TEXT, method=0, size=5), "'evil' is stored, yet its sizes differ"),
        (
            "method: stored, though deflated",
            Member("evil", Member("", _TEXT).payload, method=0, crc=zlib.crc32(_TEXT)),
            _DAMAGED,
        ),
    ):
        yield _case(
            f"a wrong {what}",
            course(member),
            fault or "",
            400 if fault else 201,
        )
    unknown = Member("evil", flags=8, crc=0, size=0, compressed_size=0)
    yield _case(
        "a data descriptor",
        course(Member("evil", _TEXT, flags=8, local=unknown, trailer=data_descriptor(_TEXT, packed))),
        status=201,
    )
    yield _case(
        "a data descriptor that lies",
        course(Member("evil", _TEXT, flags=8, local=unknown, trailer=data_descriptor(b"", b""))),
        status=201,
    )


def _lying_ends() -> Iterator[Hostile]:
    yield _case("several disks", course(end=End(disk=1)), _PARTS)
    yield _case("a file on another disk", course(Member("evil", _TEXT, disk=3)), _PARTS)
    yield _case("fewer entries than it has", course(end=End(count=1)), _DIRECTORY)
    yield _case("more entries than it has", course(end=End(count=99)), _DIRECTORY)
    yield _case("65,535 entries announced", course(end=End(count=0xFFFF)), _DIRECTORY)
    yield _case("a directory offset of 4 GiB", course(end=End(offset=_UNSET - 1)), _NO_ZIP)
    yield _case("a directory size of 4 GiB", course(end=End(size=_UNSET - 1)), _NO_ZIP)
    yield _case("a directory size of 0", course(end=End(size=0)), _DIRECTORY)
    yield _case("a directory one byte too long", course(end=End(size=800)), _NO_ZIP)
    yield _case("an unset directory without zip64", course(end=End(count=0xFFFF, size=_UNSET, offset=_UNSET)), _NO_ZIP)


def _zip64() -> Iterator[Hostile]:
    unset = End(count=0xFFFF, size=_UNSET, offset=_UNSET, wide=zip64_end)
    packed = Member("", _TEXT).payload
    sizes = zip64_extra(len(_TEXT), len(packed))
    wide = Member("evil", _TEXT, size=_UNSET, compressed_size=_UNSET, extra=sizes)
    yield _case("zip64 though it is small", course(wide, end=unset), status=201)
    yield _case("zip64 without its extra field", course(Member("evil", _TEXT, size=_UNSET)), _DIRECTORY)
    yield _case(
        "zip64 with too short an extra field",
        course(Member("evil", _TEXT, size=_UNSET, compressed_size=_UNSET, extra=zip64_extra(5))),
        _DIRECTORY,
    )
    yield _case(
        "zip64 with an extra field for values that are set",
        course(Member("evil", _TEXT, extra=zip64_extra(1, 2, 3))),
        status=201,
    )
    yield _case(
        "zip64 with a packed size of 2^63",
        course(Member("evil", _TEXT, compressed_size=_UNSET, extra=zip64_extra(1 << 63))),
        _BEYOND,
    )
    yield _case(
        "zip64 with a size of 2^64 - 1",
        course(Member("evil", _TEXT, size=_UNSET, extra=zip64_extra((1 << 64) - 1))),
        "The unpacked package is larger than",
        413,
    )
    yield _case(
        "zip64 with an offset of 2^64 - 1",
        course(Member("evil", _TEXT, offset=_UNSET, extra=zip64_extra((1 << 64) - 1))),
        _BEYOND,
    )
    for what, count, size, offset, fault in (
        ("2^63 entries", 1 << 63, None, None, "entries; at most 100000 are accepted"),
        ("a directory of 2^63 bytes", None, 1 << 63, None, _NO_ZIP),
        ("a directory at 2^63", None, None, 1 << 63, _NO_ZIP),
        ("no entries", 0, None, None, _DIRECTORY),
    ):

        def lie(
            c: int, s: int, o: int, count: int | None = count, size: int | None = size, offset: int | None = offset
        ) -> bytes:
            return zip64_end(
                c if count is None else count, s if size is None else size, o if offset is None else offset
            )

        yield _case(f"a zip64 end that tells of {what}", course(end=End(wide=lie)), fault)
    yield _case(
        "a zip64 locator without its record",
        course(end=End(wide=lambda c, s, o: zip64_end(c, s, o)[56:])),
        _DIRECTORY,
    )


def _case(name: str, data: bytes, says: str = "", status: int = 400) -> Hostile:
    return archive(Family.STRUCTURE, name, data, says, status)
