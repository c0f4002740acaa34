"""No bytes on a connection are ever read as a request by one side and as part of another by the other side."""

import pytest

from tests.gateway.wire import AFTER, FILE, KEY, Told, Wire
from tests.raw_storage import ANSWER

SMUGGLED = b"GET /bucket1/smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
LENGTH = len(SMUGGLED)
CHUNK = b"%x\r\n%s\r\n" % (LENGTH, SMUGGLED)
CHUNKS = CHUNK + b"0\r\n\r\n"
HELLO = b"5\r\nhello\r\n0\r\n\r\n"
CHUNKED = "Transfer-Encoding: chunked\r\n"

# Headers of a request with a body, and the body. A server behind could frame it otherwise than the gateway does.
AMBIGUOUS = {
    "length and chunks": (f"Content-Length: 4\r\n{CHUNKED}", CHUNKS),
    "chunks and length": (f"{CHUNKED}Content-Length: {LENGTH}\r\n", b"0\r\n\r\n" + SMUGGLED),
    "chunks and length 0": (f"{CHUNKED}Content-Length: 0\r\n", CHUNKS),
    "two lengths": (f"Content-Length: {LENGTH}\r\nContent-Length: 0\r\n", SMUGGLED),
    "one length twice": (f"Content-Length: {LENGTH}\r\nContent-Length: {LENGTH}\r\n", SMUGGLED),
    "a list of lengths": (f"Content-Length: {LENGTH}, {LENGTH}\r\n", SMUGGLED),
    "a length with a plus": (f"Content-Length: +{LENGTH}\r\n", SMUGGLED),
    "a negative length": ("Content-Length: -1\r\n", SMUGGLED),
    "a length in hexadecimal": (f"Content-Length: {LENGTH:#x}\r\n", SMUGGLED),
    "a length in two numbers": ("Content-Length: 4 3\r\n", SMUGGLED),
    "a length with a fraction": (f"Content-Length: {LENGTH}.0\r\n", SMUGGLED),
    "no length": ("Content-Length:\r\n", SMUGGLED),
    "a length of 2 to the 64": (f"Content-Length: {2**64}\r\n", SMUGGLED),
    "a length that overflows to the right one": (f"Content-Length: {2**64 + LENGTH}\r\n", SMUGGLED),
    "a space before a length's colon": (f"Content-Length : {LENGTH}\r\n", SMUGGLED),
    "a length with an underscore": (f"Content_Length: {LENGTH}\r\n", SMUGGLED),
    "a length behind NUL": (f"A: b\0Content-Length: {LENGTH}\r\n", SMUGGLED),
    "a space before a coding's colon": ("Transfer-Encoding : chunked\r\n", CHUNKS),
    "a coding behind a vertical tab": ("Transfer-Encoding: \x0bchunked\r\n", CHUNKS),
    "a coding behind NUL": ("Transfer-Encoding: \0chunked\r\n", CHUNKS),
    "another coding": ("Transfer-Encoding: xchunked\r\n", CHUNKS),
    "a coding in quotes": ('Transfer-Encoding: "chunked"\r\n', CHUNKS),
    "a coding with a parameter": ("Transfer-Encoding: chunked;q=1\r\n", CHUNKS),
    "no coding": ("Transfer-Encoding:\r\n", CHUNKS),
    "chunked twice": (CHUNKED + CHUNKED, CHUNKS),
    "chunked and chunked": ("Transfer-Encoding: chunked, chunked\r\n", CHUNKS),
    "chunked and identity": ("Transfer-Encoding: chunked, identity\r\n", CHUNKS),
    "identity": ("Transfer-Encoding: identity\r\n", SMUGGLED),
    "gzip and chunked": ("Transfer-Encoding: gzip, chunked\r\n", CHUNKS),
    "chunked and another line's identity": (CHUNKED + "Transfer-Encoding: identity\r\n", CHUNKS),
    "a coding that the connection shall drop": (f"Connection: transfer-encoding\r\n{CHUNKED}", b"zz"),
    "a chunk's size in hexadecimal notation": (CHUNKED, b"0x5\r\nhello\r\n0\r\n\r\n"),
    "a chunk's size with a plus": (CHUNKED, b"+5\r\nhello\r\n0\r\n\r\n"),
    "a negative chunk": (CHUNKED, b"-5\r\nhello\r\n0\r\n\r\n"),
    "a space before a chunk's size": (CHUNKED, b" 5\r\nhello\r\n0\r\n\r\n"),
    "no chunk's size": (CHUNKED, b"\r\nhello\r\n0\r\n\r\n"),
    "a chunk's size that overflows to 5": (CHUNKED, b"10000000000000005\r\nhello\r\n0\r\n\r\n"),
    "a chunk's size before a bare LF": (CHUNKED, b"5\nhello\r\n0\r\n\r\n"),
    "a chunk's extension before a bare LF": (CHUNKED, b"5;a\nhello\r\n0\r\n\r\n"),
    "a bare CR in a chunk's extension": (CHUNKED, b"5;a\rb\r\nhello\r\n0\r\n\r\n"),
    "no end of a chunk": (CHUNKED, b"5\r\nhello0\r\n\r\n"),
    "a trailer without a colon": (CHUNKED, b"5\r\nhello\r\n0\r\nGET /\r\n\r\n"),
    "a last chunk before a bare LF": (CHUNKED, b"5\r\nhello\r\n0\n\n"),
}
# What is put between the head's first line and its end, in place of the headers.
NO_HEAD = {
    "no host": "",
    "two hosts": "Host: {host}\r\nHost: localhost\r\n",
    "one host twice": "Host: {host}\r\nHost: {host}\r\n",
    "a list of hosts": "Host: {host}, localhost\r\n",
    "two hosts in one": "Host: {host} localhost\r\n",
    "a host with a path": "Host: {host}/x\r\n",
    "a space before the host's colon": "Host : {host}\r\n",
    "a first header that is folded": " A: b\r\nHost: {host}\r\n",
    "a host that is folded": " Host: {host}\r\n",
    "NUL in a value": "Host: {host}\r\nA: b\0c\r\n",
    "NUL in a name": "Host: {host}\r\nA\0: b\r\n",
    "DEL in a value": "Host: {host}\r\nA: \x7f\r\n",
    "a control character in a value": "Host: {host}\r\nA: \x01\r\n",
    "a bare CR in a name": "Host: {host}\r\nA\rB: c\r\n",
    "a header without a name": "Host: {host}\r\n: b\r\n",
    "a header without a colon": "Host: {host}\r\nabc\r\n",
    "a header that the connection shall drop": "Host: {host}\r\nConnection: host, authorization\r\n",
}
NO_START = {
    "HTTP/0.9": "GET {target}",
    "HTTP/1.0": "GET {target} HTTP/1.0",
    "HTTP/1.2": "GET {target} HTTP/1.2",
    "HTTP/2.0 without its preface": "GET {target} HTTP/2.0",
    "a version without a dot": "GET {target} HTTP/11",
    "a version in small letters": "GET {target} http/1.1",
    "a space in the target": "GET {target} x HTTP/1.1",
    "a version in the target": "GET {target} HTTP/1.1 HTTP/1.1",
    "an asterisk": "GET * HTTP/1.1",
    "an authority": "GET {host} HTTP/1.1",
    "NUL in the target": "GET {target}\0 HTTP/1.1",
    "a NUL before the method": "\0GET {target} HTTP/1.1",
}
# Odd, but read alike by everybody, or made whole before it goes on.
UNDERSTOOD = {
    "lines that end in a bare LF": "GET {target} HTTP/1.1\nHost: {host}\n\n",
    "empty lines before": "\r\n\r\nGET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "more spaces in the first line": "GET  {target}  HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "tabs in the first line": "GET\t{target}\tHTTP/1.1\r\nHost: {host}\r\n\r\n",
    "an absolute target": "GET http://{host}{target} HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "an absolute target before another host": "GET http://{host}{target} HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a length of 0": "GET {target} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n",
    "a folded header": "GET {target} HTTP/1.1\r\nHost: {host}\r\nA: b\r\n Content-Length: 5\r\n\r\n",
    "a bare CR in a value": "GET {target} HTTP/1.1\r\nHost: {host}\r\nA: b\rContent-Length: 5\r\n\r\n",
    "bytes beyond ASCII": "GET {target} HTTP/1.1\r\nHost: {host}\r\nA: \xff\x80\r\n\r\n",
    "an upgrade to h2c": "GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade, HTTP2-Settings\r\n"
    "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n",
    "an expectation without a body": "GET {target} HTTP/1.1\r\nHost: {host}\r\nExpect: 100-continue\r\n\r\n",
    "an expectation of anything": "GET {target} HTTP/1.1\r\nHost: {host}\r\nExpect: 200-ok\r\n\r\n",
}
ELSEWHERE = {
    "an absolute target of another host": "GET http://evil.example{target} HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "an absolute target with a user": "GET http://{host}@evil.example{target} HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "a host with a user": "GET {target} HTTP/1.1\r\nHost: x@{host}\r\n\r\n",
    "an empty host": "GET {target} HTTP/1.1\r\nHost:\r\n\r\n",
}
# Framings that are clear: (headers, body); the body is SMUGGLED or `hello`.
CLEAR = {
    "a length": (f"Content-Length: {LENGTH}\r\n", SMUGGLED),
    "a length with zeros before": (f"Content-Length: 000{LENGTH}\r\n", SMUGGLED),
    "a length with a space behind": (f"Content-Length: {LENGTH} \r\n", SMUGGLED),
    "a length before a bare LF": (f"Content-Length: {LENGTH}\n", SMUGGLED),
    "a folded length": (f"Content-Length:\r\n {LENGTH}\r\n", SMUGGLED),
    "chunks": (CHUNKED, CHUNKS),
    "chunks in capitals": ("Transfer-Encoding: CHUNKED\r\n", CHUNKS),
    "chunks behind a tab": ("Transfer-Encoding:\tchunked\t\r\n", CHUNKS),
    "chunks in a folded header": ("Transfer-Encoding:\r\n chunked\r\n", CHUNKS),
    "an expected length": (f"Expect: 100-continue\r\nContent-Length: {LENGTH}\r\n", SMUGGLED),
    "an upgrade to h2c with a body": (
        f"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAM\r\nContent-Length: {LENGTH}\r\n",
        SMUGGLED,
    ),
    "chunks with an extension": (CHUNKED, b"5;a=b\r\nhello\r\n0\r\n\r\n"),
    "chunks with zeros before their size": (CHUNKED, b"0" * 40 + b"5\r\nhello\r\n0\r\n\r\n"),
    "chunks with a space behind their size": (CHUNKED, b"5 \r\nhello\r\n0\r\n\r\n"),
    "chunks that end in a bare LF": (CHUNKED, b"5\r\nhello\n0\r\n\r\n"),
    "chunks with trailers": (CHUNKED, b"5\r\nhello\r\n0\r\nContent-Length: 5\r\nHost: evil\r\n\r\n"),
}


def assert_refused(told: list[Told], status: int = 400, code: str = "BAD_REQUEST") -> None:
    """One answer, and the connection ended behind it whatever else was sent."""
    assert [(answer.status, answer.code) for answer in told] == [(status, code)]
    assert told[0].headers["connection"] == "close"


def head(wire: Wire, headers: str, *, start: str = "GET {target} HTTP/1.1") -> bytes:
    return (f"{start}\r\n{headers}\r\n").format(target=wire.target(), host=wire.host).encode("latin-1")


def upload(headers: str) -> bytes:
    top = f"POST /api/v1/packages HTTP/1.1\r\nHost: localhost\r\nx-api-key: {KEY}\r\ncontent-type: application/zip\r\n"
    return f"{top}{headers}\r\n".encode("latin-1")


@pytest.mark.parametrize("case", AMBIGUOUS)
def test_a_body_that_two_could_frame_differently_goes_nowhere(wire: Wire, case: str) -> None:
    headers, body = AMBIGUOUS[case]
    before = wire.storage.received()
    assert_refused(wire.ask(head(wire, "Host: {host}\r\n" + headers), body, wire.asks_for(AFTER)))
    assert wire.storage.received() == before
    wire.edge.upstream.seen.clear()
    assert_refused(wire.ask(upload(headers), body, wire.calls("after")))
    # Of an upload there may be something on its way before a chunk turns out to be none.
    assert [call["x-envoy-original-path"] for call in wire.edge.upstream.seen] in ([], ["/api/v1/packages"])


@pytest.mark.parametrize("case", NO_HEAD)
def test_a_head_that_two_could_read_differently_goes_nowhere(wire: Wire, case: str) -> None:
    before = wire.storage.received()
    assert_refused(wire.ask(head(wire, NO_HEAD[case]), wire.asks_for(AFTER)))
    assert wire.storage.received() == before


@pytest.mark.parametrize("case", NO_START)
def test_a_first_line_that_is_no_request_goes_nowhere(wire: Wire, case: str) -> None:
    before = wire.storage.received()
    assert_refused(wire.ask(head(wire, "Host: {host}\r\n", start=NO_START[case]), wire.asks_for(AFTER)))
    assert wire.storage.received() == before


@pytest.mark.parametrize("case", UNDERSTOOD)
def test_what_is_only_odd_goes_on_as_it_should_be(wire: Wire, case: str) -> None:
    before = wire.storage.received()
    asked = UNDERSTOOD[case].format(target=wire.target(), host=wire.host).encode("latin-1")
    told = wire.ask(asked, wire.asks_for(AFTER))
    assert [(answer.status, answer.body) for answer in told] == [(200, b"stored")] * 2
    assert wire.storage.names(before) == [AFTER, FILE]


@pytest.mark.parametrize("case", ELSEWHERE)
def test_the_target_says_which_host_is_meant_and_no_other_is_served(wire: Wire, case: str) -> None:
    before = wire.storage.received()
    asked = ELSEWHERE[case].format(target=wire.target(), host=wire.host).encode()
    first, second = wire.ask(asked, wire.asks_for(AFTER))
    assert (first.status, first.code, second.status) == (404, "NOT_FOUND", 200)
    assert wire.storage.names(before) == [AFTER]


@pytest.mark.parametrize(
    "asked",
    [
        "GET https://{host}{target} HTTP/1.1\r\nHost: {host}\r\n\r\n",
        "GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    ],
)
def test_what_the_gateway_does_not_speak_is_refused_and_nothing_behind_it_is_read(wire: Wire, asked: str) -> None:
    before = wire.storage.received()
    told = wire.ask(asked.format(target=wire.target(), host=wire.host).encode(), wire.asks_for(AFTER))
    assert_refused(told, 403, "FORBIDDEN")
    assert wire.storage.received() == before


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("case", CLEAR)
def test_no_body_reaches_storage(wire: Wire, method: str, case: str) -> None:
    headers, body = CLEAR[case]
    before = wire.storage.received()
    asked = head(wire, "Host: {host}\r\n" + headers, start=method + " {target} HTTP/1.1")
    (told,) = wire.ask(asked, body, wire.asks_for(AFTER), methods=[method])
    assert (told.status, told.headers["connection"]) == (400, "close")
    assert wire.storage.received() == before


@pytest.mark.parametrize("case", CLEAR)
def test_a_body_that_is_framed_clearly_arrives_as_it_is_and_is_no_request(wire: Wire, case: str) -> None:
    headers, body = CLEAR[case]
    wire.edge.upstream.seen.clear()
    first, second = wire.ask(upload(headers), body, wire.calls("after"))
    assert (first.status, second.status) == (201, 200)
    assert first.body.partition(b'"title":"')[2].startswith(b"%d|" % (LENGTH if SMUGGLED in body else 5))
    asked = [call["x-envoy-original-path"] for call in wire.edge.upstream.seen]
    assert asked == ["/api/v1/packages", "/api/v1/packages/after"]


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
@pytest.mark.parametrize("case", CLEAR)
def test_a_body_where_the_api_expects_none_is_no_request_either(wire: Wire, method: str, case: str) -> None:
    headers, body = CLEAR[case]
    wire.edge.upstream.seen.clear()
    start = f"{method} /api/v1/packages/1 HTTP/1.1\r\nHost: localhost\r\nx-api-key: {KEY}\r\n{headers}\r\n"
    (told,) = wire.ask(start.encode("latin-1"), body, wire.calls("after"), methods=[method])
    assert (told.status, told.headers["connection"]) == (400, "close")
    assert wire.edge.upstream.seen == []


STRAYS = b"strays" + ANSWER.replace(b"stored", b"stolen")
TOO_MUCH = {
    ("GET", 200): ANSWER + STRAYS,
    ("HEAD", 200): ANSWER + STRAYS,
    ("GET", 204): b"HTTP/1.1 204 No Content\r\n\r\n" + STRAYS,
    ("HEAD", 204): b"HTTP/1.1 204 No Content\r\n\r\n" + STRAYS,
    ("GET", 304): b"HTTP/1.1 304 Not Modified\r\ncontent-length: 6\r\n\r\n" + STRAYS,
    ("HEAD", 304): b"HTTP/1.1 304 Not Modified\r\ncontent-length: 6\r\n\r\n" + STRAYS,
    ("GET", 502): b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n" + STRAYS,
    ("HEAD", 502): b"HTTP/1.1 204 No Content\r\ncontent-length: 6\r\n\r\n" + STRAYS,
}


@pytest.mark.parametrize(("method", "status"), TOO_MUCH)
def test_what_storage_sends_behind_an_answer_is_nobodys_answer(wire: Wire, method: str, status: int) -> None:
    asked = head(wire, "Host: {host}\r\n", start=method + " {target} HTTP/1.1")
    wire.storage.answer = TOO_MUCH[method, status]
    try:
        told = wire.ask(asked, asked, wire.asks_for(AFTER), methods=[method, method])
    finally:
        wire.storage.answer = ANSWER
    assert [answer.status for answer in told] == [status] * 3
    assert all(answer.body == b"" for answer in told[:2]) or method == "GET"
    assert b"stolen" not in b"".join(answer.body for answer in told)
    assert [(answer.status, answer.body) for answer in wire.ask(wire.asks_for(AFTER))] == [(200, b"stored")]
