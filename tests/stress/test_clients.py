"""Clients that break off, fall silent, come all at once or say it twice: nothing of theirs stays, others go on."""

import asyncio
import collections
import http.client
import json
import socket
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from tests.conftest import Scale
from tests.edge import Edge
from tests.edge_upstreams import Key
from tests.stack import Stack
from tests.stress.audit import audit, counted, table
from tests.stress.ledger import PACKAGES, Course, Ledger, make_course
from tests.stress.test_quotas import upload_all

MIB = 1024**2

BOUNDARY = "part"


def spooled_bytes(stack: Stack) -> int:
    """What nameless files in the spool take."""
    found = 0
    for process in stack.children("upload"):
        for descriptor in Path(f"/proc/{process.pid}/fd").iterdir():
            if str(descriptor.readlink()).startswith(str(stack.var / "spool")):
                found += descriptor.stat().st_size
    return found


async def all_room_is_back(stack: Stack) -> None:
    async with asyncio.timeout(20):
        while await asyncio.to_thread(spooled_bytes, stack):  # noqa: ASYNC110 - another process cannot tell
            await asyncio.sleep(0.05)


def request(key: str, course: Course, port: int) -> tuple[bytes, bytes]:
    """Head and body of an upload."""
    body = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="c.zip"\r\n\r\n'.encode()
    body += course.archive + f"\r\n--{BOUNDARY}--\r\n".encode()
    lines = [
        f"POST {PACKAGES} HTTP/1.1",
        f"Host: localhost:{port}",
        f"X-API-Key: {key}",
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}",
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join([*lines, "\r\n"]).encode(), body


async def test_a_full_spool_refuses_some_and_gives_all_its_room_back(tight: Stack, scale: Scale) -> None:
    key, ledger = tight.new_tenant(), Ledger()
    taken, refused = 0, 0
    for round_number in range(scale(1, 10)):
        courses = [make_course(f"Course {round_number} {number}", size=7 * MIB) for number in range(12)]
        answers = await upload_all(tight, key, courses, ledger)
        for answer in answers:
            assert answer.status_code in (201, 503)
            if answer.status_code == 503:
                assert answer.json()["error"]["message"] == "Too many uploads are on their way"
                assert answer.headers["retry-after"] == "30"
        taken += sum(answer.status_code == 201 for answer in answers)
        refused += len(courses) - sum(answer.status_code == 201 for answer in answers)
        await all_room_is_back(tight)
        # One that needs nearly all of it.
        answers = await upload_all(tight, key, [make_course(f"Large {round_number}", size=22 * MIB)], ledger)
        assert [answer.status_code for answer in answers] == [201]
    found = await asyncio.to_thread(audit, tight, key, ledger)
    print(table("A spool that is too small", [("taken", taken), ("refused", refused), *counted(ledger, found)]))
    found.check()
    assert taken >= 3 * scale(1, 10)
    assert refused > 0
    await all_room_is_back(tight)


@pytest.mark.parametrize("way", ["closes", "resets", "half-closes"])
async def test_of_an_upload_that_is_broken_off_nothing_stays(impatient: Stack, scale: Scale, way: str) -> None:
    key, course = impatient.new_tenant(), make_course("Course", size=3 * MIB)
    head, body = request(key, course, impatient.port)

    def break_off(part: float) -> None:
        with socket.create_connection(("127.0.0.1", impatient.port)) as connection:
            connection.sendall(head + body[: int(part * len(body))])
            time.sleep(0.1)
            if way == "resets":
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            elif way == "half-closes":
                connection.shutdown(socket.SHUT_WR)
                connection.settimeout(30)
                connection.recv(4096)

    count = scale(6, 60)
    await asyncio.gather(*(asyncio.to_thread(break_off, number / count) for number in range(count)))
    found = await asyncio.to_thread(audit, impatient, key, Ledger())
    print(table(f"Uploads whose client {way}", [("broken off", count), *counted(Ledger(), found)]))
    found.check()
    assert found.packages == 0
    await all_room_is_back(impatient)


def test_an_upload_that_falls_silent_is_given_up(tmp_path: Path) -> None:
    cancelled = threading.Event()

    def upload(requests: Iterator[Any], context: grpc.ServicerContext) -> None:
        context.add_callback(cancelled.set)
        collections.deque(requests, maxlen=0)

    with Edge.start(tmp_path, edit=lambda config: config.replace('"3600s"', '"1s"')) as edge:
        edge.upstream.keys["key"], edge.upstream.upload = Key("t"), upload
        head, body = request("key", make_course("Course", size=0), edge.port)
        with socket.create_connection(("127.0.0.1", edge.port)) as connection:
            connection.settimeout(30)
            connection.sendall(head + body[:-100])
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            assert answer.status == 408
            assert json.loads(answer.read())["error"]["code"] == "REQUEST_TIMEOUT"
        assert cancelled.wait(10)


async def test_who_sends_the_same_upload_twice_has_two_packages(impatient: Stack) -> None:
    key, course, ledger = impatient.new_tenant(), make_course("Course", size=1000), Ledger()
    answers = await upload_all(impatient, key, [course, course], ledger)
    assert [answer.status_code for answer in answers] == [201, 201]
    assert len(ledger.stored) == 2
    (await asyncio.to_thread(audit, impatient, key, ledger)).check()
    async with httpx.AsyncClient(base_url=impatient.base_url, headers={"X-API-Key": key}, timeout=30) as client:
        one, two = ledger.stored
        deleted = await asyncio.gather(*(client.delete(f"{PACKAGES}/{one}") for _ in range(5)))
    assert sorted(answer.status_code for answer in deleted) == [200, 404, 404, 404, 404]
    ledger.deleted.add(one)
    found = await asyncio.to_thread(audit, impatient, key, ledger)
    found.check()
    assert (found.packages, list(ledger.kept())) == (1, [two])
