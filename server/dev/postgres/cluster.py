"""The files of a cluster: where they lie, who may use them now, and how they come to be."""

import contextlib
import fcntl
import os
import secrets
import shutil
import signal
import tempfile
import time
from pathlib import Path
from typing import IO

from server.dev.postgres.failure import PostgresFailed
from server.dev.postgres.user import can_enter, give_away, run

SUPERUSER = "scorm"
ORPHAN_SECONDS = 20.0


def home_of(data_dir: Path) -> Path:
    """Where the files lie: `data_dir`, or another place if the user of Postgres cannot get there."""
    data_dir.mkdir(parents=True, exist_ok=True)
    if elsewhere := remembered(data_dir):
        elsewhere.mkdir(mode=0o755, exist_ok=True)
        return elsewhere
    if can_enter(data_dir):
        return data_dir
    home = Path(tempfile.mkdtemp(prefix="scorm-", dir="/var/tmp"))
    home.chmod(0o755)
    if not can_enter(home):
        raise PostgresFailed(f"neither {data_dir} nor {home} can be reached by the user that Postgres runs as")
    _write(data_dir / "LOCATION", str(home))
    return home


def remembered(data_dir: Path) -> Path | None:
    """The place used instead of `data_dir`, or None."""
    location = data_dir / "LOCATION"
    return Path(location.read_text()) if location.exists() else None


def locked(home: Path) -> IO[str]:
    """Holds the lock of a cluster: whoever has it may end a Postgres that still runs there."""
    lock = (home / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise PostgresFailed(f"the Postgres in {home} is in use by another process") from None
    return lock


def make_cluster(install: Path, home: Path, *, durable: bool) -> str:
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
        give_away(path)
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
    done = run(command)
    if done.returncode:
        raise PostgresFailed(f"initdb failed: {done.stderr.decode(errors='replace').strip()}")


def end_orphan(cluster: Path) -> None:
    """Ends a Postgres whose launcher is gone, and removes a pid file that points to some other process by now.

    The lock is ours, hence no launcher stands behind it. Postgres itself judges by the number only, and numbers come
    round again quickly in containers.
    """
    pid_file = cluster / "postmaster.pid"
    try:
        pid = int(pid_file.read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return
    deadline = time.monotonic() + ORPHAN_SECONDS
    while _serves(pid, cluster):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGINT if time.monotonic() < deadline else signal.SIGQUIT)
        time.sleep(0.1)
        if time.monotonic() > 2 * ORPHAN_SECONDS + deadline:
            raise PostgresFailed(f"process {pid} holds {cluster} and does not end")
    if Path("/proc/self").exists():
        pid_file.unlink(missing_ok=True)


def _serves(pid: int, cluster: Path) -> bool:
    """Whether this process is a postmaster, which stands in its data directory. Without /proc: no."""
    try:
        return Path(f"/proc/{pid}/cwd").resolve(strict=True) == cluster.resolve()
    except OSError:
        return False


def _write(path: Path, text: str) -> None:
    """Whole or not at all, mode 0600."""
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    part.rename(path)
