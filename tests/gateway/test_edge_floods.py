"""Floods of HTTP/2 frames end their own connection and nobody else's."""

import itertools
from collections.abc import Callable, Iterator

import pytest
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from tests.gateway.wire import KEY, Wire
from tests.h2_frames import Peer

MANY = 20_000
# RFC 9113, 7.
INTERNAL_ERROR, CANCEL = 2, 8
CALL = ((":method", "GET"), (":scheme", "http"), (":authority", "localhost"), (":path", "/api/v1/packages/1"))

Flood = Callable[[Peer], Iterator[Frame]]


def resets(peer: Peer) -> Iterator[Frame]:
    for stream in range(1, 4000, 2):
        yield HeadersFrame(stream, peer.block((*CALL, ("x-api-key", KEY))), flags=["END_HEADERS", "END_STREAM"])
        yield RstStreamFrame(stream, error_code=CANCEL)


def continuations(peer: Peer) -> Iterator[Frame]:
    yield HeadersFrame(1, peer.block(CALL))
    for number in range(2000):
        yield ContinuationFrame(1, peer.block([(f"x-{number}", "y" * 1000)]))


def empty_continuations(peer: Peer) -> Iterator[Frame]:
    yield HeadersFrame(1, peer.block(CALL))
    yield from (ContinuationFrame(1, b"") for _ in range(MANY))


def empty_data(peer: Peer) -> Iterator[Frame]:
    yield HeadersFrame(1, peer.block((*CALL[1:], (":method", "PATCH"), ("x-api-key", KEY))), flags=["END_HEADERS"])
    yield from (DataFrame(1, b"") for _ in range(MANY))


def settings(peer: Peer) -> Iterator[Frame]:
    yield from (SettingsFrame(0, settings={SettingsFrame.INITIAL_WINDOW_SIZE: number}) for number in range(MANY))


def pings(peer: Peer) -> Iterator[Frame]:
    yield from (PingFrame(0, number.to_bytes(8)) for number in range(MANY))


def priorities(peer: Peer) -> Iterator[Frame]:
    yield from (PriorityFrame(2 * number + 1, depends_on=0, stream_weight=1) for number in range(MANY))


def window_updates(peer: Peer) -> Iterator[Frame]:
    yield from (WindowUpdateFrame(0, window_increment=1) for _ in range(MANY))


def unknown_streams(peer: Peer) -> Iterator[Frame]:
    yield from (DataFrame(2 * number + 1, b"x") for number in range(MANY))


def header_bomb(peer: Peer) -> Iterator[Frame]:
    """Few bytes that say the same large field again and again (RFC 7541, 7.3)."""
    large = peer.block((*CALL, ("x-large", "y" * 4000)))
    # 62 is the field that entered the table last.
    yield HeadersFrame(1, large + bytes([0x80 | 62]) * 10_000, flags=["END_HEADERS", "END_STREAM"])


FLOODS = [
    resets, continuations, empty_continuations, empty_data, settings, pings, priorities, window_updates,
    unknown_streams, header_bomb,
]  # fmt: skip  # as many as fit on a line


FEW = [resets, settings, pings, priorities, window_updates]


@pytest.mark.parametrize("flood", FLOODS, ids=lambda flood: str(flood.__name__))
def test_a_flood_ends_its_own_connection_and_nobody_elses(wire: Wire, flood: Flood) -> None:
    address = f"127.0.0.1:{wire.edge.port}"
    with Peer.connected(address) as peer, Peer.connected(address) as other:
        peer.send(b"".join(frame.serialize() for frame in flood(peer)))
        peer.read(until=[1] if flood is header_bomb else [])
        other.request(1, (*CALL, ("x-api-key", KEY)))
        other.read(until=[1])
    # One request that is too large ends alone.
    assert peer.closed == (flood is not header_bomb)
    if flood is header_bomb:
        assert peer.resets == {1: INTERNAL_ERROR}
    assert other.headers[1][":status"] == "200"


@pytest.mark.parametrize("flood", FEW, ids=lambda flood: str(flood.__name__))
def test_a_few_of_such_frames_are_borne(wire: Wire, flood: Flood) -> None:
    with Peer.connected(f"127.0.0.1:{wire.edge.port}") as peer:
        peer.send(*itertools.islice(flood(peer), 4))
        peer.request(101, (*CALL, ("x-api-key", KEY)))
        peer.read(until=[101])
    assert peer.headers[101][":status"] == "200"
