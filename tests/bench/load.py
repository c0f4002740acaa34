"""Asks for the same pages again and again on kept connections: `python -m tests.bench.load` with a `Plan` as JSON.

A process of its own, and cheap: it parses no more of an answer than it takes to know where it ends.
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import cast

import uvloop

_HEAD_END = b"\r\n\r\n"
_LAST_CHUNK = b"0\r\n\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`connections` at once ask for their share of `targets`, in turn, for `seconds`. Every answer must be 200.

    `bodies` are sent to the targets of the same place; what says {number} in one is greater each time.
    """

    host: str
    port: int
    targets: Sequence[str]
    headers: Mapping[str, str]
    connections: int
    seconds: float
    method: str = "GET"
    bodies: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came back. `cpu_seconds` is what asking took."""

    requests: int
    seconds: float
    median_ms: float
    p99_ms: float
    cpu_seconds: float

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds


@dataclass(frozen=True, slots=True)
class _Request:
    """What is sent; `head` lacks the empty line, and the length of the body."""

    head: bytes
    body: bytes | None

    def text(self) -> bytes:
        if self.body is None:
            return self.head + b"\r\n"
        # Microseconds: no two requests of a connection are made in one.
        body = self.body.replace(b"{number}", b"%d" % (time.time_ns() // 1000))
        return b"%scontent-length: %d\r\n\r\n%s" % (self.head, len(body), body)


class _Client(asyncio.Protocol):
    """One connection with one request on its way."""

    def __init__(self, requests: Sequence[_Request], until: float, latencies: list[float]) -> None:
        self._requests = requests
        self._next = 0
        self._until = until
        self._latencies = latencies
        self._asked = 0.0
        self._buffer = bytearray()
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._ask()

    def _ask(self) -> None:
        text = self._requests[self._next % len(self._requests)].text()
        self._asked = time.perf_counter()
        self._transport.write(text)
        self._next += 1

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head = self._buffer.find(_HEAD_END)
        if head < 0 or not _is_whole(self._buffer, head):
            return
        now = time.perf_counter()
        self._latencies.append(now - self._asked)
        if not self._buffer.startswith(b"HTTP/1.1 200"):
            self._end(AssertionError(f"answered: {bytes(self._buffer[:2000])!r}"))
            return
        self._buffer.clear()
        if now < self._until:
            self._ask()
        else:
            self._end(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc or ConnectionError("the connection was closed"))

    def _end(self, fault: Exception | None) -> None:
        if not self.ended.done():
            if fault:
                self.ended.set_exception(fault)
            else:
                self.ended.set_result(None)
            self._transport.close()


def _is_whole(buffer: bytearray, head: int) -> bool:
    lower = bytes(buffer[:head]).lower()
    at = lower.find(b"\r\ncontent-length:")
    if at < 0:
        return buffer.endswith(_LAST_CHUNK)
    length = int(lower[at + 17 :].partition(b"\r\n")[0])
    return len(buffer) >= head + len(_HEAD_END) + length


async def run(plan: Plan) -> Outcome:
    """Raises AssertionError with the first answer that is not 200."""
    requests = _requests(plan)
    loop, latencies = asyncio.get_running_loop(), list[float]()
    began, began_cpu = time.perf_counter(), time.process_time()
    until = began + plan.seconds
    clients = [
        await loop.create_connection(
            _maker(_share(requests, number, plan), until, latencies),
            plan.host,
            plan.port,
            # As many callers: what one address may ask for is limited.
            local_addr=(f"127.0.0.{number + 1}", 0),
        )
        for number in range(plan.connections)
    ]
    await asyncio.gather(*(client.ended for _, client in clients))
    latencies.sort()
    return Outcome(
        requests=len(latencies),
        seconds=time.perf_counter() - began,
        median_ms=latencies[len(latencies) // 2] * 1000,
        p99_ms=latencies[len(latencies) * 99 // 100] * 1000,
        cpu_seconds=time.process_time() - began_cpu,
    )


def _requests(plan: Plan) -> list[_Request]:
    headers = "".join(f"{name}: {value}\r\n" for name, value in plan.headers.items())
    heads = [
        f"{plan.method} {target} HTTP/1.1\r\nHost: {plan.host}:{plan.port}\r\n{headers}" for target in plan.targets
    ]
    bodies: list[bytes | None] = [body.encode() for body in plan.bodies] or [None] * len(heads)
    return [_Request(head.encode(), body) for head, body in zip(heads, bodies, strict=True)]


def _share(requests: Sequence[_Request], number: int, plan: Plan) -> Sequence[_Request]:
    """What one connection asks for: nothing that another does, if there is enough."""
    own = requests[number :: plan.connections]
    return own or [requests[number % len(requests)]]


def _maker(requests: Sequence[_Request], until: float, latencies: list[float]) -> Callable[[], _Client]:
    return lambda: _Client(requests, until, latencies)


if __name__ == "__main__":
    print(json.dumps(asdict(uvloop.run(run(Plan(**json.load(sys.stdin)))))))
