"""Pages of a list while one tenant's table grows: against themselves when it was small."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tests.bench.figures import Row, Spread, medians
from tests.bench.load import Outcome, Plan
from tests.bench.meter import metered
from tests.bench.running_copy import Copy, asked, shown

CONNECTIONS = 4
# Asks the database too, but for none of these rows: what it takes tells how busy the machine is.
YARDSTICK, YARDSTICK_TARGET = "no imports", "/api/v1/imports"


@dataclass(frozen=True, slots=True)
class Page:
    """A page, with the median time of an answer and the CPU of one by process, each round's."""

    target: str
    times: list[float]
    cpu: list[dict[str, float]]


Stage = Mapping[str, Page]


def measure_stage(copy: Copy, key: str, targets: Mapping[str, str], *, title: str, quick: bool) -> Stage:
    """Every page in turn, and the yardstick."""
    rounds, seconds = (3, 1.0) if quick else (7, 3.0)
    pages = {name: Page(target, [], []) for name, target in ({YARDSTICK: YARDSTICK_TARGET} | dict(targets)).items()}
    groups = copy.processes("envoy", "serve", "postgres")
    for page in pages.values():
        _ask(copy, key, page.target, 0.5)
    for page in itertools.chain(*[pages.values()] * rounds):
        with metered(groups) as usage:
            outcome = _ask(copy, key, page.target, seconds)
        page.times.append(outcome.median_ms)
        page.cpu.append({name: spent * 1e6 / outcome.requests for name, spent in usage.cpu_seconds.items()})
    shown([f"  {title}: " + ", ".join(f"{name} {Spread.of(page.times).text()} ms" for name, page in pages.items())])
    return pages


def _ask(copy: Copy, key: str, target: str, seconds: float) -> Outcome:
    plan = Plan(
        host="localhost",
        port=copy.stack.port,
        targets=[target],
        headers={"X-API-Key": key, "X-Experience-API-Version": "2.0.0"},
        connections=CONNECTIONS,
        seconds=seconds,
    )
    return asked(plan)


def rows(stages: Mapping[int, Stage], *, prefix: str, what: str) -> list[Row]:
    """A row for each page. `what` completes "Page of 20 …"."""
    first = min(stages)
    return [_row(stages, name, prefix, what) for name in stages[first] if name != YARDSTICK]


def _row(stages: Mapping[int, Stage], name: str, prefix: str, what: str) -> Row:
    first, last = min(stages), max(stages)
    ratios = list(_ratios(stages[first], stages[last], name))
    cpu = {f"{size:,} rows": medians(pages[name].cpu) for size, pages in stages.items()}
    medians_ms = ", ".join(f"{size:,}: {Spread.of(pages[name].times).median:.2f}" for size, pages in stages.items())
    return Row(
        name=f"{prefix}_{name.replace(' ', '_')}",
        title=f"Page of 20 {what} with total, {name}: median time at {last:,} rows",
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


def _ratios(small: Stage, large: Stage, name: str) -> Iterator[float]:
    """Round by round, each stage's time in units of the yardstick's."""
    for number in range(len(small[name].times)):
        before, after = (stage[name].times[number] / stage[YARDSTICK].times[number] for stage in (small, large))
        yield after / before
