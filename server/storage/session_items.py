"""What belongs to a session: rows of `session_items`, `session_launches` and `session_statements`."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import ARRAY, Integer, Text, column, func, select
from sqlalchemy.dialects.postgresql import insert

from server.domain.sessions.model import ItemState, Launch, Standing
from server.domain.sessions.statements import Statement
from server.services.ports import Query
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
from server.storage.tables import session_items, session_launches, session_statements

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

_rows = (
    func.unnest(
        param("statement_ids", ARRAY(tables.UUID)),
        param("verbs", ARRAY(Text())),
        param("times", ARRAY(tables.TIME)),
        param("contents", ARRAY(Text())),
    )
    .table_valued(
        column("statement_id", tables.UUID),
        column("verb", Text()),
        column("at", tables.TIME),
        column("content", Text()),
    )
    .render_derived()
)
_ADD = statement(
    "session_statements.add",
    insert(session_statements).from_select(
        ["tenant_id", "session_id", "statement_id", "verb", "stored_at", "statement"],
        select(
            param("tenant", tables.UUID),
            param("session", tables.UUID),
            _rows.c.statement_id,
            _rows.c.verb,
            _rows.c.at,
            _rows.c.content.cast(tables.PLAIN_JSON),
        ),
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

    def add(self, statements: Sequence[Statement], *, tenant_id: UUID, session_id: UUID) -> Query[None]:
        """Stores them."""
        return _ADD.bind(
            tenant=tenant_id,
            session=session_id,
            statement_ids=[one.id for one in statements],
            verbs=[one.verb for one in statements],
            times=[one.stored_at for one in statements],
            contents=[one.content for one in statements],
        )
