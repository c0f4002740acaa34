"""Pages of statements: by every number of keys, in both directions, each read in the order of an index."""

from itertools import product
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Select,
    bindparam,
    func,
    literal_column,
    not_,
    or_,
    select,
    union_all,
)
from sqlalchemy.dialects import postgresql

from server.services.ports import Query
from server.services.session_ports import MOST_COUNTED
from server.services.statement_ports import StoredStatement, Window
from server.storage import tables
from server.storage.sql import Statement, every, param, statement
from server.storage.tables import statement_keys, statements

# Registration, activity, agent, verb.
MOST_KEYS = 4

_TENANT = param("tenant", tables.UUID)
_LIMIT, _OFFSET = param("limit", BigInteger()), param("offset", BigInteger())
# For each key whether it is a pair.
_Pattern = tuple[bool, ...]


def _found(number: int, is_pair: bool) -> FromClause:
    """The positions that a key finds, in their order: those of a pair are merged."""
    names = (f"key_{number}", f"other_key_{number}") if is_pair else (f"key_{number}",)
    parts = []
    for name in names:
        keys = statement_keys.alias(f"{name}_rows")
        found = select(keys.c.position, keys.c.owner)
        parts.append(found.where(keys.c.tenant_id == _TENANT, keys.c["key"] == bindparam(name, type_=tables.UUID)))
    return union_all(*parts).subquery(f"found_{number}") if is_pair else parts[0].subquery(f"found_{number}")


def _within(position: Any) -> tuple[ColumnElement[bool], ...]:
    return position > param("after_position", BigInteger()), position < param("before_position", BigInteger())


def _select(pattern: _Pattern, *columns: Any) -> tuple[Select[Any], Any]:
    """What the keys find, and the position that it is ordered by."""
    authority = param("authority", tables.UUID)
    mine = (
        statements.c.tenant_id == _TENANT,
        not_(statements.c.voided),
        or_(authority.is_(None), statements.c.authority_key == authority),
    )
    if not pattern:
        return select(*columns).where(*mine, *_within(statements.c.position)), statements.c.position
    first, *others = [_found(number, is_pair) for number, is_pair in enumerate(pattern)]
    conditions = [
        condition for one in others for condition in (one.c.position == first.c.position, one.c.owner == first.c.owner)
    ]
    selected = select(*columns).where(
        *mine, statements.c.position == first.c.position, *conditions, *_within(first.c.position)
    )
    # What it refers to may be found by the same keys.
    return selected.ext(postgresql.distinct_on(first.c.position)), first.c.position


def _name(kind: str, pattern: _Pattern) -> str:
    return "_".join([f"statements.{kind}_of_{len(pattern)}", *("pair" if one else "key" for one in pattern)])


def _page(pattern: _Pattern, *, ascending: bool) -> Statement[list[StoredStatement]]:
    selected, position = _select(pattern, statements.c.position, statements.c.statement)
    ordered = selected.order_by(position if ascending else position.desc()).limit(_LIMIT).offset(_OFFSET)
    name = _name("ascending_page" if ascending else "page", pattern)
    return statement(name, ordered, every(lambda row: StoredStatement(*row)))


def _total(pattern: _Pattern) -> Statement[int]:
    selected, _ = _select(pattern, literal_column("1").label("one"))
    found = selected.limit(literal_column(str(MOST_COUNTED + 1))).subquery()
    return statement(_name("total", pattern), select(func.count(found.c.one)), lambda rows: int(rows[0][0]))


_PATTERNS = [pattern for length in range(MOST_KEYS + 1) for pattern in product((False, True), repeat=length)]
_PAGES = {
    (pattern, ascending): _page(pattern, ascending=ascending) for pattern in _PATTERNS for ascending in (False, True)
}
_TOTALS = {pattern: _total(pattern) for pattern in _PATTERNS if not any(pattern)}


def _pattern(window: Window) -> _Pattern:
    return tuple(isinstance(one, tuple) for one in window.keys)


def _parameters(window: Window) -> dict[str, object]:
    bound: dict[str, object] = {
        "after_position": window.after,
        "before_position": window.before,
        "authority": window.authority,
    }
    for number, found_by in enumerate(window.keys):
        if isinstance(found_by, tuple):
            bound[f"key_{number}"], bound[f"other_key_{number}"] = found_by
        else:
            bound[f"key_{number}"] = found_by
    return bound


class PostgresStatementPages:
    """The part of `server.services.statement_ports.StatementStore` that finds statements by what is in them."""

    def page(self, window: Window, *, tenant_id: UUID, limit: int, offset: int = 0) -> Query[list[StoredStatement]]:
        """Unvoided statements, the last stored first unless ascending."""
        page = _PAGES[_pattern(window), window.ascending]
        return page.bind(tenant=tenant_id, limit=limit, offset=offset, **_parameters(window))

    def total(self, window: Window, *, tenant_id: UUID) -> Query[int]:
        """How many unvoided statements there are, counted up to MOST_COUNTED + 1."""
        return _TOTALS[_pattern(window)].bind(tenant=tenant_id, **_parameters(window))
