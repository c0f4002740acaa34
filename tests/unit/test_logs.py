"""Logs never stand in the way of what they tell about."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import logging, structlog
from server import logs
logs.configure("info")
for logger in (structlog.get_logger("ours"), logging.getLogger("theirs")):
    logger.warning("full")
print("went on")
"""
ODD = """
import structlog
from server import logs
logs.configure("info")
structlog.get_logger("ours").info("odd", half="\\ud800", large=2**70, thing=ValueError)
"""
METADATA = """
import logging
from server import logs
logs.configure("info")
logging.getLogger("grpc._cython.cygrpc").exception(f"Invalid encoding on {b'secret'!r}")
logging.getLogger("grpc._cython.cygrpc").error("something else")
"""
# Writing to it fails with ENOSPC.
FULL = [path for path in [Path("/dev/full")] if path.exists()]


def test_a_line_is_one_json_object() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True)
    assert [json.loads(line)["event"] for line in done.stderr.splitlines()] == ["full", "full"]


def test_whatever_is_logged_is_written() -> None:
    done = subprocess.run([sys.executable, "-c", ODD], cwd=ROOT, capture_output=True, text=True)
    line = json.loads(done.stderr)
    assert (line["half"], line["large"], line["thing"]) == ("\ud800", 2**70, "<class 'ValueError'>")


def test_metadata_that_are_no_text_are_not_shown() -> None:
    done = subprocess.run([sys.executable, "-c", METADATA], cwd=ROOT, capture_output=True, text=True)
    assert [json.loads(line)["event"] for line in done.stderr.splitlines()] == ["something else"]


@pytest.mark.parametrize("full", FULL)
@pytest.mark.parametrize("flags", [[], ["-u"]])
def test_a_full_disk_does_not_fail_what_is_logged_about(full: Path, flags: list[str]) -> None:
    with full.open("w") as stderr:
        command = [sys.executable, *flags, "-c", PROGRAM]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=stderr, text=True)
    assert done.stdout == "went on\n"
