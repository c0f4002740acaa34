"""`make generate` and `make check-generated`, on a copy of the repository."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SERVICE = "proto/scorm/v1/health_service.proto"
ACCESS = """\
    option (access) = {
      scope: SCOPE_PUBLIC
      rate_class: RATE_CLASS_NONE
    };
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    for folder in ("server", "proto", "gateway"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("envoy.yaml", "README.md", "Makefile"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def run_generate(clone: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-B", "-m", "server.dev.generate", *arguments]
    return subprocess.run(command, cwd=clone, capture_output=True, text=True)


def contents(clone: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in clone.rglob("*") if path.is_file()}


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize("arguments", [["--check"], []])
def test_an_rpc_that_does_not_say_who_may_call_it_is_named_and_nothing_changes(
    clone: Path, arguments: list[str]
) -> None:
    change(clone / SERVICE, ACCESS, "")
    before = contents(clone)
    done = run_generate(clone, *arguments)
    assert done.returncode == 1
    assert "scorm.v1.HealthService.GetHealth needs the option (scorm.v1.access)" in done.stderr
    assert "Traceback" not in done.stderr
    assert contents(clone) == before


def test_a_route_follows_its_proto_at_once(clone: Path) -> None:
    change(clone / SERVICE, "/api/health", "/api/wellness")
    found = run_generate(clone, "--check")
    assert found.returncode == 1
    assert "envoy.yaml" in found.stderr
    assert "server/gen/scorm/v1/health_service_pb2.py" in found.stderr
    assert run_generate(clone).returncode == 0
    assert "/api/wellness" in (clone / "envoy.yaml").read_text()
    assert run_generate(clone, "--check").returncode == 0


def test_generated_code_that_is_broken_or_left_over_is_replaced(clone: Path) -> None:
    broken, left_over = clone / "server/gen/scorm/v1/package_pb2.py", clone / "server/gen/scorm/v1/gone_pb2.py"
    before = contents(clone)
    broken.write_text("<<<<<<< ours\n")
    left_over.touch()
    done = run_generate(clone)
    assert done.stdout.splitlines() == ["server/gen/scorm/v1/gone_pb2.py", "server/gen/scorm/v1/package_pb2.py"]
    assert contents(clone) == before
