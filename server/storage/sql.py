"""Compiles SQLAlchemy Core statements to psycopg's text, once, at import.

A store builds each statement as a module constant with `statement(...)`, and answers `THAT.bind(...)` to the services,
which pass it to a `Database`. Nothing of SQLAlchemy runs when a request does.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from sqlalchemy import BindParameter, ClauseElement, Select, TextClause, bindparam
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.types import TypeEngine

from server.services.ports import Query

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
V = TypeVar("V")

# Rows come as tuples in the order of the statement's columns; their types are those of the columns.
Row = tuple[Any, ...]
Reader = Callable[[Sequence[Row]], T]

# $1, $2, …: what Postgres itself reads, so that psycopg has nothing to rewrite.
_DIALECT = PGDialect_psycopg(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]  # SQLAlchemy left it so


@dataclass(frozen=True, slots=True, eq=False)
class SqlQuery(Generic[T_co]):
    """A statement with its parameters. Keeps `server.services.ports.Query`."""

    statement: "Statement[T_co]"
    parameters: tuple[object, ...]

    @property
    def result(self) -> type[T_co] | None:
        """Never used; carries the type."""
        return None


@dataclass(frozen=True, slots=True, eq=False)
class Statement(Generic[T_co]):
    """A compiled statement, and how its rows become a value.

    `across_tenants` is the reason why it has no tenant equality; such a statement is for the operator role.
    """

    name: str
    clause: ClauseElement
    text: bytes
    parameter_names: tuple[str, ...]
    constants: dict[str, object]
    returns_rows: bool
    read: Reader[T_co]
    across_tenants: str | None

    def bind(self, **parameters: object) -> SqlQuery[T_co]:
        """This statement with its parameters, all of them by name. Raises KeyError where one is missing."""
        values = self.constants | parameters
        return SqlQuery(self, tuple([values[name] for name in self.parameter_names]))


_registered: dict[str, Statement[Any]] = {}


def statement(name: str, clause: ClauseElement, read: Reader[T], *, across_tenants: str | None = None) -> Statement[T]:
    """Compiles `clause` and registers it under `name`, "store.method". A textual one answers rows."""
    compiled = clause.compile(dialect=_DIALECT)
    names = tuple(getattr(compiled, "positiontup", None) or ())
    constants = {key: value for key, value in (compiled.params or {}).items() if value is not None}
    returns_rows = isinstance(clause, Select | TextClause) or bool(isinstance(clause, UpdateBase) and clause._returning)
    made = Statement(name, clause, str(compiled).encode(), names, constants, returns_rows, read, across_tenants)
    if _registered.setdefault(name, made) is not made:
        raise ValueError(f"two statements are named {name}")
    return made


def registered() -> tuple[Statement[Any], ...]:
    """Every statement compiled so far."""
    return tuple(_registered.values())


def as_sql(query: Query[T]) -> SqlQuery[T]:
    """The query as this layer made it: no other exists."""
    return cast(SqlQuery[T], query)


def param(name: str, kind: TypeEngine[V]) -> BindParameter[V]:
    """A named parameter. SQLAlchemy reserves the names of columns that a statement sets; call it otherwise."""
    return bindparam(name, type_=kind)


def nothing(_: Sequence[Row]) -> None:
    """Reads no rows."""


def any_row(rows: Sequence[Row]) -> bool:
    """Whether there was a row."""
    return bool(rows)


def first(read: Callable[[Row], T]) -> Reader[T | None]:
    """The first row, or None."""
    return lambda rows: read(rows[0]) if rows else None


def every(read: Callable[[Row], T]) -> Reader[list[T]]:
    """All rows, in their order."""
    return lambda rows: [read(row) for row in rows]
