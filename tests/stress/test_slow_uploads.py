"""Uploads that stall are given up and leave nothing; those that are merely slow become packages meanwhile."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator

import grpc
import httpx
import pytest

from server.gen.scorm.v1 import package_service_pb2 as pb
from server.gen.scorm.v1.package_service_pb2_grpc import PackageServiceStub
from tests.conftest import Scale
from tests.factories import scorm12_package
from tests.gateway.test_native_grpc import pieces, refusal
from tests.stack import Stack
from tests.stress.audit import audit, counted, table
from tests.stress.conftest import STALL_SECONDS
from tests.stress.ledger import PACKAGES, Course, Ledger, make_course
from tests.stress.test_clients import all_room_is_back, request
from tests.stress.wire import Answer, read_answer

ENDED_SECONDS = 30.0
PIECE_BYTES, PAUSE_SECONDS = 20 * 1024, 0.3


async def stall(stack: Stack, key: str, course: Course, *, part: float) -> Answer:
    """Sends so much of an upload, then nothing, and answers how it ended."""
    head, body = request(key, course, stack.port)
    reader, writer = await asyncio.open_connection("127.0.0.1", stack.port)
    writer.write(head + body[: int(part * len(body))])
    async with asyncio.timeout(ENDED_SECONDS):
        answer = await read_answer(reader, headed=False)
    writer.close()
    return answer


async def upload_slowly(stack: Stack, key: str, course: Course) -> httpx.Response:
    _, body = request(key, course, stack.port)

    async def steadily() -> AsyncIterator[bytes]:
        for start in range(0, len(body), PIECE_BYTES):
            yield body[start : start + PIECE_BYTES]
            await asyncio.sleep(PAUSE_SECONDS)

    headers = {"X-API-Key": key, "Content-Type": "multipart/form-data; boundary=part"}
    async with httpx.AsyncClient(base_url=stack.base_url, timeout=60) as client:
        return await client.post(PACKAGES, headers=headers, content=steadily())


async def test_uploads_that_stall_are_given_up_and_slow_ones_are_not(impatient: Stack, scale: Scale) -> None:
    key, ledger, count = impatient.new_tenant(), Ledger(), scale(12, 60)
    stalling, slow = make_course("Stalling", size=300_000), make_course("Slow", size=420_000)
    began = time.monotonic()
    stalled = asyncio.gather(*(stall(impatient, key, stalling, part=number / count) for number in range(count)))
    slowly = asyncio.create_task(upload_slowly(impatient, key, slow))
    answers = await stalled
    ended = time.monotonic() - began
    for answer in answers:
        assert answer.fault(headed=False) is None
        assert answer.status == 408
        assert answer.headers["connection"] == "close", "else the rest of the body would be the next request"
        assert json.loads(answer.body)["error"]["details"] == {"least_bytes": 65536, "seconds": STALL_SECONDS}
    took = await slowly
    assert took.status_code == 201, took.text
    assert time.monotonic() - began > 2 * STALL_SECONDS
    ledger.courses["Slow"], ledger.stored[took.json()["package_id"]] = slow, "Slow"
    found = await asyncio.to_thread(audit, impatient, key, ledger)
    rows = [("stalled", count), ("the last of them ended after", f"{ended:.1f} s"), *counted(ledger, found)]
    print(table("Uploads that stall", rows))
    found.check()
    await all_room_is_back(impatient)


def test_a_native_upload_that_stalls_is_told_why(impatient: Stack) -> None:
    metadata = (("x-api-key", impatient.new_tenant()),)
    with grpc.insecure_channel(impatient.grpc_address) as channel:

        def fall_silent() -> Iterator[pb.UploadPackageRequest]:
            yield next(pieces(scorm12_package()))
            time.sleep(2 * STALL_SECONDS)

        with pytest.raises(grpc.RpcError) as error:
            PackageServiceStub(channel).UploadPackage(fall_silent(), metadata=metadata, timeout=ENDED_SECONDS)
    status, info = refusal(error.value)
    assert error.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert (info.reason, info.metadata["seconds"]) == ("REQUEST_TIMEOUT", str(STALL_SECONDS))
    assert status.message == f"Less than 65536 bytes of the request arrived within {STALL_SECONDS} seconds"
