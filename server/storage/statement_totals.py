"""How many statements there are in all: counters up to where they are folded, and what came after, as of one moment."""

from uuid import UUID

from sqlalchemy import BigInteger, case, exists, func, literal_column, not_, or_, select
from sqlalchemy.sql import ColumnElement, FromClause

from server.services.ports import Query
from server.storage import tables
from server.storage.rollup_keys import NO_KEY
from server.storage.sql import param, statement
from server.storage.tables import statement_counts, statement_folds, statement_keys, statements

_TENANT, _KEY = param("tenant", tables.UUID), param("found_by", tables.UUID)
_ALL = literal_column(f"'{NO_KEY}'", tables.UUID)
_ONE: ColumnElement[int] = literal_column("1")

_folded = (
    select(func.coalesce(func.max(statement_folds.c.position), 0))
    .where(statement_folds.c.tenant_id == _TENANT)
    .scalar_subquery()
)
_counter = (
    select(func.coalesce(func.max(statement_counts.c.statement_count), 0))
    .where(statement_counts.c.tenant_id == _TENANT, statement_counts.c["key"] == _KEY)
    .scalar_subquery()
)
_new = statements.alias("new")
_has_key = or_(_KEY == _ALL, _new.c.verb_key == _KEY, _new.c.activity_key == _KEY)
_added = (
    select(func.count(_ONE))
    .select_from(_new)
    .where(_new.c.tenant_id == _TENANT, _new.c.position > _folded, not_(_new.c.voided), _has_key)
    .scalar_subquery()
)


def _valid(voiding: FromClause, voided: FromClause) -> tuple[ColumnElement[bool], ...]:
    v, s = voiding.c, voided.c
    return (
        v.tenant_id == _TENANT,
        v.refers_to == s.statement_id,
        v.is_voiding,
        not_(s.is_voiding),
        or_(v.voids_any, v.authority_key == s.authority_key),
    )


_voiding, _gone, _earlier = (statements.alias(name) for name in ("voiding", "gone", "earlier"))
_taken = (
    select(func.count(_gone.c.statement_id.distinct()))
    .where(
        _voiding.c.tenant_id == _TENANT,
        _voiding.c.position > _folded,
        _gone.c.tenant_id == _TENANT,
        _gone.c.position <= _folded,
        *_valid(_voiding, _gone),
        or_(_KEY == _ALL, _gone.c.verb_key == _KEY, _gone.c.activity_key == _KEY),
        not_(exists(select(_ONE).where(_earlier.c.position <= _folded, *_valid(_earlier, _gone)))),
    )
    .scalar_subquery()
)
# What refers to statements that have the key, and has it not itself.
_inherited, _referring = statement_keys.alias("inherited"), statements.alias("referring")
_found_too = (
    select(func.count(_inherited.c.position.distinct()))
    .where(
        _inherited.c.tenant_id == _TENANT,
        _inherited.c["key"] == _KEY,
        _inherited.c.owner != _inherited.c.position,
        _referring.c.tenant_id == _TENANT,
        _referring.c.position == _inherited.c.position,
        not_(_referring.c.voided),
        not_(
            or_(
                _referring.c.verb_key == _KEY,
                func.coalesce(_referring.c.activity_key, _ALL) == _KEY,
            )
        ),
    )
    .scalar_subquery()
)
_COUNTED = statement(
    "statements.counted",
    select((_counter + _added - _taken + case((_KEY == _ALL, 0), else_=_found_too)).cast(BigInteger())),
    lambda rows: int(rows[0][0]),
)


class PostgresStatementTotals:
    """The part of `server.services.statement_ports.StatementStore` that counts without reading everything."""

    def counted(self, found_by: UUID | None, *, tenant_id: UUID) -> Query[int]:
        """How many unvoided statements have the verb or activity of this key, or, with None, how many there are."""
        return _COUNTED.bind(tenant=tenant_id, found_by=found_by or NO_KEY)
