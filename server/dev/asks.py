"""What a copy asks over HTTP: the gateway whether it works and to drain, the storage stand-in for a bucket."""

import asyncio
import http.client
import json
import re
import socket

ASK_SECONDS = 5.0
POLL_SECONDS = 0.1


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
    """Closes Envoy's listeners and returns once no request is under way."""
    await asyncio.to_thread(_admin, admin_socket, "POST", "/drain_listeners")
    while True:
        if await asyncio.to_thread(_active_requests, admin_socket) == 0:
            return
        await asyncio.sleep(POLL_SECONDS)


def _active_requests(admin_socket: str) -> int:
    stats = _admin(admin_socket, "GET", "/stats?filter=downstream_rq_active")
    return sum(int(count) for count in re.findall(r"^http\.(?!admin\.)\S+: (\d+)$", stats, re.MULTILINE))


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
