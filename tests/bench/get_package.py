"""GET package through Envoy, with key and limit, against FastAPI doing the same behind the same Envoy."""

import contextlib
import json
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

from server.dev.children import free_port
from tests.bench import upload_client
from tests.bench.baseline import gateway
from tests.bench.figures import Row, Spread, medians
from tests.bench.load import Plan
from tests.bench.meter import Groups, metered
from tests.bench.running_copy import Copy, asked, program, shown
from tests.factories import packages

CONNECTIONS = 16
BASELINE = "FastAPI"


def measure(copy: Copy, *, quick: bool) -> list[Row]:
    """CPU per request of everything that serves it, at 16 connections, in turns."""
    key = copy.stack.new_tenant()
    file = copy.scratch / "course.zip"
    file.write_bytes(packages.scorm2004_package(scos=3))
    path = f"/api/v1/packages/{upload_client.upload(copy.stack.port, key, file)['package_id']}"
    # Short and many: the machine is faster and slower by the minute, for both of a round alike.
    rounds, seconds = (5, 2.0) if quick else (31, 2.0)
    sides: dict[str, list[dict[str, float]]] = {"ours": [], BASELINE: []}
    with _baseline(copy, path, key) as (port, baseline_groups):
        groups = {"ours": copy.processes("envoy", "serve", "postgres"), BASELINE: baseline_groups}
        ports = {"ours": copy.stack.port, BASELINE: port}
        for side in ("ours", BASELINE):
            _round(ports[side], path, key, groups[side], seconds=2)
        for _ in range(rounds):
            for side, figures in sides.items():
                figures.append(_round(ports[side], path, key, groups[side], seconds=seconds))
                shown([f"  {side}: {_summary(figures[-1])}"])
    ratios = [ours["total"] / theirs["total"] for ours, theirs in zip(*sides.values(), strict=True)]
    cpu = {side: medians(figures) for side, figures in sides.items()}
    return [
        Row(
            name="get_package",
            title="GET package through Envoy with key and limit, CPU of gateway, server and Postgres",
            baseline="FastAPI, uvicorn, uvloop, httptools, pydantic, psycopg behind the same Envoy",
            reached=Spread.of(ratios),
            unit="×",
            at_least=1.25,
            stretch=1.0,
            less_is_better=True,
            cpu=cpu,
            cpu_unit="µs per request",
            notes=[f"{CONNECTIONS} connections, {rounds} rounds of {seconds:.0f} s in turns, one server process each."],
        )
    ]


@contextlib.contextmanager
def _baseline(copy: Copy, path: str, key: str) -> Iterator[tuple[int, Groups]]:
    """The other server and its gateway. Answers what ours answers, or fails."""
    sockets = Path(copy.environment("serve")["LISTEN_ADDRESS"].removeprefix("unix:")).parent
    socket, port = sockets / "baseline", free_port()
    api = [sys.executable, "-m", "tests.bench.baseline.api", str(socket)]
    envoy = gateway.command(copy, port=port, socket=socket)
    with (
        program(*api, ready=socket, environment=copy.environment("serve")) as server,
        program(*envoy, ready=port, environment={}) as proxy,
    ):
        _check_alike(copy.get(path, key), _get(port, path, key))
        yield port, {"envoy": [proxy], "server": [server], "postgres": copy.stack.children("postgres")}


def _get(port: int, path: str, key: str) -> Mapping[str, object]:
    request = urllib.request.Request(f"http://localhost:{port}{path}", headers={"X-API-Key": key})
    with urllib.request.urlopen(request) as answer:
        found: Mapping[str, object] = json.load(answer)
        return found


def _check_alike(ours: Mapping[str, object], theirs: Mapping[str, object]) -> None:
    """Links and times are written differently in detail; all else is the same."""
    for name in ours.keys() | theirs.keys():
        assert name in ours, f"{name} is in the baseline's answer only"
        assert name in theirs, f"{name} is in our answer only"
        if not name.endswith(("_url", "_at")):
            assert ours[name] == theirs[name], f"{name} differs: {ours[name]!r}, {theirs[name]!r}"


def _round(port: int, path: str, key: str, groups: Groups, *, seconds: float) -> dict[str, float]:
    plan = Plan(
        host="localhost",
        port=port,
        targets=[path],
        headers={"X-API-Key": key},
        connections=CONNECTIONS,
        seconds=seconds,
    )
    with metered(groups) as usage:
        outcome = asked(plan)
    used = {name: spent * 1e6 / outcome.requests for name, spent in usage.cpu_seconds.items()}
    return {
        **used,
        "total": sum(used.values()),
        "load generator": outcome.cpu_seconds * 1e6 / outcome.requests,
        "requests per second": outcome.per_second,
    }


def _summary(figures: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.0f}" for name, value in figures.items())
