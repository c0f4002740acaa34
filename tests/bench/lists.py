"""Pages of 20 packages and their total, while one tenant's table grows: against themselves at 10,000 rows."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg

from server.domain.ids import new_id
from server.services.packages import format_cursor
from server.services.ports import PageKey
from tests.bench.figures import Row, Spread, medians
from tests.bench.load import Outcome, Plan
from tests.bench.meter import metered
from tests.bench.running_copy import Copy, asked, shown
from tests.stack import tenant_of

SIZES = (10_000, 100_000, 1_000_000)
QUICK_SIZES = (10_000, 20_000, 50_000)
CONNECTIONS = 4
# Asks the database too, but for none of these rows: what it takes tells how busy the machine is.
YARDSTICK = "no imports"
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
COLUMNS = (
    "tenant_id", "package_id", "title", "version", "schema_version", "launch_path", "manifest_path", "file_size_bytes",
    "expanded_bytes", "file_count", "metadata", "manifest", "created_at", "updated_at",
)  # fmt: skip  # as many as fit on a line
METADATA = json.dumps({"description": "d" * 200, "sco_count": 1, "schema_version": "1.2"})
MANIFEST = json.dumps({"identifier": "m", "organizations": [], "resources": [{"href": "index.html"}] * 10})


@dataclass(frozen=True, slots=True)
class _Page:
    """A page, with the median time of an answer and the CPU of one by process, each round's."""

    target: str
    times: list[float]
    cpu: list[dict[str, float]]


def measure(copy: Copy, *, quick: bool) -> list[Row]:
    """First page, the one after a cursor in the middle, and the one after a cursor near the end."""
    key = copy.stack.new_tenant()
    tenant = UUID(tenant_of(key))
    sizes = QUICK_SIZES if quick else SIZES
    stages: dict[int, dict[str, _Page]] = {}
    loaded = 0
    for size in sizes:
        _load(copy.owner_dsn, tenant, range(loaded, size))
        loaded = size
        assert copy.get("/api/v1/packages", key)["count"] == size
        stages[size] = _measure_stage(copy, key, size, rounds=3 if quick else 7, seconds=1.0 if quick else 3.0)
    return [_row(stages, name) for name in stages[sizes[0]] if name != YARDSTICK]


def _load(dsn: str, tenant: UUID, numbers: range) -> None:
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


def _measure_stage(copy: Copy, key: str, size: int, *, rounds: int, seconds: float) -> dict[str, _Page]:
    pages = {
        YARDSTICK: _Page("/api/v1/imports", [], []),
        "first page": _Page("/api/v1/packages?limit=20", [], []),
        "by cursor": _Page(f"/api/v1/packages?limit=20&cursor={_cursor(size // 2)}", [], []),
        "by deep cursor": _Page(f"/api/v1/packages?limit=20&cursor={_cursor(100)}", [], []),
    }
    for page in itertools.chain(*[pages.values()] * rounds):
        groups = copy.processes("envoy", "serve", "postgres")
        with metered(groups) as usage:
            outcome = _ask(copy, key, page.target, seconds)
        page.times.append(outcome.median_ms)
        page.cpu.append({name: spent * 1e6 / outcome.requests for name, spent in usage.cpu_seconds.items()})
    shown([f"  {size} rows: " + ", ".join(f"{name} {Spread.of(page.times).text()} ms" for name, page in pages.items())])
    return pages


def _ask(copy: Copy, key: str, target: str, seconds: float) -> Outcome:
    plan = Plan(
        host="localhost",
        port=copy.stack.port,
        targets=[target],
        headers={"X-API-Key": key},
        connections=CONNECTIONS,
        seconds=seconds,
    )
    return asked(plan)


def _row(stages: dict[int, dict[str, _Page]], name: str) -> Row:
    (first, *_), last = stages, max(stages)
    ratios = list(_ratios(stages[first], stages[last], name))
    cpu = {f"{size:,} rows": medians(pages[name].cpu) for size, pages in stages.items()}
    medians_ms = ", ".join(f"{size:,}: {Spread.of(pages[name].times).median:.2f}" for size, pages in stages.items())
    return Row(
        name=f"lists_{name.replace(' ', '_')}",
        title=f"Page of 20 packages with total, {name}: median time at {last:,} rows",
        baseline=f"itself at {first:,} rows",
        reached=Spread.of(ratios),
        unit="×",
        at_least=2.0,
        stretch=1.3,
        less_is_better=True,
        cpu=cpu,
        cpu_unit="µs per request",
        notes=[
            f"{CONNECTIONS} connections. Milliseconds by rows: {medians_ms}. Times are counted in those of "
            "GET /api/v1/imports (there are none) in the same round, since the machine is not always equally busy."
        ],
    )


def _ratios(small: dict[str, _Page], large: dict[str, _Page], name: str) -> Iterator[float]:
    """Round by round, each stage's time in units of the yardstick's."""
    for number in range(len(small[name].times)):
        before, after = (stage[name].times[number] / stage[YARDSTICK].times[number] for stage in (small, large))
        yield after / before
