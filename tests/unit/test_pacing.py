"""Uploads may be slow for as long as they like; they may not stall."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from server.domain.errors import Stalled
from server.gen.scorm.v1.package_service_pb2 import UploadPackageRequest
from server.rpc.pacing import paced

STALL_SECONDS = 0.5
LEAST_BYTES = 1000


def message(size: int) -> UploadPackageRequest:
    request = UploadPackageRequest()
    request.body.data = bytes(size)
    return request


async def sent(*sizes: int, pause: float) -> AsyncIterator[UploadPackageRequest]:
    """Messages of these sizes, each after a pause."""
    for size in sizes:
        await asyncio.sleep(pause)
        yield message(size)


async def received(requests: AsyncIterator[UploadPackageRequest], *, pause: float = 0) -> int:
    """All bytes, with a pause of ours after each message."""
    size = 0
    async for request in paced(requests, stall_seconds=STALL_SECONDS, least_bytes=LEAST_BYTES):
        size += len(request.body.data)
        await asyncio.sleep(pause)
    return size


async def test_a_steady_upload_may_take_any_time() -> None:
    began = time.monotonic()
    assert await received(sent(*[600] * 11, pause=0.1)) == 6600
    assert time.monotonic() - began > 2 * STALL_SECONDS


@pytest.mark.parametrize("sizes", [(), (5000,), (999,)], ids=["from-the-first", "after-much", "after-little"])
async def test_silence_is_a_stall(sizes: tuple[int, ...]) -> None:
    async def fall_silent() -> AsyncIterator[UploadPackageRequest]:
        for size in sizes:
            yield message(size)
        await asyncio.Event().wait()

    with pytest.raises(Stalled) as stalled:
        async with asyncio.timeout(20):
            await received(fall_silent())
    assert str(stalled.value) == "Less than 1000 bytes of the request arrived within 0.5 seconds"


async def test_a_trickle_is_a_stall() -> None:
    with pytest.raises(Stalled):
        await received(sent(*[1] * 60, pause=0.05))


async def test_messages_without_bytes_are_silence() -> None:
    with pytest.raises(Stalled):
        await received(sent(*[0] * 60, pause=0.05))


async def test_time_in_which_nobody_reads_is_not_the_client_s() -> None:
    assert await received(sent(*[10] * 5, pause=0.01), pause=0.2) == 50


async def test_the_end_of_a_small_upload_is_no_stall() -> None:
    assert await received(sent(10, 10, pause=0.1)) == 20
