"""Which statements tell of what, and that they are right xAPI."""

import json
import re
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.domain.sessions.model import Completion, Score, Success
from server.domain.sessions.statements import Change, Statement, Teller, score_json
from server.domain.xapi.statements import check_statement
from server.domain.xapi.versions import Version
from tests.factories.sessions import NOW, Play, asset, course12, course2004, item, played, sco, session, untouched

BASE = "https://scorm.example"
TELLER = Teller(iri_base=BASE)
VERBS = "http://adlnet.gov/expapi/verbs/"
STATUS, RAW, DATA = "cmi.core.lesson_status", "cmi.core.score.raw", "cmi.suspend_data"
PACKAGE = f"{BASE}/packages/01970000-0000-7000-8000-00000000000b"


def told(before: Play, after: Play, identifier: str | None = "ITEM-1") -> list[dict[str, Any]]:
    """The statements of what lies between, as JSON."""
    change = Change(
        before=before.session,
        after=after.session,
        item_before=before.items.get(identifier) if identifier else None,
        item_after=after.items.get(identifier) if identifier else None,
        launch=after.launch,
    )
    return [json.loads(one.content) for one in TELLER.changed(change, after.course, at=after.at)]


def verbs(statements: list[dict[str, Any]]) -> list[tuple[str, bool]]:
    """Each verb, and whether it is about an item."""
    return [(one["verb"]["id"].removeprefix(VERBS), "/items/" in one["object"]["id"]) for one in statements]


def commit(play: Play, values: dict[str, str], **said: Any) -> list[dict[str, Any]]:
    return told(play, play.committed(values, **said), play.session.current_item)


@pytest.mark.parametrize(
    ("values", "said", "expected"),
    [
        ({DATA: "x"}, {}, ["initialized"]),
        ({STATUS: "incomplete"}, {}, ["initialized"]),
        ({STATUS: "completed"}, {}, ["initialized", "completed"]),
        ({STATUS: "passed"}, {}, ["initialized", "completed", "passed"]),
        ({STATUS: "failed"}, {}, ["initialized", "completed", "failed"]),
        ({RAW: "80"}, {}, ["initialized", "scored"]),
        ({STATUS: "passed", RAW: "80"}, {"terminated": True}, ["initialized", "completed", "passed", "terminated"]),
        ({}, {"terminated": True}, ["initialized", "completed", "terminated"]),
        ({"cmi.core.exit": "suspend"}, {"terminated": True}, ["initialized", "suspended"]),
        ({}, {"initialized": True}, ["initialized"]),
    ],
)
def test_a_first_commit_tells_what_it_brought_about(
    values: dict[str, str], said: dict[str, bool], expected: list[str]
) -> None:
    found = verbs(commit(played(course12()), values, **said))
    assert [verb for verb, _ in found] == expected
    assert [verb for verb, of_item in found if of_item] == [
        verb for verb in expected if verb in ("initialized", "terminated", "suspended")
    ]


def test_nothing_is_told_twice() -> None:
    play = played(course12()).committed({STATUS: "passed", RAW: "80"}, terminated=True)
    assert told(play, play) == []
    going_on = played(course12()).committed({STATUS: "passed", RAW: "80"})
    assert commit(going_on, {STATUS: "passed", RAW: "80", DATA: "x"}) == []
    assert verbs(commit(going_on, {STATUS: "failed"})) == [("failed", False)]


def test_what_goes_back_tells_nothing() -> None:
    play = played(course12()).committed({STATUS: "passed"})
    assert commit(play, {STATUS: "incomplete"}) == []


def test_a_run_that_is_taken_up_is_resumed() -> None:
    play = played(course12()).committed({DATA: "x", "cmi.core.exit": "suspend"}, terminated=True).launched().opened()
    assert verbs(commit(play, {DATA: "y"})) == [("resumed", True)]


def test_opening_the_player_launches_the_package() -> None:
    (statement,) = TELLER.launched(session(), course12(), at=NOW)
    assert statement.verb == VERBS + "launched"
    assert json.loads(statement.content)["object"]["id"] == PACKAGE


def test_opening_an_asset_completes_it() -> None:
    before = replace(untouched(course12(asset("ITEM-1"))).launched(), items={"ITEM-1": item()})
    assert verbs(told(before, before.opened())) == [("completed", False)]


@pytest.mark.parametrize(
    ("values", "where"),
    [
        ({RAW: "80"}, "scored"),
        ({RAW: "80", STATUS: "completed"}, "completed"),
        ({RAW: "80", STATUS: "passed"}, "passed"),
        ({RAW: "8", STATUS: "failed"}, "failed"),
    ],
)
def test_the_score_stands_on_one_statement(values: dict[str, str], where: str) -> None:
    scored = [one for one in commit(played(course12()), values) if "score" in one.get("result", {})]
    assert verbs(scored) == [(where, False)]
    assert scored[0]["result"]["score"]["raw"] == float(values[RAW])


def test_of_several_items_the_score_of_the_whole_stands_for_that_of_the_part() -> None:
    play = played(course12(sco("A"), sco("B")), "A").committed({RAW: "40"}).opened("B")
    found = commit(play, {STATUS: "passed", RAW: "80"})
    assert verbs(found) == [("initialized", True), ("completed", True), ("passed", True), ("scored", False)]
    assert [one["result"]["score"].get("scaled") for one in found if "score" in one.get("result", {})] == [0.6]
    assert found[1]["object"]["id"] == f"{PACKAGE}/items/B"
    assert found[1]["context"]["contextActivities"]["parent"] == [{"id": PACKAGE}]


def test_what_a_caller_sets_is_told_of_the_package() -> None:
    before = untouched(course12())
    after = before.updated(completion=Completion.COMPLETED, success=Success.PASSED, score=Score(scaled=0.5))
    found = told(before, after)
    assert verbs(found) == [("completed", False), ("passed", False)]
    assert found[1]["result"] == {"success": True, "score": {"scaled": 0.5}}
    assert "duration" not in found[1]["result"]


def test_the_end_tells_how_the_run_went() -> None:
    play = played(course12()).committed({"cmi.core.session_time": "00:01:00", DATA: "x"}).opened()
    last = commit(play, {STATUS: "failed", "cmi.core.session_time": "00:00:30.50"}, terminated=True)[-1]
    assert last["result"] == {"completion": True, "success": False, "duration": "PT30.5S"}


def everything() -> list[Statement]:
    """Statements of every kind."""
    before = played(course2004(sco("A b/ü"), sco("B")), "A b/ü")
    values = {"cmi.completion_status": "completed", "cmi.success_status": "passed", "cmi.score.scaled": "0.5"}
    after = before.committed(values, terminated=True)
    change = Change(
        before=before.session,
        after=after.session,
        item_before=before.current,
        item_after=after.current,
        launch=after.launch,
    )
    return [
        *TELLER.launched(after.session, after.course, at=after.at),
        *TELLER.changed(change, after.course, at=after.at),
    ]


def test_statements_are_right_xapi() -> None:
    statements = everything()
    assert len({one.id for one in statements}) == len(statements) > 4
    for one in statements:
        content = json.loads(one.content)
        assert UUID(content["id"]) == one.id
        assert content["verb"]["id"] == one.verb
        assert re.fullmatch(re.escape(VERBS) + "[a-z]+", one.verb)
        assert content["actor"] == {
            "objectType": "Agent",
            "name": "Ada Lovelace",
            "account": {"homePage": f"{BASE}/tenants/01970000-0000-7000-8000-00000000000a", "name": "ada"},
        }
        assert content["context"]["registration"] == str(session().id)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", content["timestamp"])
        assert datetime.fromisoformat(content["timestamp"]) == NOW
        assert content["object"]["id"].startswith(PACKAGE)
        assert re.fullmatch(r"[!-~]+", content["object"]["id"])
        check_statement(content, Version.V1)
        assert (content["version"], content["authority"]["account"]["name"]) == ("1.0.0", "scorm-api")
        assert "null" not in one.content


def test_an_item_is_named_by_its_escaped_identifier() -> None:
    assert f"{PACKAGE}/items/A%20b%2F%C3%BC" in {json.loads(one.content)["object"]["id"] for one in everything()}


def test_a_learner_without_a_name_has_none() -> None:
    (statement,) = TELLER.launched(session(user_name=None), course12(), at=NOW)
    assert "name" not in json.loads(statement.content)["actor"]


@pytest.mark.parametrize(("language", "key"), [("de-CH", "de-CH"), (None, "und"), ("", "und"), ("en_US", "und")])
def test_the_title_is_in_the_language_of_the_manifest(language: str | None, key: str) -> None:
    (statement,) = TELLER.launched(session(), replace(course12(), language=language), at=NOW)
    assert json.loads(statement.content)["object"]["definition"]["name"] == {key: "Fire drill"}


numbers = st.none() | st.floats(allow_nan=False, allow_infinity=False)


@given(st.none() | st.floats(-1, 1), numbers, numbers, numbers)
def test_a_score_is_always_right_xapi(
    scaled: float | None, raw: float | None, least: float | None, most: float | None
) -> None:
    found = score_json(Score(scaled=scaled, raw=raw, min=least, max=most))
    assert found.get("scaled") == scaled
    if "raw" in found:
        assert found["raw"] == raw
    if "min" in found and "max" in found:
        assert found["min"] < found["max"]
    assert found.get("min", float("-inf")) <= found.get("raw", 0.0) or "raw" not in found
    assert found.get("raw", 0.0) <= found.get("max", float("inf")) or "raw" not in found
    assert None not in found.values()


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        (Score(raw=5, min=0, max=10), {"raw": 5, "min": 0, "max": 10}),
        (Score(scaled=0.5, raw=11, min=0, max=10), {"scaled": 0.5}),
        (Score(raw=5, min=10, max=0), {"raw": 5}),
        (Score(min=0, max=10), {}),
        (Score(scaled=0.0), {"scaled": 0.0}),
    ],
)
def test_what_does_not_fit_together_is_left_out(score: Score, expected: dict[str, float]) -> None:
    assert score_json(score) == expected
