"""The documented API's examples of sessions, through Envoy, shapes to the letter."""

import json
from collections.abc import Iterator
from itertools import product
from typing import Any

import httpx
import pytest

from tests.factories import scorm12_package, scorm2004_package
from tests.gateway.test_documented_packages import RFC3339, UUID7, client, error_of, upload
from tests.stack import Stack, tenant_of

DOCUMENTED_IN_LISTS = [
    "id",
    "package_id",
    "tenant_id",
    "user_id",
    "completion_status",
    "success_status",
    "score",
    "attempts",
    "time_spent_seconds",
    "session_time",
    "created_at",
    "updated_at",
    "package",
]
WITHOUT_VALUES = [name for name in DOCUMENTED_IN_LISTS if name not in ("score", "session_time")]
DOCUMENTED_UPDATE = {
    "cmi_data": {"cmi.core.lesson_status": "completed", "cmi.core.score.raw": "95"},
    "completion_status": "completed",
    "success_status": "passed",
    "score": {"scaled": 0.95, "raw": 95, "min": 0, "max": 100},
    "session_time": "PT1H",
    "suspend_data": "...",
}


@pytest.fixture
def key(stack: Stack) -> str:
    return stack.new_tenant()


@pytest.fixture
def api(stack: Stack, key: str) -> Iterator[httpx.Client]:
    with client(stack, key) as opened:
        yield opened


@pytest.fixture
def package_id(api: httpx.Client) -> str:
    return str(upload(api, scorm12_package(title="Course Title"))["package_id"])


def create(api: httpx.Client, package_id: str, user_id: str = "user-abc", **fields: Any) -> Any:
    answer = api.post("/api/v1/sessions", json={"package_id": package_id, "user_id": user_id, **fields})
    assert answer.status_code in (200, 201), answer.text
    return answer.json()["session"]


def read(api: httpx.Client, session_id: str) -> Any:
    answer = api.get(f"/api/v1/sessions/{session_id}")
    assert answer.status_code == 200, answer.text
    return answer.json()["session"]


def update(api: httpx.Client, session_id: str, fields: Any) -> Any:
    answer = api.put(f"/api/v1/sessions/{session_id}", json=fields)
    assert answer.status_code == 200, answer.text
    return answer.json()


def page(api: httpx.Client, **query: Any) -> Any:
    answer = api.get("/api/v1/sessions", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_documented_update_is_stored_and_told_as_documented(api: httpx.Client, key: str, package_id: str) -> None:
    session_id = create(api, package_id)["id"]
    answer = api.put(f"/api/v1/sessions/{session_id}", json=DOCUMENTED_UPDATE)
    body = answer.json()
    assert answer.status_code == 200
    assert list(body) == ["success", "session_id", "updated_at"]
    assert (body["success"], body["session_id"]) == (True, session_id)
    assert RFC3339.match(body["updated_at"])

    listed = api.get("/api/v1/sessions", params={"package_id": package_id, "completion_status": "completed"})
    assert list(listed.json()) == ["sessions", "pagination"]
    (session,) = listed.json()["sessions"]
    assert list(session)[: len(DOCUMENTED_IN_LISTS)] == DOCUMENTED_IN_LISTS
    assert "cmi_data" not in session
    assert "items" not in session
    assert {name: session[name] for name in DOCUMENTED_IN_LISTS} == {
        "id": session_id,
        "package_id": package_id,
        "tenant_id": tenant_of(key),
        "user_id": "user-abc",
        "completion_status": "completed",
        "success_status": "passed",
        "score": {"scaled": 0.95, "raw": 95, "min": 0, "max": 100},
        "attempts": 1,
        "time_spent_seconds": 3600,
        "session_time": "PT1H",
        "created_at": session["created_at"],
        "updated_at": body["updated_at"],
        "package": {"title": "Course Title", "version": "1.2"},
    }
    assert RFC3339.match(session["created_at"])
    # JSON numbers, and whole ones without a fraction.
    assert '"score":{"scaled":0.95,"raw":95,"min":0,"max":100},"attempts":1,"time_spent_seconds":3600,' in listed.text
    assert listed.text.endswith('"pagination":{"page":1,"limit":20,"total":1,"total_pages":1}}')

    answer = api.get(f"/api/v1/sessions/{session_id}")
    assert list(answer.json()) == ["session"]
    read = answer.json()["session"]
    assert {name: read[name] for name in DOCUMENTED_IN_LISTS} == {name: session[name] for name in DOCUMENTED_IN_LISTS}
    assert read["cmi_data"] == {
        "cmi.core.lesson_status": "completed",
        "cmi.core.score.raw": "95",
        "cmi.core.total_time": "0001:00:00.00",
        "cmi.suspend_data": "...",
    }
    (item,) = read["items"]
    assert (item["id"], item["title"], item["completion_status"], item["time_spent_seconds"]) == (
        "ITEM-1",
        "Lesson 1",
        "completed",
        3600,
    )
    assert item["cmi_data"] == read["cmi_data"]


def test_a_new_session_has_every_field_but_those_that_have_no_value(
    api: httpx.Client, key: str, package_id: str
) -> None:
    answer = api.post("/api/v1/sessions", json={"package_id": package_id, "user_id": "user-abc"})
    body = answer.json()
    assert answer.status_code == 201
    assert list(body) == ["session", "launch_url", "launch_url_expires_at"]
    session = body["session"]
    assert UUID7.match(session["id"])
    assert answer.headers["location"] == f"/api/v1/sessions/{session['id']}"
    assert list(session)[: len(WITHOUT_VALUES)] == WITHOUT_VALUES
    assert "score" not in session
    assert "session_time" not in session
    assert (session["completion_status"], session["success_status"]) == ("not_attempted", "unknown")
    assert (session["attempts"], session["time_spent_seconds"], session["tenant_id"]) == (1, 0, tenant_of(key))
    assert session["cmi_data"] == {}
    assert [item["id"] for item in session["items"]] == ["ITEM-1"]
    assert "score" not in session["items"][0]
    assert read(api, session["id"]) == session
    assert page(api)["sessions"][0] == {
        name: value for name, value in session.items() if name not in ("cmi_data", "items")
    }


def test_parts_of_a_score_are_told_as_far_as_they_are_known(api: httpx.Client, package_id: str) -> None:
    session_id = create(api, package_id)["id"]
    update(api, session_id, {"score": {"raw": 0}})
    assert read(api, session_id)["score"] == {"raw": 0}
    update(api, session_id, {"score": {"scaled": -0.5, "max": 10.25}})
    assert read(api, session_id)["score"] == {"scaled": -0.5, "max": 10.25}
    update(api, session_id, {"cmi_data": {"cmi.core.score.raw": "30", "cmi.core.score.max": "40"}})
    assert read(api, session_id)["score"] == {"scaled": 0.75, "raw": 30, "max": 40}


def test_an_empty_list_has_its_fields(api: httpx.Client) -> None:
    answer = api.get("/api/v1/sessions")
    assert answer.text == '{"sessions":[],"pagination":{"page":1,"limit":20,"total":0,"total_pages":0}}'


def test_every_combination_of_filters_finds_what_matches(api: httpx.Client, package_id: str) -> None:
    other = str(upload(api, scorm2004_package())["package_id"])
    statuses = {
        "a": {},
        "b": {"completion_status": "incomplete"},
        "c": {"completion_status": "completed", "success_status": "failed"},
        "d": {"completion_status": "completed", "success_status": "passed"},
    }
    made = []
    for package, (user, fields) in product((package_id, other), statuses.items()):
        session_id = create(api, package, user)["id"]
        if fields:
            update(api, session_id, fields)
        made.append(read(api, session_id))
    choices: dict[str, list[str | None]] = {
        "package_id": [None, package_id, other],
        "user_id": [None, "a", "d", "nobody"],
        "completion_status": [None, "not_attempted", "incomplete", "completed"],
        "success_status": [None, "unknown", "passed", "failed"],
    }
    for values in product(*choices.values()):
        query = {name: value for name, value in zip(choices, values, strict=True) if value is not None}
        found = page(api, **query)
        expected = [one["id"] for one in made[::-1] if all(one[name] == value for name, value in query.items())]
        assert [one["id"] for one in found["sessions"]] == expected, query
        assert found["pagination"] == {
            "page": 1,
            "limit": 20,
            "total": len(expected),
            "total_pages": bool(expected),
        }, query


def test_pages_end_and_cursors_walk_the_whole_list(api: httpx.Client, package_id: str) -> None:
    ids = [create(api, package_id, f"user-{number}")["id"] for number in range(5)][::-1]
    second = page(api, page=2, limit=2)
    assert [one["id"] for one in second["sessions"]] == ids[2:4]
    assert second["pagination"] == {"page": 2, "limit": 2, "total": 5, "total_pages": 3}
    beyond = page(api, page=4, limit=2)
    assert (beyond["sessions"], beyond["pagination"]["total"]) == ([], 5)


@pytest.mark.parametrize("filters", [{}, {"completion_status": "not_attempted"}, {"success_status": "unknown"}])
def test_cursors_read_all_there_was_whatever_is_added(
    api: httpx.Client, package_id: str, filters: dict[str, str]
) -> None:
    ids = [create(api, package_id, f"user-{number}")["id"] for number in range(5)][::-1]
    seen: list[str] = []
    late = 0
    query: dict[str, Any] = {"limit": 2, **filters}
    while True:
        found = page(api, **query)
        seen += [one["id"] for one in found["sessions"]]
        assert found["pagination"]["total"] == 5 + late
        late += 1
        create(api, package_id, f"late-{late}")
        if "next_cursor" not in found:
            break
        query["cursor"] = found["next_cursor"]
    assert seen == ids


def test_a_version_is_told_and_a_condition_on_another_refused(api: httpx.Client, package_id: str) -> None:
    session_id = create(api, package_id)["id"]
    path = f"/api/v1/sessions/{session_id}"
    etag = api.get(path).headers["etag"]
    answer = api.put(path, json={"suspend_data": "1"}, headers={"If-Match": etag})
    assert answer.status_code == 200
    newer = answer.headers["etag"]
    assert newer == api.get(path).headers["etag"] != etag
    for method, body in (("PUT", {"suspend_data": "2"}), ("DELETE", None)):
        refused = api.request(method, path, headers={"If-Match": etag}, json=body)
        assert refused.status_code == 409
        error = error_of(refused)
        assert (error["code"], error["details"]) == ("CONFLICT", {"current_etag": newer})
    assert read(api, session_id)["cmi_data"] == {"cmi.suspend_data": "1"}
    several = {"If-Match": f'"77", {newer}'}
    assert api.put(path, json={"suspend_data": "3"}, headers=several).status_code == 200
    assert api.put(path, json={"suspend_data": "4"}, headers={"If-Match": "*"}).status_code == 200
    malformed = api.put(path, json={"score": {"scaled": 2}}, headers={"If-Match": "nonsense"})
    assert set(error_of(malformed)["details"]["fieldErrors"]) == {"if_match", "score.scaled"}


def test_what_is_written_is_merged(api: httpx.Client, package_id: str) -> None:
    session_id = create(api, package_id)["id"]
    update(api, session_id, {"cmi_data": {"cmi.core.lesson_location": "1", "cmi.comments": "a"}})
    update(api, session_id, {"cmi_data": {"cmi.core.lesson_location": "2"}, "suspend_data": "s"})
    assert read(api, session_id)["cmi_data"] == {
        "cmi.comments": "a",
        "cmi.core.lesson_location": "2",
        "cmi.suspend_data": "s",
    }


def test_explicit_statuses_stick_until_a_deciding_element_is_written(api: httpx.Client, package_id: str) -> None:
    session_id = create(api, package_id)["id"]
    update(api, session_id, {"cmi_data": {"cmi.core.lesson_status": "incomplete"}, "completion_status": "completed"})
    update(api, session_id, {"suspend_data": "more"})
    assert read(api, session_id)["completion_status"] == "completed"
    assert read(api, session_id)["items"][0]["completion_status"] == "incomplete"
    update(api, session_id, {"cmi_data": {"cmi.core.lesson_status": "incomplete"}})
    assert read(api, session_id)["completion_status"] == "incomplete"


def test_every_answer_carries_the_limit_it_counts_against(stack: Stack) -> None:
    with client(stack, stack.new_tenant(plan="standard")) as api:
        limits = {
            "1000": [api.get("/api/v1/sessions"), api.get("/api/v1/sessions/x")],
            "100": [
                api.post("/api/v1/sessions", json={}),
                api.put("/api/v1/sessions/x", json={}),
                api.delete("/api/v1/sessions/x"),
                api.post("/api/v1/sessions/x/launch", json={}),
                api.post("/api/v1/sessions/x/revoke", json={}),
            ],
        }
    for limit, answers in limits.items():
        assert {answer.headers["x-ratelimit-limit"] for answer in answers} == {limit}
        remaining = [int(answer.headers["x-ratelimit-remaining"]) for answer in answers]
        assert remaining == sorted(remaining, reverse=True)
        assert all(answer.headers["x-ratelimit-reset"].isdecimal() for answer in answers)


def test_head_tells_what_get_would(api: httpx.Client, package_id: str) -> None:
    path = f"/api/v1/sessions/{create(api, package_id)['id']}"
    headed, got = api.head(path), api.get(path)
    assert (headed.status_code, headed.content, headed.headers["etag"]) == (200, b"", got.headers["etag"])
    assert api.head("/api/v1/sessions").status_code == 200
    assert api.head("/api/v1/sessions/session-789").status_code == 404


def test_the_answer_is_json_that_nobody_keeps(api: httpx.Client, package_id: str) -> None:
    answer = api.get(f"/api/v1/sessions/{create(api, package_id)['id']}")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert "set-cookie" not in answer.headers
    json.loads(answer.content)
