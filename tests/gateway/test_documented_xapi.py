"""The documented API's examples of xAPI, through Envoy, shapes to the letter."""

import json
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.factories import scorm12_package
from tests.factories.statements import VERBS, a_statement, activity, agent, voiding
from tests.gateway.lrs import found, lrs, new_statement, post
from tests.gateway.test_documented_packages import RFC3339, UUID7, client, error_of, upload
from tests.gateway.test_documented_sessions import create, update
from tests.stack import Stack, tenant_of

DOCUMENTED: dict[str, Any] = {
    "actor": {"name": "John Doe", "mbox": "mailto:john@example.com"},
    "verb": {"id": "http://adlnet.gov/expapi/verbs/completed", "display": {"en-US": "completed"}},
    "object": {
        "id": "https://connect.allurelms.com/packages/pkg-123",
        "definition": {
            "name": {"en-US": "Course Title"},
            "type": "http://adlnet.gov/expapi/activities/course",
        },
    },
    "result": {
        "score": {"scaled": 0.95, "raw": 95, "min": 0, "max": 100},
        "success": True,
        "completion": True,
        "duration": "PT1H30M",
    },
    "timestamp": "2025-01-01T12:00:00Z",
}
ACTOR = [
    "actor_mbox",
    "actor_name",
    "total_statements",
    "unique_activities",
    "completed_count",
    "passed_count",
    "failed_count",
    "avg_score_scaled",
    "first_activity",
    "last_activity",
]
ACTIVITY = [
    "activity_id",
    "activity_type",
    "package_id",
    "total_statements",
    "unique_learners",
    "completed_count",
    "passed_count",
    "failed_count",
    "avg_score_scaled",
    "first_activity",
    "last_activity",
]
COUNTS = ["completed_count", "passed_count", "failed_count"]
COMMON_SORTS = ["total_statements", *COUNTS, "first_activity", "last_activity"]
JSON = {"content-type": "application/json"}


@pytest.fixture
def key(stack: Stack) -> str:
    return stack.new_tenant()


@pytest.fixture
def api(stack: Stack, key: str) -> Iterator[httpx.Client]:
    with client(stack, key) as opened:
        yield opened


def store(api: httpx.Client, statements: Any, **headers: str) -> Any:
    answer = api.post("/api/v1/xapi/statements", json=statements, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


def page(api: httpx.Client, **query: Any) -> Any:
    answer = api.get("/api/v1/xapi/statements", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def analytics(api: httpx.Client, what: str, **query: Any) -> Any:
    answer = api.get(f"/api/v1/xapi/analytics/{what}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def until(api: httpx.Client, what: str, statements: int) -> Any:
    """The analytics once they have so many statements."""
    deadline = time.monotonic() + 15
    while True:
        told = analytics(api, what)
        if sum(row["total_statements"] for row in told[what]) >= statements:
            return told
        assert time.monotonic() < deadline, told
        time.sleep(0.1)


def test_the_documented_statement_is_stored_found_and_got(api: httpx.Client) -> None:
    answer = api.post("/api/v1/xapi/statements", json=DOCUMENTED)
    identifier = answer.json()
    assert (answer.status_code, answer.text) == (200, f'"{identifier}"')
    assert UUID7.match(identifier)
    two = store(api, [DOCUMENTED, DOCUMENTED])
    assert len(two) == 2

    listed = page(api, verb=DOCUMENTED["verb"]["id"], limit=1)
    assert list(listed)[:2] == ["statements", "pagination"]
    assert listed["pagination"] == {"page": 1, "limit": 1, "total": 3, "total_pages": 3}
    (statement,) = listed["statements"]
    assert statement["id"] == two[1]
    assert {name: statement[name] for name in DOCUMENTED} == DOCUMENTED
    assert RFC3339.match(statement["stored"])

    got = api.get(f"/api/v1/xapi/statements/{identifier}")
    assert got.status_code == 200
    assert {name: got.json()[name] for name in DOCUMENTED} == DOCUMENTED
    missing = api.get(f"/api/v1/xapi/statements/{uuid4()}")
    assert (missing.status_code, error_of(missing)["code"]) == (404, "NOT_FOUND")
    assert api.get("/api/v1/xapi/statements/x").status_code == 404


def test_every_documented_filter_narrows_the_list_and_its_total(api: httpx.Client) -> None:
    registration = str(uuid4())
    first = store(api, a_statement(context={"registration": registration}))
    second = store(api, a_statement(verb={"id": VERBS + "passed"}, object=activity("other")))
    third = store(api, a_statement(object=activity("other")))

    def ids(**query: Any) -> list[str]:
        told = page(api, **query)
        assert told["pagination"]["total"] == len(told["statements"])
        return [one["id"] for one in told["statements"]]

    assert ids() == [third, second, first]
    assert ids(verb=VERBS + "passed") == [second]
    assert ids(activity=activity("other")["id"]) == [third, second]
    assert ids(activity=activity("other")["id"], verb=VERBS + "passed") == [second]
    assert ids(registration=registration) == [first]
    assert ids(statementId=second) == [second]
    assert ids(statementId=second, verb=VERBS + "failed") == []
    assert ids(statementId=str(uuid4())) == []
    stored = api.get(f"/api/v1/xapi/statements/{second}").json()["stored"]
    assert ids(since=stored) == [third]
    assert ids(until=stored) == [second, first]


def test_pages_and_cursors_read_everything(api: httpx.Client) -> None:
    ids = store(api, [a_statement() for _ in range(7)])[::-1]
    second = page(api, page=2, limit=3)
    assert [one["id"] for one in second["statements"]] == ids[3:6]
    assert second["pagination"] == {"page": 2, "limit": 3, "total": 7, "total_pages": 3}
    assert page(api, page=4, limit=3)["statements"] == []
    told, cursor = [], page(api, limit=3)["next_cursor"]
    store(api, a_statement())
    while cursor:
        following = page(api, limit=3, cursor=cursor)
        told += [one["id"] for one in following["statements"]]
        cursor = following["next_cursor"]
    assert told == ids[3:]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"statementId": "x"}, "statementId"),
        ({"registration": "x"}, "registration"),
        ({"since": "x"}, "since"),
        ({"until": "2025-13-01"}, "until"),
        ({"limit": 101}, "limit"),
        ({"page": 0}, "page"),
        ({"cursor": "x"}, "cursor"),
    ],
)
def test_a_filter_that_is_none_is_named(api: httpx.Client, query: dict[str, Any], field: str) -> None:
    answer = api.get("/api/v1/xapi/statements", params=query)
    assert (answer.status_code, error_of(answer)["code"]) == (400, "VALIDATION_ERROR")
    assert list(error_of(answer)["details"]["fieldErrors"]) == [field]


def test_faults_are_told_by_their_place(api: httpx.Client) -> None:
    answer = api.post("/api/v1/xapi/statements", json=[DOCUMENTED, {**DOCUMENTED, "actor": {"mbox": "john"}}])
    assert (answer.status_code, error_of(answer)["code"]) == (400, "VALIDATION_ERROR")
    assert list(error_of(answer)["details"]["fieldErrors"]) == ["[1].actor.mbox"]
    wrong = api.post("/api/v1/xapi/statements", content=b"x", headers={"content-type": "text/plain"})
    assert (wrong.status_code, error_of(wrong)["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")


def test_statements_of_both_versions_are_welcome(api: httpx.Client) -> None:
    for version in ("1.0.0", "1.0.3", "2.0.0"):
        identifier = store(api, {**DOCUMENTED, "version": version})
        assert api.get(f"/api/v1/xapi/statements/{identifier}").json()["version"] == version


def test_an_idempotency_key_stores_once(api: httpx.Client) -> None:
    first = store(api, [DOCUMENTED, DOCUMENTED], **{"idempotency-key": "once"})
    again = api.post("/api/v1/xapi/statements", json=[DOCUMENTED, DOCUMENTED], headers={"idempotency-key": "once"})
    assert (again.json(), again.headers["idempotent-replayed"]) == (first, "true")
    other = api.post("/api/v1/xapi/statements", json=DOCUMENTED, headers={"idempotency-key": "once"})
    assert other.status_code == 409
    assert page(api)["pagination"]["total"] == 2


def test_a_null_byte_does_no_harm_and_half_a_character_is_refused(api: httpx.Client) -> None:
    text = json.dumps({**DOCUMENTED, "actor": {**DOCUMENTED["actor"], "name": "a\0b"}})
    answer = api.post("/api/v1/xapi/statements", content=text, headers=JSON)
    assert answer.status_code == 200, answer.text
    assert "\\u0000" in api.get(f"/api/v1/xapi/statements/{answer.json()}").text
    (row,) = until(api, "actors", 1)["actors"]
    assert row["actor_name"] == "a\ufffdb"
    half = api.post("/api/v1/xapi/statements", content=text.replace("\\u0000", "\\ud800"), headers=JSON)
    assert (half.status_code, error_of(half)["code"]) == (400, "BAD_REQUEST")


def test_what_sessions_tell_is_there_within_a_second_with_its_package(api: httpx.Client, key: str) -> None:
    package = str(upload(api, scorm12_package(title="Course Title"))["package_id"])
    session = create(api, package)["id"]
    update(api, session, {"completion_status": "completed", "score": {"scaled": 0.5}})
    began = time.monotonic()
    while not (told := page(api, registration=session))["statements"]:
        assert time.monotonic() - began < 5
    (statement,) = told["statements"]
    assert statement["verb"]["id"] == VERBS + "completed"
    assert statement["result"]["score"] == {"scaled": 0.5}
    assert statement["actor"]["account"]["homePage"].endswith(f"/tenants/{tenant_of(key)}")
    until(api, "activities", 1)
    (row,) = analytics(api, "activities", package_id=package)["activities"]
    assert (row["package_id"], row["completed_count"], row["unique_learners"]) == (package, 1, 1)
    assert row["activity_type"] == "http://adlnet.gov/expapi/activities/course"
    assert analytics(api, "activities", package_id=str(uuid4()))["activities"] == []


def told_by(api: httpx.Client) -> None:
    """Three learners and two activities."""
    made = []
    for name, verb, where, scaled, day in (
        ("john", "completed", "one", 0.9, 1),
        ("john", "passed", "one", 0.8, 2),
        ("john", "failed", "two", None, 3),
        ("mary", "completed", "two", 0.2, 4),
        ("zoe", "experienced", "one", None, 5),
    ):
        statement = a_statement(
            actor=agent(name), verb={"id": VERBS + verb}, object=activity(where), timestamp=f"2025-01-0{day}T00:00:00Z"
        )
        if scaled is not None:
            statement["result"] = {"score": {"scaled": scaled}}
        made.append(statement)
    store(api, made)


def test_actors_are_told_as_documented(api: httpx.Client) -> None:
    told_by(api)
    told = until(api, "actors", 5)
    assert list(told) == ["actors", "pagination"]
    assert told["pagination"] == {"page": 1, "limit": 20, "total": 3, "total_pages": 1}
    assert list(told["actors"][0]) == ACTOR
    assert told["actors"][0] == {
        "actor_mbox": "john@example.com",
        "actor_name": "John",
        "total_statements": 3,
        "unique_activities": 2,
        "completed_count": 1,
        "passed_count": 1,
        "failed_count": 1,
        "avg_score_scaled": pytest.approx(0.85),
        "first_activity": "2025-01-01T00:00:00Z",
        "last_activity": "2025-01-03T00:00:00Z",
    }
    zoe = next(row for row in told["actors"] if row["actor_name"] == "Zoe")
    assert "avg_score_scaled" not in zoe
    for mbox in ("mary@example.com", "mailto:mary@example.com"):
        (mary,) = analytics(api, "actors", actor_mbox=mbox)["actors"]
        assert mary["actor_name"] == "Mary"
    assert analytics(api, "actors", min_activities=2)["pagination"]["total"] == 1


def test_activities_are_told_as_documented(api: httpx.Client) -> None:
    told_by(api)
    told = until(api, "activities", 5)
    assert list(told) == ["activities", "pagination"]
    assert list(told["activities"][0]) == [name for name in ACTIVITY if name != "package_id"]
    assert told["activities"][0] == {
        "activity_id": activity("one")["id"],
        "activity_type": "https://example.com/types/course",
        "total_statements": 3,
        "unique_learners": 2,
        "completed_count": 1,
        "passed_count": 1,
        "failed_count": 0,
        "avg_score_scaled": pytest.approx(0.85),
        "first_activity": "2025-01-01T00:00:00Z",
        "last_activity": "2025-01-05T00:00:00Z",
    }
    assert len(analytics(api, "activities", activity_id=activity("two")["id"])["activities"]) == 1
    assert len(analytics(api, "activities", activity_type="https://example.com/types/course")["activities"]) == 2
    assert analytics(api, "activities", activity_type="https://example.com/other")["activities"] == []
    assert analytics(api, "activities", min_learners=3)["activities"] == []


@pytest.mark.parametrize(("what", "unique"), [("actors", "unique_activities"), ("activities", "unique_learners")])
def test_every_column_sorts_both_ways_and_rows_without_a_value_come_last(
    api: httpx.Client, what: str, unique: str
) -> None:
    told_by(api)
    until(api, what, 5)
    for column in (*COMMON_SORTS, unique, "avg_score_scaled"):
        for order in ("asc", "desc"):
            rows = analytics(api, what, sort=column, order=order)[what]
            values = [row[column] for row in rows if column in row]
            assert values == sorted(values, reverse=order == "desc"), (column, order)
            assert all(column in row for row in rows[: len(values)])
            assert rows == [
                row
                for number in range(1, len(rows) + 1)
                for row in analytics(api, what, sort=column, order=order, page=number, limit=1)[what]
            ]
    refused = api.get(f"/api/v1/xapi/analytics/{what}", params={"sort": "name", "order": "up"})
    faults = error_of(refused)["details"]["fieldErrors"]
    assert set(faults) == {"sort", "order"}
    assert unique in faults["sort"][0]


def test_a_voided_statement_counts_no_more(stack: Stack, key: str, api: httpx.Client) -> None:
    statement = new_statement(timestamp="2020-01-01T00:00:00Z")
    with lrs(stack, key) as strict:
        post(strict, statement, new_statement(timestamp="2021-01-01T00:00:00Z"))
        until(api, "activities", 2)
        post(strict, voiding(statement["id"]))
        assert statement["id"] not in found(strict)
    deadline = time.monotonic() + 15
    while (row := analytics(api, "activities")["activities"][0])["total_statements"] != 1:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert row["first_activity"] == "2021-01-01T00:00:00Z"
    assert page(api, activity=statement["object"]["id"])["pagination"]["total"] == 2, "the other, and what voids"
