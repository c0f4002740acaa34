"""Statements that went wrong in every way: each is stored or refused, and nothing fails."""

import asyncio
import copy
import json
import random
from collections import Counter
from typing import Any
from uuid import uuid4

import httpx

from tests.conftest import Scale
from tests.factories.statements import a_statement, activity, agent, voiding
from tests.stack import Stack
from tests.stress.audit import table

SEED = 20_260_301
CALLERS = 8
SURFACES = ("/api/v1/xapi/statements", "/xapi/statements", "/xapi/1.0.3/statements")
ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1e308, 10**400, 0.1, "", "\0", "é" * 3, "\ud800", "x" * 3_000, [], {}, [[]],
    {"": ""}, {"a": {"b": []}}, "mailto:a@b.c", "2026-01-01T00:00:00-00:00", "P1Y", "0000-00-00",
    "9999-12-31T23:59:60Z", "urn:x", "://", "not a uuid",
)  # fmt: skip


def whole(chance: random.Random) -> dict[str, Any]:
    """A statement that uses much of what there is."""
    if chance.random() < 0.1:
        return {"id": str(uuid4()), **voiding(uuid4())}
    return {
        "id": str(uuid4()),
        **a_statement(
            actor=chance.choice([agent("ada"), {"objectType": "Group", "member": [agent("bob"), agent("cyd")]}]),
            object=chance.choice(
                [
                    activity("one"),
                    {"objectType": "SubStatement", **a_statement()},
                    {"objectType": "StatementRef", "id": str(uuid4())},
                    {**activity("two"), "definition": {"interactionType": "choice", "choices": [{"id": "a"}]}},
                ]
            ),
            result={"score": {"scaled": 0.5, "raw": 5, "min": 0, "max": 10}, "duration": "PT1M", "success": True},
            context={
                "registration": str(uuid4()),
                "contextActivities": {"parent": [activity("three")], "grouping": activity("four")},
                "instructor": agent("dee"),
                "language": "en-US",
                "extensions": {"https://example.com/x": {"y": [1, None]}},
            },
            timestamp="2026-01-02T03:04:05.678Z",
        ),
    }


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    if isinstance(value, dict):
        return found + [place for name in value for place in places(value[name], (*path, name))]
    if isinstance(value, list):
        return found + [place for number, one in enumerate(value) for place in places(one, (*path, number))]
    return found


def mutated(value: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """Something replaced, removed, renamed or added, once or more."""
    value = copy.deepcopy(value)
    for _ in range(chance.choice((1, 1, 1, 2, 5))):
        if not (there := places(value)):
            return value
        *path, last = chance.choice(there)
        parent: Any = value
        for step in path:
            parent = parent[step]
        match chance.randrange(4):
            case 0:
                parent[last] = chance.choice(ODD)
            case 1:
                del parent[last]
            case 2 if isinstance(parent, dict):
                parent[str(last).upper()] = parent.pop(last)
            case _ if isinstance(parent, dict):
                parent[chance.choice(("stored", "objectType", "mbox", "id", "x", "version"))] = chance.choice(ODD)
    return value


def garbled(text: bytes, chance: random.Random) -> bytes:
    """Some bytes of it, or with others in between."""
    at = chance.randrange(len(text))
    match chance.randrange(4):
        case 0:
            return text[:at]
        case 1:
            return text[:at] + chance.randbytes(chance.randrange(1, 5)) + text[at:]
        case 2:
            return text[:at] + text[at + chance.randrange(1, 20) :]
        case _:
            return text + text[at:]


def body(chance: random.Random) -> bytes:
    values: Any = [whole(chance) if chance.random() < 0.3 else mutated(whole(chance), chance) for _ in range(2)]
    text = json.dumps(values if chance.random() < 0.3 else values[0]).encode()
    return garbled(text, chance) if chance.random() < 0.3 else text


async def test_whatever_statements_are_they_are_stored_or_refused(stack: Stack, scale: Scale) -> None:
    key, counts = stack.new_tenant(), Counter[str]()
    headers = {"x-api-key": key, "content-type": "application/json"}
    versions = {"/xapi/statements": "2.0.0", "/xapi/1.0.3/statements": "1.0.3"}

    async def send(client: httpx.AsyncClient, chance: random.Random, count: int) -> None:
        for _ in range(count):
            path = chance.choice(SURFACES)
            version = {"x-experience-api-version": versions[path]} if path in versions else {}
            content = body(chance)
            answer = await client.post(path, content=content, headers=version)
            counts[f"{answer.status_code}"] += 1
            assert answer.status_code in (200, 400, 403, 409), (answer.text, content)
            if answer.status_code == 400:
                error = answer.json()["error"]
                assert error["code"] in ("BAD_REQUEST", "VALIDATION_ERROR"), error
                assert (error["code"] == "VALIDATION_ERROR") == ("fieldErrors" in error["details"])

    async with httpx.AsyncClient(base_url=stack.base_url, headers=headers, timeout=30) as client:
        each = scale(1_200, 10_000) // CALLERS
        await asyncio.gather(*(send(client, random.Random(SEED + number), each) for number in range(CALLERS)))
        # What was stored can be read: every page of it.
        cursor, stored = "", 0
        while True:
            query = {"limit": "100", **({"cursor": cursor} if cursor else {})}
            page = (await client.get(SURFACES[0], params=query)).json()
            stored += len(page["statements"])
            if not (cursor := page["next_cursor"]):
                break
        for form in ("ids", "canonical"):
            answer = await client.get(
                "/xapi/statements",
                params={"format": form, "limit": "500"},
                headers={"x-experience-api-version": "2.0.0"},
            )
            assert answer.status_code == 200
    print(table("Mutated statements", [("answers", dict(sorted(counts.items()))), ("stored and read", stored)]))
    assert counts["200"]
    assert counts["400"] > counts["200"]
