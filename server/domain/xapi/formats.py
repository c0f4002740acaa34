"""The forms in which statements are told: exact, ids and canonical (xAPI 1.0.3 Part Three 2.1.3)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from server.domain.xapi.activities import COMPONENTS, INTERACTION_PROPERTIES
from server.domain.xapi.actors import IDENTIFIERS
from server.domain.xapi.languages import in_one_language

Json = Mapping[str, Any]
Change = Callable[[Any], dict[str, Any]]
_NONE: Mapping[str, Json] = {}


def as_exact(statement: Json) -> dict[str, Any]:
    """As it came, but with every context activity in an array (xAPI 1.0.3 Part Two 2.4.6.2, IEEE 9274.1.1 4.2.4.2)."""
    return _Telling(agent=dict, activity=dict, verb=dict).statement(statement)


def has_lone_activities(statement: Json) -> bool:
    """Whether `as_exact` differs: whether a context activity stands outside an array, as it may come but not go."""
    activities = statement.get("context", {}).get("contextActivities", {})
    if not all(isinstance(value, list) for value in activities.values()):
        return True
    target = statement["object"]
    return target.get("objectType") == "SubStatement" and has_lone_activities(target)


def as_ids(statement: Json) -> dict[str, Any]:
    """Agents, groups, activities and verbs with no more than identifies them, everywhere.

    An identified group loses its members, an anonymous one keeps them.
    """
    return _Telling(
        agent=_agent_id, activity=lambda value: {"id": value["id"]}, verb=lambda value: {"id": value["id"]}
    ).statement(statement)


def as_canonical(statement: Json, languages: Sequence[str], definitions: Mapping[str, Json] = _NONE) -> dict[str, Any]:
    """Activities with the definitions given here by their ids, and each text in the one language that suits best.

    Agents and groups stay as they came. `languages` are those of `parse_accept_language`.
    """

    def activity(value: Json) -> dict[str, Any]:
        definition = definitions.get(value["id"], value.get("definition"))
        return dict(value) if definition is None else {**value, "definition": _definition(definition, languages)}

    def shown(value: Json) -> dict[str, Any]:
        return _in_one_language(value, ("display", "description"), languages)

    return _Telling(agent=dict, activity=activity, verb=shown, attachment=shown).statement(statement)


def merge_definitions(older: Json, newer: Json) -> dict[str, Any]:
    """An activity's definition as several statements told it (xAPI 1.0.3 Part Two 2.4.4.1).

    Language maps and extensions have what either has; of all else the newer counts. Another type of interaction takes
    nothing over from the old one.
    """
    kind = newer.get("interactionType")
    if kind is not None and kind != older.get("interactionType"):
        older = {name: value for name, value in older.items() if name not in INTERACTION_PROPERTIES}
    merged = {**older, **newer}
    for name in ("name", "description", "extensions"):
        if name in older and name in newer:
            merged[name] = {**older[name], **newer[name]}
    for name in COMPONENTS:
        if name in older and name in newer:
            merged[name] = _merged_components(older[name], newer[name])
    return merged


def _merged_components(older: Sequence[Json], newer: Sequence[Json]) -> list[dict[str, Any]]:
    known = {one["id"]: one.get("description", {}) for one in older}
    merged = []
    for one in newer:
        texts = {**known.get(one["id"], {}), **one.get("description", {})}
        merged.append({**one, "description": texts} if texts else dict(one))
    return merged


@dataclass(frozen=True, slots=True, kw_only=True)
class _Telling:
    """How each kind of thing in a statement is told."""

    agent: Change
    activity: Change
    verb: Change
    attachment: Change = dict

    def statement(self, value: Json) -> dict[str, Any]:
        told = dict(value)
        told["actor"] = self.agent(told["actor"])
        told["verb"] = self.verb(told["verb"])
        told["object"] = self._target(told["object"])
        if "authority" in told:
            told["authority"] = self.agent(told["authority"])
        if "context" in told:
            told["context"] = self._context(told["context"])
        if "attachments" in told:
            told["attachments"] = [self.attachment(one) for one in told["attachments"]]
        return told

    def _target(self, value: Json) -> dict[str, Any]:
        kind = value.get("objectType", "Activity")
        changes = {"Activity": self.activity, "Agent": self.agent, "Group": self.agent, "SubStatement": self.statement}
        return changes.get(kind, dict)(value)

    def _context(self, value: Json) -> dict[str, Any]:
        told = dict(value)
        for name in ("instructor", "team"):
            if name in told:
                told[name] = self.agent(told[name])
        for name, inner in (("contextAgents", "agent"), ("contextGroups", "group")):
            if name in told:
                told[name] = [{**one, inner: self.agent(one[inner])} for one in told[name]]
        if "contextActivities" in told:
            told["contextActivities"] = {
                name: [self.activity(one) for one in (item if isinstance(item, list) else [item])]
                for name, item in told["contextActivities"].items()
            }
        return told


def _agent_id(value: Json) -> dict[str, Any]:
    told = {name: value[name] for name in ("objectType", *IDENTIFIERS) if name in value}
    if "member" in value and not any(name in value for name in IDENTIFIERS):
        told["member"] = [_agent_id(member) for member in value["member"]]
    return told


def _definition(value: Json, languages: Sequence[str]) -> dict[str, Any]:
    told = _in_one_language(value, ("name", "description"), languages)
    for name in COMPONENTS:
        if name in told:
            told[name] = [_in_one_language(one, ("description",), languages) for one in told[name]]
    return told


def _in_one_language(value: Json, names: Sequence[str], languages: Sequence[str]) -> dict[str, Any]:
    return {name: in_one_language(item, languages) if name in names else item for name, item in value.items()}
