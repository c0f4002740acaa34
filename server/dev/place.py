"""Where one running copy lives: its directory, the lock on it, its port, its sockets."""

import contextlib
import errno
import fcntl
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SOCKETS_PREFIX = "/tmp/scorm-sockets-"
IGNORE_ALL = "*\n"
LOG_CAP_BYTES = 10 * 1024 * 1024


class Occupied(Exception):
    """Somebody else has what this copy needs. The message says who and what can be done."""


class Unusable(Exception):
    """The directory of a copy cannot be made or written. The message says which and why."""


@contextlib.contextmanager
def usable(var: Path) -> Iterator[None]:
    """Raises Unusable for an OSError in the block."""
    try:
        yield
    except OSError as fault:
        where = fault.filename or var
        raise Unusable(f"{where}: {fault.strerror}. VAR_DIR must be a directory that you may write to") from fault


@dataclass(frozen=True, slots=True)
class Place:
    """The directory that holds everything a copy writes (`var/`)."""

    var: Path

    @property
    def logs(self) -> Path:
        """One log for each child."""
        return self.var / "log"

    @property
    def demo_key_file(self) -> Path:
        """The demo tenant's key."""
        return self.var / "demo-api-key"

    @property
    def sample_course(self) -> Path:
        """A course to try the upload with."""
        return self.var / "sample-course.zip"

    @property
    def metrics_targets(self) -> Path:
        """Where Prometheus finds the processes' metrics, as its `file_sd_configs` take it."""
        return self.var / "metrics-targets.json"

    @property
    def ignore_file(self) -> Path:
        """Keeps git away from all of `var`."""
        return self.var / ".gitignore"

    def log(self, name: str) -> Path:
        """The log of the child `name`."""
        return self.logs / f"{name}.log"

    def prepare(self) -> None:
        """Makes the directories and puts logs that grew large aside."""
        # Others may pass through `var`, not look around: root runs Postgres as nobody, on files below it.
        for folder, mode in ((self.var, 0o711), (self.logs, 0o700)):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(mode)
        # Secrets lie here: wherever in a repository that is, `git add` takes none of them.
        if not self.ignore_file.exists():
            self.ignore_file.write_text(IGNORE_ALL)
        for log in self.logs.glob("*.log"):
            if log.stat().st_size > LOG_CAP_BYTES:
                log.replace(log.with_suffix(".log.1"))

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the directory for this process; the kernel lets go of it however the process ends."""
        self.var.mkdir(parents=True, exist_ok=True)
        with (self.var / "lock").open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                holder = lock.read().strip() or "unknown"
                raise Occupied(
                    f"{self.var} is in use by the copy with pid {holder}. "
                    "Stop it, or set VAR_DIR and PORT for a second copy."
                ) from None
            lock.truncate(0)
            lock.write(f"{os.getpid()}\n")
            lock.flush()
            yield
            lock.truncate(0)

    @contextlib.contextmanager
    def sockets(self) -> Iterator[Path]:
        """A private directory with a path short enough for unix sockets (108 bytes), wherever `var` is."""
        self.remove_sockets()
        folder = Path(tempfile.mkdtemp(prefix=Path(SOCKETS_PREFIX).name, dir=Path(SOCKETS_PREFIX).parent))
        self._sockets_note.write_text(str(folder))
        try:
            yield folder
        finally:
            self.remove_sockets()

    def remove_sockets(self) -> None:
        """Also those that a killed copy left behind."""
        with contextlib.suppress(FileNotFoundError):
            noted = self._sockets_note.read_text()
            if noted.startswith(SOCKETS_PREFIX):
                shutil.rmtree(noted, ignore_errors=True)
            self._sockets_note.unlink()

    @property
    def _sockets_note(self) -> Path:
        return self.var / "sockets"


@contextlib.contextmanager
def reserved_port(port: int) -> Iterator[int]:
    """Holds a port of 127.0.0.1 (0: any) so that no second copy takes it, while Envoy may listen on it.

    Envoy listens with SO_REUSEPORT, so that two of them could share a port without noticing. A socket that is bound
    without the option refuses everybody else; setting it afterwards lets Envoy in. SO_REUSEADDR is for the bind alone,
    past connections of an earlier run that are in TIME_WAIT.
    """
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            holder.bind(("127.0.0.1", port))
        except OSError as fault:
            if fault.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            reason = "is in use" if fault.errno == errno.EADDRINUSE else "is reserved for root"
            raise Occupied(f"Port {port} {reason}. Choose another: `make run PORT=3002`.") from None
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        yield holder.getsockname()[1]
