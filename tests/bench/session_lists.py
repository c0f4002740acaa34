"""Pages of 20 sessions and their total, while one tenant's table grows: against themselves at 10,000 rows."""

from datetime import timedelta
from uuid import UUID

import psycopg
from psycopg import sql

from server.services.packages import format_cursor
from server.services.ports import PageKey
from server.storage.session_lists import ALL_PACKAGES
from tests.bench import lists
from tests.bench.figures import Row
from tests.bench.growing import Stage, measure_stage, rows
from tests.bench.running_copy import Copy, shown
from tests.stack import tenant_of

SIZES = (10_000, 1_000_000, 10_000_000)
QUICK_SIZES = (10_000, 100_000)
PACKAGES = 120
SESSIONS_OF_USER = 50
OTHER_TENANTS = 3
# For each session of an other tenant so many of the one that is measured.
SHARE_OF_OTHERS = 50

# A second apart, by learners and on packages at random: a third not begun, a third begun, a third completed, and of
# these most passed.
_FILL = """
INSERT INTO sessions (
    tenant_id, session_id, package_id, user_id, user_name, attempt, completion_status, success_status, score_scaled,
    score_raw, score_min, score_max, time_ms, session_time_ms,
    launches, holder, told_launch, runs, current_item, is_over, revision, created_at, updated_at
)
SELECT %(tenant)s, session_id, package_id, 'learner-' || learner, 'Learner ' || learner, number + 1, completion,
    CASE WHEN completion <> 'completed' OR chance > 0.9 THEN 'unknown' WHEN chance > 0.7 THEN 'failed'
        ELSE 'passed' END,
    score, score * 100, 0, 100, 1000 * (number %% 3600), NULL, 1, 1, 0, 1, 'ITEM-1', false, 5,
    created_at, created_at + interval '1 hour'
FROM (
    SELECT number, created_at, random() AS chance, floor(random() * %(learners)s::int)::int AS learner,
        (%(packages)s::uuid[])[1 + floor(random() * cardinality(%(packages)s::uuid[]))::int] AS package_id,
        (ARRAY['not_attempted', 'incomplete', 'completed'])[1 + floor(random() * 3)::int] AS completion,
        round(random()::numeric, 2)::float8 AS score,
        (
            lpad(to_hex((extract(epoch FROM created_at) * 1000)::bigint), 12, '0')
            || '7' || left(md5(number::text), 3) || '8' || right(md5(number::text), 15)
        )::uuid AS session_id
    FROM generate_series(%(first)s::int, %(last)s::int) AS number,
        LATERAL (SELECT %(began)s::timestamptz + number * interval '1 second' AS created_at) AS times
) AS made
"""
_COUNT = """
INSERT INTO session_counts (tenant_id, package_id, completion_status, success_status, session_count)
SELECT tenant_id, coalesce(package_id, %(all)s), completion_status, success_status, count(*)
FROM sessions
GROUP BY GROUPING SETS (
    (tenant_id, package_id, completion_status, success_status), (tenant_id, completion_status, success_status)
)
"""
_INDEXES = """
SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'sessions' AND schemaname = 'public'
AND indexname NOT IN (SELECT conname FROM pg_constraint)
"""


def measure(copy: Copy, *, quick: bool) -> list[Row]:
    """First page by each filter, the one of the documented example, one far behind, and one after a deep cursor."""
    keys = [copy.stack.new_tenant() for _ in range(1 + OTHER_TENANTS)]
    tenants = {UUID(tenant_of(key)): _packages(copy, key) for key in keys}
    stages: dict[int, Stage] = {}
    loaded = 0
    for size in QUICK_SIZES if quick else SIZES:
        _load(copy.owner_dsn, tenants, range(loaded, size))
        loaded = size
        assert copy.get("/api/v1/sessions", keys[0])["pagination"]["total"] == size
        targets = _pages(size, tenants[UUID(tenant_of(keys[0]))][0])
        stages[size] = measure_stage(copy, keys[0], targets, title=f"{size} rows", quick=quick)
    return rows(stages, prefix="session_lists", what="sessions")


def _packages(copy: Copy, key: str) -> list[str]:
    """The ids of new packages."""
    lists.load(copy.owner_dsn, UUID(tenant_of(key)), range(PACKAGES))
    found = [copy.get(f"/api/v1/packages?limit=60&page={page}", key)["packages"] for page in (1, 2)]
    return [package["id"] for page in found for package in page]


def _pages(size: int, package: str) -> dict[str, str]:
    filters = {
        "first page": "",
        "by package": f"&package_id={package}",
        "by user": f"&user_id=learner-{size // SESSIONS_OF_USER - 1}",
        "by completion": "&completion_status=completed",
        "by success": "&success_status=passed",
        "by package and completion": f"&package_id={package}&completion_status=completed",
        "page 500": "&page=500",
        "by deep cursor": f"&cursor={format_cursor(PageKey(lists.BEGAN + timedelta(seconds=100), UUID(int=0)))}",
    }
    return {name: f"/api/v1/sessions?limit=20{query}" for name, query in filters.items()}


def _load(dsn: str, tenants: dict[UUID, list[str]], numbers: range) -> None:
    """Adds sessions as the owner, and counts them. The first tenant gets the numbers, the others a share."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SET synchronous_commit = off")
        connection.execute("SET maintenance_work_mem = '512MB'")
        indexes = connection.execute(_INDEXES).fetchall()
        # To build them anew is many times as fast.
        for name, _ in indexes:
            connection.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(name)))
        for place, (tenant, packages) in enumerate(tenants.items()):
            share = SHARE_OF_OTHERS if place else 1
            parameters = {
                "tenant": tenant,
                "packages": packages,
                "learners": numbers.stop // share // SESSIONS_OF_USER,
                "first": numbers.start // share,
                "last": numbers.stop // share - 1,
                "began": lists.BEGAN,
            }
            connection.execute(_FILL, parameters)
        for _, definition in indexes:
            connection.execute(definition)
        connection.execute("DELETE FROM session_counts")
        connection.execute(_COUNT, {"all": ALL_PACKAGES})
        connection.execute("VACUUM ANALYZE sessions")
        connection.execute("VACUUM ANALYZE session_counts")
        connection.execute("CHECKPOINT")
        (size,) = connection.execute("SELECT pg_size_pretty(pg_total_relation_size('sessions'))").fetchone() or ("",)
        shown([f"  {numbers.stop} rows take {size}"])
