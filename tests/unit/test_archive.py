"""Reading zips: whatever the standard library writes is read alike, and no lie of an archive goes unnoticed."""

import binascii
import io
import os
import struct
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.domain.errors import ValidationFailed
from server.domain.zip_rules import entry_of
from server.storage.archive import Archive
from tests.factories import Member, zip_bytes


def zipped(files: Mapping[str, bytes], *, method: int = zipfile.ZIP_DEFLATED, comment: bytes = b"") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
        archive.comment = comment
    return out.getvalue()


@contextmanager
def opened(data: bytes, *, max_entries: int = 1000) -> Iterator[Archive]:
    with tempfile.TemporaryFile(buffering=0) as file:
        file.write(data)
        yield Archive.read(file.fileno(), size_bytes=len(data), max_entries=max_entries)


def fault(data: bytes, *, read: int | None = None) -> str:
    with pytest.raises(ValidationFailed) as refused, opened(data) as archive:  # noqa: PT012  # either may refuse
        if read is not None:
            archive.open(read).read()
    (text,) = refused.value.field_errors["file"]
    return text


def patched(data: bytes, offset: int, form: str, value: int) -> bytes:
    return data[:offset] + struct.pack(form, value) + data[offset + struct.calcsize(form) :]


_names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)


@settings(deadline=None)
@given(
    st.dictionaries(_names, st.binary(max_size=300), max_size=8),
    st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]),
    # The standard library takes a signature in the comment for the end of the directory.
    st.binary(max_size=30).filter(lambda comment: b"PK" not in comment),
    st.binary(max_size=30),
)
def test_entries_are_those_that_the_standard_library_sees(
    files: dict[str, bytes], method: int, comment: bytes, before: bytes
) -> None:
    data = before + zipped(files, method=method, comment=comment)
    with opened(data) as archive, zipfile.ZipFile(io.BytesIO(data)) as reference:
        assert archive.entries == tuple(entry_of(info) for info in reference.infolist())
        assert [archive.open(index).read() for index in range(len(archive.entries))] == list(files.values())


def test_zip64_archives_are_read() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive, archive.open("big.bin", "w", force_zip64=True) as entry:
        entry.write(b"content")
    assert_reads(out.getvalue(), {"big.bin": b"content"})


@pytest.mark.parametrize("unset", [True, False])
def test_a_directory_with_zip64_values_and_end_record_is_read(unset: bool) -> None:
    plain = zipped({"a.txt": b"content"}, method=zipfile.ZIP_STORED)
    directory, end = plain.index(b"PK\1\2"), plain.index(b"PK\5\6")
    record = bytearray(plain[directory:end])
    extra = struct.pack("<2H3Q", 1, 24, 7, 7, 0)
    record[20:28] = b"\xff" * 8
    record[30:32] = struct.pack("<H", len(extra))
    record[42:46] = b"\xff" * 4
    wide = bytes(record) + extra
    end_64 = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, len(wide), directory)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, directory + len(wide), 1)
    # Between 2 and 4 GiB the standard library writes both, and the classic values still hold.
    narrow = (0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF) if unset else (1, 1, len(wide), directory)
    classic = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, *narrow, 0)
    data = plain[:directory] + wide + end_64 + locator + classic
    assert zipfile.ZipFile(io.BytesIO(data)).read("a.txt") == b"content"
    assert_reads(data, {"a.txt": b"content"})


def assert_reads(data: bytes, files: dict[str, bytes]) -> None:
    with opened(data) as archive:
        found = {entry.name: archive.open(index).read() for index, entry in enumerate(archive.entries)}
    assert found == files


def test_a_comment_that_looks_like_an_end_record_is_not_taken_for_it() -> None:
    assert_reads(zipped({"a": b"1"}, comment=b"PK\5\6" + b"x" * 40), {"a": b"1"})


def test_bytes_after_the_archive_are_tolerated() -> None:
    assert_reads(zipped({"a": b"1"}) + b"\r\n", {"a": b"1"})


def test_a_directory_larger_than_a_batch_is_read_whole() -> None:
    files = {f"folder/{number:05}-{'x' * 80}.txt": b"%d" % number for number in range(4000)}
    with opened(zipped(files, method=zipfile.ZIP_STORED), max_entries=4000) as archive:
        assert [entry.name for entry in archive.entries] == list(files)
        assert archive.open(3999).read() == b"3999"


def test_names_without_the_utf_8_flag_are_decoded_by_the_rules() -> None:
    assert_reads(zipped({"XXX.txt": b"1"}).replace(b"XXX.txt", b"\x81bc.txt"), {"übc.txt": b"1"})


@pytest.mark.parametrize("valid", [True, False])
def test_a_unicode_path_counts_while_its_checksum_fits(valid: bool) -> None:
    info = zipfile.ZipInfo("XYZ.txt")
    checksum = binascii.crc32(b"XYZ.txt") + (not valid)
    name = "日本.txt".encode()
    info.extra = struct.pack("<2HBL", 0x7075, 5 + len(name), 1, checksum) + name
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(info, b"1")
    assert_reads(out.getvalue(), {"日本.txt" if valid else "XYZ.txt": b"1"})


@pytest.mark.parametrize(
    "data",
    [b"", b"no zip", b"PK\3\4" + b"x" * 100, zipped({"a": b"x" * 99})[:-30]],
    ids=["empty", "text", "a zip's beginning", "a zip without its end"],
)
def test_other_and_truncated_files_are_said_to_be_no_zip(data: bytes) -> None:
    assert fault(data) == "The file is no ZIP archive, or it is truncated"


def test_too_many_entries_are_refused_by_the_announced_and_by_the_true_number() -> None:
    data = zipped({str(number): b"" for number in range(6)})
    with pytest.raises(ValidationFailed, match="Validation failed") as refused, opened(data, max_entries=5):
        pass
    assert refused.value.field_errors["file"] == ["The zip has 6 entries; at most 5 are accepted"]
    end = data.index(b"PK\5\6")
    lying = patched(patched(data, end + 8, "<H", 5), end + 10, "<H", 5)
    with pytest.raises(ValidationFailed) as refused, opened(lying, max_entries=5):
        pass
    assert refused.value.field_errors["file"] == ["The zip has more than 5 entries"]


def test_names_of_more_than_four_kibibytes_are_refused_as_they_are_read() -> None:
    assert_reads(zipped({"x" * 4096: b"1"}), {"x" * 4096: b"1"})
    assert fault(zipped({"a": b"", "x" * 4097: b""})) == "The zip has a file whose name is longer than 4096 bytes"
    info = zipfile.ZipInfo("short.txt")
    name = b"x" * 4097
    info.extra = struct.pack("<2HBL", 0x7075, 5 + len(name), 1, binascii.crc32(b"short.txt")) + name
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(info, b"1")
    assert fault(out.getvalue()) == "The zip has a file whose name is longer than 4096 bytes"


def test_a_directory_of_more_than_32_mebibytes_is_refused_unread() -> None:
    end = struct.Struct("<4s4H2LH")
    size = 32 * 1024**2 + 1
    with tempfile.TemporaryFile(buffering=0) as file:
        file.seek(size)
        file.write(end.pack(b"PK\5\6", 0, 0, 1, 1, size, 0, 0))
        with pytest.raises(ValidationFailed) as refused:
            Archive.read(file.fileno(), size_bytes=size + end.size, max_entries=10)
    assert refused.value.field_errors["file"] == [f"The directory of the zip is larger than {size - 1} bytes"]


def test_a_damaged_directory_is_refused() -> None:
    data = zipped({"a": b"1", "b": b"2"})
    record, end = data.index(b"PK\1\2"), data.index(b"PK\5\6")
    for damaged in (
        patched(data, record, "<L", 0),
        patched(data, record + 28, "<H", 9000),
        patched(patched(data, end + 8, "<H", 3), end + 10, "<H", 3),
    ):
        assert fault(damaged) == "The ZIP archive is damaged: its directory cannot be read"


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_content_that_differs_from_the_directory_is_refused(method: int) -> None:
    content = b"some content that is long enough" * 20
    data = zipped({"a.txt": content}, method=method)
    record = data.index(b"PK\1\2")
    lies = {
        "checksum": patched(data, record + 16, "<L", 1),
        "local header": patched(data, 0, "<L", 0),
        "place": patched(data, record + 42, "<L", 7),
        "beyond the end": patched(data, record + 42, "<L", 0xFFFFFFF0),
        "too long a name": patched(data, 26, "<H", 0xFFFF),
        "smaller than told": patched(data, record + 24, "<L", len(content) + 1),
        "larger than told": patched(data, record + 24, "<L", len(content) - 1),
        "packed size": patched(data, record + 20, "<L", 5),
    }
    if method == zipfile.ZIP_DEFLATED:
        lies["stream"] = data[:40] + b"\xff" * 5 + data[45:]
    for lie, damaged in lies.items():
        assert "'a.txt' is damaged" in fault(damaged, read=0), lie


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("packed", [None, b""])
def test_of_an_empty_file_the_checksum_counts_too(method: int, packed: bytes | None) -> None:
    assert_reads(zip_bytes([Member("a.txt", method=method, packed=packed)]), {"a.txt": b""})
    assert "'a.txt' is damaged" in fault(zip_bytes([Member("a.txt", method=method, packed=packed, crc=7)]), read=0)


def test_the_last_byte_is_not_given_out_before_size_and_checksum_are_proven() -> None:
    content = os.urandom(100_000)
    data = zipped({"a.bin": content})
    damaged = patched(data, data.index(b"PK\1\2") + 16, "<L", 1)
    with opened(damaged) as archive:
        entry = archive.open(0)
        assert entry.read(1000) == content[:1000]
        with pytest.raises(ValidationFailed):
            entry.read(99_000)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@settings(deadline=None)
@given(places=st.lists(st.tuples(st.integers(0, 300_000), st.integers(1, 200_000)), max_size=6))
def test_an_entry_can_be_read_again_from_any_place(method: int, places: list[tuple[int, int]]) -> None:
    content = bytes(range(256)) * 1200
    with opened(zipped({"a.bin": content}, method=method)) as archive, archive.open(0) as entry:
        for place, size in places:
            entry.seek(place)
            assert entry.read(size) == content[place : place + size]
        entry.seek(0)
        assert entry.read() == content


def test_threads_read_side_by_side() -> None:
    files = {f"{number}": os.urandom(200_000) for number in range(16)}
    with opened(zipped(files)) as archive, ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda index: archive.open(index).read(), range(16)))
    assert found == list(files.values())
