"""The installer that fills `.venv`, on a lock file without packages."""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stack import ROOT


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone with a space in its path whose `.venv` is filled."""
    clone = tmp_path_factory.mktemp("a clone")
    (clone / "server" / "dev").mkdir(parents=True)
    shutil.copy(ROOT / "server" / "dev" / "install.py", clone / "server" / "dev")
    (clone / "requirements.txt").write_text("# none\n")
    install(clone)
    return clone


@pytest.fixture
def clone(installed: Path) -> Iterator[Path]:
    """The same, with what it should be after each test."""
    (installed / "requirements.txt").write_text("# none\n")
    yield installed
    (installed / ".venv" / "unfinished").unlink(missing_ok=True)


def install(clone: Path) -> str:
    command = [sys.executable, str(clone / "server" / "dev" / "install.py"), "run"]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd="/").stdout


def mark(clone: Path) -> Path:
    """A file that is gone once `.venv` is made anew."""
    file = clone / ".venv" / "mark"
    file.touch()
    return file


def test_a_second_run_does_nothing(clone: Path) -> None:
    install(clone)
    assert install(clone) == ""


def test_a_changed_lock_file_is_installed_into_the_same_environment(clone: Path) -> None:
    kept = mark(clone)
    (clone / "requirements.txt").write_text("# other\n")
    assert "installing 0 packages of requirements.txt" in install(clone)
    assert kept.exists()
    assert install(clone) == ""


def test_an_interrupted_installation_starts_from_nothing(clone: Path) -> None:
    gone = mark(clone)
    (clone / ".venv" / "run.stamp").unlink()
    (clone / ".venv" / "unfinished").touch()
    assert "making .venv" in install(clone)
    assert not gone.exists()
    assert install(clone) == ""


def test_an_environment_of_another_directory_is_not_emptied(clone: Path, tmp_path: Path) -> None:
    kept = mark(clone)
    (tmp_path / "server" / "dev").mkdir(parents=True)
    shutil.copy(ROOT / "server" / "dev" / "install.py", tmp_path / "server" / "dev")
    (tmp_path / "requirements.txt").write_text("# none\n")
    (tmp_path / ".venv").symlink_to(clone / ".venv")
    with pytest.raises(subprocess.CalledProcessError) as failed:
        install(tmp_path)
    assert "is a link to an environment that is not of this directory" in failed.value.stderr
    assert kept.exists()


def test_a_failed_installation_is_tried_again(clone: Path) -> None:
    (clone / "requirements.txt").write_text("no-hash==1\n")
    with pytest.raises(subprocess.CalledProcessError) as failed:
        install(clone)
    assert "pip could not install requirements.txt" in failed.value.stderr
    (clone / "requirements.txt").write_text("# none again\n")
    assert "✓ dependencies" in install(clone)


def test_an_environment_that_was_moved_is_made_anew(clone: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(clone, moved, symlinks=True)
    gone = mark(moved)
    assert "making .venv" in install(moved)
    assert not gone.exists()


def test_two_at_once_take_turns(clone: Path) -> None:
    (clone / "requirements.txt").write_text("# yet another\n")
    with (clone / ".venv.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        command = [sys.executable, str(clone / "server" / "dev" / "install.py"), "run"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as waiting:
            assert waiting.stdout is not None
            assert "waiting for another installation" in waiting.stdout.readline()
            fcntl.flock(lock, fcntl.LOCK_UN)
            assert "✓ dependencies" in waiting.stdout.read()
    assert waiting.returncode == 0


def find_python(tmp_path: Path, **programs: str) -> "subprocess.CompletedProcess[str]":
    """Runs .ci/python where only these programs are on PATH."""
    for name, source in programs.items():
        program = tmp_path / name.replace("_", ".")
        program.write_text(f"#!/bin/sh\n{source}\n")
        program.chmod(0o755)
    for name in ("bash", "env"):
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    return subprocess.run([ROOT / ".ci" / "python"], env={"PATH": str(tmp_path)}, capture_output=True, text=True)


def test_an_interpreter_that_is_too_old_is_passed_over(tmp_path: Path) -> None:
    found = find_python(tmp_path, python3="exit 1", python3_12=f'exec "{sys.executable}" "$@"')
    assert found.stdout.strip() == str(tmp_path / "python3.12"), found.stderr


def test_without_a_recent_interpreter_it_says_so(tmp_path: Path) -> None:
    found = find_python(tmp_path, python3="exit 1")
    assert found.returncode == 1
    assert "no Python 3.11 or later here" in found.stderr


def test_an_interpreter_without_ensurepip_gets_the_name_of_the_package(tmp_path: Path) -> None:
    no_ensurepip = f'case "$2" in *ensurepip*) exit 1;; esac; exec "{os.path.realpath(sys.executable)}" "$@"'
    found = find_python(tmp_path, python3=no_ensurepip)
    assert found.returncode == 1
    assert f"apt-get install python3.{sys.version_info.minor}-venv" in found.stderr
