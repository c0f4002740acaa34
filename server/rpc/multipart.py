"""The body of an upload, taken apart as it arrives: a form (RFC 7578) or the package itself."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from email.message import Message
from email.utils import collapse_rfc2231_value

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser

from server.domain.errors import InvalidRequest, UnsupportedMediaType, ValidationFailed
from server.domain.media_types import kind_of
from server.services.upload_ports import FORM_OVERHEAD_BYTES

FORM = "multipart/form-data"
ARCHIVES = ("application/zip", "application/x-zip-compressed", "application/octet-stream")
MAX_PARTS = 20
MAX_FIELD_BYTES = 64 * 1024
MAX_HEADERS = 32
MAX_HEADER_BYTES = 16 * 1024
MAX_PREAMBLE_BYTES = 64 * 1024
# Streams of gRPC may hold messages without bytes; the gateway sends one or two.
MAX_EMPTY_CHUNKS = 100
MAX_TEXT_LENGTH = 255
# The standard library reads a header's parameters in quadratic time.
MAX_CONTENT_TYPE_LENGTH = 1000
MAX_DISPOSITION_BYTES = 4096
MAX_SEMICOLONS = 300

# A hostile body makes the parser work per byte; between pieces of this size the event loop gets its turn.
_PIECE_BYTES = 256 * 1024


class UploadForm:
    """An upload's file as an async iterator of bytes; `uploaded_by` and `filename` are final once it has ended.

    Iterating raises InvalidRequest where the body is malformed or ends early, and ValidationFailed where a field is
    missing, repeated or too long. All but the file is bounded. Nothing is buffered beyond the pieces of one chunk.
    """

    def __init__(self, pieces: AsyncIterator[bytes], fields: "_Fields") -> None:
        self._pieces = pieces
        self._fields = fields

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._pieces

    @property
    def uploaded_by(self) -> str | None:
        """Who uploads, as far as it is known by now."""
        return self._fields.uploaded_by

    @property
    def filename(self) -> str | None:
        """The file's own name, without folders."""
        return self._fields.filename


def parse_form(
    content_type: str, chunks: AsyncIterator[bytes], *, uploaded_by: str | None = None, filename: str | None = None
) -> UploadForm:
    """Reads a body of that type. `uploaded_by` and `filename` hold where the form does not say otherwise.

    Raises UnsupportedMediaType, and InvalidRequest for a content type that is too long or has no usable boundary.
    """
    if len(content_type) > MAX_CONTENT_TYPE_LENGTH:
        raise InvalidRequest(f"The content type is longer than {MAX_CONTENT_TYPE_LENGTH} characters")
    fields = _Fields(uploaded_by=uploaded_by or None, filename=base_name(filename or ""))
    chunks = _not_empty(chunks)
    # The header's own text is compared: get_content_type() would answer text/plain for nonsense.
    kind = kind_of(content_type)
    if kind in ARCHIVES:
        return UploadForm(_raw(chunks), fields)
    if kind != FORM:
        raise UnsupportedMediaType(accepted=[FORM, ARCHIVES[0]])
    return UploadForm(_form(_boundary(content_type), chunks, fields), fields)


def _boundary(content_type: str) -> bytes:
    header = Message()
    header["content-type"] = content_type
    try:
        boundary = header.get_boundary("")
    except ValueError:
        boundary = ""
    # RFC 2046, 5.1.1: 1 to 70 ASCII characters.
    if not 1 <= len(boundary) <= 70 or not boundary.isascii() or not boundary.isprintable():
        raise InvalidRequest("The multipart/form-data content type has no usable boundary")
    return boundary.encode()


def base_name(name: str) -> str | None:
    """What is left of a file name without folders and control characters, at most 255 characters; None if nothing."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(character for character in last if character.isprintable()).strip()[:MAX_TEXT_LENGTH] or None


async def _not_empty(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    empty = 0
    async for chunk in chunks:
        if chunk:
            yield chunk
            continue
        empty += 1
        if empty > MAX_EMPTY_CHUNKS:
            raise InvalidRequest(f"The upload has more than {MAX_EMPTY_CHUNKS} messages without bytes")


async def _raw(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    empty = True
    async for chunk in chunks:
        empty = False
        yield chunk
    if empty:
        raise ValidationFailed.of("file", "is required")


async def _form(boundary: bytes, chunks: AsyncIterator[bytes], fields: "_Fields") -> AsyncIterator[bytes]:
    parts = _Parts(boundary, fields)
    async for chunk in _from_delimiter(b"--" + boundary, chunks):
        for start in range(0, len(chunk), _PIECE_BYTES):
            for piece in parts.feed(chunk[start : start + _PIECE_BYTES]):
                yield piece
            await asyncio.sleep(0)
    parts.end()


async def _from_delimiter(delimiter: bytes, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Passes the body on from its first delimiter. A preamble other than some empty lines is refused.

    The parser accepts some preambles or not depending on where the chunks are cut.
    """
    head = b""
    preamble_bytes = 0
    started = False
    async for chunk in chunks:
        if started:
            yield chunk
            continue
        preamble_bytes += len(head) + len(chunk)
        head = (head + chunk).lstrip(b"\r\n")
        preamble_bytes -= len(head)
        if preamble_bytes > MAX_PREAMBLE_BYTES:
            raise InvalidRequest(f"The body begins with more than {MAX_PREAMBLE_BYTES} bytes of empty lines")
        if len(head) < len(delimiter) and delimiter.startswith(head):
            continue
        if not head.startswith(delimiter):
            raise InvalidRequest("The body does not begin with the boundary of its content type")
        started = True
        yield head
    if not started:
        raise InvalidRequest("The body ended before its closing boundary")


class _Fields:
    """What the form says beside the file, and everything that is wrong with it."""

    def __init__(self, *, uploaded_by: str | None, filename: str | None) -> None:
        self.uploaded_by = uploaded_by
        self.filename = filename
        self.faults: dict[str, list[str]] = {}
        self._named_uploader = False

    def fault(self, field: str, text: str) -> None:
        faults = self.faults.setdefault(field, [])
        if text not in faults:
            faults.append(text)

    def uploader(self, value: bytes) -> None:
        if self._named_uploader:
            self.fault("uploaded_by", "must be given once")
            return
        self._named_uploader = True
        try:
            text = value.decode()
        except UnicodeDecodeError:
            self.fault("uploaded_by", "must be UTF-8 text")
            return
        if len(text) > MAX_TEXT_LENGTH:
            self.fault("uploaded_by", f"must have at most {MAX_TEXT_LENGTH} characters")
        elif "\0" in text:
            self.fault("uploaded_by", "must not contain NUL")
        elif text:
            self.uploaded_by = text

    def check(self) -> None:
        if self.faults:
            raise ValidationFailed(self.faults)


class _Parts:
    """Feeds python-multipart and sorts what it calls back: file data is handed on, small fields are kept."""

    def __init__(self, boundary: bytes, fields: _Fields) -> None:
        self._fields = fields
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin_part,
                "on_header_field": self._header_name,
                "on_header_value": self._header_value,
                "on_header_end": self._end_header,
                "on_headers_finished": self._begin_data,
                "on_part_data": self._data,
                "on_part_end": self._end_part,
                "on_end": self._end,
            },
            max_header_count=MAX_HEADERS,
            max_header_size=MAX_HEADER_BYTES,
        )
        self._pieces: list[bytes] = []
        self._parts = 0
        self._files = 0
        self._file_bytes = 0
        self._received_bytes = 0
        self._ended = False
        self._name = ""
        self._disposition = b""
        self._header = bytearray()
        self._value = bytearray()
        self._header_bytes = 0

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Parses one chunk and gives the file's bytes in it."""
        self._received_bytes += len(chunk)
        try:
            if not self._ended:
                self._parser.write(chunk)
        except FormParserError as error:
            raise InvalidRequest("The body is no well-formed multipart/form-data") from error
        # The parser skips some bytes without a word, such as blanks after a boundary and all that follows the last.
        if self._received_bytes - self._file_bytes > FORM_OVERHEAD_BYTES:
            raise InvalidRequest(f"The form has more than {FORM_OVERHEAD_BYTES} bytes around its file")
        yield from self._pieces
        self._pieces.clear()

    def end(self) -> None:
        """Judges the whole once the body has ended."""
        if not self._ended:
            raise InvalidRequest("The body ended before its closing boundary")
        if not self._file_bytes:
            # A browser sends an empty part for a file that nobody chose.
            self._fields.fault("file", "is required")
        self._fields.check()

    def _begin_part(self) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise InvalidRequest(f"The form has more than {MAX_PARTS} parts")
        self._name, self._disposition = "", b""
        self._header_bytes = 0
        self._header.clear()
        self._value.clear()

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._count_header(end - start)
        self._header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._count_header(end - start)
        self._value += data[start:end]

    def _count_header(self, size: int) -> None:
        self._header_bytes += size
        if self._header_bytes > MAX_HEADER_BYTES:
            raise InvalidRequest(f"The headers of a part are longer than {MAX_HEADER_BYTES} bytes")

    def _end_header(self) -> None:
        if self._header.lower() == b"content-disposition":
            if len(self._value) > MAX_DISPOSITION_BYTES or self._value.count(b";") > MAX_SEMICOLONS:
                raise InvalidRequest(
                    f"A Content-Disposition has more than {MAX_DISPOSITION_BYTES} bytes or {MAX_SEMICOLONS} semicolons"
                )
            self._disposition = bytes(self._value)
        self._header.clear()
        self._value.clear()

    def _begin_data(self) -> None:
        self._value.clear()
        header = _disposition(self._disposition)
        self._name = _parameter(header, "name") or ""
        if self._name != "file":
            return
        self._files += 1
        if self._files > 1:
            raise ValidationFailed.of("file", "must be given once")
        # Faults in fields before the file are told before gigabytes are read.
        self._fields.check()
        self._fields.filename = base_name(_parameter(header, "filename") or "") or self._fields.filename

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._name == "file":
            self._file_bytes += end - start
            self._pieces.append(data[start:end])
            return
        if len(self._value) + end - start > MAX_FIELD_BYTES:
            raise InvalidRequest(f"A field of the form is longer than {MAX_FIELD_BYTES} bytes")
        self._value += data[start:end]

    def _end_part(self) -> None:
        if self._name == "uploaded_by":
            self._fields.uploader(bytes(self._value))
        self._value.clear()

    def _end(self) -> None:
        self._ended = True


def _disposition(value: bytes) -> Message:
    """The header, in UTF-8 as browsers send it, else Latin-1."""
    header = Message()
    try:
        header["content-disposition"] = value.decode()
    except UnicodeDecodeError:
        header["content-disposition"] = value.decode("latin-1")
    return header


def _parameter(header: Message, name: str) -> str | None:
    """One parameter. RFC 7578, 4.2 forbids the extended form (`filename*`), but clients send it: it counts for more.

    Raises InvalidRequest where its character set cannot be used.
    """
    # The extended form comes out as (character set, language, text), which the declared type conceals.
    parameters: Sequence[tuple[str, str | tuple[str | None, str | None, str]]]
    parameters = header.get_params([], header="content-disposition")
    values = [value for key, value in parameters if key.lower() == name]
    best = next((value for value in values if isinstance(value, tuple)), values[0] if values else None)
    try:
        return collapse_rfc2231_value(best) if best is not None else None
    except ValueError as error:
        # Such as `undefined`, or a name with NUL. One that is merely unknown is taken for ASCII.
        raise InvalidRequest(f"The {name} of a part cannot be decoded") from error
