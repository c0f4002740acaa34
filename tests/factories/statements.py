"""Statements, and what the store is given of them."""

import json
from typing import Any
from uuid import UUID, uuid4

from server.domain.xapi.authority import Authority
from server.domain.xapi.keys import facts_of
from server.domain.xapi.times import parse_timestamp
from server.services.statement_ports import NewStatement
from tests.rows import NOW

VERBS = "http://adlnet.gov/expapi/verbs/"
IRI_BASE = "https://scorm.example.com"
OURS = Authority.of_installation(IRI_BASE)


def agent(name: str) -> dict[str, Any]:
    return {"mbox": f"mailto:{name}@example.com", "name": name.title()}


def activity(name: str) -> dict[str, Any]:
    return {"id": f"https://example.com/activities/{name}", "definition": {"type": "https://example.com/types/course"}}


def a_statement(**properties: Any) -> dict[str, Any]:
    """Ada experienced a course, unless told otherwise."""
    return {
        "actor": agent("ada"),
        "verb": {"id": VERBS + "experienced"},
        "object": activity("course"),
        **properties,
    }


def voiding(target: UUID, **properties: Any) -> dict[str, Any]:
    return a_statement(
        verb={"id": VERBS + "voided"}, object={"objectType": "StatementRef", "id": str(target)}, **properties
    )


def stored(value: dict[str, Any], *, authority: Authority = OURS, voids_any: bool = False) -> NewStatement:
    """As the service gives it to the store."""
    value = {"id": str(uuid4()), **value}
    facts = facts_of(value, authority.agent)
    return NewStatement(
        id=UUID(value["id"]),
        facts=facts,
        authority=authority.key,
        content=json.dumps(value).encode(),
        occurred_at=parse_timestamp(value["timestamp"]) if "timestamp" in value else NOW,
        is_named=True,
        voids_any=voids_any,
    )
