"""GET and PUT session, and a player's commit, against FastAPI doing the same behind the same Envoy."""

import json
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.bench import upload_client
from tests.bench.against_fastapi import BASELINE, CONNECTIONS, OURS, Case, Sides, check_alike, compare, sides
from tests.bench.figures import Row
from tests.bench.running_copy import Copy
from tests.factories import packages

SCOS = 3
SESSIONS = 4 * CONNECTIONS
SAME_RULES = "The rules of the domain and the statements of the stores are the same on both sides."
JSON_TYPE = {"content-type": "application/json"}
# What a course has stored half-way, with the notes that it keeps for itself.
STORED = {
    "cmi.completion_status": "incomplete",
    "cmi.score.scaled": "0.5",
    "cmi.score.raw": "50",
    "cmi.score.min": "0",
    "cmi.score.max": "100",
    "cmi.suspend_data": "s" * 1000,
    **{
        f"cmi.interactions.{number}.{field}": value
        for number in range(5)
        for field, value in {
            "id": f"urn:question:{number}",
            "type": "choice",
            "learner_response": "a[,]c",
            "correct_responses.0.pattern": "a[,]c",
            "result": "correct",
            "latency": "PT12S",
        }.items()
    },
}
# What it tells as the learner goes on. {number} is what the load generator counts.
GOES_ON = {
    "cmi.completion_status": "incomplete",
    "cmi.location": "page {number}",
    "cmi.score.scaled": "0.5",
    "cmi.score.raw": "50",
    "cmi.session_time": "PT10M5S",
    "cmi.suspend_data": "s" * 1000 + "{number}",
}


@dataclass(frozen=True, slots=True)
class _Sessions:
    """Sessions of as many learners on one package, each on its first item. `commit_paths` are on the content origin."""

    copy: Copy
    key: str
    paths: list[str]
    commit_paths: list[str]

    @classmethod
    def make(cls, copy: Copy, key: str, package_id: str) -> "_Sessions":
        """All items have data."""
        made = cls(copy, key, [], [])
        for number in range(SESSIONS):
            wanted = {"package_id": package_id, "user_id": f"learner {number}", "new_attempt": True}
            session = made.ask("POST", "/api/v1/sessions", wanted)
            path = f"/api/v1/sessions/{session['session']['id']}"
            for item in range(1, SCOS + 1):
                made.ask("PUT", path, {"item_id": f"ITEM-{item}", "cmi_data": STORED})
            played = _asked("POST", f"{session['launch_url']}/launch", {})
            made.paths.append(path)
            made.commit_paths.append(played["deliver"]["runUrl"].removeprefix(copy.stack.content_url) + "/commit")
        return made

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        return _asked(method, self.copy.stack.base_url + path, body, {"X-API-Key": self.key})

    def first(self) -> Any:
        return self.ask("GET", self.paths[0])["session"]


def measure(copy: Copy, *, quick: bool) -> list[Row]:
    """CPU per request of everything that serves it, at 16 connections, in turns."""
    key = copy.stack.new_tenant()
    file = copy.scratch / "course.zip"
    file.write_bytes(packages.scorm2004_package(scos=SCOS))
    package_id = upload_client.upload(copy.stack.port, key, file)["package_id"]
    called, played = (_Sessions.make(copy, key, package_id) for _ in range(2))
    with sides(copy) as both:
        return [_get(called, both, quick=quick), _put(called, both, quick=quick), _commit(played, both, quick=quick)]


def _get(asked: _Sessions, both: Sides, *, quick: bool) -> Row:
    case = Case(
        name="get_session",
        what="GET session through Envoy with key and limit",
        targets=asked.paths,
        headers={"X-API-Key": asked.key},
        notes=[f"{SCOS} items with {len(STORED)} elements each.", SAME_RULES],
    )
    check_alike(both[OURS].ask(case), both[BASELINE].ask(case))
    return compare(both, case, quick=quick)


def _put(asked: _Sessions, both: Sides, *, quick: bool) -> Row:
    body = json.dumps({"item_id": "ITEM-1", "cmi_data": GOES_ON})
    case = Case(
        name="put_session",
        what="PUT session through Envoy with key and limit",
        method="PUT",
        targets=asked.paths,
        headers={"X-API-Key": asked.key, **JSON_TYPE},
        bodies=[body] * SESSIONS,
        notes=[f"{len(GOES_ON)} elements on top of {len(STORED)}, durable.", SAME_RULES],
    )
    _check_written(asked, both, case)
    return compare(both, case, quick=quick)


def _commit(asked: _Sessions, both: Sides, *, quick: bool) -> Row:
    body = json.dumps({"commit": "{number}", "base": 0, "values": GOES_ON, "initialized": True})
    case = Case(
        name="commit",
        what="A player's commit through Envoy, by token",
        method="POST",
        host="127.0.0.1",
        targets=asked.commit_paths,
        headers=JSON_TYPE,
        bodies=[body.replace('"{number}"', "{number}")] * SESSIONS,
        notes=[f"{len(GOES_ON)} elements on top of {len(STORED)}, durable.", SAME_RULES],
    )
    _check_written(asked, both, case)
    row = compare(both, case, quick=quick)
    # A commit that comes to nothing is answered 200 too.
    number = asked.first()["items"][0]["cmi_data"]["cmi.location"].split()[1]
    assert int(number) > 1_000_000, "the commits were not applied"
    return row


def _check_written(asked: _Sessions, both: Sides, case: Case) -> None:
    """Both answer alike, and have written the same."""
    # The first tells of more: that the item has begun, the score.
    both[OURS].ask(case, number=1)
    answers, sessions = [], []
    for number, side in enumerate((both[OURS], both[BASELINE]), start=2):
        answers.append(side.ask(case, number=number))
        sessions.append(asked.first())
    check_alike(*answers, without=("applied",))
    check_alike(*sessions, without=("cmi.location", "cmi.suspend_data"))
    assert sessions[0] != sessions[1], "the baseline has written nothing"


def _asked(method: str, url: str, body: Mapping[str, Any] | None, headers: Mapping[str, str] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers={**JSON_TYPE, **(headers or {})}, method=method)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)
