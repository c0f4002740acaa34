"""Accepts connections and answers requests, one thread for each connection."""

import contextlib
import hmac
import logging
import socket
import sqlite3
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from server.dev.storage.batch import Batches
from server.dev.storage.errors import ApiError, Disconnected, is_full, json_body, xml_body
from server.dev.storage.faults import Fault, FaultPlan, Faults
from server.dev.storage.json_api import JsonApi
from server.dev.storage.objects import open_objects
from server.dev.storage.uploads import Uploads
from server.dev.storage.wire import Connection, Request, Response, Sabotage
from server.dev.storage.xml_api import XmlApi

_JSON_ROOTS = ("/storage/v1/", "/upload/", "/download/", "/resumable/", "/batch/storage/", "/_faults")
# The gateway of a real bucket sends this name wherever the bucket is.
_CLOUD_HOST = "storage.googleapis.com"
_HTTP_PORT = 80
_IDLE_SECONDS = 600.0
_FAULT_PLAN_LIMIT_BYTES = 64 * 1024
_log = logging.getLogger("storage")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How the stand-in runs. `token_file`: requests must carry its content as bearer token.

    `parent`: the process whose end ends this one; told, because it may be gone before this one can ask."""

    data: Path
    host: str = "127.0.0.1"
    port: int = 0
    fsync: bool = True
    access_log: bool = False
    token_file: Path | None = None
    parent: int | None = None
    faults: FaultPlan = field(default_factory=FaultPlan)


class StorageServer:
    """Speaks HTTP for one data directory."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self._objects = open_objects(options.data, fsync=options.fsync)
        self._uploads = Uploads(self._objects)
        self._json = JsonApi(self._objects, self._uploads)
        self._xml = XmlApi(self._objects)
        self._batches = Batches(self._json.handle)
        self._faults = Faults(options.faults)
        self._busy = 0
        self._idle = threading.Condition()
        self._listener = socket.create_server((options.host, options.port), backlog=1024)
        self.port: int = self._listener.getsockname()[1]

    def serve_forever(self) -> None:
        """Accepts until `stop`."""
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.settimeout(_IDLE_SECONDS)
            threading.Thread(target=self._serve, args=(Connection(sock),), daemon=True).start()

    def stop(self, *, grace_seconds: float) -> None:
        """Stops accepting and gives running requests that much time."""
        with contextlib.suppress(OSError):
            # On Linux closing alone does not wake accept(); elsewhere this is an error.
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._idle:
            self._idle.wait_for(lambda: self._busy == 0, timeout=grace_seconds)
        self._objects.index.close()

    def _serve(self, connection: Connection) -> None:
        try:
            while self._serve_one(connection):
                pass
        except Disconnected:
            connection.abort()
        except OSError:
            connection.sock.close()
        else:
            _close(connection.sock)

    def _serve_one(self, connection: Connection) -> bool:
        try:
            request = connection.read_request()
        except ApiError as refusal:
            response = _refusal(refusal, json=True)
            connection.send(response, head_only=False, keep_alive=False, sabotage=Sabotage())
            return False
        if request is None:
            return False
        with self._idle:
            self._busy += 1
        try:
            return self._answer(connection, request)
        finally:
            with self._idle:
                self._busy -= 1
                self._idle.notify_all()

    def _answer(self, connection: Connection, request: Request) -> bool:
        started = time.perf_counter()
        if (refusal := self._refusal_of_pages(connection, request)) is not None:
            response = _refusal(refusal, json=_is_json(request))
            connection.send(response, head_only=request.method == "HEAD", keep_alive=False, sabotage=Sabotage())
            return False
        fault = Fault() if request.path == "/_faults" else self._faults.next(request.method, request.path)
        if fault.cut == "request":
            request.body.cut_after_bytes = (request.body.length or 0) // 2
        request.body.bytes_per_second = fault.bytes_per_second
        time.sleep(fault.latency_ms / 1000)
        response = self._respond(request, fault)
        if fault.cut == "request":
            raise Disconnected
        keep_alive = connection.settle(request.body) and request.keep_alive
        sabotage = Sabotage(cut=fault.cut == "response", bytes_per_second=fault.bytes_per_second)
        connection.send(response, head_only=request.method == "HEAD", keep_alive=keep_alive, sabotage=sabotage)
        if self.options.access_log:
            elapsed_ms = (time.perf_counter() - started) * 1000
            line = f"{request.method} {request.path} {response.status} {response.content_length} {elapsed_ms:.1f} ms\n"
            sys.stderr.write(line)
        return keep_alive

    def _refusal_of_pages(self, connection: Connection, request: Request) -> ApiError | None:
        """Why a request is not served: a browser sent it, or it came by a name that is not this server's.

        Whoever reaches this port may write. A page in the user's browser reaches it too, under its own name even,
        if that name's DNS answers with this address.
        """
        if "origin" in request.headers or any(name.startswith("sec-fetch-") for name in request.headers):
            return ApiError(403, "Web pages may not use the storage stand-in (Origin or Sec-Fetch-* was sent)")
        names = {self.options.host.lower(), str(connection.sock.getsockname()[0]), "localhost"}
        own = {f"{name}:{self.port}" for name in names} | (names if self.port == _HTTP_PORT else set())
        if request.headers.get("host", "").lower() not in own | {_CLOUD_HOST}:
            return ApiError(403, f"Host must be {self.options.host}:{self.port} or localhost:{self.port}")
        return None

    def _respond(self, request: Request, fault: Fault) -> Response:
        is_json = _is_json(request)
        try:
            self._authenticate(request)
            if fault.status is not None:
                raise ApiError(fault.status, "A fault was injected.")
            return self._route(request, is_json=is_json)
        except ApiError as refusal:
            return _refusal(refusal, json=is_json)
        except Disconnected:
            raise
        except Exception as fault:
            if is_full(fault):
                return _refusal(self._full(), json=is_json)
            _log.exception("%s %s failed", request.method, request.path)
            return _refusal(ApiError(500, "The stand-in failed; its log says why."), json=is_json)

    def _full(self) -> ApiError:
        with contextlib.suppress(OSError, sqlite3.Error):
            self._uploads.make_room()
        return ApiError(507, "There is no space left on the disk of the stand-in.")

    def _authenticate(self, request: Request) -> None:
        if self.options.token_file is None:
            return
        # Read anew each time: it is replaced while the server runs.
        token = self.options.token_file.read_text().strip()
        if not hmac.compare_digest(request.headers.get("authorization", "").encode(), f"Bearer {token}".encode()):
            raise ApiError(401, "Invalid Credentials", headers=(("WWW-Authenticate", 'Bearer realm="storage"'),))

    def _route(self, request: Request, *, is_json: bool) -> Response:
        if request.path == "/_faults":
            return self._change_faults(request)
        if request.path == "/batch/storage/v1" and request.method == "POST":
            return self._batches.handle(request)
        return self._json.handle(request) if is_json else self._xml.handle(request)

    def _change_faults(self, request: Request) -> Response:
        if request.method not in ("POST", "DELETE"):
            raise ApiError(405, "POST a plan or DELETE it")
        text = request.body.read_all(limit=_FAULT_PLAN_LIMIT_BYTES) if request.method == "POST" else b"{}"
        self._faults.replace(FaultPlan.parse(text))
        return Response(204)


def _is_json(request: Request) -> bool:
    return request.path.startswith(_JSON_ROOTS) or request.path == "/storage/v1/b"


def _refusal(refusal: ApiError, *, json: bool) -> Response:
    if refusal.status == 304:
        return Response(304, refusal.headers)
    content_type = "application/json; charset=UTF-8" if json else "application/xml; charset=UTF-8"
    body = json_body(refusal) if json else xml_body(refusal)
    return Response(refusal.status, (*refusal.headers, ("Content-Type", content_type)), body=body)


def _close(sock: socket.socket) -> None:
    """Closes so that the peer can still read the last answer, although some of its request was not read."""
    sock.settimeout(1)
    try:
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(65536):
            pass
    except OSError:
        pass
    finally:
        sock.close()
