"""What HTTP/2 can say and HTTP/1.1 cannot never reaches storage, which speaks the latter (RFC 9113, 8.2 and 10.3)."""

import pytest
from hyperframe.frame import DataFrame, HeadersFrame

from tests.gateway.wire import FILE, Wire
from tests.h2_frames import Headers, Peer

SMUGGLED = b"GET /bucket1/smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
# Fields behind those of a request for a file; `None` in place of a body: the fields end the request.
ODD = {
    "a shorter length than the body": ([("content-length", "4")], SMUGGLED),
    "a longer length than the body": ([("content-length", "400")], SMUGGLED),
    "a length and no body": ([("content-length", "4")], None),
    "two lengths": ([("content-length", "4"), ("content-length", str(len(SMUGGLED)))], SMUGGLED),
    "a length that is no number": ([("content-length", "4x")], SMUGGLED),
    "a body": ([], SMUGGLED),
    "a body with its length": ([("content-length", str(len(SMUGGLED)))], SMUGGLED),
    "chunks": ([("transfer-encoding", "chunked")], b"0\r\n\r\n" + SMUGGLED),
    "a connection's header": ([("connection", "close")], None),
    "a connection to keep": ([("keep-alive", "1")], None),
    "an upgrade": ([("upgrade", "h2c")], None),
    "a proxy's connection": ([("proxy-connection", "close")], None),
    "a line end in a value": ([("range", "bytes=0-1\r\nx: y")], None),
    "LF in a value": ([("range", "bytes=0-1\nx: y")], None),
    "CR in a value": ([("range", "bytes=0-1\rx: y")], None),
    "NUL in a value": ([("range", "bytes=0-1\0")], None),
    "a line end in a name": ([("x: y\r\nrange", "bytes=0-1")], None),
    "a colon in a name": ([("x:y", "z")], None),
    "a space in a name": ([("x y", "z")], None),
    "capitals in a name": ([("Range", "bytes=0-1")], None),
    "no name": ([("", "z")], None),
    "a pseudo-header of answers": ([(":status", "200")], None),
    "an unknown pseudo-header": ([(":x", "y")], None),
    "a pseudo-header behind others": ([("x", "y"), (":method", "GET")], None),
    "a path twice": ([(":path", "/content/other")], None),
}
PATHS = {
    "a space": "/content/{token}/a b HTTP/1.1\r\nx: y",
    "a line end": "/content/{token}/" + FILE + "\r\nx: y",
    "LF": "/content/{token}/" + FILE + "\n",
    "NUL": "/content/{token}/" + FILE + "\0",
    "no slash": "content/{token}/" + FILE,
    "nothing": "",
    "an absolute target": "http://localhost/content/{token}/" + FILE,
    "a fragment": "/content/{token}/" + FILE + "#x",
}


def fields(wire: Wire, path: str) -> Headers:
    return [(":method", "GET"), (":scheme", "http"), (":authority", wire.host), (":path", path)]


def asked(wire: Wire, headers: Headers, body: bytes | None = None) -> Peer:
    with Peer.connected(f"127.0.0.1:{wire.edge.port}") as peer:
        ends = ["END_STREAM"] if body is None else []
        peer.send(HeadersFrame(1, peer.block(headers), flags=["END_HEADERS", *ends]))
        if body is not None:
            peer.send(DataFrame(1, body, flags=["END_STREAM"]))
        peer.read(until=[1])
    return peer


def assert_refused(peer: Peer) -> None:
    """By an answer, or by the end of the stream or of the connection."""
    assert peer.headers.get(1, {}).get(":status") in (None, "400")
    assert peer.closed or peer.ended | set(peer.resets) == {1}


@pytest.mark.parametrize("case", ODD)
def test_odd_fields_go_nowhere(wire: Wire, case: str) -> None:
    more, body = ODD[case]
    before = wire.storage.received()
    assert_refused(asked(wire, [*fields(wire, wire.target()), *more], body))
    assert wire.storage.received() == before


@pytest.mark.parametrize("case", PATHS)
def test_odd_paths_go_nowhere(wire: Wire, case: str) -> None:
    before = wire.storage.received()
    assert_refused(asked(wire, fields(wire, PATHS[case].format(token=wire.edge.token()))))
    assert wire.storage.received() == before


def test_a_host_beside_the_authority_counts_for_nothing(wire: Wire) -> None:
    before = wire.storage.received()
    peer = asked(wire, [*fields(wire, wire.target()), ("host", "localhost")])
    assert peer.headers[1][":status"] == "200"
    assert wire.storage.names(before) == [FILE]
