"""Storing statements: batches of 1, 50 and 500 through Envoy, against one transaction for each statement."""

import json
import random
from typing import Any

from tests.bench.against_fastapi import BASELINE, OURS, Sides, sides
from tests.bench.figures import Row, Spread, medians
from tests.bench.load import Plan
from tests.bench.meter import metered
from tests.bench.running_copy import Copy, asked, shown

SECONDS = 4.0
BODIES = 64
LEARNERS, ACTIVITIES = 2_000, 200
VERBS = ("experienced", "answered", "completed", "passed", "failed")
ROW_BY_ROW = "FastAPI behind the same Envoy: one transaction for each statement"
# Statements in a request, and callers at once.
SIZES = {1: 64, 50: 16, 500: 4}
BOUNDS = {1: (3.0, 6.0), 50: (3.0, 6.0), 500: (3.0, 6.0)}
PER_SECOND = (10_000.0, 20_000.0)


def measure(copy: Copy, *, quick: bool) -> list[Row]:
    """Statements a second and CPU of a statement, in turns."""
    key = copy.stack.new_tenant()
    chance = random.Random(1)
    rows: list[Row] = []
    with sides(copy) as both:
        for size in SIZES:
            bodies = [json.dumps([a_statement(chance) for _ in range(size)]) for _ in range(BODIES)]
            rows += _measure_size(both, key, size, bodies, quick=quick)
    return rows


def _measure_size(both: Sides, key: str, size: int, bodies: list[str], *, quick: bool) -> list[Row]:
    rounds = 3 if quick else 11
    figures: dict[str, list[dict[str, float]]] = {name: [] for name in both}
    speeds: dict[str, list[float]] = {name: [] for name in both}
    for number in range(rounds + 1):
        for name, side in both.items():
            plan = Plan(
                host="localhost",
                port=side.port,
                targets=["/api/v1/xapi/statements"] * BODIES,
                bodies=bodies,
                headers={"X-API-Key": key, "content-type": "application/json"},
                connections=SIZES[size],
                seconds=SECONDS,
                method="POST",
            )
            with metered(side.groups) as usage:
                outcome = asked(plan)
            stored = outcome.requests * size
            shown([f"  {size} a request, {name}: {stored / outcome.seconds:.0f} a second, {outcome.median_ms:.1f} ms"])
            if number:
                speeds[name].append(stored / outcome.seconds)
                used = {process: spent * 1e6 / stored for process, spent in usage.cpu_seconds.items()}
                generator = outcome.cpu_seconds * 1e6 / stored
                figures[name].append({**used, "total": sum(used.values()), "load generator": generator})
    cpu = {name: medians(each) for name, each in figures.items()}
    return _rows(size, len(bodies[0]) // size, rounds, speeds, cpu)


def _rows(size: int, length: int, rounds: int, speeds: dict[str, list[float]], cpu: Any) -> list[Row]:
    ours, theirs = (Spread.of(speeds[name]) for name in (OURS, BASELINE))
    said = (
        f"{SIZES[size]} callers, statements of {length} bytes, {rounds} rounds of {SECONDS:.0f} s in turns, one server "
        f"process each, durable. Statements a second: {ours.text(0)}, and {theirs.text(0)} of the baseline's."
    )
    least, stretch = BOUNDS[size]
    common: dict[str, Any] = {"cpu": cpu, "cpu_unit": "µs per statement", "notes": [said]}
    rows = [
        Row(
            name=f"statements_{size}",
            title=f"Statements stored a second, {size} in a request",
            baseline=ROW_BY_ROW,
            reached=Spread.of([one / other for one, other in zip(speeds[OURS], speeds[BASELINE], strict=True)]),
            unit="×",
            at_least=least,
            stretch=stretch,
            **common,
        )
    ]
    if size == 50:
        rows.append(
            Row(
                name="statements_per_second",
                title="Statements stored a second, 50 in a request, as a number",
                baseline="nobody: the bounds are numbers",
                reached=ours,
                unit="a second",
                at_least=PER_SECOND[0],
                stretch=PER_SECOND[1],
                **common,
            )
        )
    return rows


def a_statement(chance: random.Random) -> dict[str, Any]:
    """As an LMS sends them."""
    learner, activity = chance.randrange(LEARNERS), chance.randrange(ACTIVITIES)
    course = f"https://lms.example.com/courses/{activity % 20}"
    return {
        "actor": {
            "objectType": "Agent",
            "name": f"Learner Number {learner}",
            "account": {"homePage": "https://lms.example.com", "name": f"learner-{learner}"},
        },
        "verb": {
            "id": f"http://adlnet.gov/expapi/verbs/{chance.choice(VERBS)}",
            "display": {"en-US": "did it"},
        },
        "object": {
            "objectType": "Activity",
            "id": f"{course}/activities/{activity}",
            "definition": {
                "name": {"en-US": f"Activity {activity}"},
                "description": {"en-US": "What learners read and answer in this part of the course"},
                "type": "http://adlnet.gov/expapi/activities/assessment",
            },
        },
        "result": {"score": {"scaled": chance.randrange(100) / 100}, "success": True, "duration": "PT1M30S"},
        "context": {
            "registration": f"01890000-0000-7000-8000-{learner:012d}",
            "platform": "LMS",
            "language": "en-US",
            "contextActivities": {"parent": [{"id": course}], "grouping": [{"id": "https://lms.example.com/program"}]},
        },
        "timestamp": "2026-01-02T03:04:05.678Z",
    }
