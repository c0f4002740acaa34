"""Multipart bodies: one object with its metadata (related), or many small requests (mixed)."""

import email.policy
from collections.abc import Callable
from email.message import EmailMessage
from email.parser import BytesParser
from typing import cast

from server.dev.storage.bodies import Body
from server.dev.storage.errors import ApiError

_HEAD_LIMIT_BYTES = 256 * 1024


def boundary(content_type: str) -> bytes:
    """The boundary parameter. Raises ApiError 400."""
    message = EmailMessage(policy=email.policy.HTTP)
    try:
        message["Content-Type"] = content_type
        value = message.get_boundary()
    except (ValueError, IndexError):
        value = None
    if not value or len(value) > 200 or not value.isascii():
        raise ApiError(400, "A multipart body needs a boundary")
    return value.encode()


def read_related(body: Body, content_type: str, write: Callable[[bytes], None]) -> tuple[bytes, str]:
    """Reads JSON metadata, then streams the second part into `write`. Answers the JSON and that part's content type."""
    mark = b"--" + boundary(content_type)
    reader = _Reader(body)
    reader.until(mark)
    reader.until(b"\r\n\r\n")
    metadata = reader.until(b"\r\n" + mark)
    head = reader.until(b"\r\n\r\n")
    reader.stream(write, end=b"\r\n" + mark + b"--")
    return metadata, _part_type(head)


def read_mixed(body: bytes, content_type: str) -> list[tuple[str, bytes]]:
    """The parts of a batch: each one's Content-ID and the request in it."""
    parts = body.split(b"--" + boundary(content_type))[1:-1]
    answer = []
    for part in parts:
        head, _, request = part.lstrip(b"\r\n").replace(b"\r\n", b"\n").partition(b"\n\n")
        message = BytesParser(policy=email.policy.compat32).parsebytes(head, headersonly=True)
        answer.append((str(message.get("Content-ID", "")), request.strip(b"\n")))
    return answer


def _part_type(head: bytes) -> str:
    message = BytesParser(policy=email.policy.compat32).parsebytes(head.lstrip(b"\r\n"), headersonly=True)
    return cast(str, message.get("Content-Type", "application/octet-stream"))


class _Reader:
    """Finds marks in a body. What follows a mark stays pending."""

    def __init__(self, body: Body) -> None:
        self._body = body
        self._pending = b""

    def until(self, mark: bytes) -> bytes:
        """What comes before `mark`, which is consumed. Raises ApiError 400 if it does not come soon."""
        while (at := self._pending.find(mark)) < 0:
            if len(self._pending) > _HEAD_LIMIT_BYTES or not (piece := self._body.read()):
                raise ApiError(400, "The multipart body is malformed")
            self._pending += piece
        found, self._pending = self._pending[:at], self._pending[at + len(mark) :]
        return found

    def stream(self, write: Callable[[bytes], None], *, end: bytes) -> None:
        """Everything up to the last boundary, which ends the body."""
        # The boundary may be followed by a line end and an epilogue of a few bytes.
        held = len(end) + 64
        while piece := self._body.read():
            self._pending += piece
            if len(self._pending) > held:
                write(self._pending[:-held])
                self._pending = self._pending[-held:]
        at = self._pending.rfind(end)
        if at < 0:
            raise ApiError(400, "The multipart body has no end")
        if at:
            write(self._pending[:at])
