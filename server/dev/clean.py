"""Removes everything that a copy wrote, and nothing else that may lie in its directory."""

import contextlib
import shutil
from pathlib import Path

from server.dev import postgres
from server.dev.place import IGNORE_ALL, Place, usable

FOLDERS = ("envoy", "log", "spool", "storage")
FILES = (
    "admin-address",
    "api-key-pepper",
    "content-signing-key.pem",
    "database-operator-password",
    "database-server-password",
    "demo-api-key",
    "download-signing-key.pem",
    "operator-token",
    "preview-signing-key.pem",
    "session-token-key",
    "secrets-key",
    "sample-course.zip",
)


def remove(var: Path) -> None:
    """Also removes a cluster that lies elsewhere because Postgres could not get there. Raises Occupied or Unusable."""
    if not var.exists():
        return
    place = Place(var)
    with usable(var), place.locked():
        place.remove_sockets()
        postgres.remove(var / "postgres")
        for name in FOLDERS:
            shutil.rmtree(var / name, ignore_errors=True)
        for name in (*FILES, *(f".{name}.new" for name in FILES), "lock"):
            (var / name).unlink(missing_ok=True)
        if place.ignore_file.is_file() and place.ignore_file.read_text() == IGNORE_ALL:
            place.ignore_file.unlink()
    with contextlib.suppress(OSError):  # something of somebody else's is in it
        var.rmdir()
