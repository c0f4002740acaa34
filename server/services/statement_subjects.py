"""What statements have told of activities and agents (xAPI 1.0.3 Part Three 2.4, 2.5)."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from server.domain.xapi.actors import IDENTIFIERS, ifi_of, parse_filter_agent
from server.domain.xapi.formats import merge_definitions
from server.domain.xapi.keys import related
from server.services.ports import Database
from server.services.statement_ports import StatementStore, Window

# As many of the last statements are looked at: what is told again and again is told there too.
LOOKED_AT = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementSubjects:
    """Reads the latest statements about whom or what is asked for."""

    database: Database
    store: StatementStore

    async def activity(self, activity_id: str, *, tenant_id: UUID) -> dict[str, Any]:
        """The activity with the definition that is known of it, if there is one."""
        definition: dict[str, Any] = {}
        for statement in reversed(await self._latest(related("activity", activity_id), tenant_id)):
            for one in _objects(statement):
                if one.get("id") == activity_id and isinstance(one.get("definition"), dict):
                    definition = merge_definitions(definition, one["definition"])
        found: dict[str, Any] = {"objectType": "Activity", "id": activity_id}
        return {**found, "definition": definition} if definition else found

    async def person(self, agent: Any, *, tenant_id: UUID) -> dict[str, Any]:
        """A Person: the agent's identifier and its names, each once. Raises ValidationFailed."""
        identifier = parse_filter_agent(agent)
        names = [agent["name"]] if isinstance(agent.get("name"), str) else []
        for statement in await self._latest(related("agent", identifier), tenant_id):
            for one in _objects(statement):
                name = one.get("name")
                if isinstance(name, str) and name not in names and _identifier(one) == identifier:
                    names.append(name)
        person: dict[str, Any] = {"objectType": "Person"}
        if names:
            person["name"] = names
        return person | {kind: [agent[kind]] for kind in IDENTIFIERS if kind in agent}

    async def _latest(self, found_by: tuple[UUID, UUID], tenant_id: UUID) -> list[Any]:
        page = self.store.page(Window(keys=(found_by,)), tenant_id=tenant_id, limit=LOOKED_AT)
        return [json.loads(one.content) for one in await self.database.read(tenant_id, page)]


def _identifier(value: Mapping[str, Any]) -> str | None:
    try:
        return ifi_of(value)
    except (AttributeError, KeyError, TypeError):
        # Something in an extension that only looks like an agent.
        return None


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in a statement, at any depth."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            yield one
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)
