"""Requests byte by byte to the gateway, and what came of them on both sides."""

import json
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from tests.edge import Edge
from tests.raw_storage import RawStorage

KEY = "wire-key"
FILE, AFTER = "file.html", "after.html"


@dataclass(frozen=True, slots=True)
class Told:
    """One answer. `code` is that of an error."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        return str(json.loads(self.body)["error"]["code"])


@dataclass(frozen=True, slots=True)
class Wire:
    """The gateway, soon done with whom it refused, before storage that keeps every byte."""

    edge: Edge
    storage: RawStorage

    @property
    def host(self) -> str:
        """Of courses."""
        return f"127.0.0.1:{self.edge.port}"

    def target(self, name: str = FILE) -> str:
        """Of a file."""
        return f"/content/{self.edge.token()}/{name}"

    def asks_for(self, name: str) -> bytes:
        """A request as it should be, the last on its connection."""
        return f"GET {self.target(name)} HTTP/1.1\r\nHost: {self.host}\r\nConnection: close\r\n\r\n".encode()

    def calls(self, package: str) -> bytes:
        """The same of the API."""
        head = f"GET /api/v1/packages/{package} HTTP/1.1\r\nHost: localhost\r\nx-api-key: {KEY}\r\n"
        return f"{head}Connection: close\r\n\r\n".encode()

    def exchange(self, *pieces: bytes) -> bytes:
        """Sends all of it on one connection and answers everything until the gateway closes it."""
        received = b""
        with socket.create_connection(("127.0.0.1", self.edge.port)) as connection:
            connection.settimeout(10)
            try:
                connection.sendall(b"".join(pieces))
                while piece := connection.recv(1 << 16):
                    received += piece
            except ConnectionError:
                pass  # whoever is refused may be refused before all is read
        return received

    def ask(self, *pieces: bytes, methods: Sequence[str] = ()) -> list[Told]:
        """The answers, of which each must be whole and none too many bytes. `methods` where one of them is HEAD."""
        left = self.exchange(*pieces)
        told: list[Told] = []
        while left:
            method = methods[len(told)] if len(told) < len(methods) else "GET"
            answer, left = _first(left, method)
            if answer.status != 100:
                told.append(answer)
        return told


def _first(received: bytes, method: str) -> tuple[Told, bytes]:
    head, end, left = received.partition(b"\r\n\r\n")
    top, *lines = head.decode("latin-1").split("\r\n")
    version, status = top.split(" ")[:2]
    assert (version, end) == ("HTTP/1.1", b"\r\n\r\n"), received
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    bodiless = method == "HEAD" or status in ("100", "204", "304")
    length = 0 if bodiless else int(headers["content-length"])
    assert len(left) >= length, received
    return Told(int(status), headers, left[:length]), left[length:]
