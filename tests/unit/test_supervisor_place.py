"""Where a copy lives: lock, port, sockets, secrets, what `make clean` takes away."""

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from server.config import SettingsError
from server.dev import clean
from server.dev.place import LOG_CAP_BYTES, Occupied, Place, reserved_port
from server.dev.secrets import load_or_create, write_private
from server.dev.settings import RunSettings

ROOT = Path(__file__).parents[2]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_directory_belongs_to_one_process_and_the_message_names_it(tmp_path: Path) -> None:
    holding = f"""
from pathlib import Path
from server.dev.place import Place
with Place(Path({str(tmp_path)!r})).locked():
    print("held", flush=True)
    input()
"""
    with subprocess.Popen(
        [sys.executable, "-c", holding], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(Occupied, match=rf"pid {holder.pid}\b.*VAR_DIR"), Place(tmp_path).locked():
            pass
        holder.kill()
    with Place(tmp_path).locked():
        pass  # the kernel let go of it


def test_a_port_in_use_is_refused_by_number() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(Occupied, match=f"Port {port} is in use"), reserved_port(port):
            pass


def test_a_reserved_port_admits_envoy_and_no_second_copy() -> None:
    with reserved_port(0) as port:
        with pytest.raises(Occupied), reserved_port(port):
            pass
        with socket.socket() as envoy:
            envoy.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            envoy.bind(("127.0.0.1", port))
            envoy.listen()
            with socket.create_connection(("127.0.0.1", port), timeout=1) as client:
                envoy.accept()[0].close()
                assert client.recv(1) == b""


def test_sockets_left_by_a_killed_copy_are_removed(tmp_path: Path) -> None:
    place = Place(tmp_path)
    killed = place.sockets()
    left = killed.__enter__()
    with place.sockets() as folder:
        assert not left.exists()
        assert mode(folder) == 0o700
        assert len(str(folder / "envoy-admin")) < 100
    assert not folder.exists()


def test_only_a_directory_of_sockets_is_ever_removed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (tmp_path / "sockets").write_text(str(precious))
    with Place(tmp_path).sockets():
        assert precious.exists()


def test_clean_removes_sockets_left_by_a_killed_copy(tmp_path: Path) -> None:
    place = Place(tmp_path / "var")
    place.prepare()
    killed = place.sockets()
    left = killed.__enter__()
    clean.remove(place.var)
    assert not left.exists()
    assert not place.var.exists()


def test_a_large_log_is_put_aside(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.prepare()
    with place.log("envoy").open("wb") as log:
        log.truncate(LOG_CAP_BYTES + 1)
    place.log("worker").write_text("short")
    place.prepare()
    assert sorted(path.name for path in place.logs.iterdir()) == ["envoy.log.1", "worker.log"]


def test_git_takes_nothing_of_a_copy_wherever_it_lies(tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=tmp_path, capture_output=True, text=True, check=True).stdout

    git("init", "--quiet")
    place = Place(tmp_path / "var2")
    with place.locked():
        place.prepare()
        load_or_create(place.var)
    git("add", "--all")
    assert git("ls-files") == ""


def test_what_git_ignores_already_stays_as_it_is(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.ignore_file.write_text("*.odt\n")
    place.prepare()
    assert place.ignore_file.read_text() == "*.odt\n"
    clean.remove(tmp_path)
    assert place.ignore_file.read_text() == "*.odt\n"


@pytest.mark.parametrize("arguments", [[], ["--clean"]])
def test_a_place_that_is_no_directory_is_named(tmp_path: Path, arguments: list[str]) -> None:
    file = tmp_path / "thesis.odt"
    file.write_text("mine")
    done = subprocess.run(
        [sys.executable, "-m", "server.dev", *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "VAR_DIR": str(file), "PORT": "0"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert f"✗ {file}: File exists. VAR_DIR must be a directory" in done.stdout
    assert file.read_text() == "mine"


def test_secrets_are_made_once_and_for_their_owner_only(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        first = load_or_create(tmp_path)
    finally:
        os.umask(before)
    texts = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert load_or_create(tmp_path) == first
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == texts
    assert {mode(path) for path in tmp_path.iterdir()} == {0o600}
    assert len(set(texts.values())) == len(texts) == 9
    assert len(first.api_key_pepper_file.read_bytes()) >= 32
    load_pem_private_key(first.content_signing_key_file.read_bytes(), password=None)


def test_a_secret_that_others_may_read_is_closed(tmp_path: Path) -> None:
    token = load_or_create(tmp_path).operator_token_file
    token.chmod(0o644)
    load_or_create(tmp_path)
    assert mode(token) == 0o600


def test_an_interrupted_write_leaves_no_half_a_secret(tmp_path: Path) -> None:
    (tmp_path / ".operator-token.new").write_text("hal")
    write_private(tmp_path / "operator-token", "whole")
    assert [path.name for path in tmp_path.iterdir()] == ["operator-token"]
    assert (tmp_path / "operator-token").read_text() == "whole"


def test_clean_leaves_what_is_not_ours(tmp_path: Path) -> None:
    place = Place(tmp_path / "var")
    with place.locked():
        place.prepare()
        load_or_create(place.var)
        (place.var / "storage").mkdir()
        (place.var / "storage" / "object").write_text("bytes")
        (place.var / "thesis.odt").write_text("mine")
    clean.remove(place.var)
    assert [path.name for path in place.var.iterdir()] == ["thesis.odt"]
    (place.var / "thesis.odt").unlink()
    clean.remove(place.var)
    assert not place.var.exists()
    clean.remove(place.var)


def test_clean_refuses_while_a_copy_runs(tmp_path: Path) -> None:
    with Place(tmp_path).locked():
        (tmp_path / "storage").mkdir()
        with pytest.raises(Occupied):
            clean.remove(tmp_path)
        assert (tmp_path / "storage").exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "http"),
        ("PORT", "65536"),
        ("PORT", "-1"),
        ("SERVE_PROCESSES", "0"),
        ("SERVE_PROCESSES", "two"),
        ("UPLOAD_PROCESSES", "0"),
    ],
)
def test_a_setting_that_is_no_number_in_range_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        RunSettings.from_environment({name: value})


def test_processes_are_told_limits_but_not_what_make_run_decides_or_credentials_of_others() -> None:
    settings = RunSettings.from_environment(
        {
            "MAX_PACKAGE_BYTES": "1000",
            "DATABASE_URL": "postgresql://owner:secret@db/x",
            "LISTEN_ADDRESS": "0.0.0.0:1",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "HOME": "/home/me",
            "PORT": "",
        }
    )
    assert settings.passed_on == {"MAX_PACKAGE_BYTES": "1000"}
    assert settings.database_url == "postgresql://owner:secret@db/x"
    assert settings.port == 3001


def test_a_real_bucket_brings_its_credentials_along() -> None:
    settings = RunSettings.from_environment({"GCS_BUCKET": "b", "GOOGLE_APPLICATION_CREDENTIALS": "/key.json"})
    assert settings.bucket == "b"
    assert settings.passed_on == {"GOOGLE_APPLICATION_CREDENTIALS": "/key.json"}
