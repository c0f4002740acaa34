"""What the gateway does when its memory gets short."""

import contextlib
import json
import socket
import time
from pathlib import Path

import h2.config
import h2.connection
import h2.exceptions
import httpx
import pytest

from server.dev import asks
from tests.edge import PREFIX, Edge
from tests.edge_upstreams import Key
from tests.gateway.test_edge_answers import assert_error

HEAP_BYTES = 64 * 1024**2
CONNECTIONS = 60
BODY_BYTES = 1_900_000


def unfinished(port: int) -> socket.socket:
    """A connection with bodies that the gateway holds, since they never end."""
    connection = socket.create_connection(("127.0.0.1", port))
    state = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    state.initiate_connection()
    connection.sendall(state.data_to_send())
    connection.settimeout(2)
    headers = [(":method", "POST"), (":scheme", "http"), (":authority", f"localhost:{port}")]
    headers += [
        (":path", "/scorm.v1.PackageService/GetPackage"),
        ("content-type", "application/grpc"),
        ("x-api-key", "key"),
    ]
    # A stream that is reset in time, and a gateway that closes, are what is wanted.
    with contextlib.suppress(OSError, h2.exceptions.StreamClosedError):
        state.receive_data(connection.recv(65536))
        for stream in (1, 3):
            state.send_headers(stream, headers)
            sent = 0
            while sent < BODY_BYTES:
                room = min(state.local_flow_control_window(stream), state.max_outbound_frame_size)
                if room:
                    state.send_data(stream, bytes(room))
                    sent += room
                    connection.sendall(state.data_to_send())
                else:
                    connection.sendall(state.data_to_send())
                    state.receive_data(connection.recv(65536))
    return connection


def stat(edge: Edge, name: str) -> int:
    told = asks._admin(f"{edge.directory}/admin", "GET", f"/stats?filter=^{name}$")
    return int(told.rpartition(": ")[2] or 0)


def physical_bytes(edge: Edge) -> int:
    """What it has at this moment; its statistics are told every five seconds."""
    return int(json.loads(asks._admin(f"{edge.directory}/admin", "GET", "/memory"))["total_physical_bytes"])


def test_a_gateway_short_of_memory_ends_what_holds_it_and_serves_the_others(tmp_path: Path) -> None:
    with Edge.start(tmp_path, max_heap_bytes=HEAP_BYTES) as edge, contextlib.ExitStack() as held:
        edge.upstream.keys["key"] = Key("t")
        answers: list[httpx.Response] = []
        for _ in range(CONNECTIONS):
            held.enter_context(unfinished(edge.port))
            answers.append(httpx.get(f"{edge.base_url}/api/health", timeout=10))
        assert stat(edge, "envoy.overload_actions.reset_high_memory_stream.count") > 0
        # More than three times what it may have was sent. It looks at its heap four times a second.
        assert physical_bytes(edge) < 2 * HEAP_BYTES
        served = [answer for answer in answers if answer.status_code == 200]
        assert len(served) > CONNECTIONS / 2
        for answer in answers:
            if answer.status_code != 200:
                assert_error(answer, 503, "SERVICE_UNAVAILABLE")
        held.close()
        deadline = time.monotonic() + 20
        while httpx.get(f"{edge.base_url}/api/health").status_code != 200:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def unread(edge: Edge, token: str) -> socket.socket:
    """A connection on which a file was asked for, and of which nothing is read."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", edge.port))
    connection.sendall(f"GET /content/{token}/film.mp4 HTTP/1.1\r\nHost: 127.0.0.1:{edge.port}\r\n\r\n".encode())
    return connection


def test_readers_that_do_not_read_leave_the_gateway_its_memory(tmp_path: Path) -> None:
    with Edge.start(tmp_path, max_heap_bytes=HEAP_BYTES) as edge, contextlib.ExitStack() as held:
        edge.bucket.objects[f"{PREFIX}/film.mp4"] = bytes(5_000_000)
        token = edge.token()
        answers: list[httpx.Response] = []
        for _ in range(CONNECTIONS):
            held.enter_context(unread(edge, token))
            answers.append(httpx.get(f"{edge.base_url}/api/health", timeout=10))
        time.sleep(1)
        answers.append(httpx.get(f"{edge.base_url}/api/health", timeout=10))
        assert [answer.status_code for answer in answers] == [200] * len(answers)
        assert physical_bytes(edge) < HEAP_BYTES


def _impatient(config: str) -> str:
    """Nothing but want of memory ends a reader within the time of a test: then a tenth of it is left."""
    assert '"stream_idle_timeout": "300s"' in config
    return config.replace('"stream_idle_timeout": "300s"', '"stream_idle_timeout": "60s"')


# Of the one the gateway still waits for more, of the other it has all and the request is done for it.
@pytest.mark.parametrize("size", [20_000_000, 3_000_000], ids=["a part is left", "all but what is buffered is sent"])
def test_more_of_them_than_there_is_memory_are_ended_before_long(tmp_path: Path, size: int) -> None:
    with Edge.start(tmp_path, edit=_impatient, max_heap_bytes=HEAP_BYTES) as edge, contextlib.ExitStack() as held:
        edge.bucket.objects[f"{PREFIX}/film.mp4"] = bytes(size)
        token = edge.token()
        for _ in range(4 * CONNECTIONS):
            held.enter_context(unread(edge, token))
            httpx.get(f"{edge.base_url}/api/health", timeout=10)  # so that they come no faster than they are served
        deadline = time.monotonic() + 20
        # What is allocated is told every five seconds.
        while (
            httpx.get(f"{edge.base_url}/api/health", timeout=10).status_code != 200
            or stat(edge, "server.memory_allocated") > 0.9 * HEAP_BYTES
        ):
            assert time.monotonic() < deadline
            time.sleep(0.1)
