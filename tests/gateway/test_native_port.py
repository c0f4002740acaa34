"""The port of a server process, where nothing but the gateway and services inside should be: it bears all the same."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import psutil
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest
from hyperframe.frame import ContinuationFrame, Frame, HeadersFrame, PingFrame, RstStreamFrame, SettingsFrame

from tests.h2_frames import Peer
from tests.stack import Stack

MIB = 1024**2
CHECK_PATH = "/grpc.health.v1.Health/Check"
HEADERS = (
    (":method", "POST"),
    (":scheme", "http"),
    (":authority", "localhost"),
    (":path", CHECK_PATH),
    ("content-type", "application/grpc"),
    ("te", "trailers"),
)
CANCEL = 8
# `grpc.UnaryUnaryMultiCallable`, which is generic for type checkers only.
Check = Callable[..., bytes]
Flood = Callable[[Peer], Iterator[Frame]]
# Of a service that there is not.
LARGEST = HealthCheckRequest(service="x" * (17 * MIB - 5)).SerializeToString()


@pytest.fixture
def serve(stack: Stack) -> psutil.Process:
    return stack.children("serve")[0]


@pytest.fixture
def check(serve: psutil.Process) -> Iterator[Check]:
    """Sends what it is given, whatever its size."""
    options = [("grpc.max_send_message_length", -1), ("grpc.max_metadata_size", MIB)]
    with grpc.insecure_channel(serve.environ()["LISTEN_ADDRESS"], options=options) as channel:
        yield channel.unary_unary(CHECK_PATH)


def code(check: Check, data: bytes = b"", **options: Any) -> grpc.StatusCode:
    try:
        check(data, timeout=30, **options)
    except grpc.RpcError as error:
        found: grpc.StatusCode = error.code()
        return found
    return grpc.StatusCode.OK


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_a_message_has_seventeen_mebibytes_at_most_compressed_or_not(
    check: Check, serve: psutil.Process, compression: grpc.Compression
) -> None:
    assert code(check, LARGEST, compression=compression) is grpc.StatusCode.NOT_FOUND
    before = serve.memory_info().rss
    for size in (17 * MIB + 1, 256 * MIB):
        assert code(check, LARGEST + bytes(size - len(LARGEST)), compression=compression) is (
            grpc.StatusCode.RESOURCE_EXHAUSTED
        )
    assert serve.memory_info().rss - before < 96 * MIB


@pytest.mark.parametrize(("kib", "expected"), [(60, grpc.StatusCode.OK), (90, grpc.StatusCode.RESOURCE_EXHAUSTED)])
def test_metadata_are_bounded(check: Check, kib: int, expected: grpc.StatusCode) -> None:
    metadata = [(f"x-{number}", "y" * 1000) for number in range(kib)]
    assert code(check, metadata=metadata) is expected


def resets(peer: Peer) -> Iterator[Frame]:
    for stream in range(1, 8000, 2):
        yield HeadersFrame(stream, peer.block(HEADERS), flags=["END_HEADERS"])
        yield RstStreamFrame(stream, error_code=CANCEL)


def half_open(peer: Peer) -> Iterator[Frame]:
    return (HeadersFrame(stream, peer.block(HEADERS), flags=["END_HEADERS"]) for stream in range(1, 8000, 2))


def continuations(peer: Peer) -> Iterator[Frame]:
    more = (ContinuationFrame(1, peer.block([(f"x-{number}", "y" * 1000)])) for number in range(4000))
    return itertools.chain([HeadersFrame(1, peer.block(HEADERS))], more)


def pings(peer: Peer) -> Iterator[Frame]:
    return (PingFrame(0, number.to_bytes(8)) for number in range(20_000))


def settings(peer: Peer) -> Iterator[Frame]:
    return (SettingsFrame(0, settings={SettingsFrame.INITIAL_WINDOW_SIZE: number}) for number in range(20_000))


@pytest.mark.parametrize("flood", [resets, half_open, continuations, pings, settings], ids=lambda each: each.__name__)
def test_a_flood_is_borne(check: Check, serve: psutil.Process, flood: Flood) -> None:
    before = serve.memory_info().rss
    with Peer.connected(serve.environ()["LISTEN_ADDRESS"]) as peer:
        peer.send(b"".join(frame.serialize() for frame in flood(peer)))
        assert code(check) is grpc.StatusCode.OK
    assert serve.memory_info().rss - before < 64 * MIB


def test_a_connection_has_a_bounded_number_of_streams(serve: psutil.Process) -> None:
    with Peer.connected(serve.environ()["LISTEN_ADDRESS"]) as peer:
        peer.send(*itertools.islice(half_open(peer), 1))
        peer.read(seconds=1)
    assert peer.settings[SettingsFrame.MAX_CONCURRENT_STREAMS] == 1000
