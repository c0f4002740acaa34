"""What belongs to a session: rows of `session_items` and `session_launches`, and statements."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Integer, select
from sqlalchemy.dialects.postgresql import insert

from server.domain.sessions.model import ItemState, Launch, Standing
from server.domain.sessions.statements import Statement
from server.domain.xapi.actors import ifi_of
from server.domain.xapi.keys import facts_of, key
from server.services.ports import Query
from server.services.statement_ports import NewStatement
from server.storage import tables
from server.storage.session_rows import (
    ITEM_COLUMNS,
    ITEM_NAMES,
    LAUNCH_COLUMNS,
    LAUNCH_NAMES,
    STANDING_NAMES,
    item_key,
    item_of,
    item_values,
    launch_of,
    launch_values,
    standing_of,
)
from server.storage.sql import every, first, nothing, param, statement
from server.storage.statements import PostgresStatements
from server.storage.tables import session_items, session_launches

_ITEMS_OF = (
    session_items.c.tenant_id == param("tenant", tables.UUID),
    session_items.c.session_id == param("session", tables.UUID),
)
_ALL = statement("session_items.all", select(*ITEM_COLUMNS).where(*_ITEMS_OF), every(item_of))
_GET = statement(
    "session_items.get",
    select(*ITEM_COLUMNS).where(*_ITEMS_OF, session_items.c.item_key == param("item", tables.UUID)),
    first(item_of),
)
_STANDINGS = statement(
    "session_items.standings",
    select(session_items.c.item_id, *(session_items.c[name] for name in STANDING_NAMES)).where(*_ITEMS_OF),
    lambda rows: {row[0]: standing_of(row[1:]) for row in rows},
)
_insert_item = insert(session_items)
_SAVE = statement(
    "session_items.save",
    _insert_item.on_conflict_do_update(
        constraint="session_items_pkey",
        set_={name: _insert_item.excluded[name] for name in ITEM_NAMES if name != "item_id"},
    ),
    nothing,
)

_LAUNCHES_OF = (
    session_launches.c.tenant_id == param("tenant", tables.UUID),
    session_launches.c.session_id == param("session", tables.UUID),
)
_launch = select(*LAUNCH_COLUMNS).where(*_LAUNCHES_OF)
_NUMBERED = statement(
    "session_launches.numbered",
    _launch.where(session_launches.c.number == param("launch_number", Integer())),
    first(launch_of),
)
_NAMED = statement(
    "session_launches.named",
    _launch.where(session_launches.c.launch_id == param("launch", tables.UUID)),
    first(launch_of),
)
_LATEST = statement(
    "session_launches.latest", _launch.order_by(session_launches.c.number.desc()).limit(1), first(launch_of)
)
_insert_launch = insert(session_launches)
_SAVE_LAUNCH = statement(
    "session_launches.save",
    _insert_launch.on_conflict_do_update(
        constraint="session_launches_pkey",
        set_={name: _insert_launch.excluded[name] for name in LAUNCH_NAMES if name != "number"},
    ),
    nothing,
)


class PostgresSessionItems:
    """Keeps `server.services.session_ports.SessionItemStore`."""

    def all(self, *, tenant_id: UUID, session_id: UUID) -> Query[list[ItemState]]:
        """Every item that was opened or written."""
        return _ALL.bind(tenant=tenant_id, session=session_id)

    def get(self, *, tenant_id: UUID, session_id: UUID, item_id: str) -> Query[ItemState | None]:
        """One item."""
        return _GET.bind(tenant=tenant_id, session=session_id, item=item_key(item_id))

    def standings(self, *, tenant_id: UUID, session_id: UUID) -> Query[Mapping[str, Standing]]:
        """Of every item that was opened or written."""
        return _STANDINGS.bind(tenant=tenant_id, session=session_id)

    def save(self, item: ItemState, *, tenant_id: UUID, session_id: UUID) -> Query[None]:
        """Writes it, whether it was there or not."""
        return _SAVE.bind(**item_values(item), tenant_id=tenant_id, session_id=session_id, item_key=item_key(item.id))


class PostgresLaunches:
    """Keeps `server.services.session_ports.LaunchStore`."""

    def numbered(self, *, tenant_id: UUID, session_id: UUID, number: int) -> Query[Launch | None]:
        """By number."""
        return _NUMBERED.bind(tenant=tenant_id, session=session_id, launch_number=number)

    def named(self, *, tenant_id: UUID, session_id: UUID, launch_id: UUID) -> Query[Launch | None]:
        """By id."""
        return _NAMED.bind(tenant=tenant_id, session=session_id, launch=launch_id)

    def latest(self, *, tenant_id: UUID, session_id: UUID) -> Query[Launch | None]:
        """The one that began last."""
        return _LATEST.bind(tenant=tenant_id, session=session_id)

    def save(self, launch: Launch, *, tenant_id: UUID, session_id: UUID) -> Query[None]:
        """Writes it, whether it was there or not."""
        return _SAVE_LAUNCH.bind(**launch_values(launch), tenant_id=tenant_id, session_id=session_id)


class PostgresSessionStatements:
    """Keeps `server.services.session_ports.StatementStore`."""

    def __init__(self) -> None:
        self._store = PostgresStatements()

    def add(self, statements: Sequence[Statement], *, tenant_id: UUID) -> tuple[Query[Any], Query[Any]]:
        """Stores them where all statements are. Their ids are new: nothing can refer to them yet."""
        new = []
        for one in statements:
            value = json.loads(one.content)
            facts = facts_of(value, value["authority"])
            new.append(
                NewStatement(
                    id=one.id,
                    facts=facts,
                    authority=key("agent", str(ifi_of(value["authority"]))),
                    content=one.content.encode(),
                    occurred_at=one.at,
                    is_named=False,
                    voids_any=True,
                )
            )
        return self._store.hold(tenant_id=tenant_id), self._store.insert(new, tenant_id=tenant_id)
