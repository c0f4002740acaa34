"""The data directory: one process holds it, and nobody but its user gets into it."""

import fcntl
import os
from pathlib import Path

INDEX = "index.sqlite"
FILES = "files"
# SQLite gives the files beside the first its mode.
_INDEX_FILES = (INDEX, f"{INDEX}-wal", f"{INDEX}-shm", f"{INDEX}-journal")


def claim(directory: Path) -> None:
    """Makes it if it is missing, locks it for this process and shuts others out. Raises OSError."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    _lock(directory)
    _make_private(directory)


def _lock(directory: Path) -> None:
    """Keeps a second process out, which would sweep away what the first is writing. Raises OSError."""
    descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        # Held until the process ends, however it ends.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise OSError(f"{directory} is in use by another process") from None


def _make_private(directory: Path) -> None:
    """Shuts everybody else out, also from what was made before with other modes."""
    # One that holds other things too, such as /tmp, is not ours to close: only what we put there is.
    if {entry.name for entry in directory.iterdir()} <= {"lock", FILES, *_INDEX_FILES}:
        directory.chmod(0o700)
    (directory / INDEX).touch(mode=0o600)
    for name in _INDEX_FILES:
        if (directory / name).exists():
            (directory / name).chmod(0o600)
    (directory / FILES).mkdir(mode=0o700, exist_ok=True)
    (directory / FILES).chmod(0o700)
