"""The directory of the spool: this user's alone, and without what killed processes left."""

import contextlib
import os
import stat
import time
from pathlib import Path

PREFIX = "upload-"
_LEFTOVER_SECONDS = 60


class SpoolUnusable(Exception):
    """The directory cannot be, or must not be, used. The message says why."""


def make_private(directory: Path) -> None:
    """Makes the directory, or makes sure that it is one which only this user can look into and write to."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = directory.lstat()
    except OSError as error:
        raise SpoolUnusable(f"{directory} cannot be made: {error.strerror}") from error
    if not stat.S_ISDIR(found.st_mode):
        # In a place like /tmp anybody can put a link, and choose where it leads.
        raise SpoolUnusable(f"{directory} is no directory, but a link to one: name the directory itself")
    if found.st_uid != os.geteuid():
        raise SpoolUnusable(f"{directory} belongs to user {found.st_uid}, not to this process's user {os.geteuid()}")
    if found.st_mode & 0o077:
        raise SpoolUnusable(f"{directory} is open to other users: give it mode 0700, or name a new directory in it")


def remove_leftovers(directory: Path) -> None:
    """Where the file system cannot make nameless files, a process killed at the wrong moment leaves a named one."""
    for path in directory.glob(f"{PREFIX}*"):
        # Another process may remove its own, or the same, meanwhile.
        with contextlib.suppress(FileNotFoundError):
            found = path.lstat()
            # A younger one may be another process's, about to be unlinked.
            if stat.S_ISREG(found.st_mode) and found.st_mtime < time.time() - _LEFTOVER_SECONDS:
                path.unlink()
