"""Folding statements into what they add up to. As SQL text: it reads better than the expression of it would.

Statements are folded in the order of their positions, a window at a time, `after` < position <= `upto`, in which
nothing is to come any more. A statement counts from its window on, unless one up to the window's end voids it; and it
counts no more from the window of the first statement that voids it. So whatever order they come in, each counts once or
not at all, and what had counted is taken away once. The flag `voided` says the same sooner; it is put right here where
two transactions did not see each other.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Text, bindparam, text
from sqlalchemy.types import TypeEngine

from server.domain.xapi.keys import key
from server.services.ports import Query
from server.services.statement_fold_ports import ActivityNames, ActorNames, Folded, Latest, Window
from server.storage import tables
from server.storage.rollup_keys import ACTIVITIES, ACTORS, NO_KEY
from server.storage.sql import Statement, every, nothing, statement
from server.storage.statements import LONGEST_CHAIN

_VERB = "http://adlnet.gov/expapi/verbs/"
_COUNTED = {name: key("verb", _VERB + name) for name in ("completed", "passed", "failed")}

_VALID = "v.is_voiding AND NOT s.is_voiding AND (v.voids_any OR v.authority_key = s.authority_key)"
_VOIDED_BY = f"SELECT 1 FROM statements v WHERE v.tenant_id = :tenant AND v.refers_to = s.statement_id AND {_VALID}"
_WINDOW = "s.tenant_id = :tenant AND s.position > :after AND s.position <= :upto"
_REASON = "the operator's role sees all tenants; it folds one at a time"
_TYPES: dict[str, TypeEngine[Any]] = {"tenant": tables.UUID, "after": BigInteger(), "upto": BigInteger()}


def _text(name: str, sql: str, *, read: Any = nothing, **types: TypeEngine[Any]) -> Statement[Any]:
    bound = [bindparam(one, type_=kind) for one, kind in {**_TYPES, **types}.items() if f":{one}" in sql]
    return statement(f"statement_folds.{name}", text(sql).bindparams(*bound), read, across_tenants=_REASON)


_WAITING = _text(
    "waiting",
    """
    SELECT t.tenant_id FROM tenants t LEFT JOIN statement_folds f ON f.tenant_id = t.tenant_id
    WHERE EXISTS (
        SELECT 1 FROM statements s WHERE s.tenant_id = t.tenant_id AND s.position > coalesce(f.position, 0)
        AND s.position <= (SELECT last_value FROM statements_settled)
    )
    """,
    read=every(lambda row: row[0]),
)
_BEGIN = _text(
    "begin",
    """
    INSERT INTO statement_folds (tenant_id, position) VALUES (:tenant, 0)
    ON CONFLICT (tenant_id) DO UPDATE SET position = statement_folds.position RETURNING position
    """,
    read=lambda rows: int(rows[0][0]),
)
_UPTO = _text(
    "upto",
    """
    SELECT max(position) FROM (
        SELECT s.position FROM statements s WHERE s.tenant_id = :tenant AND s.position > :after
        AND s.position <= (SELECT last_value FROM statements_settled) ORDER BY s.position LIMIT :most
    ) found
    """,
    read=lambda rows: rows[0][0],
    most=BigInteger(),
)
_VOID = _text(
    "void",
    f"""
    UPDATE statements s SET voided = true WHERE s.tenant_id = :tenant AND NOT s.voided AND s.statement_id IN (
        SELECT w.refers_to FROM statements w
        WHERE w.tenant_id = :tenant AND w.position > :after AND w.position <= :upto AND w.is_voiding
        UNION
        SELECT s.statement_id FROM statements s WHERE {_WINDOW} AND EXISTS ({_VOIDED_BY})
    ) AND EXISTS ({_VOIDED_BY})
    """,
)
# Whatever refers to a statement of the window, through however many others.
_INHERIT = _text(
    "inherit",
    f"""
    WITH RECURSIVE referring AS (
        SELECT a.statement_id, 1 AS depth FROM statements s JOIN statements a
        ON a.tenant_id = :tenant AND a.refers_to = s.statement_id WHERE {_WINDOW}
        UNION
        SELECT a.statement_id, r.depth + 1 FROM referring r JOIN statements a
        ON a.tenant_id = :tenant AND a.refers_to = r.statement_id WHERE r.depth < {LONGEST_CHAIN}
    ), chain AS (
        SELECT a.position, a.refers_to, 1 AS depth FROM statements a
        WHERE a.tenant_id = :tenant AND a.statement_id IN (SELECT statement_id FROM referring)
        UNION ALL
        SELECT c.position, b.refers_to, c.depth + 1 FROM chain c JOIN statements b
        ON b.tenant_id = :tenant AND b.statement_id = c.refers_to
        WHERE b.refers_to IS NOT NULL AND c.depth < {LONGEST_CHAIN}
    )
    INSERT INTO statement_keys (tenant_id, key, position, owner)
    SELECT DISTINCT CAST(:tenant AS uuid), unnest(b.keys), c.position, b.position
    FROM chain c JOIN statements b ON b.tenant_id = :tenant AND b.statement_id = c.refers_to
    ON CONFLICT DO NOTHING
    """,
)


def _sums(sign: str) -> str:
    counted = ", ".join(
        f"coalesce(sum({sign}) FILTER (WHERE verb_key = '{of}'), 0) AS {name}_count" for name, of in _COUNTED.items()
    )
    return f"""
        sum({sign}) AS total_statements, {counted},
        coalesce(sum({sign}) FILTER (WHERE scaled IS NOT NULL), 0) AS score_count,
        coalesce(sum(CASE WHEN {sign} > 0 THEN scaled ELSE - scaled END), 0) AS score_sum,
        coalesce(min(occurred_at) FILTER (WHERE {sign} > 0), 'infinity') AS first_activity,
        coalesce(max(occurred_at) FILTER (WHERE {sign} > 0), '-infinity') AS last_activity
    """


_NAMES = (
    "total_statements, completed_count, passed_count, failed_count, score_count, score_sum, first_activity, "
    "last_activity"
)
_ADD = ", ".join(
    [
        *(f"{name} = r.{name} + excluded.{name}" for name in _NAMES.split(", ")[:6]),
        "first_activity = least(r.first_activity, excluded.first_activity)",
        "last_activity = greatest(r.last_activity, excluded.last_activity)",
    ]
)
_OF_PAIRS = ", ".join(
    [
        *(f"sum({name})" for name in _NAMES.split(", ")[:6]),
        "min(first_activity)",
        "max(last_activity)",
    ]
)
_AVERAGE = "(r.score_sum + excluded.score_sum) / nullif(r.score_count + excluded.score_count, 0)"
_DELTAS = f"""
    lost AS MATERIALIZED (
        SELECT DISTINCT s.statement_id FROM statements w JOIN statements s
        ON s.tenant_id = :tenant AND s.statement_id = w.refers_to AND s.position <= :after
        WHERE w.tenant_id = :tenant AND w.position > :after AND w.position <= :upto AND w.is_voiding
        AND EXISTS ({_VOIDED_BY} AND v.statement_id = w.statement_id)
        AND NOT EXISTS ({_VOIDED_BY} AND v.position <= :after)
    ), deltas AS MATERIALIZED (
        SELECT 1 AS sign, s.actor_key, coalesce(s.activity_key, '{NO_KEY}') AS activity_key, s.verb_key,
            CAST(s.scaled AS numeric) AS scaled, s.occurred_at
        FROM statements s WHERE {_WINDOW} AND NOT (s.voided AND EXISTS ({_VOIDED_BY} AND v.position <= :upto))
        UNION ALL
        SELECT -1, s.actor_key, coalesce(s.activity_key, '{NO_KEY}'), s.verb_key, CAST(s.scaled AS numeric),
            s.occurred_at
        FROM statements s WHERE s.tenant_id = :tenant AND s.statement_id IN (SELECT statement_id FROM lost)
    )
"""
_ROLL_UP = f"""
    INSERT INTO {{table}} AS r (tenant_id, {{key}}, {_NAMES}, {{unique}}, avg_score_scaled)
    SELECT CAST(:tenant AS uuid), {{key}}, {_OF_PAIRS}, coalesce(sum(appeared) {{filter}}, 0),
        CAST(sum(score_sum) / nullif(sum(score_count), 0) AS double precision)
    FROM moved WHERE {{where}} GROUP BY {{key}}
    ON CONFLICT (tenant_id, {{key}}) DO UPDATE SET {_ADD}, {{unique}} = r.{{unique}} + excluded.{{unique}},
        avg_score_scaled = CAST({_AVERAGE} AS double precision)
    RETURNING (xmax = 0) AS is_new
"""
_FOLD = _text(
    "fold",
    f"""
    WITH {_DELTAS}, pairs AS MATERIALIZED (
        SELECT actor_key, activity_key, {_sums("sign")} FROM deltas GROUP BY actor_key, activity_key
    ), put AS (
        INSERT INTO pair_rollups AS r (tenant_id, actor_key, activity_key, {_NAMES})
        SELECT CAST(:tenant AS uuid), actor_key, activity_key, {_NAMES} FROM pairs
        ON CONFLICT (tenant_id, actor_key, activity_key) DO UPDATE SET {_ADD}
        RETURNING actor_key, activity_key, total_statements AS now_there
    ), moved AS MATERIALIZED (
        SELECT pairs.actor_key, pairs.activity_key, {", ".join(f"pairs.{one}" for one in _NAMES.split(", "))},
            CAST(now_there > 0 AS int) - CAST(now_there - pairs.total_statements > 0 AS int) AS appeared
        FROM pairs JOIN put USING (actor_key, activity_key)
    ), actors AS (
        {
        _ROLL_UP.format(
            table="actor_rollups",
            key="actor_key",
            unique="unique_activities",
            where="true",
            filter=f"FILTER (WHERE activity_key <> '{NO_KEY}')",
        )
    }
    ), activities AS (
        {
        _ROLL_UP.format(
            table="activity_rollups",
            key="activity_key",
            unique="unique_learners",
            where=f"activity_key <> '{NO_KEY}'",
            filter="",
        )
    }
    ), counts AS (
        INSERT INTO statement_counts AS r (tenant_id, key, statement_count)
        SELECT CAST(:tenant AS uuid), key, sum(sign) FROM (
            SELECT CAST('{NO_KEY}' AS uuid) AS key, sign FROM deltas
            UNION ALL SELECT verb_key, sign FROM deltas
            UNION ALL SELECT activity_key, sign FROM deltas WHERE activity_key <> '{NO_KEY}'
            UNION ALL SELECT CAST('{ACTORS}' AS uuid), 1 FROM actors WHERE is_new
            UNION ALL SELECT CAST('{ACTIVITIES}' AS uuid), 1 FROM activities WHERE is_new
        ) counted GROUP BY key ORDER BY key
        ON CONFLICT (tenant_id, key) DO UPDATE SET statement_count = r.statement_count + excluded.statement_count
    )
    SELECT (SELECT count(1) FROM deltas), (SELECT count(1) FROM lost)
    """,
    read=lambda rows: Folded(*rows[0]),
)

# Where something was taken away, the first and the last may have been it.
_LOST_PAIRS = f"""
    {_DELTAS}, touched AS MATERIALIZED (SELECT DISTINCT actor_key, activity_key FROM deltas WHERE sign < 0)
"""
_RECOUNT_PAIRS = _text(
    "recount_pairs",
    f"""
    WITH {_LOST_PAIRS}, emptied AS (
        DELETE FROM pair_rollups r USING touched t WHERE r.tenant_id = :tenant AND r.actor_key = t.actor_key
        AND r.activity_key = t.activity_key AND r.total_statements = 0
    )
    UPDATE pair_rollups r SET first_activity = found.first_at, last_activity = found.last_at
    FROM (
        SELECT t.actor_key, t.activity_key, min(s.occurred_at) AS first_at, max(s.occurred_at) AS last_at
        FROM touched t
        JOIN statement_keys k ON k.tenant_id = :tenant AND k.key = t.actor_key AND k.position <= :upto
            AND k.owner = k.position
        JOIN statements s ON s.tenant_id = :tenant AND s.position = k.position
        WHERE s.actor_key = t.actor_key AND coalesce(s.activity_key, '{NO_KEY}') = t.activity_key
        AND NOT (s.voided AND EXISTS ({_VOIDED_BY} AND v.position <= :upto))
        GROUP BY t.actor_key, t.activity_key
    ) found
    WHERE r.tenant_id = :tenant AND r.actor_key = found.actor_key AND r.activity_key = found.activity_key
    AND r.total_statements > 0
    """,
)


def _recount(table: str, key_name: str, counter: UUID) -> str:
    return f"""
    WITH {_LOST_PAIRS}, emptied AS (
        DELETE FROM {table} r WHERE r.tenant_id = :tenant AND r.total_statements = 0
        AND r.{key_name} IN (SELECT {key_name} FROM touched) RETURNING 1
    ), counts AS (
        UPDATE statement_counts SET statement_count = statement_count - (SELECT count(1) FROM emptied)
        WHERE tenant_id = :tenant AND key = '{counter}'
    )
    UPDATE {table} r SET first_activity = found.first_at, last_activity = found.last_at
    FROM (
        SELECT p.{key_name}, min(p.first_activity) AS first_at, max(p.last_activity) AS last_at
        FROM pair_rollups p WHERE p.tenant_id = :tenant AND p.{key_name} IN (SELECT {key_name} FROM touched)
        GROUP BY p.{key_name}
    ) found
    WHERE r.tenant_id = :tenant AND r.{key_name} = found.{key_name} AND r.total_statements > 0
    """


_RECOUNT_ACTORS = _text("recount_actors", _recount("actor_rollups", "actor_key", ACTORS))
_RECOUNT_ACTIVITIES = _text("recount_activities", _recount("activity_rollups", "activity_key", ACTIVITIES))
_END = _text(
    "end",
    "UPDATE statement_folds SET position = :upto WHERE tenant_id = :tenant",
)


def _latest(column: str) -> str:
    return f"""
    SELECT DISTINCT ON (s.{column}) s.{column}, s.statement FROM statements s
    WHERE {_WINDOW} AND s.{column} IS NOT NULL ORDER BY s.{column}, s.position DESC
    """


_LATEST_ACTORS = _text("latest_actors", _latest("actor_key"), read=every(lambda row: Latest(*row)))
_LATEST_ACTIVITIES = _text("latest_activities", _latest("activity_key"), read=every(lambda row: Latest(*row)))
_NAME_ACTORS = _text(
    "name_actors",
    """
    UPDATE actor_rollups r SET name = CASE WHEN n.name = '' THEN r.name ELSE n.name END, mbox = n.mbox,
        mbox_sha1sum = n.mbox_sha1sum, openid = n.openid, home_page = n.home_page, account_name = n.account_name
    FROM unnest(:keys, :names, :mboxes, :hashes, :openids, :home_pages, :account_names)
        AS n (actor_key, name, mbox, mbox_sha1sum, openid, home_page, account_name)
    WHERE r.tenant_id = :tenant AND r.actor_key = n.actor_key
    AND (r.name, r.mbox, r.mbox_sha1sum, r.openid, r.home_page, r.account_name) IS DISTINCT FROM
        (CASE WHEN n.name = '' THEN r.name ELSE n.name END, n.mbox, n.mbox_sha1sum, n.openid, n.home_page,
        n.account_name)
    """,
    keys=ARRAY(tables.UUID),
    names=ARRAY(Text()),
    mboxes=ARRAY(Text()),
    hashes=ARRAY(Text()),
    openids=ARRAY(Text()),
    home_pages=ARRAY(Text()),
    account_names=ARRAY(Text()),
)
_NAME_ACTIVITIES = _text(
    "name_activities",
    """
    UPDATE activity_rollups r SET activity_id = n.activity_id,
        activity_type = CASE WHEN n.activity_type = '' THEN r.activity_type ELSE n.activity_type END,
        type_key = CASE WHEN n.activity_type = '' THEN r.type_key ELSE n.type_key END, package_id = p.package_id
    FROM unnest(:keys, :ids, :kinds, :type_keys, :packages)
        AS n (activity_key, activity_id, activity_type, type_key, package_id)
    LEFT JOIN packages p ON p.tenant_id = :tenant AND p.package_id = n.package_id
    WHERE r.tenant_id = :tenant AND r.activity_key = n.activity_key
    AND (r.activity_id = '' OR (n.activity_type <> '' AND r.activity_type <> n.activity_type))
    """,
    keys=ARRAY(tables.UUID),
    ids=ARRAY(Text()),
    kinds=ARRAY(Text()),
    type_keys=ARRAY(tables.UUID),
    packages=ARRAY(tables.UUID),
)


class PostgresStatementFolds:
    """Keeps `server.services.statement_fold_ports.StatementFolds`. Operator role."""

    def waiting(self) -> Query[list[UUID]]:
        """Tenants with statements that are settled and not folded."""
        return _WAITING.bind()

    def begin(self, *, tenant_id: UUID) -> Query[int]:
        """Locks the tenant's fold, and answers up to where it is."""
        return _BEGIN.bind(tenant=tenant_id)

    def upto(self, *, tenant_id: UUID, after: int, most: int) -> Query[int | None]:
        """The end of a window of so many settled statements; None if there is none."""
        return _UPTO.bind(tenant=tenant_id, after=after, most=most)

    def fold(self, window: Window) -> tuple[Query[None], Query[None], Query[Folded]]:
        """Puts flags and keys right, and adds the window to what statements add up to."""
        bound = _of(window)
        return _VOID.bind(**bound), _INHERIT.bind(**bound), _FOLD.bind(**bound)

    def recount(self, window: Window) -> tuple[Query[None], ...]:
        """Where the window took something away, finds what is first and last now."""
        bound = _of(window)
        recounts = (_RECOUNT_PAIRS, _RECOUNT_ACTORS, _RECOUNT_ACTIVITIES)
        return tuple(one.bind(**bound) for one in recounts)

    def latest(self, window: Window) -> tuple[Query[list[Latest]], Query[list[Latest]]]:
        """The last statement of each actor, and about each activity."""
        bound = _of(window)
        return _LATEST_ACTORS.bind(**bound), _LATEST_ACTIVITIES.bind(**bound)

    def name(
        self, actors: Mapping[UUID, ActorNames], activities: Mapping[UUID, ActivityNames], *, tenant_id: UUID
    ) -> tuple[Query[None], Query[None]]:
        """Says who they are."""
        told, about = list(actors.values()), list(activities.values())
        return (
            _NAME_ACTORS.bind(
                tenant=tenant_id,
                keys=list(actors),
                names=[one.name for one in told],
                mboxes=[one.mbox for one in told],
                hashes=[one.mbox_sha1sum for one in told],
                openids=[one.openid for one in told],
                home_pages=[one.home_page for one in told],
                account_names=[one.account_name for one in told],
            ),
            _NAME_ACTIVITIES.bind(
                tenant=tenant_id,
                keys=list(activities),
                ids=[one.id for one in about],
                kinds=[one.type for one in about],
                type_keys=[key("activity_type", one.type) if one.type else None for one in about],
                packages=[one.package_id for one in about],
            ),
        )

    def end(self, window: Window) -> Query[None]:
        """Remembers that the window is folded."""
        return _END.bind(tenant=window.tenant_id, upto=window.upto)


def _of(window: Window) -> dict[str, object]:
    return {"tenant": window.tenant_id, "after": window.after, "upto": window.upto}
