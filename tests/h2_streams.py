"""Streams of HTTP/2 that are begun and never ended, as no client library would leave them."""

import contextlib
import socket
import time
from collections.abc import Iterator
from typing import Any

import h2.config
import h2.connection
import h2.events

SETTLE_SECONDS = 1.0


class Unended:
    """Connections to the gateway on `port`, each with as many streams as it may have: 250."""

    STREAMS = 250

    def __init__(self, port: int, path: str, key: str | None) -> None:
        self.statuses: dict[tuple[int, int], dict[str, str]] = {}
        self._port, self._path, self._key = port, path, key
        self._connections: list[tuple[socket.socket, Any]] = []

    @classmethod
    @contextlib.contextmanager
    def held(cls, port: int, path: str, *, connections: int, key: str | None = None) -> Iterator["Unended"]:
        """Begins the streams, native gRPC calls, and keeps them until the context is left."""
        streams = cls(port, path, key)
        try:
            for _ in range(connections):
                streams._connect()
            streams.listen(SETTLE_SECONDS)
            yield streams
        finally:
            for connection, _ in streams._connections:
                connection.close()

    def _connect(self) -> None:
        connection = socket.create_connection(("127.0.0.1", self._port))
        state = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        state.initiate_connection()
        headers = [
            (":method", "POST"),
            (":scheme", "http"),
            (":authority", f"localhost:{self._port}"),
            (":path", self._path),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
            *([("x-api-key", self._key)] if self._key else []),
        ]
        for _ in range(self.STREAMS):
            state.send_headers(state.get_next_available_stream_id(), headers)
        connection.sendall(state.data_to_send())
        connection.settimeout(0.01)
        self._connections.append((connection, state))

    def listen(self, seconds: float) -> None:
        """Takes in what is answered; `statuses` holds the headers and trailers of each stream that was."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for number, (connection, state) in enumerate(self._connections):
                with contextlib.suppress(TimeoutError):
                    for event in state.receive_data(connection.recv(1 << 20)):
                        self._note(number, event)
                connection.sendall(state.data_to_send())

    def _note(self, number: int, event: Any) -> None:
        if isinstance(event, h2.events.ResponseReceived | h2.events.TrailersReceived):
            told = {_text(name): _text(value) for name, value in event.headers or ()}
            self.statuses.setdefault((number, event.stream_id or 0), {}).update(told)


def _text(value: bytes | str) -> str:
    return value if isinstance(value, str) else value.decode()
