"""What statements are looked up by: short keys for every verb, activity, agent and registration that they name.

Filters are those of xAPI 1.0.3 Part Three 2.1.3, and of IEEE 9274.1.1 4.1.6.1.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Any
from uuid import UUID

from server.domain.xapi.actors import ifi_of as ifi_of
from server.domain.xapi.actors import parse_filter_agent as parse_filter_agent
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
    target, context = statement["object"], statement.get("context", {})
    kind = target.get("objectType", "Activity")
    activity_id: str | None = target["id"] if kind == "Activity" else None
    registration: str | None = context.get("registration")
    actor_name = f"agent:{_actor_identifier(statement['actor'])}"
    names = [f"verb:{verb_id}", actor_name]
    if activity_id is not None:
        names.append(f"activity:{activity_id}")
    if registration is not None:
        names.append(f"registration:{registration.lower()}")
    names += [f"agent:{one}" for one in _of_agents(_main_agents(statement))]
    # What has a plain key needs no related one: who looks for related things looks for both.
    names += [f"related_activity:{one}" for one in _activities(statement) if f"activity:{one}" not in names]
    agents = _of_agents((authority, *_agents(statement)))
    names += [f"related_agent:{one}" for one in agents if f"agent:{one}" not in names]
    statement_id: str | None = statement.get("id")
    scaled = statement.get("result", {}).get("score", {}).get("scaled")
    return Facts(
        statement_id=None if statement_id is None else UUID(statement_id),
        verb=_key_of(names[0]),
        verb_id=verb_id,
        activity=None if activity_id is None else _key_of(f"activity:{activity_id}"),
        activity_id=activity_id,
        actor=_key_of(actor_name),
        registration=None if registration is None else UUID(registration),
        refers_to=UUID(target["id"]) if kind == "StatementRef" else None,
        is_voiding=verb_id == VOIDED,
        timestamp=statement.get("timestamp"),
        scaled=None if scaled is None else float(scaled),
        keys=tuple(map(_key_of, dict.fromkeys(names))),
    )


def _actor_identifier(actor: Json) -> str:
    identifier = ifi_of(actor)
    # Each anonymous group is another (2.4.2.2), yet one with the same members is the same to those who count.
    return identifier if identifier is not None else "group|" + "\n".join(sorted(_of_agents([actor])))


def _of_agents(agents: Iterable[Json]) -> Iterator[str]:
    """The identifiers of agents and groups, and of the members of those groups."""
    for agent in agents:
        identifier = ifi_of(agent)
        if identifier is not None:
            yield identifier
        if "member" in agent:
            for member in agent["member"]:
                yield ifi_of(member) or ""


def _main_agents(statement: Json) -> tuple[Json, ...]:
    target = statement["object"]
    return (statement["actor"], target) if _is_agent(target) else (statement["actor"],)


def _is_agent(target: Json) -> bool:
    return target.get("objectType") in ("Agent", "Group")


def _agents(statement: Json) -> list[Json]:
    """All that the statement names, and its SubStatement."""
    found = [*_main_agents(statement)]
    context = statement.get("context")
    if context:
        found += [context[name] for name in ("instructor", "team") if name in context]
        found += [one["agent"] for one in context.get("contextAgents", ())]
        found += [one["group"] for one in context.get("contextGroups", ())]
    target = statement["object"]
    return found + _agents(target) if target.get("objectType") == "SubStatement" else found


def _activities(statement: Json) -> list[str]:
    """All that the statement names, and its SubStatement."""
    target = statement["object"]
    kind = target.get("objectType", "Activity")
    found: list[str] = [target["id"]] if kind == "Activity" else []
    for value in statement.get("context", {}).get("contextActivities", {}).values():
        found += [one["id"] for one in value] if isinstance(value, list) else [value["id"]]
    return found + _activities(target) if kind == "SubStatement" else found
