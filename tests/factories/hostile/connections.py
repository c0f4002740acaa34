"""Clients that lie about the length of their body, stall, or go away."""

from collections.abc import Iterator, Sequence

from tests.factories.hostile.case import FORM, Family, Hostile, Sent, form
from tests.factories.packages import scorm12_package

_BODY = form(scorm12_package())
_ENDED = "The body ended before its closing boundary"
_STALLED = "Less than 65536 bytes of the request arrived within"
_CODES = {400: "BAD_REQUEST", 408: "REQUEST_TIMEOUT", 413: "PAYLOAD_TOO_LARGE"}


def cases() -> Iterator[Hostile]:
    """All of them."""
    half = len(_BODY) // 2
    yield _case("a length too small", (_head(half), _BODY), _ENDED)
    yield _case("a length of 0 before a body", (_head(0), _BODY), _ENDED)
    yield _gone("a length too large, then gone", (_head(len(_BODY) + 1), _BODY))
    yield _gone("gone in the headers", (_head(len(_BODY))[:-2],))
    yield _gone("gone before the first byte", (_head(len(_BODY)),))
    yield _gone("gone in the middle", (_head(len(_BODY)), _BODY[:half]))
    yield _gone("gone before the last byte", (_head(len(_BODY)), _BODY[:-1]))
    yield _gone(
        "10 bytes at a time, then gone", (_head(len(_BODY)), *(_BODY[at : at + 10] for at in range(0, 100, 10)))
    )
    yield _case(
        "chunks of one byte",
        (_head(None), *_chunked(_BODY[:400], 1), *_chunked(_BODY[400:], 4000), b"0\r\n\r\n"),
        status=201,
    )
    yield _case("chunks that end too early", (_head(None), *_chunked(_BODY[:half], 1000), b"0\r\n\r\n"), _ENDED)
    yield _gone("chunks without an end", (_head(None), *_chunked(_BODY, 1000)))
    yield _gone("a chunk larger than it says", (_head(None), b"5\r\n" + _BODY))
    yield _gone("a chunk with a size that is no number", (_head(None), b"xyz\r\n" + _BODY))
    yield _case("11 GiB announced", (_head(11 * 1024**3), _BODY[:100]), "The package is larger than", status=413)
    yield _case("silence before the first byte", (_head(len(_BODY)),), _STALLED, status=408)
    yield _case("silence in the middle", (_head(len(_BODY)), _BODY[:half]), _STALLED, status=408)
    yield _case("silence before the last byte", (_head(len(_BODY)), _BODY[:-1]), _STALLED, status=408)
    yield _case("silence instead of the last chunk", (_head(None), *_chunked(_BODY, 1000)), _STALLED, status=408)
    yield _case(
        "slowly, but whole",
        (_head(len(_BODY)), *(_BODY[at : at + 300] for at in range(0, len(_BODY), 300))),
        status=201,
    )


def _head(length: int | None) -> bytes:
    size = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    return f"Content-Type: {FORM}\r\n{size}\r\n\r\n".encode()


def _chunked(data: bytes, size: int) -> list[bytes]:
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    return [b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces]


def _case(name: str, raw: Sequence[bytes], says: str = "", status: int = 400) -> Hostile:
    sent = Sent(raw=raw)
    return Hostile(
        family=Family.CONNECTIONS,
        name=name,
        send=lambda: sent,
        says=says,
        status=status,
        code=_CODES.get(status, ""),
        field=None,
    )


def _gone(name: str, raw: Sequence[bytes]) -> Hostile:
    sent = Sent(raw=raw, hangs_up=True)
    return Hostile(family=Family.CONNECTIONS, name=name, send=lambda: sent, status=0, field=None)
