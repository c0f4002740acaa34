"""What a course finds when it initialises."""

from dataclasses import replace
from typing import Any

import pytest

from server.domain.cmi.elements import Version
from server.domain.cmi.model import model_of
from server.domain.cmi.values import fault
from server.domain.manifest.model import CompletionThreshold, DataMap, Item
from server.domain.manifest.sequencing import LimitConditions, Objective, Sequencing
from server.domain.sessions.run_data import run_values, stores, told_values
from tests.factories.sessions import Play, course12, course2004, item, played, sco, session


def values(play: Play) -> dict[str, str]:
    return run_values(play.session, play.current, course=play.course)


def described12(**said: Any) -> Item:
    return sco(mastery_score=66.6666667, max_time_allowed="01:00:00", data_from_lms="seed=1", **said)


def described2004(**said: Any) -> Item:
    sequencing = Sequencing(
        primary_objective=Objective(identifier="main", satisfied_by_measure=True, min_normalized_measure=0.8333333),
        limit_conditions=LimitConditions(attempt_absolute_duration_limit="PT1H"),
    )
    threshold = CompletionThreshold(completed_by_measure=True, min_progress_measure=0.00001)
    return sco(sequencing=sequencing, completion_threshold=threshold, data_from_lms="seed=1", **said)


def test_everything_that_only_an_lms_sets_in_1_2() -> None:
    play = played(course12(described12(time_limit_action="exit,message")))
    assert values(play) == {
        "cmi.core.student_id": "ada",
        "cmi.core.student_name": "Ada Lovelace",
        "cmi.core.credit": "credit",
        "cmi.core.entry": "ab-initio",
        "cmi.core.lesson_mode": "normal",
        "cmi.core.total_time": "0000:00:00.00",
        "cmi.launch_data": "seed=1",
        "cmi.student_data.mastery_score": "66.6666667",
        "cmi.student_data.max_time_allowed": "01:00:00",
        "cmi.student_data.time_limit_action": "exit,message",
    }


def test_everything_that_only_an_lms_sets_in_2004() -> None:
    play = played(course2004(described2004(time_limit_action="exit,no message")))
    assert values(play) == {
        "cmi.learner_id": "ada",
        "cmi.learner_name": "Ada Lovelace",
        "cmi.credit": "credit",
        "cmi.entry": "ab-initio",
        "cmi.mode": "normal",
        "cmi.total_time": "PT0S",
        "cmi.launch_data": "seed=1",
        "cmi.completion_threshold": "0.00001",
        "cmi.scaled_passing_score": "0.8333333",
        "cmi.max_time_allowed": "PT1H",
        "cmi.time_limit_action": "exit,no message",
        "cmi.objectives.0.id": "main",
    }


@pytest.mark.parametrize("version", ["1.2", "2004"])
def test_every_value_is_one_of_its_element(version: Version) -> None:
    play = played(course12(described12())) if version == "1.2" else played(course2004(described2004()))
    for name, text in values(play).items():
        element = model_of(version).find(name)
        assert element is not None
        assert fault(version, element.type, text) is None


@pytest.mark.parametrize(
    ("number", "text"),
    [(0.0, "0"), (100.0, "100"), (80.5, "80.5"), (10.0, "10"), (0.0000001, "0.0000001"), (33.333333333, "33.3333333")],
)
def test_numbers_have_no_exponent(number: float, text: str) -> None:
    assert values(played(course12(sco(mastery_score=number))))["cmi.student_data.mastery_score"] == text


def test_what_a_manifest_does_not_say_has_no_value() -> None:
    assert set(values(played(course2004()))) == {
        *("cmi.learner_id", "cmi.learner_name", "cmi.credit", "cmi.entry", "cmi.mode", "cmi.total_time"),
    }
    odd = values(played(course12(sco(time_limit_action="whatever"))))
    assert "cmi.student_data.time_limit_action" not in odd
    assert odd["cmi.launch_data"] == ""


@pytest.mark.parametrize("counts", [False, True])
def test_only_measures_that_decide_are_told(counts: bool) -> None:
    sequencing = Sequencing(primary_objective=Objective(satisfied_by_measure=counts, min_normalized_measure=0.5))
    threshold = CompletionThreshold(completed_by_measure=counts, min_progress_measure=0.5)
    found = values(played(course2004(sco(sequencing=sequencing, completion_threshold=threshold))))
    assert ("cmi.scaled_passing_score" in found) is counts
    assert ("cmi.completion_threshold" in found) is counts


def test_whoever_has_no_name_is_the_learner() -> None:
    play = played(course12(), user_name=None)
    assert values(play)["cmi.core.student_name"] == "Learner"


@pytest.mark.parametrize(
    ("version", "mode", "credit"),
    [("1.2", "cmi.core.lesson_mode", "cmi.core.credit"), ("2004", "cmi.mode", "cmi.credit")],
)
def test_a_review_gives_no_credit(version: str, mode: str, credit: str) -> None:
    play = played(course12() if version == "1.2" else course2004())
    review = replace(play, items={"ITEM-1": replace(play.current, is_review=True)})
    assert (values(review)[mode], values(review)[credit]) == ("review", "no-credit")


def test_what_was_stored_never_hides_what_the_lms_sets() -> None:
    play = played(course12())
    forged = replace(play.current, values={"cmi.core.student_id": "eve", "cmi.suspend_data": "x"})
    found = run_values(play.session, forged, course=play.course)
    assert (found["cmi.core.student_id"], found["cmi.suspend_data"]) == ("ada", "x")


def test_total_time_is_that_of_earlier_runs_and_of_this_one() -> None:
    play = played(course12()).committed({"cmi.core.session_time": "00:00:59.99"}).opened()
    assert values(play)["cmi.core.total_time"] == "0000:00:59.99"
    assert told_values(play.current, version="1.2") == {"cmi.core.total_time": "0000:00:59.99"}
    assert told_values(item(values={"cmi.suspend_data": "x"}), version="1.2") == {"cmi.suspend_data": "x"}
    assert told_values(item(time_ms=1500), version="2004") == {"cmi.total_time": "PT1.5S"}


def test_stores_are_found_under_the_indexes_of_the_item_that_maps_them() -> None:
    maps = (
        DataMap(target="a"),
        DataMap(target="b", write_shared_data=False),
        DataMap(target="c", read_shared_data=False),
    )
    course = course2004(sco("A", data_maps=maps), sco("B", data_maps=(DataMap(target="b"),)))
    known = session(version="2004", shared={"b": "of b", "a": ""})
    found = run_values(known, item("A"), course=course)
    assert {name: text for name, text in found.items() if name.startswith("adl.")} == {
        "adl.data.0.id": "a",
        "adl.data.0.store": "",
        "adl.data.1.id": "b",
        "adl.data.1.store": "of b",
        "adl.data.2.id": "c",
    }
    assert run_values(known, item("B"), course=course)["adl.data.0.store"] == "of b"
    assert stores(course, "A") == {
        "0": {"read": True, "write": True},
        "1": {"read": True, "write": False},
        "2": {"read": False, "write": True},
    }
