"""Clients that are in no hurry: they do not keep others waiting, and each is ended in its time."""

import contextlib
import socket
import time
from collections.abc import Callable, Iterator

import pytest
from hyperframe.frame import DataFrame, HeadersFrame

from tests.conftest import Scale
from tests.edge import PREFIX, Edge
from tests.edge_upstreams import Key
from tests.gateway.test_edge_overload import stat
from tests.h2_frames import Peer

KEY = "slow-key"
# What each takes in the configuration, and here.
PATIENCE = {
    '"request_headers_timeout": "10s"': '"request_headers_timeout": "1s"',
    '"stream_idle_timeout": "300s"': '"stream_idle_timeout": "1s"',
    '"idle_timeout": "600s"': '"idle_timeout": "1s"',
}
# The ends of a whole crowd: each 1 s, what HTTP/2 adds to close in order, and a busy machine.
SECONDS = 30.0
CALL = f"PATCH /api/v1/packages/p HTTP/1.1\r\nHost: localhost\r\nx-api-key: {KEY}\r\n"
PATCH = (
    (":method", "PATCH"),
    (":scheme", "http"),
    (":authority", "localhost"),
    (":path", "/api/v1/packages/p"),
    ("content-type", "application/json"),
    ("x-api-key", KEY),
)
# One of them: begins, and says a little more each time it is asked to.
Slow = Callable[[Edge, contextlib.ExitStack], tuple[socket.socket, Iterator[bytes]]]


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    def hurried(config: str) -> str:
        for told, instead in PATIENCE.items():
            assert told in config
            config = config.replace(told, instead)
        return config

    with Edge.start(tmp_path_factory.mktemp("slow"), edit=hurried) as edge:
        edge.upstream.keys[KEY] = Key("tenant-of-slow")
        edge.bucket.objects[f"{PREFIX}/film.mp4"] = bytes(5_000_000)
        yield edge


def _connected(edge: Edge, held: contextlib.ExitStack, first: bytes) -> socket.socket:
    connection = held.enter_context(socket.create_connection(("127.0.0.1", edge.port)))
    connection.sendall(first)
    return connection


def headers_that_never_end(edge: Edge, held: contextlib.ExitStack) -> tuple[socket.socket, Iterator[bytes]]:
    """Slowloris."""
    return _connected(edge, held, b"GET /api/health HTTP/1.1\r\n"), (b"x-a: b\r\n" for _ in range(10**6))


def body_that_never_comes(edge: Edge, held: contextlib.ExitStack) -> tuple[socket.socket, Iterator[bytes]]:
    first = f"{CALL}content-type: application/json\r\ncontent-length: 1000\r\n\r\n{{"
    return _connected(edge, held, first.encode()), iter(())


def chunks_that_never_end(edge: Edge, held: contextlib.ExitStack) -> tuple[socket.socket, Iterator[bytes]]:
    first = f"{CALL}content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{{"
    return _connected(edge, held, first.encode()), iter(())


def nothing_at_all(edge: Edge, held: contextlib.ExitStack) -> tuple[socket.socket, Iterator[bytes]]:
    return _connected(edge, held, b""), iter(())


def kept_alive(edge: Edge, held: contextlib.ExitStack) -> tuple[socket.socket, Iterator[bytes]]:
    connection = _connected(edge, held, f"{CALL.replace('PATCH', 'GET')}\r\n".encode())
    assert b"HTTP/1.1 200" in connection.recv(4096)
    return connection, iter(())


def file_that_is_not_read(edge: Edge, held: contextlib.ExitStack) -> tuple[socket.socket, Iterator[bytes]]:
    connection = held.enter_context(socket.socket())
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", edge.port))
    target = f"/content/{edge.token()}/film.mp4"
    connection.sendall(f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{edge.port}\r\n\r\n".encode())
    return connection, iter(())


def _peer(edge: Edge, held: contextlib.ExitStack, **settings: int) -> Peer:
    return held.enter_context(Peer.connected(f"127.0.0.1:{edge.port}", **settings))


def continuation_that_never_comes(edge: Edge, held: contextlib.ExitStack) -> tuple[socket.socket, Iterator[bytes]]:
    peer = _peer(edge, held)
    peer.send(HeadersFrame(1, peer.block(PATCH)))
    return peer.socket, iter(())


def data_that_never_ends(edge: Edge, held: contextlib.ExitStack) -> tuple[socket.socket, Iterator[bytes]]:
    peer = _peer(edge, held)
    peer.send(HeadersFrame(1, peer.block(PATCH), flags=["END_HEADERS"]), DataFrame(1, b"{"))
    return peer.socket, iter(())


def window_that_stays_shut(edge: Edge, held: contextlib.ExitStack) -> tuple[socket.socket, Iterator[bytes]]:
    peer = _peer(edge, held, INITIAL_WINDOW_SIZE=0)
    named = {":method": "GET", ":scheme": "http", ":authority": f"127.0.0.1:{edge.port}"}
    peer.request(1, (*named.items(), (":path", f"/content/{edge.token()}/film.mp4")))
    return peer.socket, iter(())


KINDS: list[Slow] = [
    headers_that_never_end, body_that_never_comes, chunks_that_never_end, nothing_at_all, kept_alive,
    file_that_is_not_read, continuation_that_never_comes, data_that_never_ends, window_that_stays_shut,
]  # fmt: skip  # as many as fit on a line


def test_slow_clients_are_ended_and_keep_nobody_waiting(edge: Edge, scale: Scale) -> None:
    # In full each kind by itself: 400 of one are worse than a few of each.
    for kinds in [KINDS] if scale(1, 0) else [[kind] for kind in KINDS]:
        with contextlib.ExitStack() as held:
            crowd = [kind(edge, held) for kind in kinds for _ in range(scale(8, 400))]
            _is_ended(edge, crowd, name=" ".join(kind.__name__ for kind in kinds))


def _is_ended(edge: Edge, crowd: list[tuple[socket.socket, Iterator[bytes]]], *, name: str) -> None:
    """Waits until all are, while others are served. Whoever does not read cannot tell that the connection has ended."""
    deadline = time.monotonic() + SECONDS
    while (left := stat(edge, "http.main.downstream_cx_active")) > 0:
        assert time.monotonic() < deadline, f"{left} of {len(crowd)} are still connected: {name}"
        with edge.client(KEY) as other:
            assert other.get("/api/v1/packages/p").status_code == 200
        for connection, more in crowd:
            _say(connection, next(more, b""))
        time.sleep(0.1)


def _say(connection: socket.socket, piece: bytes) -> None:
    with contextlib.suppress(OSError):
        connection.sendall(piece)
