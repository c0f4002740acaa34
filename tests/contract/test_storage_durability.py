"""The stand-in keeps what it acknowledged, however it ends."""

import hashlib
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import psutil
import pytest

from server.dev.storage import start
from tests.contract.backends import make_bucket, put


def names(client: httpx.Client) -> list[str]:
    found: list[str] = []
    token = ""
    while True:
        page = client.get("/storage/v1/b/bucket/o", params={"pageToken": token}).json()
        found += [item["name"] for item in page.get("items", [])]
        if not (token := page.get("nextPageToken", "")):
            return found


def version(writer: int, turn: int) -> bytes:
    # Every third is larger than what the index holds itself.
    return hashlib.sha256(f"{writer}/{turn}".encode()).digest() * (6000 if turn % 3 == 0 else 20)


class Writer(threading.Thread):
    """Writes new objects, and over and over one of its own, until the server is gone. Knows what was acknowledged."""

    def __init__(self, url: str, number: int, first_turn: int) -> None:
        super().__init__()
        self.url, self.number, self.turn = url, number, first_turn
        self.acknowledged: dict[str, int] = {}

    def run(self) -> None:
        with httpx.Client(base_url=self.url) as client:
            try:
                while True:
                    for name in (f"{self.number}/{self.turn}", f"{self.number}/again"):
                        assert put(client, name, version(self.number, self.turn)).status_code == 200
                        self.acknowledged[name] = self.turn
                    self.turn += 1
            except httpx.TransportError:
                return


def test_kill_9_loses_nothing_acknowledged_and_leaves_nothing_half_written(data: Path) -> None:
    acknowledged: dict[str, int] = {}
    turns = [0] * 6
    for _ in range(3):
        with start(data) as running:
            with httpx.Client(base_url=running.url) as client:
                make_bucket(client)
            writers = [Writer(running.url, number, turns[number]) for number in range(6)]
            for writer in writers:
                writer.start()
            while sum(len(writer.acknowledged) for writer in writers) < 30 and running.process.poll() is None:
                time.sleep(0.01)
            running.process.kill()
            for writer in writers:
                writer.join()
                acknowledged |= writer.acknowledged
                turns[writer.number] = writer.turn + 1
    assert len(acknowledged) >= 30
    with start(data) as running, httpx.Client(base_url=running.url) as client:
        there = {name: client.get(f"/bucket/{name}").content for name in names(client)}
    assert acknowledged.keys() <= there.keys()
    for name, content in there.items():
        number, turn = name.split("/")
        if turn == "again":
            # Any that was sent after the last acknowledged one may have been committed just before an end.
            sent = range(acknowledged.get(name, 0), turns[int(number)])
            assert content in [version(int(number), later) for later in sent]
        else:
            assert content == version(int(number), int(turn))
    large = [content for content in there.values() if len(content) > 100_000]
    assert sum(1 for path in (data / "files").rglob("*") if path.is_file()) == len(large)


def test_an_upload_goes_on_after_kill_9(data: Path) -> None:
    content, granule = bytes(range(256)) * 4096, 256 * 1024
    with start(data) as running, httpx.Client(base_url=running.url) as client:
        make_bucket(client)
        answer = client.post("/upload/storage/v1/b/bucket/o?uploadType=resumable&name=a")
        session = answer.headers["location"].removeprefix(running.url)
        client.put(session, content=content[:granule], headers={"Content-Range": f"bytes 0-{granule - 1}/*"})
        running.process.kill()
    with start(data) as running, httpx.Client(base_url=running.url) as client:
        state = client.put(session, headers={"Content-Range": "bytes */*"})
        assert (state.status_code, state.headers["range"]) == (308, f"bytes=0-{granule - 1}")
        rest = {"Content-Range": f"bytes {granule}-{len(content) - 1}/{len(content)}"}
        done = client.put(session, content=content[granule:], headers=rest)
        assert done.json()["size"] == str(len(content))
        assert client.get("/bucket/a").content == content
        running.process.kill()
    with start(data) as running, httpx.Client(base_url=running.url) as client:
        again = client.put(session, headers={"Content-Range": "bytes */*"})
        assert again.json()["generation"] == done.json()["generation"]


def test_a_second_copy_on_the_same_port_says_so(data: Path, tmp_path: Path) -> None:
    with start(data, fsync=False) as running, pytest.raises(RuntimeError, match="status 1"):
        start(tmp_path / "other", port=running.port)


def test_a_second_copy_on_the_same_data_says_so(data: Path) -> None:
    with start(data, fsync=False), pytest.raises(RuntimeError, match="status 1"):
        start(data)
    with start(data, fsync=False):
        pass


def test_it_ends_with_the_process_that_started_it(data: Path) -> None:
    program = f"""
from pathlib import Path
from server.dev.storage import start
print(start(Path({str(data)!r})).process.pid, flush=True)
import os; os._exit(1)
"""
    root = Path(__file__).parents[2]
    answer = subprocess.run([sys.executable, "-c", program], cwd=root, stdout=subprocess.PIPE, text=True, check=False)
    orphan = int(answer.stdout)
    deadline = time.monotonic() + 10
    while psutil.pid_exists(orphan) and psutil.Process(orphan).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, f"{orphan} lives on"
        time.sleep(0.05)


def modes(data: Path) -> dict[str, int]:
    """Permissions of everything that the stand-in keeps."""
    kept = [data, *data.rglob("*")]
    return {str(path.relative_to(data)): path.stat().st_mode & 0o777 for path in kept}


def with_open_umask(data: Path) -> dict[str, int]:
    """What lies there while the stand-in holds a small and a large object, under a umask that takes nothing away."""
    before = os.umask(0)
    try:
        with start(data, fsync=False) as running, httpx.Client(base_url=running.url) as client:
            make_bucket(client)
            put(client, "small", b"x")
            put(client, "large", bytes(100_000))
            return modes(data)
    finally:
        os.umask(before)


def test_nobody_else_can_read_it(data: Path) -> None:
    found = with_open_umask(data)
    assert {"index.sqlite", "index.sqlite-wal", "lock"} < found.keys()
    assert {mode for name, mode in found.items() if (data / name).is_dir()} == {0o700}
    assert {mode for name, mode in found.items() if (data / name).is_file()} == {0o600}


def test_a_directory_that_others_could_read_is_closed_to_them(data: Path) -> None:
    with_open_umask(data)
    for path, mode in ((data, 0o755), (data / "files", 0o755), (data / "index.sqlite", 0o644)):
        path.chmod(mode)
    found = with_open_umask(data)
    assert (found["."], found["files"], found["index.sqlite"]) == (0o700, 0o700, 0o600)


def test_a_directory_with_other_things_in_it_stays_open_around_what_is_ours(data: Path) -> None:
    data.mkdir()
    data.chmod(0o755)
    (data / "theirs").write_text("x")
    found = with_open_umask(data)
    assert (found["."], found["files"], found["index.sqlite"]) == (0o755, 0o700, 0o600)
