"""Names of elements, and which elements may be written together."""

import json
import time
from pathlib import Path

import pytest

from server.domain.cmi.elements import Version
from server.domain.cmi.model import model_of
from server.domain.cmi.model_js import models_js, models_json

SCORM_12, SCORM_2004 = model_of("1.2"), model_of("2004")
QUESTION = {"cmi.interactions.0.id": "q1", "cmi.interactions.0.type": "choice"}


@pytest.mark.parametrize(
    ("version", "name", "found"),
    [
        ("1.2", "cmi.core.lesson_status", "cmi.core.lesson_status"),
        ("1.2", "cmi.interactions.12.objectives.99999.id", "cmi.interactions.n.objectives.n.id"),
        ("1.2", "cmi.interactions._count", "cmi.interactions._count"),
        ("1.2", "cmi.objectives.0.score._children", "cmi.objectives.n.score._children"),
        ("2004", "cmi.interactions.0.correct_responses.10.pattern", "cmi.interactions.n.correct_responses.n.pattern"),
        ("2004", "adl.data.3.store", "adl.data.n.store"),
        ("2004", "adl.nav.request_valid.choice.{target=item.1.2}", "adl.nav.request_valid.choice.{target=}"),
        ("2004", "adl.nav.request_valid.jump.{target=ITEM 1}", "adl.nav.request_valid.jump.{target=}"),
    ],
)
def test_a_concrete_name_finds_its_element(version: Version, name: str, found: str) -> None:
    element = model_of(version).find(name)
    assert element is not None
    assert element.name == found


@pytest.mark.parametrize(
    "name",
    [
        *("", "cmi", "cmi.core", "cmi.interactions", "cmi.interactions.0", "cmi.interactions.id", "cmi.score.0.raw"),
        *("cmi.interactions.n.id", "cmi.interactions.01.id", "cmi.interactions.-1.id", "cmi.interactions.100000.id"),
        *("cmi.interactions.0.objectives.n.id", "cmi.interactions.n.objectives.0.id", "cmi.interactions..id"),
        *(
            "cmi.interactions.١.id",
            "cmi.interactions.0.id\n",
            "cmi.interactions.0.id.",
            " cmi.location",
            "CMI.location",
        ),
        *("adl.nav.request_valid.choice", "adl.nav.request_valid.choice.{target=}", "cmi.{target=x}", "{target=x}"),
        *("adl.nav.request_valid.choice.{target=a}b", "adl.nav.request_valid.choice.{target={a}}"),
    ],
)
def test_any_other_name_finds_nothing(name: str) -> None:
    assert SCORM_12.find(name) is None
    assert SCORM_2004.find(name) is None


def test_an_element_of_the_other_version_is_unknown() -> None:
    assert SCORM_12.faults({}, {"cmi.location": "1"}) == {"cmi.location": "SCORM 1.2 has no such element"}
    assert SCORM_2004.faults({}, {"cmi.core.exit": ""}) == {"cmi.core.exit": "SCORM 2004 has no such element"}


def test_a_read_only_element_may_be_given_only_as_it_is_stored() -> None:
    stored = {"cmi.learner_name": "Ada", "cmi.total_time": "PT1H"}
    assert SCORM_2004.faults(stored, stored) == {}
    given = {"cmi.learner_name": "Bob", "cmi.total_time": "PT1H", "cmi.mode": "normal", "cmi.interactions._count": "0"}
    assert SCORM_2004.faults(stored, given) == {
        "cmi.learner_name": "Is read-only",
        "cmi.mode": "Is read-only",
        "cmi.interactions._count": "Is read-only",
    }


def test_what_a_course_can_only_write_may_be_written() -> None:
    assert SCORM_12.faults({}, {"cmi.core.exit": "suspend", "cmi.core.session_time": "00:01:00"}) == {}
    assert SCORM_2004.faults({}, {"cmi.exit": "suspend", "cmi.session_time": "PT1M"}) == {}


def test_an_api_caller_may_set_a_lesson_back_to_not_attempted() -> None:
    assert SCORM_12.faults({"cmi.core.lesson_status": "passed"}, {"cmi.core.lesson_status": "not attempted"}) == {}


def test_the_next_index_is_what_stored_and_given_leave_free() -> None:
    stored = {"cmi.objectives.0.id": "a"}
    given = {"cmi.objectives.1.id": "b", "cmi.objectives.3.id": "d", "cmi.objectives.3.status": "passed"}
    reason = "Leaves a gap: the next index of cmi.objectives is 2"
    assert SCORM_12.faults(stored, given) == {"cmi.objectives.3.id": reason, "cmi.objectives.3.status": reason}
    assert SCORM_12.faults(stored, given | {"cmi.objectives.2.id": "c"}) == {}


def test_a_record_that_is_refused_leaves_a_gap() -> None:
    given = {"cmi.objectives.0.id": "a", "cmi.objectives.1.id": "", "cmi.objectives.2.id": "c"}
    assert SCORM_2004.faults({}, given).keys() == {"cmi.objectives.1.id", "cmi.objectives.2.id"}
    given = {"cmi.objectives.0.success_status": "passed", "cmi.objectives.1.id": "b"}
    assert SCORM_2004.faults({}, given).keys() == given.keys()


def test_collections_within_a_record_have_no_gaps_either() -> None:
    given = {"cmi.interactions.0.objectives.1.id": "o"}
    reason = "Leaves a gap: the next index of cmi.interactions.0.objectives is 0"
    assert SCORM_2004.faults(QUESTION, given) == {"cmi.interactions.0.objectives.1.id": reason}


def test_a_record_whose_only_element_is_refused_does_not_count() -> None:
    given = {"cmi.interactions.0.objectives.1.id": "o", "cmi.interactions.1.id": "q"}
    assert SCORM_12.faults({}, given).keys() == given.keys()


@pytest.mark.parametrize("name", ["cmi.interactions.0.result", "cmi.objectives.0.success_status"])
def test_a_record_of_scorm_2004_needs_its_id(name: str) -> None:
    value = {"cmi.interactions.0.result": "correct", "cmi.objectives.0.success_status": "passed"}[name]
    needed = name.rsplit(".", 1)[0] + ".id"
    assert SCORM_2004.faults({}, {name: value}) == {name: f"Needs {needed} first"}
    assert SCORM_2004.faults({needed: "a"}, {name: value}) == {}
    assert SCORM_2004.faults({}, {name: value, needed: "a"}) == {}
    assert SCORM_2004.faults({}, {name: value, needed: ""}).keys() == {name, needed}


def test_a_record_of_scorm_12_does_not() -> None:
    assert SCORM_12.faults({}, {"cmi.interactions.0.result": "correct", "cmi.objectives.0.status": "passed"}) == {}


@pytest.mark.parametrize("name", ["learner_response", "correct_responses.0.pattern"])
def test_a_response_of_scorm_2004_needs_the_type(name: str) -> None:
    response, type_name = f"cmi.interactions.0.{name}", "cmi.interactions.0.type"
    stored = {"cmi.interactions.0.id": "q"}
    assert SCORM_2004.faults(stored, {response: "a"}) == {response: f"Needs {type_name} first"}
    assert SCORM_2004.faults(stored, {response: "a", type_name: "quiz"}).keys() == {response, type_name}
    assert SCORM_2004.faults(stored, {response: "a", type_name: "choice"}) == {}


def test_a_response_is_judged_by_the_type_that_is_given_with_it() -> None:
    response = {"cmi.interactions.0.learner_response": "a[,]b"}
    assert SCORM_2004.faults(QUESTION, response) == {}
    assert SCORM_2004.faults(QUESTION, response | {"cmi.interactions.0.type": "numeric"}).keys() == response.keys()
    # A type that is refused changes nothing.
    both = SCORM_2004.faults(QUESTION, response | {"cmi.interactions.0.type": "quiz"})
    assert both.keys() == {"cmi.interactions.0.type"}


def test_shared_data_are_left_to_the_manifest() -> None:
    assert SCORM_2004.faults({}, {"adl.data.2.store": "x"}) == {}
    assert SCORM_2004.faults({}, {"adl.data.2.id": "x"}) == {"adl.data.2.id": "Is read-only"}


@pytest.mark.parametrize(("version", "response"), [("1.2", "student_response"), ("2004", "learner_response")])
def test_five_hundred_elements_are_judged_in_milliseconds(version: Version, response: str) -> None:
    values = {"id": "q", "type": "choice", response: "a", "weighting": "1", "result": "correct"}
    given = {f"cmi.interactions.{index}.{name}": text for index in range(100) for name, text in values.items()}
    taken = []
    for _ in range(20):
        began = time.perf_counter()
        assert model_of(version).faults(given, given) == {}
        taken.append(time.perf_counter() - began)
    # 3 ms; the rest is for a machine that is busy with other tests.
    assert min(taken) < 0.02


def test_names_are_told_apart() -> None:
    for model in (SCORM_12, SCORM_2004):
        names = [element.name for element in model.elements]
        assert len(names) == len(set(names))


@pytest.mark.parametrize("version", ["1.2", "2004"])
def test_children_are_what_the_table_has(version: Version) -> None:
    model = model_of(version)
    for element in model.elements:
        if element.name.endswith("._children"):
            parent = element.name.removesuffix("_children")
            below = [e.name.removeprefix(parent) for e in model.elements if e.name.startswith(parent)]
            there = {name.removeprefix("n.").split(".")[0] for name in below} - {"_children", "_count"}
            assert set(element.type.values) == there, parent


def test_the_javascript_gets_every_element_as_it_is() -> None:
    models = json.loads(models_json())
    assert models["1.2"]["elements"][5] == {
        "name": "cmi.core.credit",
        "access": "ro",
        "type": {"kind": "vocabulary", "values": ["credit", "no-credit"]},
        "default": "credit",
    }
    for version in ("1.2", "2004"):
        listed = models[version]["elements"]
        assert [entry["name"] for entry in listed] == [element.name for element in model_of(version).elements]
    by_name = {entry["name"]: entry for entry in models["2004"]["elements"]}
    assert by_name["cmi.score.scaled"] == {
        "name": "cmi.score.scaled",
        "access": "rw",
        "type": {"kind": "real", "min": -1, "max": 1},
    }
    assert by_name["adl.data._children"]["type"] == {"kind": "children", "values": "id,store"}
    assert by_name["cmi.suspend_data"]["type"] == {"kind": "string", "spm": 64000}


def test_the_player_has_the_models_as_they_are() -> None:
    checked_in = Path(__file__).parents[3] / "server/player/static/runtime/models.js"
    assert checked_in.read_text() == models_js(), "run `make generate`"
