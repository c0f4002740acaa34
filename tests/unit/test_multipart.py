"""The body of an upload: the same result however it is cut, and a clear refusal of everything malformed."""

import itertools
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.domain.errors import DomainError, InvalidRequest, UnsupportedMediaType, ValidationFailed
from server.rpc.multipart import (
    MAX_CONTENT_TYPE_LENGTH,
    MAX_DISPOSITION_BYTES,
    MAX_EMPTY_CHUNKS,
    MAX_FIELD_BYTES,
    MAX_HEADER_BYTES,
    MAX_PARTS,
    MAX_PREAMBLE_BYTES,
    MAX_SEMICOLONS,
    UploadForm,
    base_name,
    parse_form,
)
from server.services.upload_ports import FORM_OVERHEAD_BYTES

BOUNDARY = "----b0undary"
FORM = f"multipart/form-data; boundary={BOUNDARY}"


def part(name: str, value: bytes, *, extra: str = "", headers: str = "") -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{extra}\r\n{headers}\r\n'
    return head.encode() + value + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def file_part(value: bytes, *, filename: str = "course.zip") -> bytes:
    return part("file", value, extra=f'; filename="{filename}"', headers="Content-Type: application/zip\r\n")


async def pieces_of(body: bytes, cuts: Sequence[int]) -> AsyncIterator[bytes]:
    edges = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    for start, end in itertools.pairwise(edges):
        yield body[start:end]


@dataclass
class Read:
    data: bytes
    uploaded_by: str | None
    filename: str | None


async def read(
    body: bytes, *, content_type: str = FORM, cuts: Sequence[int] = (), uploaded_by: str | None = None
) -> Read:
    upload = parse_form(content_type, pieces_of(body, cuts), uploaded_by=uploaded_by)
    data = b"".join([piece async for piece in upload])
    return Read(data, upload.uploaded_by, upload.filename)


async def outcome(body: bytes, cuts: Sequence[int]) -> Read | tuple[type[DomainError], str, object]:
    try:
        return await read(body, cuts=cuts)
    except DomainError as error:
        return type(error), error.message, getattr(error, "field_errors", None)


@pytest.mark.parametrize("uploader_first", [True, False])
async def test_the_file_and_the_uploader_are_found_in_either_order(uploader_first: bool) -> None:
    parts = [part("uploaded_by", "Zoë".encode()), file_part(b"PK\3\4 bytes")]
    body = form(*(parts if uploader_first else reversed(parts)))
    assert await read(body) == Read(b"PK\3\4 bytes", "Zoë", "course.zip")


async def test_unknown_fields_are_ignored() -> None:
    body = form(part("note", b"x" * 1000), file_part(b"data"), part("more", b""))
    assert await read(body) == Read(b"data", None, "course.zip")


async def test_the_form_field_comes_before_what_was_given_beside_the_form() -> None:
    assert (await read(form(file_part(b"d")), uploaded_by="beside")).uploaded_by == "beside"
    assert (await read(form(part("uploaded_by", b"form"), file_part(b"d")), uploaded_by="x")).uploaded_by == "form"


@pytest.mark.parametrize(
    "content_type", ["application/zip", "application/x-zip-compressed", "Application/Octet-Stream; charset=binary"]
)
async def test_the_package_itself_may_be_the_body(content_type: str) -> None:
    upload = parse_form(content_type, pieces_of(b"PK raw", [2]), uploaded_by="me", filename="C:\\x\\raw.zip")
    assert b"".join([piece async for piece in upload]) == b"PK raw"
    assert (upload.uploaded_by, upload.filename) == ("me", "raw.zip")


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ('; filename="a \\"b\\".zip"', 'a "b".zip'),
        ("; filename*=UTF-8''Gr%C3%BC%C3%9Fe.zip", "Grüße.zip"),
        ("; filename=\"plain.zip\"; filename*=utf-8''%E2%82%AC.zip", "€.zip"),
        ('; filename="Grüße.zip"', "Grüße.zip"),
        ('; filename="../../etc/passwd"', "passwd"),
        ('; filename="C:\\Courses\\one.zip"', "one.zip"),
        ('; filename="semi;colon.zip"', "semi;colon.zip"),
        ("; filename=token.zip", "token.zip"),
        ('; filename=""', None),
        ("", None),
        ("; filename*=nonsense''%FF.zip", "ÿ.zip"),
    ],
)
async def test_the_file_name_is_read_without_folders(parameters: str, expected: str | None) -> None:
    assert (await read(form(part("file", b"d", extra=parameters)))).filename == expected


async def test_a_latin_1_file_name_is_read() -> None:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="'.encode()
    body = head + "Übung.zip".encode("latin-1") + b'"\r\n\r\nd\r\n' + form()
    assert (await read(body)).filename == "Übung.zip"


def test_a_base_name_has_no_control_characters_and_is_bounded() -> None:
    assert base_name("a\r\nb\0.zip") == "ab.zip"
    assert base_name("dir/") is None
    assert len(base_name("x" * 999) or "") == 255


@pytest.mark.parametrize("content_type", ["application/json", "multipart/mixed; boundary=x", "", "nonsense"])
def test_other_content_types_are_refused(content_type: str) -> None:
    with pytest.raises(UnsupportedMediaType):
        parse_form(content_type, pieces_of(b"", []))


@pytest.mark.parametrize("parameters", ["", "; boundary=", "; boundary=" + "x" * 71, "; boundary=gr\u00fc\u00df"])
def test_a_form_without_a_usable_boundary_is_refused(parameters: str) -> None:
    with pytest.raises(InvalidRequest, match="boundary"):
        parse_form("multipart/form-data" + parameters, pieces_of(b"", []))


@pytest.mark.parametrize("kind", ["multipart/form-data", "application/zip"])
def test_a_long_content_type_is_refused_before_it_is_parsed(kind: str) -> None:
    parse_form("application/zip;".ljust(MAX_CONTENT_TYPE_LENGTH, "x"), pieces_of(b"", []))
    with pytest.raises(InvalidRequest, match="The content type is longer than 1000 characters"):
        parse_form(f'{kind}; boundary="{";" * MAX_CONTENT_TYPE_LENGTH}"', pieces_of(b"", []))


@pytest.mark.parametrize("charset", ["undefined", "idna", "utf\0-8"])
def test_a_boundary_in_a_character_set_of_no_use_is_not_usable(charset: str) -> None:
    with pytest.raises(InvalidRequest, match="no usable boundary"):
        parse_form(f"multipart/form-data; boundary*={charset}''x..y", pieces_of(b"", []))


@pytest.mark.parametrize("charset", ["undefined", "idna", "utf\0-8"])
async def test_a_name_in_a_character_set_of_no_use_is_refused(charset: str) -> None:
    with pytest.raises(InvalidRequest):
        await read(form(part("file", b"d", extra=f"; filename*={charset}''x..y")))


async def test_a_long_content_disposition_is_refused_before_it_is_parsed() -> None:
    name = "%E2%82%AC" * 255
    assert (await read(form(part("file", b"d", extra=f"; filename*=utf-8''{name}")))).filename == "€" * 255
    for extra in ("x" * MAX_DISPOSITION_BYTES, ";" * MAX_SEMICOLONS):
        with pytest.raises(InvalidRequest, match="A Content-Disposition has more than 4096 bytes or 300 semicolons"):
            await read(form(part("file", b"d", extra=f'; filename="{extra}"')))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\r\n",
        b"no form at all",
        b"--other\r\n\r\n",
        file_part(b"data"),
        file_part(b"data")[:-30],
        form(file_part(b"data"))[:-4],
        f"--{BOUNDARY}\r\nbad header\r\n\r\n".encode() + form(),
    ],
)
async def test_a_malformed_or_broken_off_body_is_an_invalid_request(body: bytes) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await read(body)
    assert not isinstance(refused.value, ValidationFailed)


@pytest.mark.parametrize(
    ("body", "field_errors"),
    [
        (form(part("uploaded_by", b"me")), {"file": ["is required"]}),
        (form(), {"file": ["is required"]}),
        (form(file_part(b"", filename="")), {"file": ["is required"]}),
        (form(file_part(b"one"), file_part(b"two")), {"file": ["must be given once"]}),
        (
            form(part("uploaded_by", b"x" * 256)),
            {"uploaded_by": ["must have at most 255 characters"], "file": ["is required"]},
        ),
        (
            form(file_part(b"d"), part("uploaded_by", b"x" * 256)),
            {"uploaded_by": ["must have at most 255 characters"]},
        ),
        (form(part("uploaded_by", b"\xff"), file_part(b"d")), {"uploaded_by": ["must be UTF-8 text"]}),
        (form(part("uploaded_by", b"a\0"), file_part(b"d")), {"uploaded_by": ["must not contain NUL"]}),
        (
            form(part("uploaded_by", b"a"), part("uploaded_by", b"b"), file_part(b"d")),
            {"uploaded_by": ["must be given once"]},
        ),
    ],
)
async def test_faulty_fields_are_named(body: bytes, field_errors: dict[str, list[str]]) -> None:
    with pytest.raises(ValidationFailed) as refused:
        await read(body)
    assert refused.value.field_errors == field_errors


async def test_255_characters_are_counted_not_bytes() -> None:
    assert (await read(form(part("uploaded_by", ("ü" * 255).encode()), file_part(b"d")))).uploaded_by == "ü" * 255


@pytest.mark.parametrize(
    "body",
    [
        form(*[part("x", b"")] * MAX_PARTS, file_part(b"d")),
        form(part("x", b"y" * (MAX_FIELD_BYTES + 1)), file_part(b"d")),
        form(part("x", b"", headers="X-Long: " + "y" * MAX_HEADER_BYTES + "\r\n")),
        form(part("x", b"", headers="".join(f"X-{n}: {'y' * 1000}\r\n" for n in range(20)))),
    ],
)
async def test_many_or_large_parts_beside_the_file_are_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        await read(body)


@pytest.mark.parametrize("cut", [False, True])
async def test_a_body_that_goes_on_after_its_end_is_refused_however_it_is_cut(cut: bool) -> None:
    body = form(file_part(b"d"))
    cuts = [len(body)] if cut else []
    assert (await read(body + b"x" * 1000, cuts=cuts)).data == b"d"
    with pytest.raises(InvalidRequest, match="bytes around its file"):
        await read(body + b"x" * FORM_OVERHEAD_BYTES, cuts=cuts)


async def drained(upload: UploadForm) -> None:
    async for _ in upload:
        pass


async def endless(start: bytes, fill: bytes, *, bytes_at_most: int) -> AsyncIterator[bytes]:
    """`start`, then `fill` until it has been refused."""
    yield start
    for _ in range(bytes_at_most // max(1, len(fill)) + 1):
        yield fill
    raise AssertionError("more was asked for than was needed")


@pytest.mark.parametrize("fill", [b"\r\n" * 1000, b"\r" * 1000, b"\r\n"])
async def test_endless_empty_lines_before_the_form_are_refused(fill: bytes) -> None:
    body = b"\r\n" * (MAX_PREAMBLE_BYTES // 2) + form(file_part(b"d"))
    assert (await read(body, cuts=range(0, MAX_PREAMBLE_BYTES, 1001))).data == b"d"
    upload = parse_form(FORM, endless(b"", fill, bytes_at_most=MAX_PREAMBLE_BYTES))
    with pytest.raises(InvalidRequest, match="begins with more than 65536 bytes of empty lines"):
        await anext(aiter(upload))


async def test_endless_blanks_that_the_parser_skips_are_refused() -> None:
    body = file_part(b"d") + f"--{BOUNDARY}".encode()
    upload = parse_form(FORM, endless(body, b" " * 65536, bytes_at_most=FORM_OVERHEAD_BYTES))
    with pytest.raises(InvalidRequest, match="more than 2097152 bytes around its file"):
        await drained(upload)


@pytest.mark.parametrize(("content_type", "start"), [("application/zip", b"PK"), (FORM, file_part(b"d")), (FORM, b"")])
async def test_endless_messages_without_bytes_are_refused(content_type: str, start: bytes) -> None:
    upload = parse_form(content_type, endless(start, b"", bytes_at_most=MAX_EMPTY_CHUNKS))
    with pytest.raises(InvalidRequest, match="more than 100 messages without bytes"):
        await drained(upload)


async def test_the_file_does_not_count_as_what_is_around_it() -> None:
    data = b"x" * (FORM_OVERHEAD_BYTES + 100_000)
    assert (await read(form(file_part(data)), cuts=range(0, len(data), 70_000))).data == data


async def test_the_largest_form_that_the_parts_allow_is_within_what_may_be_around_the_file() -> None:
    headers = f"X-A: {'y' * (MAX_HEADER_BYTES - 70)}\r\n"
    parts = [part("x", b"y" * MAX_FIELD_BYTES, headers=headers)] * (MAX_PARTS - 1)
    body = b"\r\n" * (MAX_PREAMBLE_BYTES // 2) + form(*parts, file_part(b"d")) + b"x" * 60_000
    assert (await read(body)).data == b"d"


async def test_file_bytes_are_handed_on_before_the_body_ends() -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield file_part(b"x" * 100_000)
        raise AssertionError("more was asked for than was needed")

    upload = parse_form(FORM, endless())
    first = await anext(aiter(upload))
    assert first == b"x" * len(first)


_hard_bytes = st.lists(
    st.sampled_from([b"\r", b"\n", b"\r\n", b"-", b"--", BOUNDARY.encode(), f"\r\n--{BOUNDARY}".encode(), b"x", b" "]),
    max_size=12,
).map(b"".join)


@settings(deadline=None)
@given(_hard_bytes, st.lists(st.integers(0, 400), max_size=12))
async def test_the_result_does_not_depend_on_how_the_body_is_cut(data: bytes, cuts: list[int]) -> None:
    body = form(part("uploaded_by", b"me"), file_part(data), part("other", b"y"))
    assert await outcome(body, cuts) == await outcome(body, [])


@settings(deadline=None)
@given(_hard_bytes, _hard_bytes, st.lists(st.integers(0, 200), max_size=8))
async def test_a_hostile_body_has_the_same_outcome_however_it_is_cut(
    before: bytes, after: bytes, cuts: list[int]
) -> None:
    body = before + file_part(b"d") + after + form()
    assert await outcome(body, cuts) == await outcome(body, [])


@settings(deadline=None)
@given(st.binary(max_size=2000), st.lists(st.integers(0, 2200), max_size=10))
async def test_file_bytes_come_out_as_they_went_in(data: bytes, cuts: list[int]) -> None:
    if data and f"\r\n--{BOUNDARY}".encode() not in data:
        assert (await read(form(file_part(data)), cuts=cuts)).data == data
