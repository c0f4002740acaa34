"""A copy on a disk that fills up: callers are told, and once there is room again everything works."""

import contextlib
import subprocess
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.stack import Stack

MIB = 1024**2
# Root may make a small disk, unless a container forbids it.
_PROBE = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
DISKS = [200 * MIB]


def can_mount() -> bool:
    try:
        return subprocess.run(_PROBE, capture_output=True).returncode == 0
    except OSError:
        return False


@pytest.fixture
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={request.param}", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.fixture
def stack(disk: Path) -> Iterator[Stack]:
    stack = Stack.start(disk / "var", serve_processes=1)
    yield stack
    stack.discard()


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.1)


def fill(file: Path) -> None:
    """Takes all the room that is left on the disk."""
    with file.open("ab", buffering=0) as filler, contextlib.suppress(OSError):
        while True:
            filler.write(bytes(MIB))


def upload(stack: Stack, course: Path) -> httpx.Response:
    with course.open("rb") as file:
        headers = {"X-API-Key": stack.demo_key}
        return httpx.post(f"{stack.base_url}/api/v1/packages", headers=headers, files={"file": file}, timeout=90)


def kept_bytes(stack: Stack) -> dict[str, int]:
    """What lies in the folders of the copy but Postgres's own, which begins another file of its log when it likes."""
    folders = [folder for folder in stack.var.iterdir() if folder.is_dir() and not (folder / "PG_VERSION").exists()]
    return {folder.name: sum(map(_size, folder.rglob("*"))) for folder in folders}


def _size(path: Path) -> int:
    try:
        return path.lstat().st_blocks * 512
    except FileNotFoundError:
        return 0


@pytest.mark.parametrize("disk", DISKS if can_mount() else [], indirect=True)
def test_callers_are_told_that_there_is_no_disk_space(stack: Stack, disk: Path, tmp_path: Path) -> None:
    small = stack.var / "sample-course.zip"
    large = tmp_path / "large.zip"
    large.write_bytes(small.read_bytes())
    with zipfile.ZipFile(large, "a") as archive:
        archive.writestr("movie.mp4", bytes(150 * MIB))
    before = kept_bytes(stack)

    refused = upload(stack, large)
    assert refused.status_code == 503
    assert refused.json()["error"]["message"].startswith("There is no ")
    assert refused.headers["retry-after"] == "30"

    eventually(lambda: all(size < before[name] + MIB for name, size in kept_bytes(stack).items()))
    filler = disk / "filler"
    # Postgres gives some room back when it likes.
    for _ in range(20):
        fill(filler)
        refused = upload(stack, small)
        if refused.status_code != 201:
            break
    assert refused.status_code == 503
    assert refused.json()["error"]["message"].startswith("There is no ")
    filler.unlink()

    assert upload(stack, small).status_code == 201
    assert httpx.get(f"{stack.base_url}/api/health").status_code == 200
    assert stack.stop() == 0
    assert "was killed" not in stack.log("stdout")
