"""Statements and analytics while one tenant's store grows: against themselves at 10,000 statements."""

import json
from datetime import UTC, datetime
from urllib.parse import quote
from uuid import UUID

import psycopg
from psycopg import sql

from server.domain.api_keys import KeyText
from server.domain.xapi.actors import ifi_of
from server.domain.xapi.authority import Authority
from server.domain.xapi.keys import key
from server.domain.xapi.positions import LAST, POSITION_BITS
from server.services.analytics import ACTIVITY_SORTS, ACTOR_SORTS
from server.services.statement_lists import format_cursor
from server.storage.rollup_keys import ACTIVITIES, ACTORS, NO_KEY
from tests.bench.figures import Row
from tests.bench.growing import Stage, measure_stage, rows
from tests.bench.running_copy import Copy, shown
from tests.stack import tenant_of

SIZES = (10_000, 1_000_000, 10_000_000)
QUICK_SIZES = (10_000, 100_000)
OTHER_TENANTS = 2
SHARE_OF_OTHERS = 50
VERBS = tuple(f"http://adlnet.gov/expapi/verbs/{name}" for name in ("experienced", "completed", "passed", "failed"))
ACTIVITY = "https://lms.example.com/activities/{}"
ACTIVITIES_THERE = 500
STATEMENTS_OF_LEARNER = 50
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
TYPE = "http://adlnet.gov/expapi/activities/lesson"

# A millisecond apart, of learners about activities at random.
_FILL = """
INSERT INTO statements (tenant_id, statement_id, position, verb_key, activity_key, actor_key, authority_key, is_voiding,
    voids_any, voided, occurred_at, scaled, keys, statement)
SELECT %(tenant)s, id, (%(began)s + number * 1000) << %(bits)s, verb, activity, actor, %(authority)s, false,
    false, false, to_timestamp(%(began)s / 1000000.0) + number * interval '1 second', score,
    ARRAY[verb, activity, actor, registration_key, %(related_authority)s]::uuid[],
    json_build_object('id', id, 'actor', json_build_object('name', 'Learner ' || learner, 'mbox', mbox),
        'verb', json_build_object('id', (%(verbs)s::text[])[verb_number], 'display', json_build_object('en', 'did it')),
        'object', json_build_object('id', (%(activities)s::text[])[activity_number], 'definition',
            json_build_object('type', %(type)s::text, 'name', json_build_object('en', 'An activity of a course'),
            'description', json_build_object('en', 'What learners read and answer in this part of the course'))),
        'result', json_build_object('score', json_build_object('scaled', score), 'duration', 'PT1M30S'),
        'context', json_build_object('registration', registration, 'platform', 'LMS', 'language', 'en'),
        'timestamp', '2026-01-01T00:00:00Z', 'version', '1.0.0')::text
FROM (
    SELECT *, (%(verb_keys)s::uuid[])[verb_number] AS verb, (%(activity_keys)s::uuid[])[activity_number] AS activity,
        encode(substring(sha256(convert_to('agent:mbox|' || mbox, 'UTF8')) FOR 16), 'hex')::uuid AS actor,
        encode(substring(sha256(convert_to('registration:' || registration, 'UTF8')) FOR 16), 'hex')::uuid
            AS registration_key
    FROM (
        SELECT *, 'mailto:learner-' || learner || '@example.com' AS mbox,
            '01890000-0000-7000-8000-' || lpad(learner::text, 12, '0') AS registration
        FROM (
            SELECT number, floor(random() * %(learners)s::int)::int AS learner,
                1 + floor(random() * cardinality(%(verbs)s::text[]))::int AS verb_number,
                1 + floor(random() * cardinality(%(activities)s::text[]))::int AS activity_number,
                round(random()::numeric, 2)::float8 AS score,
                ('01890000-0000-7000-8000-' || lpad(to_hex(number), 12, '0'))::uuid AS id
            FROM generate_series(%(first)s::int, %(last)s::int) AS number
        ) AS chosen
    ) AS named
) AS keyed
"""
_KEYS = """
INSERT INTO statement_keys (tenant_id, key, position, owner)
SELECT tenant_id, unnest(keys), position, position FROM statements WHERE tenant_id = %(tenant)s
AND position >= (%(began)s + %(first)s * 1000) << %(bits)s
"""
_SUMS = """
count(*), count(*) FILTER (WHERE verb_key = %(completed)s), count(*) FILTER (WHERE verb_key = %(passed)s),
count(*) FILTER (WHERE verb_key = %(failed)s), count(scaled), coalesce(sum(scaled::numeric), 0), min(occurred_at),
max(occurred_at)
"""
_NAMES = """
total_statements, completed_count, passed_count, failed_count, score_count, score_sum, first_activity, last_activity
"""
_ROLL_UPS = (
    "DELETE FROM pair_rollups",
    f"""
    INSERT INTO pair_rollups (tenant_id, actor_key, activity_key, {_NAMES})
    SELECT tenant_id, actor_key, activity_key, {_SUMS} FROM statements GROUP BY 1, 2, 3
    """,
    "DELETE FROM actor_rollups",
    f"""
    INSERT INTO actor_rollups (tenant_id, actor_key, {_NAMES}, name, unique_activities, avg_score_scaled)
    SELECT tenant_id, actor_key, {_SUMS}, 'A Learner', count(DISTINCT activity_key), avg(scaled)
    FROM statements GROUP BY 1, 2
    """,
    "DELETE FROM activity_rollups",
    f"""
    INSERT INTO activity_rollups (tenant_id, activity_key, {_NAMES}, activity_id, activity_type, type_key,
        unique_learners, avg_score_scaled)
    SELECT tenant_id, activity_key, {_SUMS}, 'https://lms.example.com/activities', %(type)s, %(type_key)s,
        count(DISTINCT actor_key), avg(scaled)
    FROM statements GROUP BY 1, 2
    """,
    "DELETE FROM statement_counts",
    """
    INSERT INTO statement_counts (tenant_id, key, statement_count)
    SELECT tenant_id, verb_key, count(*) FROM statements GROUP BY 1, 2
    UNION ALL SELECT tenant_id, activity_key, count(*) FROM statements GROUP BY 1, 2
    UNION ALL SELECT tenant_id, %(all)s, count(*) FROM statements GROUP BY 1
    UNION ALL SELECT tenant_id, %(actors)s, count(*) FROM actor_rollups GROUP BY 1
    UNION ALL SELECT tenant_id, %(activities)s, count(*) FROM activity_rollups GROUP BY 1
    """,
    "DELETE FROM statement_folds",
    "INSERT INTO statement_folds (tenant_id, position) SELECT tenant_id, max(position) FROM statements GROUP BY 1",
)
_TABLES = ("statements", "statement_keys", "pair_rollups", "actor_rollups", "activity_rollups", "statement_counts")
_INDEXES = """
SELECT indexname, indexdef FROM pg_indexes WHERE tablename = ANY (%s) AND schemaname = 'public'
AND indexname NOT IN (SELECT conname FROM pg_constraint)
"""


def measure(copy: Copy, *, quick: bool) -> list[Row]:
    """Pages by every filter, and analytics by every sort."""
    keys = [copy.stack.new_tenant() for _ in range(1 + OTHER_TENANTS)]
    pages: dict[int, Stage] = {}
    analytics: dict[int, Stage] = {}
    loaded = 0
    for size in QUICK_SIZES if quick else SIZES:
        _load(copy, keys, range(loaded, size))
        loaded = size
        assert copy.get("/api/v1/xapi/statements?limit=1", keys[0])["pagination"]["total"] == size
        pages[size] = measure_stage(copy, keys[0], _pages(size, keys[0]), title=f"{size} statements", quick=quick)
        sorts = {
            f"{what} by {column}": f"/api/v1/xapi/analytics/{what}?limit=20&sort={column}"
            for what, columns in (("actors", ACTOR_SORTS), ("activities", ACTIVITY_SORTS))
            for column in columns
        }
        analytics[size] = measure_stage(copy, keys[0], sorts, title=f"{size} statements", quick=quick)
    return [
        *rows(pages, prefix="statement_lists", what="statements"),
        *rows(analytics, prefix="analytics", what="rows of analytics"),
    ]


def _pages(size: int, api_key: str) -> dict[str, str]:
    learner = size // STATEMENTS_OF_LEARNER - 1
    agent = quote(json.dumps({"mbox": f"mailto:learner-{learner}@example.com"}))
    activity, verb = quote(ACTIVITY.format(7)), quote(VERBS[2])
    registration = f"01890000-0000-7000-8000-{learner:012d}"
    deep = format_cursor(_position(size // 10))
    documented = {
        "first page": "",
        "by verb": f"&verb={verb}",
        "by activity": f"&activity={activity}",
        "by registration": f"&registration={registration}",
        "by verb and activity": f"&verb={verb}&activity={activity}",
        "page 500": "&page=500",
        "by deep cursor": f"&cursor={deep}",
        "since": f"&since={quote(_time(size - 100))}",
    }
    strict = {
        "strict by agent": f"agent={agent}",
        "strict by related agent": f"agent={agent}&related_agents=true",
        "strict by verb and activity": f"verb={verb}&activity={activity}",
        "strict oldest first": "ascending=true",
        "strict by id": f"statementId={UUID(int=UUID(registration).int - learner + size // 2)}",
    }
    return {
        **{name: f"/api/v1/xapi/statements?limit=20{query}" for name, query in documented.items()},
        **{
            name: f"/xapi/statements?{query}" + ("" if "Id=" in query else "&limit=20")
            for name, query in strict.items()
        },
    }


def _began() -> int:
    return int(BEGAN.timestamp() * 1_000_000)


def _position(number: int) -> int:
    return (_began() + number * 1000) << POSITION_BITS


def _time(number: int) -> str:
    return datetime.fromtimestamp((_began() + number * 1000) / 1_000_000, UTC).isoformat()


def _load(copy: Copy, keys: list[str], numbers: range) -> None:
    """Adds statements as the owner, and what they add up to. The first tenant gets the numbers, the others a share."""
    with psycopg.connect(copy.owner_dsn, autocommit=True) as connection:
        connection.execute("SET synchronous_commit = off")
        connection.execute("SET maintenance_work_mem = '512MB'")
        connection.execute("SET work_mem = '256MB'")
        indexes = connection.execute(_INDEXES, [list(_TABLES)]).fetchall()
        for name, _ in indexes:
            connection.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(name)))
        connection.execute("ALTER TABLE statement_keys DROP CONSTRAINT statement_keys_pkey")
        # The worker is to leave them alone.
        for api_key in keys:
            connection.execute(
                "INSERT INTO statement_folds (tenant_id, position) VALUES (%s, %s) "
                "ON CONFLICT (tenant_id) DO UPDATE SET position = excluded.position",
                (tenant_of(api_key), LAST),
            )
        for place, api_key in enumerate(keys):
            share = SHARE_OF_OTHERS if place else 1
            parameters = _parameters(copy, api_key, numbers, share)
            connection.execute(_FILL, parameters)
            connection.execute(_KEYS, parameters)
        connection.execute(
            "ALTER TABLE statement_keys ADD CONSTRAINT statement_keys_pkey "
            "PRIMARY KEY (tenant_id, key, position, owner)"
        )
        for statement in _ROLL_UPS:
            connection.execute(statement.encode(), _of_roll_ups())
        for _, definition in indexes:
            connection.execute(definition)
        for table in (*_TABLES, "statement_folds"):
            connection.execute(sql.SQL("VACUUM ANALYZE {}").format(sql.Identifier(table)))
        connection.execute("CHECKPOINT")
        sizes = connection.execute(
            "SELECT pg_size_pretty(pg_total_relation_size('statements')), "
            "pg_size_pretty(pg_total_relation_size('statement_keys'))"
        ).fetchone()
        shown([f"  {numbers.stop} statements take {sizes}"])


def _parameters(copy: Copy, api_key: str, numbers: range, share: int) -> dict[str, object]:
    parsed = KeyText.parse(api_key)
    assert parsed is not None
    authority = Authority.of_key(copy.stack.base_url, tenant_id=parsed.tenant_id, key_id=parsed.key_id)
    activities = [ACTIVITY.format(number) for number in range(ACTIVITIES_THERE)]
    return {
        "tenant": tenant_of(api_key),
        "began": _began(),
        "bits": POSITION_BITS,
        "authority": authority.key,
        "related_authority": key("related_agent", str(ifi_of(authority.agent))),
        "verbs": list(VERBS),
        "verb_keys": [key("verb", one) for one in VERBS],
        "activities": activities,
        "activity_keys": [key("activity", one) for one in activities],
        "type": TYPE,
        "learners": max(1, numbers.stop // share // STATEMENTS_OF_LEARNER),
        "first": numbers.start // share,
        "last": numbers.stop // share - 1,
    }


def _of_roll_ups() -> dict[str, object]:
    return {
        "completed": key("verb", VERBS[1]),
        "passed": key("verb", VERBS[2]),
        "failed": key("verb", VERBS[3]),
        "type": TYPE,
        "type_key": key("activity_type", TYPE),
        "all": NO_KEY,
        "actors": ACTORS,
        "activities": ACTIVITIES,
    }
