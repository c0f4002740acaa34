"""A quota holds to the byte, however many upload at the same time."""

import asyncio
import random
from collections import Counter
from typing import Any

import httpx
import pytest

from tests.conftest import Scale
from tests.stack import Stack, tenant_of
from tests.stress.audit import audit, counted, table
from tests.stress.ledger import PACKAGES, Course, Ledger, Load, make_course

PLACES = 10


async def upload_all(stack: Stack, key: str, courses: list[Course], ledger: Ledger) -> list[httpx.Response]:
    """All of them at the same time.

    Leaves out whoever was refused while sending and could not read why, since the gateway waits for that 5 s only.
    """
    headers = {"X-API-Key": key}
    ledger.courses |= {course.title: course for course in courses}
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=stack.base_url, headers=headers, timeout=120, limits=limits) as client:
        results = await asyncio.gather(
            *(client.post(PACKAGES, files={"file": ("c.zip", course.archive)}) for course in courses),
            return_exceptions=True,
        )
    answers = []
    for course, result in zip(courses, results, strict=True):
        if isinstance(result, httpx.NetworkError):
            continue
        if isinstance(result, BaseException):
            raise result
        answers.append(result)
        if result.status_code == 201:
            ledger.stored[result.json()["package_id"]] = course.title
    return answers


def refusals(answers: list[httpx.Response]) -> list[Any]:
    return [answer.json()["error"] for answer in answers if answer.status_code != 201]


@pytest.mark.parametrize("kind", ["packages", "stored_bytes"])
async def test_exactly_as_many_are_taken_as_there_is_room_for(impatient: Stack, scale: Scale, kind: str) -> None:
    taken, refused, unread, callers = 0, 0, 0, scale(20, 50)
    for _ in range(scale(1, 5)):
        key, ledger = impatient.new_tenant(), Ledger()
        course = make_course("Course", size=0)
        size = course.stored_bytes
        limit, current = (PLACES, PLACES) if kind == "packages" else (PLACES * size + size // 2, PLACES * size)
        impatient.set_quota(tenant_of(key), **{kind: limit})
        answers = await upload_all(impatient, key, [course] * callers, ledger)
        errors = refusals(answers)
        statuses = Counter(answer.status_code for answer in answers)
        assert statuses == {201: PLACES, 403: len(answers) - PLACES}
        assert {error["code"] for error in errors} == {"QUOTA_EXCEEDED"}
        assert [error["details"] for error in errors] == [{"limit": limit, "current": current}] * len(errors)
        (await asyncio.to_thread(audit, impatient, key, ledger)).check()
        taken, refused, unread = taken + PLACES, refused + len(errors), unread + callers - len(answers)
    rows = [("taken", taken), ("refused", refused), ("refused, but the answer was not read", unread)]
    print(table(f"{callers} uploads for {PLACES} places ({kind})", rows))


async def test_deletes_among_uploads_leave_exact_counters(impatient: Stack, scale: Scale) -> None:
    key, ledger = impatient.new_tenant(), Ledger()
    impatient.set_quota(tenant_of(key), packages=PLACES)
    chance = random.Random(7)
    async with Load(impatient, key, ledger, seed=7) as load:
        for _ in range(scale(2, 40)):
            calls = [load.upload(size=0) for _ in range(8)] + [load.delete() for _ in range(5)]
            chance.shuffle(calls)
            await asyncio.gather(*calls)
    found = await asyncio.to_thread(audit, impatient, key, ledger)
    print(table("Uploads and deletes at a quota", counted(ledger, found)))
    found.check()
    assert found.packages <= PLACES
    # 503: the room that was missing had come back when the refusal was written.
    assert ledger.failures.keys() <= {"upload 403", "upload 503", "delete 404"}
    assert ledger.failures["upload 403"] > 0
