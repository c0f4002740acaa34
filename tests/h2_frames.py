"""HTTP/2 frame by frame, as no client library would send it, and what becomes of the connection."""

import contextlib
import socket
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from hpack import Decoder, Encoder
from hyperframe.frame import (
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
Headers = Iterable[tuple[str | bytes, str | bytes]]


@dataclass(slots=True)
class Peer:
    """A client that sends what it is told, valid or not. Made by `connected`."""

    socket: socket.socket
    headers: dict[int, dict[str, str]] = field(default_factory=dict)
    data: dict[int, bytes] = field(default_factory=dict)
    resets: dict[int, int] = field(default_factory=dict)
    settings: dict[int, int] = field(default_factory=dict)
    ended: set[int] = field(default_factory=set)
    goaway: int | None = None
    closed: bool = False
    pongs: int = 0
    _encoder: Any = field(default_factory=Encoder)
    _decoder: Any = field(default_factory=Decoder)
    _unread: bytes = b""

    @classmethod
    @contextlib.contextmanager
    def connected(cls, address: str, **settings: int) -> Iterator["Peer"]:
        """`address` as gRPC writes it; `settings` are identifiers of hyperframe's SettingsFrame."""
        if address.startswith("unix:"):
            opened = socket.socket(socket.AF_UNIX)
            opened.connect(address.removeprefix("unix:"))
        else:
            host, _, port = address.rpartition(":")
            opened = socket.create_connection((host, int(port)))
        with opened:
            peer = cls(opened)
            told = {getattr(SettingsFrame, name): value for name, value in settings.items()}
            peer.send(PREFACE, SettingsFrame(0, settings=told))
            yield peer

    def send(self, *frames: Frame | bytes) -> None:
        """Where the other side is gone, that is found out by reading."""
        pieces = b"".join(frame if isinstance(frame, bytes) else frame.serialize() for frame in frames)
        with contextlib.suppress(OSError):
            self.socket.sendall(pieces)

    def block(self, headers: Headers) -> bytes:
        """Fields, compressed without a look at what is in them."""
        return bytes(self._encoder.encode([tuple(pair) for pair in headers], huffman=False))

    def request(self, stream: int, headers: Headers, body: bytes | None = None) -> None:
        """A whole request."""
        flags = ["END_HEADERS", *(["END_STREAM"] if body is None else [])]
        self.send(HeadersFrame(stream, self.block(headers), flags=flags))
        if body is not None:
            self.send(DataFrame(stream, body, flags=["END_STREAM"]))

    def read(self, *, until: Iterable[int] = (), seconds: float = 10.0) -> None:
        """Takes in frames until the streams have ended, or else the connection has."""
        deadline, wanted = time.monotonic() + seconds, set(until)
        while not self.closed and not (wanted and wanted <= self.ended | set(self.resets)):
            self.socket.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                piece = self.socket.recv(1 << 16)
            except TimeoutError:
                return
            except OSError:
                piece = b""
            self.closed = not piece
            self._take(piece)

    def _take(self, piece: bytes) -> None:
        self._unread += piece
        while len(self._unread) >= 9:
            frame, length = Frame.parse_frame_header(memoryview(self._unread[:9]))
            if len(self._unread) < 9 + length:
                return
            frame.parse_body(memoryview(self._unread[9 : 9 + length]))
            self._unread = self._unread[9 + length :]
            self._note(frame)

    def _note(self, frame: Frame) -> None:
        stream = frame.stream_id
        if isinstance(frame, HeadersFrame):
            self.headers.setdefault(stream, {}).update(self._decoder.decode(frame.data))
        elif isinstance(frame, DataFrame):
            self.data[stream] = self.data.get(stream, b"") + frame.data
            if frame.data:
                self.send(WindowUpdateFrame(0, window_increment=len(frame.data)))
        elif isinstance(frame, RstStreamFrame):
            self.resets[stream] = frame.error_code
        elif isinstance(frame, GoAwayFrame):
            self.goaway = frame.error_code
        elif isinstance(frame, SettingsFrame) and "ACK" not in frame.flags:
            self.settings.update(frame.settings)
            self.send(SettingsFrame(0, flags=["ACK"]))
        elif isinstance(frame, PingFrame) and "ACK" in frame.flags:
            self.pongs += 1
        if "END_STREAM" in frame.flags:
            self.ended.add(stream)
