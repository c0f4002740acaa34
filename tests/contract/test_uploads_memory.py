"""Memory does not grow with the package."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.contract.uploads_fixtures import MIB, running_bucket
from tests.databases import Dsns
from tests.factories import course_files, manifest12

ROOT = Path(__file__).parents[2]


def course_of(path: Path, *, stored: int, deflated: int, large_bytes: int) -> None:
    """A course with large files of bytes that do not compress, some of them deflated nevertheless."""
    block = os.urandom(MIB)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in {"imsmanifest.xml": manifest12().encode(), **course_files()}.items():
            archive.writestr(name, data)
        for number in range(stored + deflated):
            info = zipfile.ZipInfo(f"video{number}.mp4")
            info.compress_type = zipfile.ZIP_STORED if number < stored else zipfile.ZIP_DEFLATED
            with archive.open(info, "w") as entry:
                for _ in range(large_bytes // MIB):
                    entry.write(block)


@pytest.mark.parametrize(("stored", "deflated", "large_bytes"), [(24, 4, 11 * MIB), (150, 0, 2 * MIB)])
def test_300_megabytes_take_no_more_memory_than_300(
    dsns: Dsns, tmp_path: Path, stored: int, deflated: int, large_bytes: int
) -> None:
    path = tmp_path / "course.zip"
    course_of(path, stored=stored, deflated=deflated, large_bytes=large_bytes)
    assert path.stat().st_size > 290 * MIB
    with running_bucket(tmp_path / "storage") as bucket:
        places = [dsns.server, dsns.operator, bucket.url, str(tmp_path), str(path)]
        command = [sys.executable, "-m", "tests.contract.upload_process", *places]
        answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        assert len(bucket.names()) == stored + deflated + 6
    assert json.loads(answer.stdout)["peak_bytes"] < 300 * MIB, answer.stdout
