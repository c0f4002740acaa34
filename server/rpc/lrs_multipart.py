"""Statements with their attachments as multipart/mixed (xAPI 1.0.3 Part Three 1.5.2; RFC 2046, 5.1), both ways."""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser

from server.domain.errors import InvalidRequest
from server.domain.media_types import kind_of
from server.services.statement_attachments import SentFile

MIXED = "multipart/mixed"
MAX_PARTS = 1_000
MAX_HEADER_BYTES = 16 * 1024
MAX_CONTENT_TYPE_LENGTH = 1_000
_JSON = "application/json"


@dataclass(slots=True)
class _Part:
    headers: dict[str, str] = field(default_factory=dict)
    content: bytearray = field(default_factory=bytearray)

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "")


def read_mixed(content_type: str, body: bytes) -> tuple[bytes, dict[str, SentFile]]:
    """The JSON of the statements, and the files behind it by their hash. Raises InvalidRequest."""
    parts = _parts(_boundary(content_type), body)
    if not parts or kind_of(parts[0].content_type) != _JSON:
        raise InvalidRequest("The first part must be application/json")
    files: dict[str, SentFile] = {}
    for part in parts[1:]:
        digest = part.headers.get("x-experience-api-hash", "").lower()
        if not digest:
            raise InvalidRequest("Each part behind the first needs X-Experience-API-Hash")
        if part.headers.get("content-transfer-encoding", "").lower() != "binary":
            raise InvalidRequest("Each part behind the first needs Content-Transfer-Encoding: binary")
        files[digest] = SentFile(part.content_type or "application/octet-stream", bytes(part.content))
    return bytes(parts[0].content), files


def _boundary(content_type: str) -> bytes:
    header = Message()
    if len(content_type) <= MAX_CONTENT_TYPE_LENGTH:
        header["content-type"] = content_type
    boundary = header.get_param("boundary")
    if not isinstance(boundary, str) or not 0 < len(boundary) <= 70 or not boundary.isascii():
        raise InvalidRequest("multipart/mixed needs a boundary of 1 to 70 characters")
    return boundary.encode()


def _parts(boundary: bytes, body: bytes) -> list[_Part]:
    reader = _Reader()
    parser = MultipartParser(boundary, reader.callbacks)
    try:
        # A preamble is allowed, and some clients begin with an empty line.
        parser.write(body[max(body.find(b"--" + boundary), 0) :])
        parser.finalize()
    except FormParserError as error:
        raise InvalidRequest("The body is not valid multipart/mixed") from error
    if not reader.ended:
        raise InvalidRequest("The body ends before its last boundary")
    return reader.parts


class _Reader:
    """Collects what the parser finds."""

    def __init__(self) -> None:
        self.parts: list[_Part] = []
        self.ended = False
        self._name = bytearray()
        self._value = bytearray()
        self._header_bytes = 0
        self.callbacks: Any = {
            "on_part_begin": self._begin,
            "on_part_data": self._data,
            "on_header_field": self._on_name,
            "on_header_value": self._on_value,
            "on_header_end": self._header_end,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        if len(self.parts) == MAX_PARTS:
            raise FormParserError("too many parts")
        self.parts.append(_Part())

    def _data(self, data: bytes, start: int, end: int) -> None:
        self.parts[-1].content += data[start:end]

    def _on_name(self, data: bytes, start: int, end: int) -> None:
        self._name += self._counted(data[start:end])

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._value += self._counted(data[start:end])

    def _counted(self, piece: bytes) -> bytes:
        self._header_bytes += len(piece)
        if self._header_bytes > MAX_HEADER_BYTES * max(1, len(self.parts)):
            raise FormParserError("headers too long")
        return piece

    def _header_end(self) -> None:
        name = self._name.decode("latin-1").strip().lower()
        self.parts[-1].headers[name] = self._value.decode("latin-1").strip()
        self._name.clear()
        self._value.clear()

    def _end(self) -> None:
        self.ended = True


def write_mixed(statements: bytes, files: Mapping[str, SentFile]) -> tuple[str, bytes]:
    """The content type, and the body: what is told of statements, and the files behind it."""
    boundary = secrets.token_hex(16)
    pieces: list[bytes] = []
    for headers, content in _told(statements, files):
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        pieces.append(f"--{boundary}\r\n{lines}\r\n".encode("latin-1", "replace") + content + b"\r\n")
    pieces.append(f"--{boundary}--\r\n".encode())
    return f"{MIXED}; boundary={boundary}", b"".join(pieces)


def _told(statements: bytes, files: Mapping[str, SentFile]) -> Iterable[tuple[dict[str, str], bytes]]:
    yield {"Content-Type": _JSON}, statements
    for digest, file in files.items():
        # It came from a statement: a line break in it would begin another header.
        content_type = "".join(file.content_type.splitlines())
        yield (
            {
                "Content-Type": content_type,
                "Content-Transfer-Encoding": "binary",
                "X-Experience-API-Hash": digest,
            },
            file.content,
        )
