"""Pages of 20 packages and their total, while one tenant's table grows: against themselves at 10,000 rows."""

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg

from server.domain.ids import new_id
from server.services.packages import format_cursor
from server.services.ports import PageKey
from tests.bench.figures import Row
from tests.bench.growing import Stage, measure_stage, rows
from tests.bench.running_copy import Copy
from tests.stack import tenant_of

SIZES = (10_000, 100_000, 1_000_000)
QUICK_SIZES = (10_000, 20_000, 50_000)
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
COLUMNS = (
    "tenant_id", "package_id", "title", "version", "schema_version", "launch_path", "manifest_path", "file_size_bytes",
    "expanded_bytes", "file_count", "metadata", "manifest", "created_at", "updated_at",
)  # fmt: skip  # as many as fit on a line
METADATA = json.dumps({"description": "d" * 200, "sco_count": 1, "schema_version": "1.2"})
MANIFEST = json.dumps({"identifier": "m", "organizations": [], "resources": [{"href": "index.html"}] * 10})


def measure(copy: Copy, *, quick: bool) -> list[Row]:
    """First page, the one after a cursor in the middle, and the one after a cursor near the end."""
    key = copy.stack.new_tenant()
    tenant = UUID(tenant_of(key))
    stages: dict[int, Stage] = {}
    loaded = 0
    for size in QUICK_SIZES if quick else SIZES:
        load(copy.owner_dsn, tenant, range(loaded, size))
        loaded = size
        assert copy.get("/api/v1/packages", key)["count"] == size
        stages[size] = measure_stage(copy, key, _pages(size), title=f"{size} rows", quick=quick)
    return rows(stages, prefix="lists", what="packages")


def _pages(size: int) -> dict[str, str]:
    return {
        "first page": "/api/v1/packages?limit=20",
        "by cursor": f"/api/v1/packages?limit=20&cursor={_cursor(size // 2)}",
        "by deep cursor": f"/api/v1/packages?limit=20&cursor={_cursor(100)}",
    }


def load(dsn: str, tenant: UUID, numbers: range) -> None:
    """Adds packages by COPY, a second apart, and counts them as uploads would."""
    with psycopg.connect(dsn) as connection:
        with connection.cursor().copy(f"COPY packages ({', '.join(COLUMNS)}) FROM STDIN") as copying:
            for number in numbers:
                copying.write_row(_values(tenant, number))
        connection.execute(
            "UPDATE tenant_quotas SET package_count = package_count + %s WHERE tenant_id = %s", (len(numbers), tenant)
        )
        connection.commit()
        connection.autocommit = True
        connection.execute("VACUUM ANALYZE packages")
        connection.execute("CHECKPOINT")


def _values(tenant: UUID, number: int) -> tuple[object, ...]:
    at = BEGAN + timedelta(seconds=number)
    return (
        tenant, new_id(at), f"Course {number}", "1.2", "1.2", "index.html", "imsmanifest.xml", 1000 + number,
        2000 + number, 7, METADATA, MANIFEST, at, at,
    )  # fmt: skip  # in the order of COLUMNS


def _cursor(after: int) -> str:
    """The place behind the package of that number."""
    return format_cursor(PageKey(BEGAN + timedelta(seconds=after), UUID(int=0)))
