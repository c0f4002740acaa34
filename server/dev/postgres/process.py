"""The process of Postgres: started on a cluster, and asked until it answers."""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from server.dev.postgres.cluster import SUPERUSER
from server.dev.postgres.failure import PostgresFailed
from server.dev.postgres.user import environment, user

START_SECONDS = 60.0
LOG_BYTES = 10 * 1024**2
_PR_SET_PDEATHSIG = 1
# Looked up before any fork: the child of a threaded process must not load libraries.
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def launch(
    install: Path, home: Path, password: str, *, port: int, settings: Mapping[str, str]
) -> "tuple[subprocess.Popen[bytes], int]":
    """Starts the postmaster, and answers it with its port once it can be used. Raises PostgresFailed.

    A free port may be taken by another before Postgres binds it: then it takes the next.
    """
    for _ in range(5):
        chosen = port or _free_port()
        process = _spawn(install, home, chosen, settings)
        try:
            if _wait_until_ready(process, chosen, password):
                return process, chosen
        except BaseException:
            process.kill()
            process.wait()
            raise
        said = _last_lines(home / "postgres.log")
        if port or "could not bind" not in said:
            raise PostgresFailed(f"Postgres did not start on port {chosen}:\n{said}")
    raise PostgresFailed("no free port was found for Postgres")


def _spawn(install: Path, home: Path, port: int, settings: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    options = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        # TCP only: the path of a socket may be 107 bytes long, that of a checkout is longer sometimes.
        "unix_socket_directories": "",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "max_connections": "200",
        **settings,
    }
    command: list[str | Path] = [install / "bin" / "postgres", "-D", home / "cluster"]
    for name, value in options.items():
        command += ["-c", f"{name}={value}"]
    log_path = home / "postgres.log"
    mode = "wb" if log_path.exists() and log_path.stat().st_size > LOG_BYTES else "ab"
    with log_path.open(mode) as log:
        log.write(b"--- starting\n")
        log.flush()
        # A session of its own: Ctrl-C must reach the launcher only, which stops the others first.
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            preexec_fn=_dies_with(os.getpid()),
            start_new_session=True,
            cwd="/",
            env=environment(),
            **user(),
        )


def _dies_with(launcher: int) -> Callable[[], None] | None:
    """To be run in the child, after it changed user (which clears this setting): SIGINT once its parent is gone."""
    libc = _LIBC
    if libc is None:
        return None

    def ask() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
        if os.getppid() != launcher:
            os._exit(1)

    return ask


def _wait_until_ready(process: "subprocess.Popen[bytes]", port: int, password: str) -> bool:
    """True once it answers, False if it ended. Raises PostgresFailed if neither happens."""
    deadline = time.monotonic() + START_SECONDS
    conninfo = make_conninfo(
        host="127.0.0.1", port=port, user=SUPERUSER, password=password, dbname="postgres", sslmode="disable"
    )
    while time.monotonic() < deadline:
        if process.poll() is not None:
            return False
        try:
            psycopg.connect(conninfo, connect_timeout=2).close()
        except psycopg.OperationalError:
            time.sleep(0.03)
        else:
            return True
    raise PostgresFailed(f"Postgres did not answer within {START_SECONDS:.0f} s on port {port}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
        return number


def _last_lines(log: Path) -> str:
    text = log.read_text(errors="replace").rpartition("--- starting\n")[2]
    return "\n".join(text.splitlines()[-10:])
