"""Uploads a file as a browser's form would, from disk to the socket without passing Python.

`python -m tests.bench.upload_client` with `{port, key, path}` as JSON prints what was answered and what it took.
"""

import http.client
import json
import socket
import sys
import time
from pathlib import Path
from typing import Any

_BOUNDARY = "bench-boundary"
TIMEOUT_SECONDS = 1800.0


def upload(port: int, key: str, path: Path) -> dict[str, Any]:
    """Answers the JSON of a successful upload. Raises AssertionError with the answer otherwise."""
    head = (
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{path.name}"\r\n'
        "Content-Type: application/zip\r\n\r\n"
    ).encode()
    tail = f"\r\n--{_BOUNDARY}--\r\n".encode()
    length = len(head) + path.stat().st_size + len(tail)
    with socket.create_connection(("localhost", port), timeout=TIMEOUT_SECONDS) as connection, path.open("rb") as file:
        connection.sendall(
            f"POST /api/v1/packages HTTP/1.1\r\nHost: localhost:{port}\r\nX-API-Key: {key}\r\n"
            f"Content-Type: multipart/form-data; boundary={_BOUNDARY}\r\nContent-Length: {length}\r\n\r\n".encode()
            + head
        )
        connection.sendfile(file)
        connection.sendall(tail)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        body = answer.read()
    assert answer.status == http.client.CREATED, body
    found: dict[str, Any] = json.loads(body)
    return found


def main() -> None:
    """See the module."""
    request = json.load(sys.stdin)
    began = time.perf_counter()
    answer = upload(request["port"], request["key"], Path(request["path"]))
    seconds = time.perf_counter() - began
    print(json.dumps({"package_id": answer["package_id"], "seconds": seconds, "cpu_seconds": time.process_time()}))


if __name__ == "__main__":
    main()
