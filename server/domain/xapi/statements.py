"""What a statement must be (xAPI 1.0.3 Part Two 2.2 and 2.4, IEEE 9274.1.1 4.2)."""

import re
from collections.abc import Iterable
from typing import Any

from server.domain.xapi import actors, texts
from server.domain.xapi.activities import activity
from server.domain.xapi.attachments import attachments
from server.domain.xapi.contexts import CONTEXT, statement_ref
from server.domain.xapi.repeated import Repeated
from server.domain.xapi.results import result
from server.domain.xapi.rules import Found, Rule, by_type, exactly, fault, matching, refuse, shape, text_of, under
from server.domain.xapi.times import is_timestamp, is_timestamp_2
from server.domain.xapi.versions import Version

VOIDED = "http://adlnet.gov/expapi/verbs/voided"

_REQUIRED = ("actor", "verb", "object")
_PATCH = r"(?:\.[0-9A-Za-z.+-]+)?"
# 2.4.10. Statements keep their version, and 2.0 takes those of 1.0.x (9274.1.1, 4.2.4.2).
_VERSION = {
    Version.V1: matching(re.compile(rf"1\.0{_PATCH}"), "Must be 1.0 or 1.0.x"),
    Version.V2: matching(re.compile(rf"[12]\.0{_PATCH}"), "Must be 2.0.x or 1.0.x"),
}
_TIMESTAMP = {
    Version.V1: text_of(is_timestamp, "Must be a timestamp of ISO 8601 such as 2026-01-02T03:04:05.678Z"),
    Version.V2: text_of(is_timestamp_2, "Must be a timestamp of RFC 3339 such as 2026-01-02T03:04:05.678Z"),
}
_verb = shape({"id": texts.iri, "display": texts.language_map}, required=("id",))


def _fits_together(value: dict[str, Any]) -> Found:
    """What depends on more than one property of a statement."""
    target, context, verb = value.get("object"), value.get("context"), value.get("verb")
    kind = target.get("objectType", "Activity") if isinstance(target, dict) else "Activity"
    found: Found = ()
    # 2.4.6
    if kind != "Activity" and isinstance(context, dict):
        for name in ("revision", "platform"):
            if name in context:
                found += fault("Only a statement about an activity may have it", f"context.{name}")
    # 2.3.2
    if kind != "StatementRef" and isinstance(verb, dict) and verb.get("id") == VOIDED:
        found += fault("Must be a StatementRef: the verb is voided", "object.objectType")
    return found


def _remembered(rule: Rule, version: Version) -> Rule:
    """The rule, asked once of a value that comes again."""

    def remembered(value: Any) -> Found:
        if type(value) is not Repeated:
            return rule(value)
        if version in value.good_in:
            return ()
        found = rule(value)
        if not found:
            value.good_in |= {version}
        return found

    return remembered


def _rules(version: Version) -> Rule:
    told: dict[str, Rule] = {
        "actor": actors.actor,
        "verb": _verb,
        "result": result,
        "context": CONTEXT[version],
        "timestamp": _TIMESTAMP[version],
        "attachments": attachments,
    }
    targets = {"Activity": activity, "Agent": actors.agent, "Group": actors.group, "StatementRef": statement_ref}
    # 2.4.4.3: a SubStatement has no SubStatement of its own, and none of what identifies a statement.
    inner = told | {"objectType": exactly("SubStatement"), "object": by_type(targets, default="Activity")}
    sub_statement = shape(inner, required=_REQUIRED, also=_fits_together)
    outer = told | {
        "id": texts.uuid,
        **{name: _remembered(told[name], version) for name in ("actor", "verb", "context")},
        "object": _remembered(by_type(targets | {"SubStatement": sub_statement}, default="Activity"), version),
        "stored": _TIMESTAMP[version],
        "authority": actors.authority,
        "version": _VERSION[version],
    }
    return shape(outer, required=_REQUIRED, also=_fits_together)


_STATEMENT = {version: _rules(version) for version in Version}


def check_statement(value: object, version: Version) -> None:
    """Raises ValidationFailed unless this is a statement of the version (xAPI 1.0.3 Part Two 2.2 and 2.4).

    Paths are relative to the statement, such as `context.contextActivities.parent[0].id`. What is no object has its
    fault under `statement`.
    """
    if found := _STATEMENT[version](value):
        refuse(found if isinstance(value, dict) else under("statement", found))


def duplicate_id(ids: Iterable[str]) -> str | None:
    """The first id that a batch has twice, in whatever case (xAPI 1.0.3 Part Three 2.1.2)."""
    seen: set[str] = set()
    for one in ids:
        lower = one.lower()
        if lower in seen:
            return one
        seen.add(lower)
    return None
