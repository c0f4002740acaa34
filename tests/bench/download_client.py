"""Reads one file over HTTP and throws it away: `python -m tests.bench.download_client` with `{host, port, target}`."""

import json
import socket
import sys
import time

PIECE_BYTES = 1024**2


def download(host: str, port: int, target: str) -> int:
    """Answers how many bytes came. Raises AssertionError unless the status is 200."""
    with socket.create_connection((host, port)) as connection:
        connection.sendall(f"GET {target} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(65536)
        head, _, body = head.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        received, piece = len(body), bytearray(PIECE_BYTES)
        while size := connection.recv_into(piece):
            received += size
    return received


def main() -> None:
    """See the module."""
    request = json.load(sys.stdin)
    began = time.perf_counter()
    size = download(request["host"], request["port"], request["target"])
    seconds = time.perf_counter() - began
    print(json.dumps({"bytes": size, "seconds": seconds, "cpu_seconds": time.process_time()}))


if __name__ == "__main__":
    main()
