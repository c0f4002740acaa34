"""Removes everything that a copy wrote, and nothing else that may lie in its directory."""

import contextlib
import shutil
from pathlib import Path

from server.dev import postgres
from server.dev.place import Place

FOLDERS = ("envoy", "log", "spool", "storage")
FILES = (
    "admin-address",
    "api-key-pepper",
    "content-signing-key.pem",
    "database-operator-password",
    "database-server-password",
    "demo-api-key",
    "operator-token",
    "sample-course.zip",
)


def remove(var: Path) -> None:
    """Also removes a cluster that lies elsewhere because Postgres could not get there. Raises Occupied."""
    if not var.exists():
        return
    place = Place(var)
    with place.locked():
        place.remove_sockets()
        postgres.remove(var / "postgres")
        for name in FOLDERS:
            shutil.rmtree(var / name, ignore_errors=True)
        for name in (*FILES, *(f".{name}.new" for name in FILES), "lock"):
            (var / name).unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # something of somebody else's is in it
        var.rmdir()
