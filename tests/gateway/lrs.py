"""What tests of the strict LRS have in common."""

import json
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import httpx

from server.domain.api_keys import KeyText
from tests.factories.statements import a_statement
from tests.stack import Stack

FIRST, SECOND = "/xapi/1.0.3", "/xapi"
VERSION_OF = {FIRST: "1.0.3", SECOND: "2.0.0"}
ADA = {"mbox": "mailto:ada@example.com"}
COURSE = "https://example.com/activities/course"


def lrs(stack: Stack, key: str, root: str = SECOND) -> httpx.Client:
    """A client as xAPI's are: HTTP Basic, and the version in every request."""
    parsed = KeyText.parse(key)
    assert parsed is not None
    return httpx.Client(
        base_url=stack.base_url + root,
        auth=(str(parsed.key_id), key),
        headers={"x-experience-api-version": VERSION_OF[root]},
        timeout=30,
    )


def new_statement(**properties: Any) -> dict[str, Any]:
    return {"id": str(uuid4()), **a_statement(**properties)}


def post(client: httpx.Client, *statements: dict[str, Any]) -> list[str]:
    answer = client.post("/statements", json=statements[0] if len(statements) == 1 else list(statements))
    assert answer.status_code == 200, answer.text
    ids: list[str] = answer.json()
    return ids


def found(client: httpx.Client, **query: Any) -> list[str]:
    """The ids of all that a query finds, through all pages."""
    answer = client.get("/statements", params=query)
    assert answer.status_code == 200, answer.text
    ids = [one["id"] for one in answer.json()["statements"]]
    while more := answer.json()["more"]:
        answer = client.get(str(client.base_url.copy_with(path=more)))
        assert answer.status_code == 200, answer.text
        ids += [one["id"] for one in answer.json()["statements"]]
    return ids


def state_url(**more: str) -> str:
    query = {"activityId": COURSE, "agent": json.dumps(ADA), **more}
    return f"/activities/state?{urlencode(query)}"
