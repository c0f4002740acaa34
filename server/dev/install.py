"""Fills `.venv` from a lock file: `python3 server/dev/install.py run|dev`. Standard library only.

The stamp is written last, so an installation that was interrupted is taken up again. A lock keeps two of them apart.
"""

import fcntl
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
UNFINISHED = VENV / "unfinished"
LOCK_FILES = {"run": "requirements.txt", "dev": "requirements-dev.txt"}


def main() -> None:
    """Installs what the argument names, unless the stamp says that it is there."""
    kind = sys.argv[1]
    requirements = ROOT / LOCK_FILES[kind]
    if _stamp_is_valid(kind, requirements):
        return
    with _alone() as lock:
        if not _stamp_is_valid(kind, requirements):
            began = time.monotonic()
            _make_environment()
            UNFINISHED.touch()
            _install(requirements, lock=lock)
            UNFINISHED.unlink()
            _stamp(kind).write_text(_fingerprint(requirements))
            _say(f"✓ dependencies {time.monotonic() - began:.0f} s")


def _stamp(kind: str) -> Path:
    return VENV / f"{kind}.stamp"


def _fingerprint(requirements: Path) -> str:
    """Changes with the lock file, and when the clone is moved: scripts in `.venv/bin` name their interpreter."""
    return hashlib.sha256(requirements.read_bytes() + os.fsencode(VENV)).hexdigest()


def _stamp_is_valid(kind: str, requirements: Path) -> bool:
    stamp = _stamp(kind)
    return stamp.is_file() and stamp.read_text() == _fingerprint(requirements) and _python().exists()


@contextmanager
def _alone() -> Iterator[int]:
    """Waits for other installations. pip inherits the lock, lest it goes on unnoticed where this program is killed."""
    with (ROOT / ".venv.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("waiting for another installation in this directory")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock.fileno()


def _python() -> Path:
    return VENV / "bin" / "python"


def _make_environment() -> None:
    """Makes `.venv`, unless there is one that works here."""
    pip = VENV / "bin" / "pip"
    is_ours = pip.is_file() and os.fsencode(VENV) in pip.read_bytes()[:500]
    # Of packages that pip was unpacking when it was killed it would say that they are there.
    if is_ours and not UNFINISHED.exists() and _answers([str(_python()), "-m", "pip", "--version"]):
        return
    if VENV.is_symlink():
        # Else what it points to would be emptied, which somebody else may work with.
        raise SystemExit(f"{VENV} is a link to an environment that is not of this directory. Remove the link.")
    _say(f"making .venv with {sys.executable}")
    subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=True)


def _answers(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True).returncode == 0


def _install(requirements: Path, *, lock: int) -> None:
    """Runs pip and shows how far it is. Ends the program with pip's own words if it fails."""
    total = sum(1 for line in requirements.read_text().splitlines() if line[:1].isalnum())
    _say(f"installing {total} packages of {requirements.name}")
    command = [str(_python()), "-m", "pip", "install", "--require-hashes", "--no-deps", "--progress-bar", "off"]
    command += ["--disable-pip-version-check", "-r", str(requirements)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, pass_fds=[lock]) as pip:
        assert pip.stdout is not None
        found = 0
        for line in pip.stdout:
            if line.startswith(("Collecting ", "Requirement already satisfied: ")):
                found += 1
                if found % 10 == 0:
                    _say(f"  {found} of {total}")
            elif line.startswith("Installing collected packages"):
                _say("  unpacking")
    if pip.returncode != 0:
        raise SystemExit(f"pip could not install {requirements.name}, see above")


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
