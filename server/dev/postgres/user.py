"""The user that Postgres runs as: it refuses to be root, so that root becomes nobody for it."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

_NOBODY = 65534


class _User(TypedDict, total=False):
    user: int
    group: int
    extra_groups: list[int]


def user() -> _User:
    """Keyword arguments of Popen: root becomes nobody."""
    return {"user": _NOBODY, "group": _NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}


def environment() -> dict[str, str]:
    """Nothing of ours but the path: neither secrets nor what would change how Postgres behaves."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def run(command: Sequence[str | Path]) -> "subprocess.CompletedProcess[bytes]":
    """Runs a program to its end as that user, whatever it answers."""
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, cwd="/", env=environment(), check=False, **user()
    )


def can_enter(directory: Path) -> bool:
    """Whether that user reaches a directory."""
    return run(["/bin/sh", "-c", 'cd "$0"', directory]).returncode == 0


def give_away(path: Path) -> None:
    """Makes that user the owner."""
    if os.geteuid() == 0:
        os.chown(path, _NOBODY, _NOBODY)
