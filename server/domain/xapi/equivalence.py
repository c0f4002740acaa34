"""When two statements say the same (xAPI 1.0.3 Part Two 2.3.1, IEEE 9274.1.1 4.2).

What the store assigns does not count (id, authority, stored, version; a timestamp only where both have one), nor do
attachments, displays of verbs and definitions of activities, which are not part of a statement. Names of agents are.
Works on any JSON: what is no statement equals itself.
"""

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from server.domain.xapi.actors import lower_domain
from server.domain.xapi.times import comparable_duration, format_timestamp, parse_timestamp

_NOT_COMPARED = frozenset({"id", "authority", "stored", "timestamp", "version", "attachments"})
Change = Callable[[Any], Any]


def are_equivalent(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    """Whether these are the same statement, as far as their senders are concerned (xAPI 1.0.3 Part Two 2.3.1)."""
    one, other = first.get("timestamp"), second.get("timestamp")
    if one is not None and other is not None and not _same(_instant(one), _instant(other)):
        return False
    return _same(_statement(first, _NOT_COMPARED), _statement(second, _NOT_COMPARED))


def _statement(value: Mapping[str, Any], left_out: frozenset[str]) -> Any:
    kept = {name: item for name, item in value.items() if name not in left_out}
    return _changed(kept, _STATEMENT_PARTS)


def _changed(value: Any, changes: Mapping[str, Change]) -> Any:
    """An object with some of its properties as they compare."""
    if not isinstance(value, dict):
        return value
    return {name: changes[name](item) if name in changes else item for name, item in value.items()}


def _without(value: Any, *names: str) -> Any:
    if not isinstance(value, dict):
        return value
    return {name: item for name, item in value.items() if name not in names}


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _instant(value: Any) -> Any:
    try:
        return format_timestamp(parse_timestamp(value)) if isinstance(value, str) else value
    except ValueError:
        return value


def _agent(value: Any) -> Any:
    told = _changed(value, _AGENT_PARTS)
    # An absent objectType means Agent.
    return _without(told, "objectType") if isinstance(told, dict) and told.get("objectType") == "Agent" else told


def _members(value: Any) -> Any:
    # 2.4.2.2: this list has no order.
    return _in_any_order([_agent(one) for one in value]) if isinstance(value, list) else value


def _in_any_order(items: list[Any]) -> list[Any]:
    try:
        return sorted(items, key=lambda item: json.dumps(item, sort_keys=True, default=str))
    except RecursionError:
        return items


def _activity(value: Any) -> Any:
    return _without(value, "definition", "objectType")


def _activities(value: Any) -> Any:
    # 2.4.6.2: one that stands alone is returned as a list of one.
    return _in_any_order([_activity(one) for one in (value if isinstance(value, list) else [value])])


def _target(value: Any) -> Any:
    kind = value.get("objectType", "Activity") if isinstance(value, dict) else None
    change = _TARGETS.get(kind) if isinstance(kind, str) else None
    return change(value) if change else value


def _sub_statement(value: Any) -> Any:
    # Its timestamp is its sender's: the store assigns none.
    return _changed(_statement(value, frozenset({"attachments"})), {"timestamp": _instant})


def _context(value: Any) -> Any:
    return _changed(value, _CONTEXT_PARTS)


def _related(name: str) -> Change:
    def change(value: Any) -> Any:
        return [_changed(one, {name: _agent}) for one in value] if isinstance(value, list) else value

    return change


def _duration(value: Any) -> Any:
    return comparable_duration(value) if isinstance(value, str) else value


_AGENT_PARTS: dict[str, Change] = {
    "mbox": lambda value: lower_domain(value) if isinstance(value, str) else value,
    "mbox_sha1sum": _lower,
    "member": _members,
}
_TARGETS: dict[str, Change] = {
    "Activity": _activity,
    "Agent": _agent,
    "Group": _agent,
    "StatementRef": lambda value: _changed(value, {"id": _lower}),
    "SubStatement": _sub_statement,
}
_CONTEXT_PARTS: dict[str, Change] = {
    "registration": _lower,
    "language": _lower,
    "instructor": _agent,
    "team": _agent,
    "contextActivities": lambda value: _changed(
        value, dict.fromkeys(("parent", "grouping", "category", "other"), _activities)
    ),
    "contextAgents": _related("agent"),
    "contextGroups": _related("group"),
    "statement": _TARGETS["StatementRef"],
}
_STATEMENT_PARTS: dict[str, Change] = {
    "actor": _agent,
    "verb": lambda value: _without(value, "display"),
    "object": _target,
    "result": lambda value: _changed(value, {"duration": _duration}),
    "context": _context,
}


def _same(first: Any, second: Any) -> bool:
    """Whether two JSON values are equal: numbers by value, objects in any order. Depth does not matter."""
    pending = [(first, second)]
    while pending:
        one, other = pending.pop()
        if isinstance(one, dict) and isinstance(other, dict):
            if one.keys() != other.keys():
                return False
            pending.extend((item, other[name]) for name, item in one.items())
        elif isinstance(one, list) and isinstance(other, list):
            if len(one) != len(other):
                return False
            pending.extend(zip(one, other, strict=True))
        elif _scalar(one) != _scalar(other):
            return False
    return True


def _scalar(value: Any) -> Any:
    """With its kind, so that true is not 1."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return type(value), None if isinstance(value, dict | list) else value
    if isinstance(value, float):
        value = Decimal(repr(value))
    is_finite = isinstance(value, int) or value.is_finite()
    return "number", value if is_finite else str(value)
