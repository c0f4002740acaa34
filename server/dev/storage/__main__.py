"""`python -m server.dev.storage --port P --data DIR` runs the stand-in until SIGINT or SIGTERM."""

import argparse
import logging
import os
import signal
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

from server.dev.storage.errors import ApiError
from server.dev.storage.faults import FaultPlan
from server.dev.storage.server import Options, StorageServer

_GRACE_SECONDS = 5.0
_PARENT_SECONDS = 0.5


def main() -> int:
    """Prints where it listens on the first line of stdout."""
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")
    try:
        server = StorageServer(_options())
    except (OSError, ApiError) as fault:
        print(f"storage: {fault}", file=sys.stderr)
        return 1
    stop = threading.Event()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signal_number, lambda *_: stop.set())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"listening on http://{server.options.host}:{server.port}", flush=True)
    if server.options.parent is not None:
        threading.Thread(target=_set_when_orphaned, args=(stop, server.options.parent), daemon=True).start()
    stop.wait()
    server.stop(grace_seconds=_GRACE_SECONDS)
    return 0


def _set_when_orphaned(stop: threading.Event, parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_PARENT_SECONDS)
    stop.set()


def _options() -> Options:
    parser = argparse.ArgumentParser(prog="python -m server.dev.storage", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    parser.add_argument("--data", type=Path, required=True, help="directory, made if missing")
    parser.add_argument("--latency-ms", type=float, default=0, help="added to every request")
    parser.add_argument("--faults", default=os.environ.get("STORAGE_FAULTS", "{}"), help="JSON, as for POST /_faults")
    parser.add_argument("--require-token", type=Path, metavar="FILE", help="bearer token that requests must carry")
    parser.add_argument("--no-fsync", action="store_true", help="do not survive power loss; for tests")
    parser.add_argument("--access-log", action="store_true", help="one line per request on stderr")
    parser.add_argument("--parent", type=int, metavar="PID", help="end when that process, which started this, has")
    arguments = parser.parse_args()
    plan = FaultPlan.parse(arguments.faults)
    return Options(
        data=arguments.data,
        host=arguments.host,
        port=arguments.port,
        fsync=not arguments.no_fsync,
        access_log=arguments.access_log,
        token_file=arguments.require_token,
        parent=arguments.parent,
        faults=replace(plan, latency_ms=arguments.latency_ms or plan.latency_ms),
    )


if __name__ == "__main__":
    sys.exit(main())
