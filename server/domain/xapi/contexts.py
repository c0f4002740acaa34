"""Contexts (xAPI 1.0.3 Part Two 2.4.6, IEEE 9274.1.1 4.2.2.5) and references to statements (2.4.4.3)."""

from typing import Any

from server.domain.xapi import actors, texts
from server.domain.xapi.activities import activity
from server.domain.xapi.rules import Found, Rule, exactly, fault, list_of, shape, text
from server.domain.xapi.versions import Version

statement_ref = shape({"objectType": exactly("StatementRef"), "id": texts.uuid}, required=("objectType", "id"))

_activity_list = list_of(activity)
_relevant_types = list_of(texts.iri, least=1)


def _activities(value: Any) -> Found:
    if isinstance(value, list):
        return _activity_list(value)
    # One that stands alone, as before 1.0.
    return activity(value) if isinstance(value, dict) else fault("Must be an array of activities")


def _related(kind: str, name: str, rule: Rule) -> Rule:
    """One of contextAgents or contextGroups."""
    rules = {"objectType": exactly(kind), name: rule, "relevantTypes": _relevant_types}
    return list_of(shape(rules, required=("objectType", name)))


_RULES: dict[str, Rule] = {
    "registration": texts.uuid,
    "instructor": actors.actor,
    "team": actors.group,
    "contextActivities": shape(dict.fromkeys(("parent", "grouping", "category", "other"), _activities)),
    "revision": text,
    "platform": text,
    "language": texts.language,
    "statement": statement_ref,
    "extensions": texts.extensions,
}
_RULES_2: dict[str, Rule] = _RULES | {
    "contextAgents": _related("contextAgent", "agent", actors.agent),
    "contextGroups": _related("contextGroup", "group", actors.group),
}

CONTEXT = {Version.V1: shape(_RULES), Version.V2: shape(_RULES_2)}
