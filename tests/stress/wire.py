"""HTTP/1.1 by hand: what no client library would send, and what comes back, byte by byte."""

import asyncio
import contextlib
import json
from dataclasses import dataclass, field
from typing import Any

ANSWER_SECONDS = 30.0


@dataclass(slots=True)
class Answer:
    """One answer. `headers` are by lower-case name, the last of each."""

    status: int
    headers: dict[str, str]
    body: bytes

    def fault(self, *, headed: bool) -> str | None:
        """What is undocumented about it, or None."""
        if self.status >= 500:
            return f"{self.status}"
        if self.headers.get("content-type") == "application/grpc":
            # Of what claims to be gRPC and is refused before any filter sees it.
            return None if self.headers.get("grpc-status", "0") != "0" else "gRPC to a REST request"
        if headed or self.status in (204, 304):
            return f"a body of {len(self.body)} bytes" if self.body else None
        if self.status < 400:
            return None
        try:
            told: Any = json.loads(self.body)
            if set(told) == {"error", "request_id"} and set(told["error"]) == {"code", "message", "details"}:
                return None if told["request_id"] == self.headers.get("x-request-id") else "another request id"
        except (ValueError, TypeError):
            pass
        return f"an error of another shape: {self.body[:200]!r}"


@dataclass(slots=True)
class Wire:
    """A connection that is opened again whenever the other side has closed it."""

    port: int
    _streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = field(default=None)

    async def ask(self, data: bytes, *, method: str) -> Answer:
        """Sends a whole request and reads its answer. Raises EOFError where the connection ends instead."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self.port)
        reader, writer = self._streams
        writer.write(data)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                answer = await read_answer(reader, headed=method == "HEAD")
        except (EOFError, OSError):
            self.close()
            raise
        if answer.headers.get("connection") == "close":
            self.close()
        return answer

    def close(self) -> None:
        """May be repeated."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def read_answer(reader: asyncio.StreamReader, *, headed: bool) -> Answer:
    """The next answer that is not interim."""
    while True:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head[:-4].split("\r\n")
        version, status = first.split(" ")[:2]
        if version != "HTTP/1.1" or not status.isdigit():
            raise AssertionError(f"no status line but stray bytes: {head[:200]!r}")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        if not status.startswith("1"):
            break
    bodiless = headed or status in ("204", "304")
    return Answer(int(status), headers, b"" if bodiless else await _body(reader, headers))


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if headers.get("transfer-encoding") != "chunked":
        return await reader.readexactly(int(headers.get("content-length", "0")))
    body = b""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readuntil(b"\r\n")
    return body


async def throw(port: int, data: bytes, *, quiet_seconds: float = 0.3) -> bytes:
    """Sends bytes on a connection of their own and answers what comes back until nothing more does."""
    received = b""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    # Whoever is refused may be refused before all is sent.
    with contextlib.suppress(OSError, TimeoutError):
        writer.write(data)
        while piece := await asyncio.wait_for(reader.read(1 << 16), quiet_seconds):
            received += piece
    writer.close()
    return received
