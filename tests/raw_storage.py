"""Storage that keeps every byte, reads no body, and answers what it is told: for what goes over the wire to it."""

import contextlib
import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.edge import PREFIX
from tests.edge_upstreams import BUCKET

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\r\nstored"
# All that a request for a file may be.
_WHOLE = re.compile(
    rf"(GET|HEAD) /{BUCKET}/{PREFIX}/(\S+) HTTP/1\.1\r\nhost: [\w.:]+\r\n(?:range: [\w=,-]+\r\n)?content-length: 0\r\n"
    r"authorization: Bearer storage-token"
)


@dataclass(slots=True)
class RawStorage:
    """Made by `served`. Each head on a connection gets `answer`, whatever it says of a body."""

    port: int = 0
    answer: bytes = ANSWER
    _connections: list[bytearray] = field(default_factory=list)
    _open: list[socket.socket] = field(default_factory=list)

    @classmethod
    @contextlib.contextmanager
    def served(cls) -> Iterator["RawStorage"]:
        """On a free port."""
        storage = cls()
        with socket.create_server(("127.0.0.1", 0)) as listening:
            storage.port = listening.getsockname()[1]
            threading.Thread(target=storage._accept, args=(listening,), daemon=True).start()
            yield storage
            for connection in storage._open:
                connection.close()

    def _accept(self, listening: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                self._open.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        kept = bytearray()
        self._connections.append(kept)
        answered = 0
        with contextlib.suppress(OSError):
            while piece := connection.recv(1 << 16):
                kept += piece
                while answered < kept.count(b" HTTP/1.1\r\n"):
                    answered += 1
                    connection.sendall(self.answer)

    def received(self) -> list[bytes]:
        """What came on each connection since the storage began."""
        return [bytes(kept) for kept in self._connections]

    def names(self, before: list[bytes]) -> list[str]:
        """The files that were asked for since `received` told of `before`. Raises AssertionError for any other byte."""
        names = []
        for number, kept in enumerate(self.received()):
            new = kept[len(before[number]) if number < len(before) else 0 :].decode("latin-1")
            for head in new.split("\r\n\r\n")[:-1]:
                whole = _WHOLE.fullmatch(head)
                assert whole is not None, new
                names.append(whole[2])
            assert new == "" or new.endswith("\r\n\r\n"), new
        return sorted(names)
