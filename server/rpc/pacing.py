"""How slow a client may send an upload before it counts as stalled."""

import asyncio
from collections.abc import AsyncIterator

from server.domain.errors import Stalled
from server.gen.scorm.v1.package_service_pb2 import UploadPackageRequest

# Some hundred bytes a second: whoever sends less holds a place rather than uploads.
LEAST_BYTES = 64 * 1024


async def paced(
    requests: AsyncIterator[UploadPackageRequest], *, stall_seconds: float, least_bytes: int = LEAST_BYTES
) -> AsyncIterator[UploadPackageRequest]:
    """Passes an upload on. Raises Stalled once we waited `stall_seconds` for less than `least_bytes`.

    Waiting is all that counts: while disk or storage hold the upload up nobody asks for the next message, and the
    client cannot send.
    """
    clock, waited, received = asyncio.get_running_loop().time, 0.0, 0
    while True:
        began = clock()
        try:
            async with asyncio.timeout(stall_seconds - waited):
                request = await anext(requests)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise Stalled(least_bytes=least_bytes, seconds=stall_seconds) from None
        waited += clock() - began
        received += len(request.body.data)
        if received >= least_bytes:
            waited, received = 0.0, 0
        yield request
