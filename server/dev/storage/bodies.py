"""Request bodies as they arrive, with a length or chunked."""

import re
import socket
import time

from server.dev.storage.errors import ApiError, Disconnected

PIECE_BYTES = 1024 * 1024
_LINE_LIMIT_BYTES = 4096


class Input:
    """The bytes that a socket delivers, with what was read too far."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._pending = b""

    def send_continue(self) -> None:
        """Invites the peer to send the body."""
        self._sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")

    def read_head(self, *, limit: int) -> bytes | None:
        """The lines up to the next empty line, without it. None if the peer closed before the first byte."""
        return self._until(b"\r\n\r\n", limit=limit, may_end=True)

    def read_line(self) -> bytes:
        """One line without its end."""
        return self._until(b"\r\n", limit=_LINE_LIMIT_BYTES, may_end=False) or b""

    def read(self, limit: int) -> bytes:
        """Up to `limit` bytes. Raises Disconnected at the end."""
        if self._pending:
            piece, self._pending = self._pending[:limit], self._pending[limit:]
            return piece
        return self._receive(limit)

    def _until(self, end: bytes, *, limit: int, may_end: bool) -> bytes | None:
        while (at := self._pending.find(end)) < 0:
            if len(self._pending) > limit:
                raise ApiError(400, "The head of the request is too long")
            try:
                self._pending += self._receive(limit)
            except Disconnected:
                if may_end and not self._pending:
                    return None
                raise
        line, self._pending = self._pending[:at], self._pending[at + len(end) :]
        return line

    def _receive(self, limit: int) -> bytes:
        try:
            piece = self._sock.recv(min(limit, PIECE_BYTES))
        except OSError as fault:
            raise Disconnected from fault
        if not piece:
            raise Disconnected
        return piece


class Body:
    """A body of a request. `length` is None where it is not known beforehand."""

    def __init__(self, *, length: int | None, wants_continue: bool = False) -> None:
        self.length = length
        self.wants_continue = wants_continue
        self.finished = False
        # Set by faults: the peer seems to vanish after so many bytes; reading takes time.
        self.cut_after_bytes: int | None = None
        self.bytes_per_second = 0
        self._read_bytes = 0

    def read(self, limit: int = PIECE_BYTES) -> bytes:
        """Up to `limit` bytes; b"" at the end. Raises Disconnected if the peer goes away before."""
        if self.finished:
            return b""
        if self.cut_after_bytes is not None:
            limit = min(limit, self.cut_after_bytes - self._read_bytes)
            if limit <= 0:
                raise Disconnected
        piece = self._more(limit)
        self._read_bytes += len(piece)
        if self.bytes_per_second:
            time.sleep(len(piece) / self.bytes_per_second)
        return piece

    def read_all(self, *, limit: int) -> bytes:
        """The whole body. Raises ApiError 413 if it is longer than `limit`."""
        pieces, left = [], limit
        while piece := self.read():
            pieces.append(piece)
            left -= len(piece)
            if left < 0:
                raise ApiError(413, f"The body is larger than {limit} bytes")
        return b"".join(pieces)

    def _more(self, limit: int) -> bytes:
        raise NotImplementedError


class BytesBody(Body):
    """A body that is there already, as within a batch."""

    def __init__(self, data: bytes) -> None:
        super().__init__(length=len(data))
        self._data = data

    def _more(self, limit: int) -> bytes:
        piece, self._data = self._data[:limit], self._data[limit:]
        self.finished = not self._data
        return piece


class SizedBody(Body):
    """A body with Content-Length."""

    def __init__(self, source: Input, *, length: int, wants_continue: bool) -> None:
        super().__init__(length=length, wants_continue=wants_continue and length > 0)
        self._source = source
        self._left = length
        self.finished = length == 0

    def _more(self, limit: int) -> bytes:
        if self.wants_continue:
            self._source.send_continue()
            self.wants_continue = False
        piece = self._source.read(min(limit, self._left))
        self._left -= len(piece)
        self.finished = self._left == 0
        return piece


class ChunkedBody(Body):
    """A body with Transfer-Encoding: chunked. Trailers are read and dropped."""

    def __init__(self, source: Input, *, wants_continue: bool) -> None:
        super().__init__(length=None, wants_continue=wants_continue)
        self._source = source
        self._left = 0
        self._started = False

    def _more(self, limit: int) -> bytes:
        if self.wants_continue:
            self._source.send_continue()
            self.wants_continue = False
        if self._left == 0 and not self._next_chunk():
            self.finished = True
            return b""
        piece = self._source.read(min(limit, self._left))
        self._left -= len(piece)
        return piece

    def _next_chunk(self) -> bool:
        if self._started and self._source.read_line():
            raise ApiError(400, "A chunk is longer than it says")
        self._started = True
        size = self._source.read_line().partition(b";")[0].strip()
        if not re.fullmatch(rb"[0-9A-Fa-f]{1,15}", size):
            raise ApiError(400, "A chunk has no size")
        self._left = int(size, 16)
        if self._left == 0:
            while self._source.read_line():
                pass
        return self._left > 0
