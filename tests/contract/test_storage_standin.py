"""What our stand-in promises beyond Cloud Storage: flat memory, faults, a token, patience with nonsense."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from server.dev.storage import Running, start
from server.dev.storage.listing import ListQuery, list_page
from server.dev.storage.objects import Objects, open_objects
from server.dev.storage.wire import Connection
from tests.contract.backends import make_bucket, put

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def standin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with start(tmp_path_factory.mktemp("standin"), fsync=False) as running:
        yield running


@pytest.fixture
def http(standin: Running) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=standin.url, timeout=10) as client:
        make_bucket(client)
        yield client
        client.delete("/_faults")


def test_sigterm_lets_running_requests_end(data: Path) -> None:
    with start(data, fsync=False, arguments=["--latency-ms", "300"]) as running:
        with httpx.Client(base_url=running.url) as client:
            make_bucket(client)
            answers: list[httpx.Response] = []
            writing = threading.Thread(target=lambda: answers.append(put(client, "a", b"late")))
            writing.start()
            time.sleep(0.15)
            running.process.terminate()
            writing.join()
        assert [answer.status_code for answer in answers] == [200]
        assert running.process.wait(5) == 0


def test_accepted_connections_have_nodelay() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            Connection(accepted)
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_memory_stays_flat(data: Path) -> None:
    with start(data, fsync=False) as running, httpx.Client(base_url=running.url) as client:
        make_bucket(client)
        put(client, "warm", bytes(2 * MIB))
        before = peak_kib(running)
        put(client, "a", bytes(96 * MIB))
        with client.stream("GET", "/bucket/a") as answer:
            assert sum(len(piece) for piece in answer.iter_bytes()) == 96 * MIB
        assert peak_kib(running) - before < 16 * 1024


def peak_kib(running: Running) -> int:
    status = Path(f"/proc/{running.process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])


@pytest.fixture
def crowded(data: Path) -> Iterator[Objects]:
    """A bucket of 100,000 objects in 100 folders, and a small one."""
    objects = open_objects(data, fsync=False)
    objects.create_bucket("small", {})
    objects.create_bucket("large", {})
    insert = (
        "INSERT INTO objects SELECT ?, CAST(printf('p/%02d/%06d', value / 1000, value) AS BLOB), value, 1, 0, NULL,"
        " x'00000000', NULL, 'text/plain', '{}', 0, 0, NULL, NULL FROM"
        " (WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < ?) SELECT value FROM n)"
    )
    objects.index.write(lambda db: db.execute(insert, ("small", 1000)))
    objects.index.write(lambda db: db.execute(insert, ("large", 99_999)))
    yield objects
    objects.index.close()


@pytest.mark.parametrize("options", [{"maxResults": "50"}, {"maxResults": "50", "delimiter": "/", "prefix": "p/"}])
def test_a_page_costs_what_it_shows(crowded: Objects, options: dict[str, str]) -> None:
    def steps(bucket: str, start: str) -> int:
        count = 0

        def tick() -> int:
            nonlocal count
            count += 1
            return 0

        crowded.index.reader.set_progress_handler(tick, 10)
        page = list_page(crowded, ListQuery.from_query(bucket, {**options, "startOffset": start}))
        crowded.index.reader.set_progress_handler(None, 10)
        assert page.size > 0
        # Folders are found by one search each.
        return count // page.size

    assert steps("large", "p/50/050000") <= 2 * steps("small", "p/00/000500") + 5


def test_a_token_is_demanded_where_one_is_set(data: Path, tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("first\n")
    with (
        start(data, fsync=False, arguments=["--require-token", str(secret)]) as running,
        httpx.Client(base_url=running.url) as client,
    ):
        for wrong in ({}, {"Authorization": "Bearer other"}, {"Authorization": "first"}):
            assert client.get("/storage/v1/b", headers=wrong).status_code == 401
            assert client.get("/bucket/a", headers=wrong).status_code == 401
        assert client.get("/storage/v1/b", headers={"Authorization": "Bearer first"}).status_code == 200
        secret.write_text("second")
        assert client.get("/storage/v1/b", headers={"Authorization": "Bearer first"}).status_code == 401
        assert client.get("/storage/v1/b", headers={"Authorization": "Bearer second"}).status_code == 200


def test_every_nth_matching_request_fails(http: httpx.Client) -> None:
    put(http, "a", b"a")
    http.post("/_faults", json={"fail_every": 3, "status": 429, "match": "GET /bucket/", "times": 2})
    assert http.get("/storage/v1/b/bucket").status_code == 200
    assert [http.get("/bucket/a").status_code for _ in range(12)] == [200, 200, 429, 200, 200, 429, *[200] * 6]
    http.post("/_faults", json={"fail_every": 1})
    assert http.get("/bucket/a").status_code == 503
    assert http.delete("/_faults").status_code == 204
    assert http.get("/bucket/a").status_code == 200


def test_an_answer_can_break_off(http: httpx.Client) -> None:
    content = bytes(range(256)) * 1000
    put(http, "a", content)
    http.post("/_faults", json={"fail_every": 1, "cut": "response"})
    pieces: list[bytes] = []
    with pytest.raises(httpx.TransportError), http.stream("GET", "/bucket/a") as answer:
        pieces.extend(answer.iter_bytes(1024))
    got = b"".join(pieces)
    assert 0 < len(got) < len(content)
    assert content.startswith(got)


def test_a_request_can_break_off(http: httpx.Client) -> None:
    http.post("/_faults", json={"fail_every": 1, "cut": "request", "match": "upload"})
    for content in (b"small", bytes(MIB)):
        with pytest.raises(httpx.TransportError):
            put(http, "broken", content)
    http.delete("/_faults")
    assert http.get("/bucket/broken").status_code == 404


def test_answers_can_be_slow(http: httpx.Client) -> None:
    put(http, "a", bytes(100_000))
    http.post("/_faults", json={"bytes_per_second": 400_000})
    started = time.monotonic()
    assert len(http.get("/bucket/a").content) == 100_000
    assert time.monotonic() - started > 0.2


@pytest.mark.parametrize("plan", ["[]", "x", '{"status": 200}', '{"cut": "x"}', '{"match": "("}', '{"unknown": 1}'])
def test_a_plan_that_makes_no_sense_is_refused(http: httpx.Client, plan: str) -> None:
    assert http.post("/_faults", content=plan).status_code == 400


def test_a_body_can_wait_for_100_continue(standin: Running, http: httpx.Client) -> None:
    with socket.create_connection(("127.0.0.1", standin.port), timeout=5) as sock:
        head = "POST /upload/storage/v1/b/bucket/o?uploadType=media&name=a HTTP/1.1\r\nHost: storage.googleapis.com"
        sock.sendall(f"{head}\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n".encode())
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"abc")
        assert sock.recv(1000).startswith(b"HTTP/1.1 200 OK\r\n")


UPLOAD = b"POST /upload/storage/v1/b/bucket/o?uploadType=multipart&name=a HTTP/1.1\r\nHost: storage.googleapis.com\r\n"
NONSENSE = [
    b"\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET / HTTP/2.0\r\n\r\n",
    b"GET http://x/ HTTP/1.1\r\n\r\n",
    b"GET /\xff HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
    b"GET / HTTP/1.1\r\na b: c\r\n\r\n",
    b"GET /%ff%fe/%ff HTTP/1.1\r\nHost: storage.googleapis.com\r\n\r\n",
    b"GET /bucket/%c3%28 HTTP/1.1\r\nHost: storage.googleapis.com\r\n\r\n",
    b"GET /bucket/a%0d%0aSet-Cookie:x HTTP/1.1\r\nHost: storage.googleapis.com\r\n\r\n",
    b"GET /bucket/" + b"x" * 1025 + b" HTTP/1.1\r\nHost: storage.googleapis.com\r\n\r\n",
    b"GET /bucket/.. HTTP/1.1\r\nHost: storage.googleapis.com\r\n\r\n",
    b"GET /../../etc/passwd HTTP/1.1\r\nHost: storage.googleapis.com\r\n\r\n",
    b"GET /bucket/a?generation=x HTTP/1.1\r\nHost: storage.googleapis.com\r\n\r\n",
    b"GET /storage/v1/b/bucket/o?maxResults=-1 HTTP/1.1\r\nHost: storage.googleapis.com\r\n\r\n",
    b"GET /storage/v1/b/bucket/o?pageToken=%%% HTTP/1.1\r\nHost: storage.googleapis.com\r\n\r\n",
    b"GET /storage/v1/b/bucket/o?prefix=%ff HTTP/1.1\r\nHost: storage.googleapis.com\r\n\r\n",
    b"GET /storage/v1/nothing HTTP/1.1\r\nHost: storage.googleapis.com\r\n\r\n",
    b"PATCH /storage/v1/b HTTP/1.1\r\nHost: storage.googleapis.com\r\n\r\n",
    b"PUT /bucket/a HTTP/1.1\r\nHost: storage.googleapis.com\r\nContent-Length: 1\r\n\r\nx",
    b"POST /storage/v1/b HTTP/1.1\r\nHost: storage.googleapis.com\r\nContent-Length: 9\r\n\r\n[[[[[[[[[",
    b'POST /storage/v1/b HTTP/1.1\r\nHost: storage.googleapis.com\r\nContent-Length: 12\r\n\r\n{"name": 42}',
    b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
    UPLOAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    UPLOAD + b"Content-Length: 3\r\n\r\nabc",
    UPLOAD + b"Content-Type: multipart/related; boundary=b\r\nContent-Length: 3\r\n\r\nabc",
    UPLOAD + b'Content-Type: multipart/related; boundary="\r\nContent-Length: 3\r\n\r\nabc',
    UPLOAD
    + b"Content-Type: multipart/related; boundary=b\r\nContent-Length: 26\r\n\r\n--b\r\n\r\n{}\r\n--b\r\n\r\nno end..",
    b"POST /batch/storage/v1 HTTP/1.1\r\nHost: storage.googleapis.com\r\nContent-Length: 3\r\n\r\nabc",
    UPLOAD.replace(b"multipart", b"x") + b"Content-Length: 0\r\n\r\n",
    b"GET /" + b"x" * 200_000,
]


@pytest.mark.parametrize("request_bytes", NONSENSE, ids=range(len(NONSENSE)))
def test_nonsense_is_refused_plainly(standin: Running, http: httpx.Client, request_bytes: bytes) -> None:
    with socket.create_connection(("127.0.0.1", standin.port), timeout=5) as sock:
        sock.sendall(request_bytes)
        answer = sock.recv(10_000)
    status = int(answer.split(b" ")[1])
    assert 400 <= status < 500 or status == 501
    assert b"Traceback" not in answer
    assert http.get("/storage/v1/b/bucket").status_code == 200


def test_metadata_cannot_forge_headers(http: httpx.Client) -> None:
    put(http, "a", b"a")
    http.patch(
        "/storage/v1/b/bucket/o/a", json={"cacheControl": "no-store\r\nSet-Cookie: a=b", "contentType": "x\r\ny: z"}
    )
    answer = http.get("/bucket/a")
    assert "set-cookie" not in answer.headers
    assert "y" not in answer.headers
    assert answer.headers["cache-control"] == "no-storeSet-Cookie: a=b"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://127.0.0.1:3211", "Content-Type": "text/plain"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Mode": "no-cors"},
        {"Host": "evil.example"},
        {"Host": "evil.example:{port}"},
        {"Host": "localhost.evil.example:{port}"},
        {"Host": "storage.googleapis.com:{port}"},
        {"Host": "127.0.0.1:1"},
        {"Host": "127.0.0.1:{port},localhost"},
        {"Host": ""},
    ],
)
def test_web_pages_can_neither_write_nor_read_nor_inject_faults(
    standin: Running, http: httpx.Client, headers: dict[str, str]
) -> None:
    put(http, "kept", b"kept")
    theirs = {name: value.format(port=standin.port) for name, value in headers.items()}
    upload = "/upload/storage/v1/b/bucket/o?uploadType=media&name=kept"
    assert http.post(upload, content=b"forged", headers=theirs).status_code == 403
    assert http.get("/bucket/kept", headers=theirs).status_code == 403
    assert http.delete("/storage/v1/b/bucket/o/kept", headers=theirs).status_code == 403
    assert http.post("/_faults", json={"fail_every": 1, "status": 503}, headers=theirs).status_code == 403
    assert http.get("/bucket/kept").content == b"kept"


def test_refused_pages_are_told_why(http: httpx.Client) -> None:
    refused = http.get("/storage/v1/b", headers={"Origin": "http://evil.example"})
    assert refused.json()["error"]["errors"][0]["reason"] == "forbidden"
    assert "Origin" in refused.json()["error"]["message"]
    assert "AccessDenied" in http.get("/bucket/a", headers={"Host": "evil.example"}).text


def test_refused_pages_use_up_no_fault(http: httpx.Client) -> None:
    http.post("/_faults", json={"fail_every": 1, "status": 503, "times": 1}).raise_for_status()
    assert http.get("/storage/v1/b", headers={"Origin": "null"}).status_code == 403
    assert http.get("/storage/v1/b").status_code == 503


@pytest.mark.parametrize("host", ["127.0.0.1:{port}", "localhost:{port}", "LocalHost:{port}", "storage.googleapis.com"])
def test_its_own_names_and_that_of_the_real_storage_are_served(standin: Running, http: httpx.Client, host: str) -> None:
    assert http.get("/storage/v1/b/bucket", headers={"Host": host.format(port=standin.port)}).status_code == 200


def test_the_address_that_a_name_stands_for_is_served_too(data: Path) -> None:
    with start(data, host="localhost", fsync=False) as running:
        for host in ("localhost", "127.0.0.1"):
            assert httpx.get(f"http://{host}:{running.port}/storage/v1/b").status_code == 200
