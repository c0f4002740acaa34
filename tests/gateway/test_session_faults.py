"""What is refused of requests about sessions, and how it is told."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.factories import scorm12_package, scorm2004_package
from tests.gateway.test_documented_packages import client, error_of, upload
from tests.gateway.test_documented_sessions import create, page, read, update
from tests.stack import Stack, tenant_of

NOBODYS = "01a20774-d357-7618-8c21-183dda924c56"


@pytest.fixture
def key(stack: Stack) -> str:
    return stack.new_tenant()


@pytest.fixture
def api(stack: Stack, key: str) -> Iterator[httpx.Client]:
    with client(stack, key) as opened:
        yield opened


@pytest.fixture
def package_id(api: httpx.Client) -> str:
    return str(upload(api)["package_id"])


@pytest.fixture
def session_id(api: httpx.Client, package_id: str) -> str:
    return str(create(api, package_id)["id"])


def faults_of(answer: httpx.Response) -> dict[str, list[str]]:
    assert answer.status_code == 400, answer.text
    error = error_of(answer)
    assert (error["code"], error["message"]) == ("VALIDATION_ERROR", "Validation failed")
    faults: dict[str, list[str]] = error["details"]["fieldErrors"]
    assert all(isinstance(text, str) and text for texts in faults.values() for text in texts)
    return faults


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("package_id=pkg-123", {"package_id"}),
        ("package_id=", {"package_id"}),
        ("user_id=", {"user_id"}),
        ("user_id=%00", {"user_id"}),
        ("user_id=" + "x" * 256, {"user_id"}),
        ("completion_status=unknown", {"completion_status"}),
        ("completion_status=", {"completion_status"}),
        ("success_status=completed", {"success_status"}),
        ("page=0", {"page"}),
        ("page=x", {"page"}),
        ("limit=0", {"limit"}),
        ("limit=101", {"limit"}),
        ("cursor=nonsense", {"cursor"}),
        ("user_id=a&user_id=b", {"user_id"}),
        ("page=0&limit=0&package_id=x&completion_status=x&success_status=x&user_id=", {
            "page", "limit", "package_id", "completion_status", "success_status", "user_id"
        }),
    ],
)  # fmt: skip
def test_a_parameter_that_is_wrong_is_named(api: httpx.Client, query: str, fields: set[str]) -> None:
    assert set(faults_of(api.get(f"/api/v1/sessions?{query}"))) == fields


def test_any_learner_may_be_asked_for(api: httpx.Client, package_id: str) -> None:
    for user_id in ("é" * 255, "x", " a b ", "日本/?&=#%", "01a20774-d357-7618-8c21-183dda924c56", "'; --", "😀" * 255):
        session_id = create(api, package_id, user_id)["id"]
        assert [one["id"] for one in page(api, user_id=user_id)["sessions"]] == [session_id]
        assert read(api, session_id)["user_id"] == user_id


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({}, {"user_id"}),
        ({"user_id": ""}, {"user_id"}),
        ({"user_id": "x" * 256}, {"user_id"}),
        ({"user_id": "a\nb"}, {"user_id"}),
        ({"user_id": 5}, {"user_id"}),
        ({"user_id": "u", "user_name": "x" * 256}, {"user_name"}),
        ({"user_id": "u", "redirect_url": "javascript:alert(1)"}, {"redirect_url"}),
        ({"user_id": "u", "redirect_url": "https://u:p@lms.example/"}, {"redirect_url"}),
        ({"user_id": "u", "redirect_url": "https://lms.example/" + "x" * 1000}, {"redirect_url"}),
        ({"user_id": "", "user_name": "\0", "redirect_url": "x"}, {"user_id", "user_name", "redirect_url"}),
    ],
)
def test_a_session_that_cannot_be_made_says_why(
    api: httpx.Client, package_id: str, fields: dict[str, Any], names: set[str]
) -> None:
    answer = api.post("/api/v1/sessions", json={"package_id": package_id, **fields})
    assert set(faults_of(answer)) == names
    assert page(api)["pagination"]["total"] == 0


@pytest.mark.parametrize("package_id", ["pkg-123", NOBODYS, "", None])
def test_a_session_needs_a_package_of_the_tenant(stack: Stack, api: httpx.Client, package_id: str | None) -> None:
    answers = [api.post("/api/v1/sessions", json={"package_id": package_id, "user_id": "u"})]
    with client(stack, stack.new_tenant()) as other:
        foreign = upload(other)["package_id"]
        answers.append(api.post("/api/v1/sessions", json={"package_id": foreign, "user_id": "u"}))
    for answer in answers:
        assert (answer.status_code, error_of(answer)["code"]) == (404, "PACKAGE_NOT_FOUND")


def test_all_faults_of_an_update_are_told_at_once(api: httpx.Client, session_id: str) -> None:
    wrong = {
        "cmi_data": {
            "cmi.core.lesson_status": "complete",
            "cmi.core.score.raw": "101",
            "cmi.core.total_time": "0001:00:00",
            "cmi.core.student_id": "other",
            "cmi.core.lesson_location": None,
            "cmi.comments": {"text": "x"},
            "cmi.nothing": "x",
            "cmi.interactions.1.id": "q",
            "cmi.core.exit": "suspend",
        },
        "completion_status": "done",
        "success_status": "won",
        "score": {"scaled": 1.5, "raw": "Infinity", "min": 5, "max": 1},
        "session_time": "an hour",
        "suspend_data": "a\0b",
        "item_id": "ITEM-9",
        "launch_id": NOBODYS,
    }
    faults = faults_of(api.put(f"/api/v1/sessions/{session_id}", json=wrong, headers={"If-Match": "nonsense"}))
    elements = set(wrong["cmi_data"]) - {"cmi.core.exit"}
    assert set(faults) == {
        *(f"cmi_data.{element}" for element in elements),
        *("completion_status", "success_status", "score.scaled", "score.raw", "score.min", "session_time"),
        *("suspend_data", "item_id", "launch_id", "if_match"),
    }
    unchanged = read(api, session_id)
    assert (unchanged["completion_status"], unchanged["cmi_data"]) == ("not_attempted", {})


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"score": 5}, "score"),
        ({"score": {"scaled": "x"}}, "score.scaled"),
        ({"cmi_data": "x"}, "cmi_data"),
        ({"session_time": 3600}, "session_time"),
        ({"completion_status": ["completed"]}, "completion_status"),
    ],
)
def test_a_field_of_another_type_is_named(api: httpx.Client, session_id: str, body: Any, field: str) -> None:
    answer = api.put(f"/api/v1/sessions/{session_id}", json=body)
    assert answer.status_code == 400
    # Of a list in the place of a value the transcoder cannot tell where it is.
    if error_of(answer)["code"] == "VALIDATION_ERROR":
        assert list(faults_of(answer)) == [field]


@pytest.mark.parametrize("body", ['{"cmi_data":', "[]", "null", '"x"', '{"score":{"raw":1e999}}', '{"a":"\\ud800"}'])
def test_what_is_no_json_object_is_a_bad_request(api: httpx.Client, session_id: str, body: str) -> None:
    headers = {"Content-Type": "application/json"}
    answer = api.put(f"/api/v1/sessions/{session_id}", content=body, headers=headers)
    assert answer.status_code == 400
    assert error_of(answer)["code"] == "BAD_REQUEST"


def test_of_very_many_faults_some_are_told_and_the_rest_counted(api: httpx.Client, session_id: str) -> None:
    names = [f"cmi.nothing.{number}" for number in range(5000)]
    answer = api.put(f"/api/v1/sessions/{session_id}", json={"cmi_data": dict.fromkeys(names, "x")})
    faults = faults_of(answer)
    assert len(faults) > 200
    assert set(faults) < {f"cmi_data.{name}" for name in names}
    assert error_of(answer)["details"]["more_field_errors"] == 5000 - len(faults)
    (long,) = faults_of(api.put(f"/api/v1/sessions/{session_id}", json={"cmi_data": {"cmi." + "x" * 100_000: "x"}}))
    assert long.startswith("cmi_data.cmi.xxx")
    assert len(long) < 300


def test_several_items_need_a_name_until_one_was_opened(api: httpx.Client) -> None:
    package_id = upload(api, scorm2004_package(scos=3))["package_id"]
    session_id = create(api, package_id)["id"]
    path = f"/api/v1/sessions/{session_id}"
    completed = {"cmi_data": {"cmi.completion_status": "completed"}}
    assert set(faults_of(api.put(path, json={**completed, "score": {"scaled": 2}}))) == {"item_id", "score.scaled"}
    assert set(faults_of(api.put(path, json={"suspend_data": "x"}))) == {"item_id"}
    assert set(faults_of(api.put(path, json={**completed, "item_id": "ITEM-9"}))) == {"item_id"}
    update(api, session_id, {**completed, "item_id": "ITEM-2"})
    told = read(api, session_id)
    assert [item["completion_status"] for item in told["items"]] == ["not_attempted", "completed", "not_attempted"]
    assert (told["completion_status"], told["cmi_data"]) == ("incomplete", {})
    for item in ("ITEM-1", "ITEM-3"):
        update(api, session_id, {**completed, "item_id": item})
    assert read(api, session_id)["completion_status"] == "completed"


def test_a_session_of_another_tenant_is_not_there(stack: Stack, api: httpx.Client, session_id: str) -> None:
    with client(stack, stack.new_tenant()) as foreign:
        assert page(foreign)["sessions"] == []
        assert page(foreign, user_id="user-abc")["pagination"]["total"] == 0
        answers = every_call(foreign, session_id)
    for answer in answers:
        assert (answer.status_code, error_of(answer)["code"]) == (404, "SESSION_NOT_FOUND")
    assert read(api, session_id)["launches"] == 0


@pytest.mark.parametrize("text", ["session-789", NOBODYS, "%20", "a" * 500])
def test_an_id_that_leads_nowhere_is_not_found(api: httpx.Client, text: str) -> None:
    for answer in every_call(api, text):
        assert (answer.status_code, error_of(answer)["code"]) == (404, "SESSION_NOT_FOUND")


def every_call(api: httpx.Client, session_id: str) -> list[httpx.Response]:
    """Each that names a session."""
    path = f"/api/v1/sessions/{session_id}"
    return [
        api.get(path),
        api.put(path, json={"suspend_data": "x"}),
        api.delete(path),
        api.post(f"{path}/launch", json={}),
        api.post(f"{path}/revoke", json={}),
    ]


def test_a_missing_scope_is_named(stack: Stack, key: str, session_id: str) -> None:
    tenant = tenant_of(key)
    path = f"/api/v1/sessions/{session_id}"
    asked: dict[str, list[tuple[str, str]]] = {
        "read": [("GET", "/api/v1/sessions"), ("GET", path), ("HEAD", path)],
        "write": [("POST", "/api/v1/sessions"), ("PUT", path), ("POST", f"{path}/launch"), ("POST", f"{path}/revoke")],
        "delete": [("DELETE", path)],
    }
    for scope, calls in asked.items():
        others = [other for other in asked if other != scope]
        with client(stack, stack.new_key(tenant, scopes=others)) as api:
            for method, where in calls:
                answer = api.request(method, where, json={} if method in ("POST", "PUT") else None)
                assert answer.status_code == 403, (method, where)
                if method != "HEAD":
                    error = error_of(answer)
                    assert (error["code"], error["details"]) == ("FORBIDDEN", {"required_scope": scope})


def test_a_wrong_method_says_which_there_are(api: httpx.Client, session_id: str) -> None:
    paths = {
        "/api/v1/sessions": {"GET", "HEAD", "POST"},
        f"/api/v1/sessions/{session_id}": {"GET", "HEAD", "PUT", "DELETE"},
        f"/api/v1/sessions/{session_id}/launch": {"POST"},
        f"/api/v1/sessions/{session_id}/revoke": {"POST"},
    }
    for path, allowed in paths.items():
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - allowed:
            answer = api.request(method, path)
            assert (answer.status_code, error_of(answer)["code"]) == (405, "METHOD_NOT_ALLOWED"), (method, path)
            assert {name.strip() for name in answer.headers["allow"].split(",")} == allowed


def test_without_a_key_nothing_is_told(stack: Stack, session_id: str) -> None:
    with httpx.Client(base_url=stack.base_url) as nobody:
        for answer in [nobody.get("/api/v1/sessions"), *every_call(nobody, session_id)]:
            assert (answer.status_code, error_of(answer)["code"]) == (401, "UNAUTHORIZED")


# What run-time data look like in JSON --------------------------------------------------------------------------------


def test_numbers_and_truth_values_count_as_the_text_that_json_has_for_them(api: httpx.Client, session_id: str) -> None:
    given = {"cmi.core.score.raw": 95, "cmi.core.score.min": 0.5, "cmi.core.score.max": 1e2, "cmi.comments": True}
    update(api, session_id, {"cmi_data": given})
    session = read(api, session_id)
    assert session["cmi_data"] == {
        "cmi.comments": "true",
        "cmi.core.score.max": "100",
        "cmi.core.score.min": "0.5",
        "cmi.core.score.raw": "95",
    }
    assert session["score"]["raw"] == 95


@pytest.mark.parametrize("value", [None, {}, {"a": {"b": 1}}, [], ["95"]])
def test_an_element_that_is_no_text_is_named(api: httpx.Client, session_id: str, value: Any) -> None:
    body = {"cmi_data": {"cmi.core.score.raw": value, "cmi.core.lesson_status": "x"}}
    faults = faults_of(api.put(f"/api/v1/sessions/{session_id}", json=body))
    assert faults["cmi_data.cmi.core.score.raw"] == ["Must be a text"]
    assert set(faults) == {"cmi_data.cmi.core.score.raw", "cmi_data.cmi.core.lesson_status"}


def test_nothing_and_null_leave_things_as_they_are(api: httpx.Client, session_id: str) -> None:
    update(api, session_id, {"suspend_data": "kept", "score": {"raw": 5}})
    before = read(api, session_id)
    for body in ({}, {"cmi_data": None, "score": None, "completion_status": None, "suspend_data": None}):
        update(api, session_id, body)
        after = read(api, session_id)
        assert {**after, "updated_at": None} == {**before, "updated_at": None}


@pytest.mark.parametrize("text", ["ünï 日本 😀", 'a"b\\c\n\t\r\u2028</script>', "", " ", "\x01\x7f", "e\u0301"])
def test_any_text_comes_back_as_it_was(api: httpx.Client, session_id: str, text: str) -> None:
    update(api, session_id, {"cmi_data": {"cmi.comments": text}, "suspend_data": text})
    assert read(api, session_id)["cmi_data"] == {"cmi.comments": text, "cmi.suspend_data": text}


def test_a_mebibyte_is_kept_and_what_is_too_large_refused(api: httpx.Client, session_id: str) -> None:
    long = "Ünï" * 200_000 + "x" * 400_000
    update(api, session_id, {"suspend_data": long})
    assert read(api, session_id)["cmi_data"]["cmi.suspend_data"] == long
    answer = api.put(f"/api/v1/sessions/{session_id}", json={"suspend_data": "x" * 3_000_000})
    assert (answer.status_code, error_of(answer)["code"]) == (413, "PAYLOAD_TOO_LARGE")
    assert read(api, session_id)["cmi_data"]["cmi.suspend_data"] == long


@pytest.mark.parametrize("version", ["1.2", "2004"])
def test_hundreds_of_interactions_are_kept(api: httpx.Client, version: str) -> None:
    package_id = upload(api, scorm12_package() if version == "1.2" else scorm2004_package())["package_id"]
    session_id = create(api, package_id)["id"]
    response = "student_response" if version == "1.2" else "learner_response"
    values: dict[str, str] = {}
    for number in range(300):
        at = f"cmi.interactions.{number}"
        values |= {
            f"{at}.id": f"urn:q:{number}",
            f"{at}.type": "choice",
            f"{at}.{response}": "a",
            f"{at}.result": "0.5",
        }
    update(api, session_id, {"cmi_data": values})
    told = read(api, session_id)["cmi_data"]
    # Write-only is for courses; customers read what was written.
    assert told == values
    gap = api.put(f"/api/v1/sessions/{session_id}", json={"cmi_data": {"cmi.interactions.301.id": "urn:q:301"}})
    assert list(faults_of(gap)) == ["cmi_data.cmi.interactions.301.id"]
