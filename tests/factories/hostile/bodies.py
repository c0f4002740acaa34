"""Forms that are none, or not the one that is documented."""

import gzip
from collections.abc import Iterator, Mapping

from tests.factories.hostile.case import BOUNDARY, FORM, Family, Hostile, Sent, form
from tests.factories.packages import scorm12_package

_ENDED = "The body ended before its closing boundary"
_BEGINS = "The body does not begin with the boundary of its content type"
_MALFORMED = "The body is no well-formed multipart/form-data"
_NO_BOUNDARY = "The multipart/form-data content type has no usable boundary"
_TYPES = "Send multipart/form-data or application/zip"
_PACKAGE = scorm12_package()


def cases() -> Iterator[Hostile]:
    """All of them."""
    yield from _content_types()
    yield from _boundaries()
    yield from _parts()
    yield from _headers()
    yield from _fields()


def _content_types() -> Iterator[Hostile]:
    for kind in ("application/json", "text/plain", "multipart/mixed; boundary=frontier", "image/png", "nonsense"):
        yield _bad(f"the type `{kind}`", b"{}", _TYPES, kind=kind, status=415, code="UNSUPPORTED_MEDIA_TYPE")
    yield _bad("no type", form(_PACKAGE), _TYPES, kind="", status=415, code="UNSUPPORTED_MEDIA_TYPE")
    yield _bad("JSON that calls itself a form", b'{"file": "x"}', _BEGINS)
    yield _bad("the fields of a form in a query's form", b"file=x&uploaded_by=y", _BEGINS)
    yield _invalid("a zip as the body, empty", b"", "is required", kind="application/zip")
    yield _good("a zip as the body", _PACKAGE, kind="application/zip")
    yield _good(
        "a type in capitals with a comment", form(_PACKAGE), kind=f"Multipart/Form-Data; charset=x; boundary={BOUNDARY}"
    )


def _boundaries() -> Iterator[Hostile]:
    yield _bad("no boundary", form(_PACKAGE), _NO_BOUNDARY, kind="multipart/form-data")
    yield _bad("an empty boundary", form(_PACKAGE), _NO_BOUNDARY, kind='multipart/form-data; boundary=""')
    yield _bad(
        "a boundary of 71 characters", form(_PACKAGE), _NO_BOUNDARY, kind=f"multipart/form-data; boundary={'x' * 71}"
    )
    yield _bad(
        "a boundary of 2,000 characters",
        form(_PACKAGE),
        "The content type is longer than 1000 characters",
        kind=f"multipart/form-data; boundary={'x' * 2000}",
    )
    yield _bad("another boundary", form(_PACKAGE), _BEGINS, kind="multipart/form-data; boundary=other")
    yield _bad(
        "a boundary that another begins with", form(_PACKAGE), _MALFORMED, kind="multipart/form-data; boundary=front"
    )
    yield _bad("no closing boundary", form(_PACKAGE)[: -len(BOUNDARY) - 8], _ENDED)
    yield _bad("a closing boundary without its last hyphen", form(_PACKAGE)[:-3], _ENDED)
    yield _bad("nothing", b"", _ENDED)
    yield _invalid("only the closing boundary", f"--{BOUNDARY}--\r\n".encode(), "is required")
    yield _bad("lines that end in LF only", form(_PACKAGE).replace(b"\r\n", b"\n"), _MALFORMED)
    yield _bad("lines that end in CR only", form(_PACKAGE).replace(b"\r\n", b"\r"), _MALFORMED)
    yield _bad("a preamble", b"This is a message in MIME format.\r\n" + form(_PACKAGE), _BEGINS)
    yield _bad(
        "70,000 empty lines before",
        b"\r\n" * 70_000 + form(_PACKAGE),
        "The body begins with more than 65536 bytes of empty lines",
    )
    yield _bad(
        "2 MiB behind the end",
        form(_PACKAGE) + b"x" * 2 * 1024**2,
        "The form has more than 2097152 bytes around its file",
    )
    yield _good("an empty line before and some text behind", b"\r\n" + form(_PACKAGE) + b"the end")


def _parts() -> Iterator[Hostile]:
    end = f"--{BOUNDARY}--\r\n".encode()
    one = _part('name="file"; filename="a.zip"', _PACKAGE)
    yield _invalid("no file", _part('name="uploaded_by"', b"me") + end, "is required")
    yield _invalid("a file of no bytes", _part('name="file"; filename=""', b"") + end, "is required")
    yield _invalid("two files", one + one + end, "must be given once")
    yield _invalid(
        "the file under another name", _part('name="package"; filename="a.zip"', _PACKAGE) + end, "is required"
    )
    yield _invalid("a part without a name", _part('filename="a.zip"', _PACKAGE) + end, "is required")
    yield _invalid("a part without headers", f"--{BOUNDARY}\r\n\r\n".encode() + _PACKAGE + b"\r\n" + end, "is required")
    yield _invalid("a name in other case", _part('name="FILE"; filename="a.zip"', _PACKAGE) + end, "is required")
    yield _bad("21 parts", _part('name="x"', b"y") * 21 + one + end, "The form has more than 20 parts")
    yield _bad(
        "a field of 70,000 bytes",
        _part('name="x"', b"y" * 70_000) + one + end,
        "A field of the form is longer than 65536 bytes",
    )
    inner = b'--inner\r\nContent-Disposition: file; filename="a.zip"\r\n\r\n' + _PACKAGE + b"\r\n--inner--\r\n"
    nested = _part('name="file"', inner, more="Content-Type: multipart/mixed; boundary=inner\r\n")
    yield _good("a form in the form: its file is a zip with bytes around it", nested + end)
    encoded = _part('name="file"; filename="a.zip"', b"UEsDBBQAAAAIAA==", more="Content-Transfer-Encoding: base64\r\n")
    yield _invalid(
        "base64, which RFC 7578 has done away with", encoded + end, "The file is no ZIP archive, or it is truncated"
    )
    yield _good(
        "the beginning of a boundary inside the file",
        _part('name="file"', f"\r\n--{BOUNDARY}".encode() + _PACKAGE) + end,
    )
    yield _bad(
        "a boundary inside the file",
        _part('name="file"', f"\r\n--{BOUNDARY}\r\n".encode() + _PACKAGE) + end,
        _MALFORMED,
    )


def _headers() -> Iterator[Hostile]:
    end = f"--{BOUNDARY}--\r\n".encode()
    name = 'name="file"; filename="a.zip"'
    yield _bad("a header of 20,000 bytes", _part(name, _PACKAGE, more=f"X-Long: {'x' * 20_000}\r\n") + end, _MALFORMED)
    yield _bad("100 headers", _part(name, _PACKAGE, more="X: y\r\n" * 100) + end, _MALFORMED)
    yield _bad("a header without a colon", _part(name, _PACKAGE, more="nonsense\r\n") + end, _MALFORMED)
    yield _bad("a header's name with a space", _part(name, _PACKAGE, more="X Y: z\r\n") + end, _MALFORMED)
    yield _bad("a folded header", _part('name="file";\r\n filename="a.zip"', _PACKAGE) + end, _MALFORMED)
    yield _bad(
        "400 parameters",
        _part(name + "; x=y" * 400, _PACKAGE) + end,
        "A Content-Disposition has more than 4096 bytes or 300 semicolons",
    )
    yield _bad(
        "a name in a character set that is none",
        _part("name*=undefined''file", _PACKAGE) + end,
        "The name of a part cannot be decoded",
    )
    for filename in (
        "../../etc/passwd",
        "C:\\\\evil.zip",
        "a\0.zip",
        "evil\u202egpj.zip",
        "x" * 3000,
        "",
        '\\"',
        "<script>.zip",
    ):
        shown = filename.replace("\0", "NUL").replace("\u202e", "RLO")
        shown = f"{shown[:20]}…" if len(shown) > 40 else shown
        yield _good(f"the file name `{shown}`", _part(f'name="file"; filename="{filename}"', _PACKAGE) + end)
    yield _good("a file name in UTF-7", _part("name=file; filename*=utf-7''%2BADw-.zip", _PACKAGE) + end)
    yield _good(
        "a file name in two bytes of Latin-1", _part('name="file"; filename="\udcfc\udcff.zip"', _PACKAGE) + end
    )


def _fields() -> Iterator[Hostile]:
    end = f"--{BOUNDARY}--\r\n".encode()
    one = _part('name="file"; filename="a.zip"', _PACKAGE)
    for what, value, fault in (
        ("of 256 characters", b"x" * 256, "must have at most 255 characters"),
        ("that is no UTF-8", b"\xff\xfe", "must be UTF-8 text"),
        ("with a NUL", b"a\0b", "must not contain NUL"),
    ):
        yield _invalid(
            f"an uploader {what}", _part('name="uploaded_by"', value) + one + end, fault, field="uploaded_by"
        )
    twice = _part('name="uploaded_by"', b"me")
    yield _invalid("two uploaders", twice + one + twice + end, "must be given once", field="uploaded_by")
    yield _good(
        "an uploader who is SQL and HTML", _part('name="uploaded_by"', b"'; DROP TABLE packages;--<script>") + one + end
    )
    yield _bad("a compressed body", gzip.compress(form(_PACKAGE)), _BEGINS, headers={"Content-Encoding": "gzip"})


def _part(parameters: str, data: bytes, *, more: str = "") -> bytes:
    head = f"--{BOUNDARY}\r\nContent-Disposition: form-data; {parameters}\r\n{more}\r\n"
    return head.encode("utf-8", "surrogateescape") + data + b"\r\n"


def _bad(
    name: str,
    body: bytes,
    says: str,
    *,
    kind: str = FORM,
    status: int = 400,
    code: str = "BAD_REQUEST",
    field: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Hostile:
    sent = Sent(body, kind, headers)
    return Hostile(family=Family.BODIES, name=name, send=lambda: sent, says=says, status=status, code=code, field=field)


def _invalid(name: str, body: bytes, says: str, *, kind: str = FORM, field: str = "file") -> Hostile:
    return _bad(name, body, says, kind=kind, code="VALIDATION_ERROR", field=field)


def _good(name: str, body: bytes, *, kind: str = FORM) -> Hostile:
    return _bad(name, body, "", kind=kind, status=201)
