"""Storage that is slow, refuses, and breaks off: whoever asks gets what is right, or is told."""

import asyncio
import contextlib
import itertools
import random
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import httpx

from tests.conftest import Scale
from tests.stack import Stack
from tests.stress.audit import audit, counted, table
from tests.stress.ledger import PACKAGES, Ledger, Load

SEED = 42
# Not to be tried again, as far as the client library knows.
REFUSED = {"fail_every": 2, "status": 403}
TOLD = {502: "BAD_GATEWAY", 503: "SERVICE_UNAVAILABLE", 504: "GATEWAY_TIMEOUT"}


def plan(chance: random.Random) -> dict[str, Any]:
    """Some fault at some rate."""
    faults: list[dict[str, Any]] = [
        {"latency_ms": chance.choice([30, 150])},
        {"bytes_per_second": 300_000},
        {"status": chance.choice([403, 429, 500, 503])},
        {"cut": "request"},
        {"cut": "response"},
    ]
    return {"fail_every": chance.choice([1, 2, 3, 5]), **chance.choice(faults)}


@contextlib.asynccontextmanager
async def faults(stack: Stack, *first: dict[str, Any], match: str = "") -> AsyncIterator[Counter[str]]:
    """Another plan every moment, until the block ends; counts them by kind."""
    chance, kinds = random.Random(SEED), Counter[str]()

    async def change() -> None:
        async with httpx.AsyncClient(base_url=stack.storage_url) as client:
            for chosen in itertools.chain(first, iter(lambda: plan(chance), None)):
                chosen = {**chosen, "match": match}
                kinds[" ".join(f"{name}={chosen[name]}" for name in chosen if name not in ("match", "fail_every"))] += 1
                (await client.post("/_faults", json=chosen)).raise_for_status()
                await asyncio.sleep(chance.uniform(0.3, 1.5))

    changing = asyncio.create_task(change())
    try:
        yield kinds
    finally:
        changing.cancel()
        await asyncio.gather(changing, return_exceptions=True)
        async with httpx.AsyncClient() as client:
            (await client.delete(f"{stack.storage_url}/_faults")).raise_for_status()


async def test_uploads_and_deletes_are_whole_or_refused(impatient: Stack, scale: Scale) -> None:
    key, ledger = impatient.new_tenant(), Ledger()
    async with (
        Load(impatient, key, ledger, seed=SEED) as load,
        faults(impatient, REFUSED) as kinds,
        load.running(uploaders=4, deleters=1, readers=1),
    ):
        while len(ledger.courses) < scale(8, 300):  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.1)
    found = await asyncio.to_thread(audit, impatient, key, ledger)
    print(table("Uploads and deletes on faulty storage", [("faults", dict(kinds)), *counted(ledger, found)]))
    found.check()
    assert ledger.failures.keys() == {"upload 503"}
    assert not ledger.unhinted


async def test_content_is_right_or_told_to_be_wrong(impatient: Stack, scale: Scale) -> None:
    key, ledger, outcomes = impatient.new_tenant(), Ledger(), Counter[str]()
    async with Load(impatient, key, ledger, seed=SEED) as load:
        answer = await load.upload(size=200_000)
        assert answer is not None
        package = (await load.client.get(f"{PACKAGES}/{answer.json()['package_id']}")).json()
    (course,) = ledger.courses.values()
    root = package["manifest_url"].removesuffix("imsmanifest.xml")
    async with httpx.AsyncClient(timeout=30) as client, faults(impatient, match="GET /scorm/"):

        async def read(number: int) -> None:
            for name in random.Random(number).choices(list(course.files), k=scale(10, 400)):
                outcomes[await outcome_of(client, root + quote(name), course.files[name])] += 1

        await asyncio.gather(*(read(number) for number in range(8)))
    print(table("Content from faulty storage", sorted(outcomes.items())))
    assert outcomes["right"] > 0
    assert outcomes.keys() <= {"right", "broken off", *(f"{status} {code}" for status, code in TOLD.items())}


async def outcome_of(client: httpx.AsyncClient, url: str, wanted: bytes) -> str:
    try:
        answer = await client.get(url)
    except httpx.HTTPError:
        return "broken off"
    if answer.status_code == 200:
        return "right" if answer.content == wanted else "WRONG"
    body = answer.json()
    assert body["request_id"] == answer.headers["x-request-id"]
    return f"{answer.status_code} {body['error']['code']}"
