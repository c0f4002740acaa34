"""Pages of statements: by every number of keys, in both directions, each read in the order of an index."""

from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Select, bindparam, func, literal_column, not_, or_, select
from sqlalchemy.dialects import postgresql

from server.services.ports import Query
from server.services.statement_ports import StoredStatement, Window
from server.storage import tables
from server.storage.sql import Statement, every, param, statement
from server.storage.tables import statement_keys, statements

MOST_KEYS = 6
MOST_COUNTED = 100_000

_TENANT = param("tenant", tables.UUID)
_LIMIT, _OFFSET = param("limit", BigInteger()), param("offset", BigInteger())


def _key(number: int) -> ColumnElement[UUID]:
    return bindparam(f"key_{number}", type_=tables.UUID)


def _within(position: Any) -> tuple[ColumnElement[bool], ...]:
    return position > param("after_position", BigInteger()), position < param("before_position", BigInteger())


def _select(keys: int, *columns: Any) -> tuple[Select[Any], Any]:
    """What `keys` keys find, and the position that it is ordered by."""
    authority = param("authority", tables.UUID)
    mine = (
        statements.c.tenant_id == _TENANT,
        not_(statements.c.voided),
        or_(authority.is_(None), statements.c.authority_key == authority),
    )
    if keys == 0:
        return select(*columns).where(*mine, *_within(statements.c.position)), statements.c.position
    found = [statement_keys.alias(f"key_{number}") for number in range(keys)]
    first, others = found[0], found[1:]
    conditions = [one.c.tenant_id == _TENANT for one in found]
    conditions += [one.c.key == _key(number) for number, one in enumerate(found)]
    for one in others:
        conditions += [one.c.position == first.c.position, one.c.owner == first.c.owner]
    selected = select(*columns).where(
        *mine, statements.c.position == first.c.position, *conditions, *_within(first.c.position)
    )
    # What it refers to may be found by the same keys.
    return selected.ext(postgresql.distinct_on(first.c.position)), first.c.position


def _page(keys: int, *, ascending: bool) -> Statement[list[StoredStatement]]:
    selected, position = _select(keys, statements.c.position, statements.c.statement)
    ordered = selected.order_by(position if ascending else position.desc()).limit(_LIMIT).offset(_OFFSET)
    name = f"statements.page_of_{keys}{'_ascending' if ascending else ''}"
    return statement(name, ordered, every(lambda row: StoredStatement(*row)))


def _total(keys: int) -> Statement[int]:
    selected, _ = _select(keys, literal_column("1").label("one"))
    found = selected.limit(literal_column(str(MOST_COUNTED + 1))).subquery()
    return statement(f"statements.total_of_{keys}", select(func.count(found.c.one)), lambda rows: int(rows[0][0]))


_PAGES = {
    (keys, ascending): _page(keys, ascending=ascending) for keys in range(MOST_KEYS + 1) for ascending in (False, True)
}
_TOTALS = {keys: _total(keys) for keys in range(MOST_KEYS + 1)}


def _parameters(window: Window) -> dict[str, object]:
    keys = {f"key_{number}": key for number, key in enumerate(window.keys)}
    return {
        **keys,
        "after_position": window.after,
        "before_position": window.before,
        "authority": window.authority,
    }


class PostgresStatementPages:
    """The part of `server.services.statement_ports.StatementStore` that finds statements by what is in them."""

    def page(self, window: Window, *, tenant_id: UUID, limit: int, offset: int = 0) -> Query[list[StoredStatement]]:
        """Unvoided statements, the last stored first unless ascending."""
        page = _PAGES[len(window.keys), window.ascending]
        return page.bind(tenant=tenant_id, limit=limit, offset=offset, **_parameters(window))

    def total(self, window: Window, *, tenant_id: UUID) -> Query[int]:
        """How many unvoided statements there are, counted up to MOST_COUNTED + 1."""
        return _TOTALS[len(window.keys)].bind(tenant=tenant_id, **_parameters(window))
