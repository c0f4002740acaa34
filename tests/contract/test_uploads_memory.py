"""Memory does not grow with the package."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

from tests.contract.uploads_fixtures import MIB, running_bucket
from tests.databases import Dsns
from tests.factories import course_files, manifest12

ROOT = Path(__file__).parents[2]


def course_of(path: Path, *, stored: int, deflated: int, small: int) -> None:
    """A course with files of 11 MiB that do not compress, some of them deflated nevertheless, and of 1 MiB."""
    block = os.urandom(MIB)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in {"imsmanifest.xml": manifest12().encode(), **course_files()}.items():
            archive.writestr(name, data)
        for number in range(stored + deflated + small):
            info = zipfile.ZipInfo(f"video{number}.mp4")
            info.compress_type = zipfile.ZIP_DEFLATED if number < deflated else zipfile.ZIP_STORED
            with archive.open(info, "w") as entry:
                for _ in range(11 if number < stored + deflated else 1):
                    entry.write(block)


def test_a_course_of_300_megabytes_takes_at_most_240_of_memory(dsns: Dsns, tmp_path: Path) -> None:
    path = tmp_path / "course.zip"
    course_of(path, stored=12, deflated=4, small=120)
    assert path.stat().st_size > 290 * MIB
    with running_bucket(tmp_path / "storage") as bucket:
        # Slow answers, so that as many chunks are on their way at once as ever will be.
        bucket.faults(latency_ms=20)
        places = [dsns.server, dsns.operator, bucket.url, str(tmp_path), str(path)]
        command = [sys.executable, "-m", "tests.contract.upload_process", *places]
        answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        assert len(bucket.names()) == 136 + 6
    assert json.loads(answer.stdout)["peak_bytes"] < 240 * MIB, answer.stdout
