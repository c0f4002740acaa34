"""HTTP/1.1 on a blocking socket: requests in, responses out, bodies never held in memory."""

import http
import re
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import BinaryIO
from urllib.parse import parse_qsl

from server.dev.storage.bodies import Body, ChunkedBody, Input, SizedBody
from server.dev.storage.errors import ApiError, Disconnected

_HEAD_LIMIT_BYTES = 64 * 1024
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HOST = re.compile(r"[A-Za-z0-9.:_\[\]-]+")
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
_DRAIN_LIMIT_BYTES = 4 * 1024 * 1024
# Linux sends the head with the first bytes of the file; elsewhere the head goes alone.
_MORE_FOLLOWS: int = getattr(socket, "MSG_MORE", 0)


@dataclass(slots=True)
class Request:
    """One request. `path` is still percent-encoded; header names are in lower case, repeated ones joined by a comma."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Body
    keep_alive: bool = True

    @property
    def base_url(self) -> str:
        """The origin that the caller used, for links in answers."""
        host = self.headers.get("host", "")
        return f"http://{host if _HOST.fullmatch(host) else 'localhost'}"


@dataclass(slots=True)
class Response:
    """One answer: `body`, or `length` bytes of `file` from `offset`."""

    status: int
    headers: Sequence[tuple[str, str]] = ()
    body: bytes = b""
    file: BinaryIO | None = None
    offset: int = 0
    length: int = 0

    @property
    def content_length(self) -> int:
        """Bytes after the head."""
        return self.length if self.file else len(self.body)


@dataclass(slots=True)
class Sabotage:
    """What a fault does to one answer: break it off half-way, or slow it down."""

    cut: bool = False
    bytes_per_second: int = 0


@dataclass(slots=True)
class Connection:
    """A keep-alive connection."""

    sock: socket.socket
    input: Input = field(init=False)

    def __post_init__(self) -> None:
        # Without this an answer's last small packet waits 40 ms for the delayed ACK of the one before.
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.input = Input(self.sock)

    def read_request(self) -> Request | None:
        """The next request, or None once the peer has closed. Raises ApiError if it is malformed."""
        head = self.input.read_head(limit=_HEAD_LIMIT_BYTES)
        if head is None:
            return None
        lines = head.decode("latin-1").split("\r\n")
        method, target, version = _request_line(lines[0])
        headers = _headers(lines[1:])
        path, _, query = target.partition("?")
        try:
            parameters = dict(parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=100))
        except ValueError:
            raise ApiError(400, "The query string is malformed") from None
        return Request(
            method=method,
            path=path,
            query=parameters,
            headers=headers,
            body=self._body(headers),
            keep_alive=version == "HTTP/1.1" and headers.get("connection", "").lower() != "close",
        )

    def _body(self, headers: dict[str, str]) -> Body:
        wants_continue = headers.get("expect", "").lower() == "100-continue"
        coding, length = headers.get("transfer-encoding"), headers.get("content-length", "0")
        if coding is not None:
            if coding.lower() != "chunked" or "content-length" in headers:
                raise ApiError(400, "Transfer-Encoding must be chunked, without Content-Length")
            return ChunkedBody(self.input, wants_continue=wants_continue)
        if not re.fullmatch(r"[0-9]{1,18}", length):
            raise ApiError(400, "Content-Length is malformed")
        return SizedBody(self.input, length=int(length), wants_continue=wants_continue)

    def send(self, response: Response, *, head_only: bool, keep_alive: bool, sabotage: Sabotage) -> None:
        """Writes the answer and closes its file. Raises Disconnected, also after having broken it off on purpose."""
        try:
            payload = _head(response, keep_alive=keep_alive)
            whole = len(payload) + (0 if head_only else response.content_length)
            budget = whole // 2 if sabotage.cut else whole
            if response.file is None and not head_only:
                payload += response.body
            if sabotage.bytes_per_second:
                self._trickle(response, payload, budget, sabotage.bytes_per_second)
            elif budget <= len(payload):
                self.sock.sendall(payload[:budget])
            elif response.file:
                self.sock.sendall(payload, _MORE_FOLLOWS)
                self.sock.sendfile(response.file, response.offset, budget - len(payload))
        except OSError as fault:
            raise Disconnected from fault
        finally:
            if response.file:
                response.file.close()
        if sabotage.cut:
            raise Disconnected

    def _trickle(self, response: Response, payload: bytes, budget: int, bytes_per_second: int) -> None:
        step = max(1, bytes_per_second // 20)
        if response.file:
            response.file.seek(response.offset)
        for start in range(0, budget, step):
            size = min(step, budget - start)
            piece = payload[start : start + size]
            if response.file and len(piece) < size:
                piece += response.file.read(size - len(piece))
            self.sock.sendall(piece)
            time.sleep(0.05)

    def settle(self, body: Body) -> bool:
        """Reads what the handler left of the body. False if the connection cannot be used again."""
        if body.finished:
            return True
        if body.wants_continue:
            return False
        left = _DRAIN_LIMIT_BYTES
        try:
            while left > 0 and (piece := body.read()):
                left -= len(piece)
        except ApiError:
            return False
        return body.finished

    def abort(self) -> None:
        """Closes by reset, as a crashed peer would."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self.sock.close()


def _request_line(line: str) -> tuple[str, str, str]:
    parts = line.split(" ")
    if len(parts) != 3 or not _TOKEN.fullmatch(parts[0]) or parts[2] not in ("HTTP/1.1", "HTTP/1.0"):
        raise ApiError(400, "The request line is malformed")
    if not parts[1].startswith("/") or not parts[1].isascii():
        raise ApiError(400, "The request target must be an absolute path")
    return parts[0], parts[1], parts[2]


def _headers(lines: Sequence[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not _TOKEN.fullmatch(name):
            raise ApiError(400, "A header is malformed")
        key = name.lower()
        if key in headers and key in ("content-length", "host", "transfer-encoding"):
            raise ApiError(400, f"{name} is repeated")
        value = value.strip(" \t")
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    return headers


def _head(response: Response, *, keep_alive: bool) -> bytes:
    phrase = http.HTTPStatus(response.status).phrase if response.status in set(http.HTTPStatus) else "Fault"
    lines = [b"HTTP/1.1 %d %s" % (response.status, phrase.encode())]
    for name, value in response.headers:
        # Values come from stored metadata too: a line break in one must not start another header.
        lines.append(name.encode("ascii") + b": " + _CONTROL.sub(b"", value.encode("utf-8", "replace")))
    if response.status not in (204, 304):
        lines.append(b"Content-Length: %d" % response.content_length)
    if not keep_alive:
        lines.append(b"Connection: close")
    return b"\r\n".join(lines) + b"\r\n\r\n"
