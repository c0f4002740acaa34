"""Ten thousand mutated requests, and not one of them is answered as if it were the server's fault.

Each has a number; the seed that is printed and `MUTATION_SEED` make the same requests again.
"""

import asyncio
import os
import random
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import grpc
import httpx
import pytest
from google.rpc import status_pb2

from tests.conftest import Scale
from tests.factories import scorm12_package
from tests.stack import Stack
from tests.stress.mutations import Mutations
from tests.stress.wire import Wire, throw

AT_ONCE = 16
ROLES = ("serve", "upload", "worker", "envoy", "storage", "postgres")
STATUS = re.compile(rb"(?:^|\r\n\r\n|[}\n])HTTP/1\.1 (\d{3}) ")
FAILURES = {
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DATA_LOSS,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
}


@pytest.fixture(scope="module")
def mutations(stack: Stack) -> Mutations:
    seed = int(os.environ.get("MUTATION_SEED") or random.SystemRandom().randrange(10**9))
    print(f"\nMUTATION_SEED={seed}")
    key = stack.new_tenant()
    with httpx.Client(base_url=stack.base_url, headers={"x-api-key": key}, timeout=30) as client:
        uploads = [client.post("/api/v1/packages", files={"file": ("c.zip", scorm12_package())}) for _ in range(3)]
    ids = [upload.json()["package_id"] for upload in uploads]
    return Mutations(seed, host=f"localhost:{stack.port}", key=key, ids=ids)


@pytest.fixture(autouse=True)
def unharmed(stack: Stack) -> Iterator[None]:
    """Whatever a test sends, the same processes go on, say nothing of failures, and answer."""

    def pids() -> dict[str, list[int]]:
        return {role: sorted(process.pid for process in stack.children(role)) for role in ROLES}

    def failures() -> int:
        return sum(stack.log(name).count('"event": "failed"') for name in ("serve-1", "serve-2", "upload-1"))

    before, failed = pids(), failures()
    yield
    assert pids() == before
    assert failures() == failed
    assert httpx.get(f"{stack.base_url}/api/health", timeout=30).json()["status"] == "healthy"


async def share(count: int, work: Callable[[Iterator[int]], Awaitable[None]]) -> None:
    """Lets a few workers take the numbers below `count` from one another."""
    numbers = iter(range(count))
    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(work(numbers))  # type: ignore[arg-type]  # every `work` here is a coroutine function


def table(title: str, told: Counter[str]) -> None:
    print(f"\n{title}: {sum(told.values())}")
    for status, count in sorted(told.items()):
        print(f"  {status:<24}{count:>8}")


async def test_no_mutated_rest_request_is_answered_as_a_fault_of_the_server(
    stack: Stack, mutations: Mutations, scale: Scale
) -> None:
    told: Counter[str] = Counter()
    faults: list[str] = []

    async def work(numbers: Iterator[int]) -> None:
        wire = Wire(stack.port)
        for number in numbers:
            request = mutations.rest(number)
            answer = await wire.ask(request.encoded(), method=request.method)
            told[str(answer.status)] += 1
            fault = answer.fault(headed=request.method == "HEAD")
            # Not of gRPC refused before any filter, nor of preflights, on which browsers send no id.
            ours = "grpc-status" not in answer.headers and request.method != "OPTIONS"
            if ours and answer.status < 300 and answer.headers["x-request-id"] != f"n-{number}":
                fault = "the answer to another request"
            if fault:
                faults.append(f"{number}: {fault}: {request.encoded()[:600]!r}")
        wire.close()

    await share(scale(200, 6000), work)
    table(f"REST, {', '.join(mutations.paths)}", told)
    assert not faults, "\n".join(faults)


async def test_no_mutated_bytes_are_answered_as_a_fault_of_the_server(
    stack: Stack, mutations: Mutations, scale: Scale
) -> None:
    told: Counter[str] = Counter()
    faults: list[str] = []

    async def work(numbers: Iterator[int]) -> None:
        for number in numbers:
            data = mutations.raw(number)
            received = await throw(stack.port, data)
            statuses = [status.decode() for status in STATUS.findall(received)]
            told.update(statuses or ["no answer"])
            if any(status >= "500" for status in statuses) or (received and not received.startswith(b"HTTP/1.1 ")):
                faults.append(f"{number}: {received[:300]!r}: {data[:600]!r}")

    await share(scale(100, 2500), work)
    table("bytes", told)
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("way", ["gateway", "server"])
async def test_no_mutated_message_is_answered_as_a_fault_of_the_server(
    stack: Stack, mutations: Mutations, scale: Scale, way: str
) -> None:
    told: Counter[str] = Counter()
    faults: list[str] = []
    roles = ("serve", "upload") if way == "server" else ()
    addresses = [stack.children(role)[0].environ()["LISTEN_ADDRESS"] for role in roles] or [stack.grpc_address] * 2
    async with grpc.aio.insecure_channel(addresses[0]) as calls, grpc.aio.insecure_channel(addresses[1]) as uploads:
        unary: Any = calls
        streaming: Any = uploads

        async def work(numbers: Iterator[int]) -> None:
            for number in numbers:
                call = mutations.message(number)
                metadata = (("x-api-key", mutations.key),)
                try:
                    if call.client_streams:
                        await streaming.stream_unary(call.method)(iter(call.messages), metadata=metadata, timeout=30)
                    else:
                        await unary.unary_unary(call.method)(call.messages[0], metadata=metadata, timeout=30)
                    told["OK"] += 1
                except grpc.aio.AioRpcError as error:
                    if error.details() == "Internal error from Core":
                        # The client's own: it was still sending when it was refused.
                        told["refused while sending"] += 1
                        continue
                    told[error.code().name] += 1
                    details = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin", b"")
                    rich = status_pb2.Status.FromString(bytes(details)).details
                    if error.code() in FAILURES or (not rich and error.code() is not grpc.StatusCode.UNIMPLEMENTED):
                        faults.append(f"{number}: {error.code()} {error.details()}: {call}"[:600])

        await share(scale(150, 750), work)
    table(f"messages by the {way}", told)
    assert not faults, "\n".join(faults)
