"""Our API through Envoy against FastAPI doing the same behind the same Envoy, in turns: CPU per request."""

import contextlib
import json
import sys
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from server.dev.children import free_port
from tests.bench.baseline import gateway
from tests.bench.figures import Row, Spread, medians
from tests.bench.load import Plan
from tests.bench.meter import Groups, metered
from tests.bench.running_copy import Copy, asked, program, shown

CONNECTIONS = 16
OURS, BASELINE = "ours", "FastAPI"
BASELINE_TEXT = "FastAPI, uvicorn, uvloop, httptools, pydantic, psycopg behind the same Envoy"
# Short and many: the machine is faster and slower by the minute, for both of a round alike.
SECONDS = 2.0
# Times and links are written differently in detail.
_DIFFERENT = ("_url", "_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is asked for, again and again. `what` completes "… through Envoy with …, CPU of …"."""

    name: str
    what: str
    targets: Sequence[str]
    headers: Mapping[str, str]
    method: str = "GET"
    bodies: Sequence[str] = ()
    host: str = "localhost"
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Side:
    """A server behind a gateway."""

    port: int
    groups: Groups = field(repr=False)

    def ask(self, case: Case, *, number: int = 0) -> Any:
        """The JSON that the case's first request is answered with."""
        body = case.bodies[0].replace("{number}", str(number)).encode() if case.bodies else None
        url = f"http://{case.host}:{self.port}{case.targets[0]}"
        request = urllib.request.Request(url, data=body, headers=dict(case.headers), method=case.method)
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def round(self, case: Case, *, seconds: float = SECONDS) -> dict[str, float]:
        """What each process took for a request."""
        plan = Plan(
            host=case.host,
            port=self.port,
            targets=case.targets,
            headers=case.headers,
            connections=CONNECTIONS,
            seconds=seconds,
            method=case.method,
            bodies=case.bodies,
        )
        with metered(self.groups) as usage:
            outcome = asked(plan)
        used = {name: spent * 1e6 / outcome.requests for name, spent in usage.cpu_seconds.items()}
        return {
            **used,
            "total": sum(used.values()),
            "load generator": outcome.cpu_seconds * 1e6 / outcome.requests,
            "requests per second": outcome.per_second,
        }


Sides = Mapping[str, Side]


@contextlib.contextmanager
def sides(copy: Copy) -> Iterator[Sides]:
    """The copy, and the other server with its gateway."""
    sockets = Path(copy.environment("serve")["LISTEN_ADDRESS"].removeprefix("unix:")).parent
    socket, port = sockets / "baseline", free_port()
    api = [sys.executable, "-m", "tests.bench.baseline.api", str(socket)]
    envoy = gateway.command(copy, port=port, socket=socket)
    with (
        program(*api, ready=socket, environment=copy.environment("serve")) as server,
        program(*envoy, ready=port, environment={}) as proxy,
    ):
        theirs = {"envoy": [proxy], "server": [server], "postgres": copy.stack.children("postgres")}
        yield {
            OURS: Side(copy.stack.port, copy.processes("envoy", "serve", "postgres")),
            BASELINE: Side(port, theirs),
        }


def compare(both: Sides, case: Case, *, quick: bool) -> Row:
    """The row of a case, once both have answered it alike."""
    rounds = 5 if quick else 31
    figures: dict[str, list[dict[str, float]]] = {name: [] for name in both}
    for side in both.values():
        side.round(case)
    for _ in range(rounds):
        for name, side in both.items():
            figures[name].append(side.round(case))
            shown([f"  {name}: " + ", ".join(f"{what} {value:.0f}" for what, value in figures[name][-1].items())])
    ratios = [ours["total"] / theirs["total"] for ours, theirs in zip(*figures.values(), strict=True)]
    said = f"{CONNECTIONS} connections, {rounds} rounds of {SECONDS:.0f} s in turns, one server process each."
    return Row(
        name=case.name,
        title=f"{case.what}, CPU of gateway, server and Postgres",
        baseline=BASELINE_TEXT,
        reached=Spread.of(ratios),
        unit="×",
        at_least=1.25,
        stretch=1.0,
        less_is_better=True,
        cpu={name: medians(each) for name, each in figures.items()},
        cpu_unit="µs per request",
        notes=[said, *case.notes],
    )


def check_alike(ours: Any, theirs: Any, *, without: Sequence[str] = (), path: str = "") -> None:
    """Fails where two answers differ, but for links, times, and what is named."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for name in ours.keys() | theirs.keys():
            assert name in ours, f"{path}.{name} is in the baseline's answer only"
            assert name in theirs, f"{path}.{name} is in our answer only"
            if not name.endswith((*_DIFFERENT, *without)):
                check_alike(ours[name], theirs[name], without=without, path=f"{path}.{name}")
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for number, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            check_alike(one, other, without=without, path=f"{path}[{number}]")
    else:
        assert ours == theirs, f"{path} differs: {ours!r}, {theirs!r}"
