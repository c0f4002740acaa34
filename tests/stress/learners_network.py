"""A network that loses things: the proxy between a browser and Envoy, which sees what truly was sent and answered."""

import asyncio
import base64
import contextlib
import gzip
import json
import random
import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import httpx

from tests.stress.learners_course import now_ms
from tests.stress.learners_ledger import Commit, Ledger

_OF_ONE_CONNECTION = {"connection", "proxy-connection", "transfer-encoding", "content-length", "content-encoding"}
_REVIEWS = re.compile(rb'mode": ?"review"')
_LOST = {"before": 0.12, "after": 0.08, "late": 0.08}


class Network:
    """Proxy of one browser. `lossy` False: it loses nothing."""

    def __init__(self, ledger: Ledger, *, seed: int, lossy: bool = True) -> None:
        self.ledger = ledger
        self.lossy = lossy
        self.on_acknowledged: Callable[[str], object] = lambda session: None
        self.lost: Counter[str] = Counter()
        self._chance = random.Random(seed)
        self._down = False
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        limits = httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=2)
        self._client = httpx.AsyncClient(timeout=40, limits=limits, trust_env=False, verify=False)

    async def start(self) -> str:
        """Answers the proxy's address."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=4 * 1024**2)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        """Ends all connections."""
        assert self._server is not None
        self._server.close()
        self._hang_up()
        await self._client.aclose()

    async def fail(self, seconds: float) -> None:
        """Nothing passes for a while, and what is on its way is lost."""
        self.lost["outages"] += 1
        self._down = True
        self._hang_up()
        await asyncio.sleep(seconds)
        self._down = False

    def _hang_up(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, httpx.HTTPError):
                answer = b"" if self._down else await self._one(reader)
                if not self._down:
                    writer.write(answer)
                    await writer.drain()
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _one(self, reader: asyncio.StreamReader) -> bytes:
        """Takes one request, and answers what goes back: nothing, if it is lost."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, url, _ = head[0].split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        fate = self._fate() if method == "POST" else ""
        if fate == "before":
            return b""
        if fate == "late":
            await asyncio.sleep(self._chance.uniform(0.1, 3))
        if self._down:
            return b""
        answer = await self._forward(method, url, headers, body)
        return b"" if fate == "after" else answer

    def _fate(self) -> str:
        if not self.lossy:
            return ""
        dice = self._chance.random()
        for fate, share in _LOST.items():
            if dice < share:
                self.lost[fate] += 1
                return fate
            dice -= share
        return ""

    async def _forward(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> bytes:
        path = urlsplit(url).path
        commit = _commit(path, body) if method == "POST" else None
        if commit is not None:
            self.ledger.sent(commit)
        sent = {name: value for name, value in headers.items() if name not in _OF_ONE_CONNECTION}
        began = now_ms()
        response = await self._client.request(method, url, headers=sent, content=body)
        if commit is not None:
            self.ledger.answered(commit, response.status_code, response.json() if response.is_success else {})
            if response.is_success:
                self.on_acknowledged(commit.session)
        elif path.startswith("/player/run/") and _REVIEWS.search(response.content):
            claims = _claims(path.split("/")[3])
            self.ledger.reviews.add((str(UUID(claims["session"])), claims["launch"], claims["run"]))
        elif method == "POST" and path.endswith("/launch") and response.is_success:
            self._tell_of_launch(_session(path), response.json(), began)
        kept = [(name, value) for name, value in response.headers.multi_items() if name not in _OF_ONE_CONNECTION]
        lines = [
            f"HTTP/1.1 {response.status_code} {response.reason_phrase}",
            *(f"{name}: {value}" for name, value in kept),
        ]
        lines += [f"content-length: {len(response.content)}", "connection: close", "", ""]
        return "\r\n".join(lines).encode("latin-1") + response.content

    def _tell_of_launch(self, session: str, answer: Mapping[str, Any], asked: int) -> None:
        if "launch" in answer:
            self.ledger.launched(session, answer["launch"]["number"], asked)
        else:
            self.ledger.counts["launches refused, held by another"] += 1


def _commit(path: str, body: bytes) -> Commit | None:
    if not path.endswith("/commit"):
        return None
    claims = _claims(path.split("/")[3])
    said = json.loads(gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body)
    return Commit(
        session=str(UUID(claims["session"])),
        launch=claims["launch"],
        run=claims["run"],
        item=claims["item"],
        number=said["commit"],
        base=said["base"],
        terminated=said.get("terminated", False),
        values=said["values"],
    )


def _session(path: str) -> str:
    return str(UUID(_claims(path.split("/")[3])["session"]))


def _claims(token: str) -> Any:
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
