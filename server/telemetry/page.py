"""The page that Prometheus reads, served by threads of its own: it answers also while the event loop does not."""

import errno
import os
import socket
import threading
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry, make_wsgi_app

CONNECT_SECONDS = 1.0
IDLE_SECONDS = 30.0


class Server(ThreadingMixIn, WSGIServer):
    """Listens at `host:port` from the start until `close`. Raises OSError where it cannot."""

    daemon_threads = True
    # `make run` holds the port for this process by a socket that does not listen, as it does for Envoy.
    allow_reuse_port = True

    def __init__(self, address: str, registry: CollectorRegistry) -> None:
        host, _, port = address.rpartition(":")
        host = host.strip("[]")
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        _refuse_if_taken(host, int(port))
        super().__init__((host, int(port)), _Quiet)
        self.set_app(make_wsgi_app(registry))
        self._thread = threading.Thread(target=self.serve_forever, name="metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends it."""
        self.shutdown()
        self.server_close()
        self._thread.join()


class _Quiet(WSGIRequestHandler):
    timeout = IDLE_SECONDS

    def log_message(self, format: str, *arguments: object) -> None:
        """Scrapes are not worth a line each."""


def _refuse_if_taken(host: str, port: int) -> None:
    """As the port may be shared, two processes that were given the same one would not notice."""
    try:
        socket.create_connection((host, port), CONNECT_SECONDS).close()
    except OSError:
        return
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
