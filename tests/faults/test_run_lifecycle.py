"""`make run`'s supervisor from the first start to the last, with everything real."""

import contextlib
import json
import os
import pty
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import psycopg
import pytest

from server.dev import clean
from tests.databases import Dsns
from tests.stack import ROOT, Stack, launch, wait_until_ready

ROLES = ("serve", "upload", "worker", "storage", "postgres", "envoy")
STRANGER = pwd.getpwnam("nobody").pw_uid


def eventually(condition: Callable[[], bool], *, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.05)


def processes_of(var: Path) -> list[psutil.Process]:
    """Everything that was told of this directory, whoever its parent is by now."""
    return [process for process in psutil.process_iter() if str(var) in _told(process)]


def _told(process: psutil.Process) -> str:
    try:
        return "\0".join([*process.cmdline(), *process.environ().values(), process.cwd()])
    except psutil.Error:
        return ""


def health(stack: Stack) -> int:
    try:
        return httpx.get(f"{stack.base_url}/api/health", timeout=2).status_code
    except httpx.HTTPError:
        return 0


def packages(stack: Stack, key: str) -> httpx.Response:
    return httpx.get(f"{stack.base_url}/api/v1/packages", headers={"X-API-Key": key})


def upload(stack: Stack) -> httpx.Response:
    course = (stack.var / "sample-course.zip").read_bytes()
    return httpx.post(
        f"{stack.base_url}/api/v1/packages",
        headers={"X-API-Key": stack.demo_key},
        files={"file": ("course.zip", course)},
        timeout=30,
    )


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A copy for tests that leave it as it is."""
    stack = Stack.start(tmp_path_factory.mktemp("shared"), serve_processes=1)
    yield stack
    stack.discard()


@pytest.fixture
def var(tmp_path: Path) -> Iterator[Path]:
    """A directory for a copy. A copy that still runs there is killed, and its data are removed wherever they lie."""
    folder = tmp_path / "var"
    yield folder
    left = processes_of(folder)
    for process in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    # A process that is ending has lost its arguments before it lets go of its locks.
    assert psutil.wait_procs(left, timeout=20)[1] == []
    clean.remove(folder)


@pytest.fixture
def copy(var: Path) -> Stack:
    return Stack.start(var, serve_processes=1)


def test_what_is_printed_works_when_pasted(shared: Stack) -> None:
    commands = [line.strip() for line in shared.log("stdout").splitlines() if line.startswith("  curl ")]
    assert len(commands) == 3
    answers = [
        json.loads(subprocess.run(["bash", "-c", command], capture_output=True, check=True, cwd="/").stdout)
        for command in commands
    ]
    assert answers[0]["status"] == "healthy"
    assert answers[1]["count"] == 0
    assert answers[2]["title"] == "A small course"


def test_files_of_a_copy_are_closed_to_others(shared: Stack) -> None:
    assert shared.demo_key in shared.log("stdout")
    secret = {"demo-api-key", "operator-token", "api-key-pepper", "content-signing-key.pem"}
    secret |= {"download-signing-key.pem", "preview-signing-key.pem", "session-token-key", "secrets-key"}
    secret |= {"database-server-password", "database-operator-password"}
    modes = {name: stat.S_IMODE((shared.var / name).stat().st_mode) for name in secret | {"log", "envoy"}}
    assert modes == dict.fromkeys(secret, 0o600) | {"log": 0o700, "envoy": 0o700}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_that_was_asked_for_leaves_no_process_and_succeeds(copy: Stack, number: signal.Signals) -> None:
    assert {role: len(copy.children(role)) for role in ROLES} == dict.fromkeys(ROLES, 1)
    sockets = Path((copy.var / "sockets").read_text())
    copy.process.send_signal(number)
    assert copy.process.wait(40) == 0
    assert processes_of(copy.var) == []
    assert not sockets.exists()
    assert copy.log("stdout").endswith("stopping\nstopped\n")


def test_a_second_signal_hurries(copy: Stack) -> None:
    worker = copy.children("worker")[0]
    worker.suspend()  # it will not heed SIGTERM
    copy.process.send_signal(signal.SIGTERM)
    with pytest.raises(subprocess.TimeoutExpired):
        copy.process.wait(2)
    copy.process.send_signal(signal.SIGTERM)
    assert copy.process.wait(10) == 0
    assert processes_of(copy.var) == []


def test_a_signal_to_make_and_everything_below_it_is_one_wish_to_stop(var: Path, tmp_path: Path) -> None:
    makefile = tmp_path / "Makefile"
    makefile.write_text(f"run:\n\t@exec {sys.executable} -m server.dev --end-with-parent --not-durable\n")
    make = launch(var, command=["make", "-f", str(makefile)])
    wait_until_ready(make, var)
    os.killpg(make.pid, signal.SIGTERM)
    make.wait(40)
    eventually(lambda: processes_of(var) == [])
    printed = (var / "stdout").read_text()
    assert "stopping\nstopped\n" in printed
    assert "was killed" not in printed


def test_a_closed_terminal_ends_the_copy(var: Path) -> None:
    ours, theirs = pty.openpty()
    process = launch(var, stdin=theirs)
    os.close(theirs)
    eventually(lambda: "✓ storage" in (var / "stdout").read_text())
    os.close(ours)
    assert process.wait(40) == 0
    assert processes_of(var) == []


def test_a_killed_copy_leaves_no_process_and_the_next_has_all_data(var: Path) -> None:
    first = Stack.start(var, serve_processes=1, durable=True)
    launch_url = upload(first).json()["launch_url"]
    first_key, first_port = first.demo_key, first.port
    first.process.kill()
    first.process.wait()
    eventually(lambda: processes_of(var) == [])

    second = Stack.start(var, serve_processes=1, durable=True, environment={"PORT": str(first_port)})
    assert second.demo_key == first_key
    assert packages(second, first_key).json()["count"] == 1
    assert httpx.get(launch_url).status_code == 200


def test_a_lost_demo_key_is_replaced_and_revoked(var: Path) -> None:
    first = Stack.start(var, serve_processes=1)
    lost = first.demo_key
    upload(first).raise_for_status()
    first.stop()
    (first.var / "demo-api-key").unlink()

    second = Stack.start(var, serve_processes=1)
    assert second.demo_key != lost
    assert packages(second, second.demo_key).json()["count"] == 1, "the tenant is the same"
    assert packages(second, lost).status_code == 401


def test_crashed_children_come_back_with_what_was_acknowledged(var: Path) -> None:
    copy = Stack.start(var, serve_processes=1, durable=True)
    upload(copy).raise_for_status()
    for role in ROLES:
        copy.kill(role)
    backs = [f"✓ {name} is back\n" for name in ("serve-1", "upload-1", "worker", "storage", "postgres", "envoy")]
    # At least: one that came back before what it needs may have gone once more.
    eventually(lambda: all(back in copy.log("stdout") for back in backs))
    eventually(lambda: health(copy) == 200)
    eventually(lambda: packages(copy, copy.demo_key).status_code == 200)
    eventually(lambda: upload(copy).status_code == 201)
    assert packages(copy, copy.demo_key).json()["count"] == 2
    assert copy.admin("usage")["tenants"][0]["package_count"] == 2


def test_a_second_copy_needs_its_own_directory_and_port(shared: Stack, tmp_path: Path) -> None:
    def refused(var: Path, port: int) -> str:
        process = subprocess.run(
            [sys.executable, "-m", "server.dev"],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "VAR_DIR": str(var), "PORT": str(port)},
            capture_output=True,
            text=True,
        )
        assert process.returncode == 1
        return process.stdout

    assert f"pid {shared.process.pid}" in refused(shared.var, 0)
    assert f"Port {shared.port} is in use" in refused(tmp_path / "var2", shared.port)

    beside = Stack.start(tmp_path / "var2", serve_processes=1)
    assert beside.port != shared.port
    assert packages(beside, beside.demo_key).status_code == 200
    assert packages(beside, shared.demo_key).status_code == 401
    beside.discard()
    assert health(shared) == 200


def test_a_child_that_cannot_start_ends_the_copy_with_its_words(var: Path) -> None:
    process = launch(var, environment={"TRANSFER_THREADS": "many"})
    assert process.wait(60) == 1
    printed = (var / "stdout").read_text()
    assert "TRANSFER_THREADS" in printed
    assert "Traceback" not in printed
    assert processes_of(var) == []


def test_a_database_that_is_not_there_is_named_without_its_password(var: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    process = launch(var, environment={"DATABASE_URL": f"postgresql://me:hunter2@127.0.0.1:{port}/scorm"})
    assert process.wait(60) == 1
    printed = (var / "stdout").read_text()
    assert "database could not be prepared" in printed
    assert "hunter2" not in printed
    assert "Traceback" not in printed


def test_a_role_that_may_not_prepare_the_database_is_told_what_it_needs(var: Path, dsns: Dsns) -> None:
    process = launch(var, environment={"DATABASE_URL": dsns.server})
    assert process.wait(60) == 1
    printed = (var / "stdout").read_text()
    assert "database could not be prepared: permission denied for table alembic_version. The role needs" in printed
    assert "CREATEROLE" in printed
    assert "sqlalche.me" not in printed


def test_a_database_of_the_user_is_used_instead_of_an_embedded_one(var: Path, dsns: Dsns) -> None:
    copy = Stack.start(var, serve_processes=1, environment={"DATABASE_URL": dsns.owner})
    assert copy.children("postgres") == []
    assert not (var / "postgres").exists()
    upload(copy).raise_for_status()
    with psycopg.connect(dsns.owner) as owner:
        assert owner.execute("SELECT count(*) FROM packages").fetchone() == (1,)
    copy.stop()


def test_a_stop_during_the_start_leaves_no_process(var: Path) -> None:
    process = launch(var)
    eventually(lambda: "✓ storage" in (var / "stdout").read_text())
    process.send_signal(signal.SIGTERM)
    assert process.wait(40) == 0
    assert processes_of(var) == []


def interpreter_for_strangers() -> str | None:
    """One like ours that a user other than root may run; None if we are not root or there is none."""
    if os.geteuid() != 0:
        return None
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for candidate in (sys.executable, f"/usr/local/bin/{version}", f"/usr/bin/{version}"):
        with contextlib.suppress(OSError):
            probe = [candidate, "-c", "import venv, server.dev.install"]
            user = {"user": STRANGER, "group": STRANGER, "extra_groups": []}
            if subprocess.run(probe, cwd=ROOT, capture_output=True, **user).returncode == 0:  # type: ignore[call-overload]  # keywords by name
                return candidate
    return None


# Run by an ordinary user, every test here is that already.
STRANGERS = [found] if (found := interpreter_for_strangers()) else []


@pytest.mark.parametrize("interpreter", STRANGERS)
def test_root_is_not_needed(interpreter: str) -> None:
    home = Path(tempfile.mkdtemp(prefix="scorm-stranger-", dir="/tmp"))
    home.chmod(0o755)
    subprocess.run([interpreter, "-m", "venv", "--without-pip", home / "venv"], check=True)
    (ours,) = (path for path in sys.path if path.endswith("site-packages"))
    next((home / "venv").glob("lib/*/site-packages")).joinpath("ours.pth").write_text(ours)
    var = home / "var"
    var.mkdir()
    os.chown(var, STRANGER, STRANGER)
    process = launch(var, user=STRANGER, interpreter=str(home / "venv" / "bin" / "python"))
    try:
        wait_until_ready(process, var)
        assert {child.uids().effective for child in psutil.Process(process.pid).children()} == {STRANGER}
        process.send_signal(signal.SIGTERM)
        assert process.wait(40) == 0
        assert processes_of(var) == []
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(home)
