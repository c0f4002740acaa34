"""What statements are looked up by: short keys for every verb, activity, agent and registration that they name.

Filters are those of xAPI 1.0.3 Part Three 2.1.3, and of IEEE 9274.1.1 4.1.6.1.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Any
from uuid import UUID

from server.domain.xapi.actors import ifi_of
from server.domain.xapi.repeated import Repeated
from server.domain.xapi.statements import VOIDED

# Longer ones are rare, and would fill the memory.
_LONGEST_CACHED = 256
Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """A statement as its columns tell it. `actor` is known of every statement, also of an anonymous group."""

    statement_id: UUID | None
    verb: UUID
    verb_id: str
    activity: UUID | None
    activity_id: str | None
    actor: UUID
    registration: UUID | None
    refers_to: UUID | None
    is_voiding: bool
    timestamp: str | None
    scaled: float | None
    keys: tuple[UUID, ...]


def key(kind: str, text: str) -> UUID:
    """The key of one thing: the first 16 bytes of a SHA-256 over its kind and its identifier."""
    return _key_of(f"{kind}:{text}")


def _key_of(name: str) -> UUID:
    return _hashed(name) if len(name) > _LONGEST_CACHED else _cached(name)


def _hashed(name: str) -> UUID:
    return UUID(bytes=sha256(name.encode("utf-8", "surrogatepass")).digest()[:16])


_cached = lru_cache(maxsize=16_384)(_hashed)


def related(kind: str, text: str) -> tuple[UUID, UUID]:
    """The keys of an "activity" or "agent" anywhere in a statement: each statement has one of them at most."""
    return key(kind, text), key(f"related_{kind}", text)


def facts_of(statement: Json, authority: Json) -> Facts:
    """What a valid statement is found by, when this authority stands for it."""
    verb_id: str = statement["verb"]["id"]
    actor, target, context = statement["actor"], statement["object"], statement.get("context", _NOTHING)
    kind = target.get("objectType", "Activity")
    activity_id: str | None = target["id"] if kind == "Activity" else None
    registration: str | None = context.get("registration")
    verb, of_actor, of_object = key("verb", verb_id), _found_by(_of_actor, actor), _found_by(_of_object, target)
    keys = dict.fromkeys((verb, *of_actor.plain, *of_object.plain))
    if registration is not None:
        keys[key("registration", registration.lower())] = None
    of_context, of_authority = _found_by(_of_context, context), _of_actor(authority)
    # What has a plain key needs no related one: who looks for related things looks for both.
    for plain, other in (*of_object.related, *of_context.related, related("agent", of_authority.name)):
        if plain not in keys:
            keys[other] = None
    statement_id: str | None = statement.get("id")
    scaled = statement.get("result", _NOTHING).get("score", _NOTHING).get("scaled")
    return Facts(
        statement_id=None if statement_id is None else UUID(statement_id),
        verb=verb,
        verb_id=verb_id,
        activity=of_object.plain[0] if activity_id is not None else None,
        activity_id=activity_id,
        actor=of_actor.plain[0],
        registration=None if registration is None else UUID(registration),
        refers_to=UUID(target["id"]) if kind == "StatementRef" else None,
        is_voiding=verb_id == VOIDED,
        timestamp=statement.get("timestamp"),
        scaled=None if scaled is None else float(scaled),
        keys=tuple(keys),
    )


@dataclass(frozen=True, slots=True)
class _FoundBy:
    """What a part of a statement is found by: plain keys, that of the part itself first, and pairs as of `related`."""

    plain: tuple[UUID, ...] = ()
    related: tuple[tuple[UUID, UUID], ...] = ()
    name: str = ""


_NOTHING: Json = {}
_NOT_FOUND = _FoundBy()


def _found_by(make: Callable[[Json], _FoundBy], value: Json) -> _FoundBy:
    """What `make` says, asked once of a value that comes again."""
    if type(value) is not Repeated:
        return make(value)
    found: _FoundBy | None = value.found_by
    if found is None:
        found = value.found_by = make(value)
    return found


def _of_actor(actor: Json) -> _FoundBy:
    name = _identifier(actor)
    others = (_identifier(member) for member in actor.get("member", ()))
    return _FoundBy(tuple(key("agent", one) for one in (name, *others)), name=name)


def _of_object(target: Json) -> _FoundBy:
    kind = target.get("objectType", "Activity")
    if kind == "Activity":
        return _FoundBy((key("activity", target["id"]),))
    if kind in ("Agent", "Group"):
        return _of_actor(target)
    if kind == "StatementRef":
        return _NOT_FOUND
    return _FoundBy(related=(*map(_related_activity, _activities(target)), *_related_agents(_agents(target))))


def _of_context(context: Json) -> _FoundBy:
    if not context:
        return _NOT_FOUND
    activities = map(_related_activity, _activities_of_context(context))
    return _FoundBy(related=(*activities, *_related_agents(_agents_of_context(context))))


def _related_activity(activity_id: str) -> tuple[UUID, UUID]:
    return related("activity", activity_id)


def _related_agents(agents: Iterable[Json]) -> Iterator[tuple[UUID, UUID]]:
    """Of agents and groups, and of the members of those groups."""
    for agent in agents:
        if (identifier := ifi_of(agent)) is not None:
            yield related("agent", identifier)
        for member in agent.get("member", ()):
            yield related("agent", _identifier(member))


def _identifier(actor: Json) -> str:
    identifier = ifi_of(actor)
    if identifier is not None:
        return identifier
    # Each anonymous group is another (2.4.2.2), yet one with the same members is the same to those who count.
    return "group|" + "\n".join(sorted(ifi_of(member) or "" for member in actor["member"]))


def _agents(statement: Json) -> list[Json]:
    """All that a SubStatement names."""
    target = statement["object"]
    mine = [statement["actor"], target] if target.get("objectType") in ("Agent", "Group") else [statement["actor"]]
    return mine + _agents_of_context(statement.get("context", _NOTHING))


def _agents_of_context(context: Json) -> list[Json]:
    found = [context[name] for name in ("instructor", "team") if name in context]
    found += [one["agent"] for one in context.get("contextAgents", ())]
    found += [one["group"] for one in context.get("contextGroups", ())]
    return found


def _activities(statement: Json) -> list[str]:
    """All that a SubStatement names."""
    target = statement["object"]
    found: list[str] = [target["id"]] if target.get("objectType", "Activity") == "Activity" else []
    return found + _activities_of_context(statement.get("context", _NOTHING))


def _activities_of_context(context: Json) -> list[str]:
    found: list[str] = []
    for value in context.get("contextActivities", _NOTHING).values():
        found += [one["id"] for one in value] if isinstance(value, list) else [value["id"]]
    return found
