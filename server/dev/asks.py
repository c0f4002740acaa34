"""What a copy asks over HTTP: the gateway whether it works and to drain, the storage stand-in for a bucket."""

import asyncio
import http.client
import json
import re
import socket

ASK_SECONDS = 5.0
POLL_SECONDS = 0.1
QUIET_SECONDS = 1.0


async def is_healthy(port: int) -> bool:
    """Whether GET /api/health answers 200 through Envoy."""
    return await asyncio.to_thread(_status, port, "/api/health", {}) == http.client.OK


async def key_works(port: int, key: str) -> bool:
    """Whether a key opens the list of packages, or would but for a limit."""
    status = await asyncio.to_thread(_status, port, "/api/v1/packages?limit=1", {"X-API-Key": key})
    return status in (http.client.OK, http.client.TOO_MANY_REQUESTS)


def _status(port: int, path: str, headers: dict[str, str]) -> int | None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ASK_SECONDS)
    try:
        connection.request("GET", path, headers={"Host": f"localhost:{port}", **headers})
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def ensure_bucket(address: str, bucket: str) -> None:
    """Makes a bucket of the stand-in unless it is there. Blocking. Raises OSError."""
    host, _, port = address.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=ASK_SECONDS)
    try:
        headers = {"Content-Type": "application/json"}
        connection.request("POST", "/storage/v1/b?project=local", json.dumps({"name": bucket}), headers)
        status = connection.getresponse().status
    finally:
        connection.close()
    if status not in (http.client.OK, http.client.CONFLICT):
        raise OSError(f"the storage stand-in answered {status} to the wish for bucket {bucket}")


async def drain(admin_socket: str) -> None:
    """Closes Envoy's listeners and returns once no request is under way, and none can be expected."""
    # The first makes answers say that their connections end with them; the second need not wait for that.
    for wish in ("?graceful&skip_exit", ""):
        await asyncio.to_thread(_admin, admin_socket, "POST", f"/drain_listeners{wish}")
    quiet_polls = 0
    while quiet_polls * POLL_SECONDS < QUIET_SECONDS:
        connections = await asyncio.to_thread(_active, admin_socket, "cx")
        if connections == 0:
            return
        # A connection without requests does not end by itself.
        busy = await asyncio.to_thread(_active, admin_socket, "rq")
        quiet_polls = 0 if busy else quiet_polls + 1
        await asyncio.sleep(POLL_SECONDS)


def _active(admin_socket: str, what: str) -> int:
    """How many connections (`cx`) or requests (`rq`) of callers there are."""
    stats = _admin(admin_socket, "GET", f"/stats?filter=^http\\.main\\.downstream_{what}_active$")
    return sum(int(count) for count in re.findall(r": (\d+)$", stats, re.MULTILINE))


def _admin(admin_socket: str, method: str, path: str) -> str:
    """What Envoy's administration answers; nothing where it does not."""
    connection = _UnixConnection("localhost", timeout=ASK_SECONDS)
    connection.path = admin_socket
    try:
        connection.request(method, path)
        return connection.getresponse().read().decode()
    except (OSError, http.client.HTTPException):
        return ""
    finally:
        connection.close()


class _UnixConnection(http.client.HTTPConnection):
    path = ""

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)
