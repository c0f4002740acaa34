"""Launches and runs: what begins, with what, and what is kept."""

from dataclasses import replace
from uuid import UUID

import pytest

from server.domain.manifest.model import DataMap
from server.domain.manifest.sequencing import Objective, Sequencing
from server.domain.sessions.launches import (
    TakenOver,
    begin_launch,
    better,
    entry_of,
    has_ended,
    leave,
    open_launch,
    require_holder,
    suspend,
    taken_up,
    unlaunched,
    unrecorded,
)
from server.domain.sessions.model import Completion, ItemState, Score, Standing, Success
from server.domain.sessions.run_data import run_values
from tests.factories.sessions import (
    COMPLETED,
    FAILED,
    INCOMPLETE,
    NOW,
    PASSED,
    Play,
    asset,
    course12,
    course2004,
    item,
    played,
    sco,
    session,
    untouched,
)

STATUS, EXIT, DATA, RAW = "cmi.core.lesson_status", "cmi.core.exit", "cmi.suspend_data", "cmi.core.score.raw"


def entry(play: Play) -> str:
    name = "cmi.core.entry" if play.course.version == "1.2" else "cmi.entry"
    return run_values(play.session, play.current, course=play.course)[name]


def test_launches_are_numbered_from_one_and_the_last_that_was_opened_holds_the_session() -> None:
    play = untouched(course12()).launched().launched()
    assert (play.session.launches, play.session.holder) == (2, 2)
    begun, third = begin_launch(play.session, launch_id=UUID(int=9), at=NOW)
    assert (third.number, third.opened_at, begun.holder) == (3, None, 2)
    require_holder(begun, 2)
    for number in (0, 1, 3):
        with pytest.raises(TakenOver):
            require_holder(begun, number)


def test_the_launch_of_a_caller_that_never_launches_is_number_zero() -> None:
    assert unlaunched(session(), launch_id=UUID(int=1), at=NOW).number == 0


def test_runs_are_numbered_over_all_items_and_launches() -> None:
    play = played(course12(sco("A"), sco("B")), "A").opened("B").launched().opened("A")
    assert (play.session.runs, play.session.current_item) == (3, "A")
    assert (play.current.run, play.current.launch, play.items["B"].run) == (3, 2, 2)


def test_a_run_begins_without_what_belonged_to_the_one_before() -> None:
    values = {STATUS: "incomplete", EXIT: "suspend", DATA: "page 3", "cmi.core.session_time": "00:01:00"}
    play = played(course12()).committed(values, initialized=True, terminated=True).opened()
    assert play.current.values == {STATUS: "incomplete", DATA: "page 3"}
    assert (play.current.applied, play.current.is_initialized, play.current.is_terminated) == (0, False, False)
    assert play.current.time_ms == 60_000


@pytest.mark.parametrize(
    ("standing", "is_review"),
    [(Standing(), False), (INCOMPLETE, False), (FAILED, False), (COMPLETED, False), (PASSED, True)],
)
def test_a_launch_is_a_review_where_nothing_is_left_to_gain(standing: Standing, is_review: bool) -> None:
    before, one = begin_launch(session(standing=standing, runs=1), launch_id=UUID(int=1), at=NOW)
    _, opened = open_launch(before, one, course=course12(), at=NOW)
    assert opened.is_review is is_review


def test_a_first_launch_is_never_a_review() -> None:
    play = untouched(course12()).updated(completion=Completion.COMPLETED).launched().opened()
    assert not play.current.is_review


def test_entry_is_ab_initio_first() -> None:
    assert entry(played(course12())) == "ab-initio"
    assert entry(played(course2004())) == "ab-initio"


def test_entry_is_resume_where_a_caller_has_stored_something() -> None:
    assert entry(untouched(course12()).updated(suspend_data="x").launched().opened()) == "resume"


@pytest.mark.parametrize("leaving", ["logout", "time-out", ""])
def test_entry_is_empty_in_1_2_after_a_normal_end(leaving: str) -> None:
    play = played(course12()).committed({EXIT: leaving, DATA: "x"}, terminated=True)
    assert entry(play.launched().opened()) == ""
    assert play.launched().opened().current.values[DATA] == "x"


@pytest.mark.parametrize("name", ["cmi.core.exit", "cmi.exit"])
def test_entry_is_resume_after_a_suspension(name: str) -> None:
    course = course12() if name == EXIT else course2004()
    play = played(course).committed({name: "suspend", DATA: "x"}, terminated=True).launched().opened()
    assert entry(play) == "resume"
    assert play.current.values == {DATA: "x"}


def test_entry_is_resume_after_a_drop() -> None:
    assert entry(played(course12()).committed({}, initialized=True).launched().opened()) == "resume"


def test_a_run_that_never_initialised_is_as_if_it_had_not_been() -> None:
    assert entry(played(course12()).launched().opened()) == "ab-initio"
    ended = played(course12()).committed({DATA: "x"}, terminated=True)
    assert entry(ended.opened().opened()) == ""
    suspended = played(course12()).committed({DATA: "x", EXIT: "suspend"}, terminated=True)
    assert entry(suspended.opened().opened()) == "resume"
    assert entry(played(course12()).updated(suspend_data="x").opened()) == "resume"
    described = course2004(sco(sequencing=Sequencing(objectives=(Objective(identifier="o"),))))
    assert entry(played(described).launched().opened()) == "ab-initio"


def test_suspending_the_whole_resumes_in_2004_whatever_the_exit_was() -> None:
    for course, expected in ((course2004(), "resume"), (course12(), "")):
        play = played(course).committed({DATA: "x"}, terminated=True)
        suspended = replace(play, items={"ITEM-1": suspend(play.current, course)})
        assert entry(suspended.launched().opened()) == expected


# SCORM 2004: who ended normally begins a new attempt on the item.


@pytest.mark.parametrize("status", ["incomplete", "completed"])
def test_whoever_closes_the_tab_takes_it_up_again(status: str) -> None:
    course = course2004(sco("A"), sco("B"))
    values = {"cmi.completion_status": status, "cmi.location": "7", "cmi.exit": "normal"}
    play = played(course, "A").committed(values, terminated=True)
    found = taken_up(play.session, play.items["A"], course)
    assert found.is_suspended
    assert entry_of(found) == "resume"
    assert not has_ended(found)


@pytest.mark.parametrize("leaving", ["time-out", "logout"])
def test_a_course_that_ended_the_whole_is_not_taken_up(leaving: str) -> None:
    course = course2004(sco("A"), sco("B"))
    play = played(course, "A").committed({"cmi.location": "7", "cmi.exit": leaving}, terminated=True)
    assert has_ended(taken_up(play.session, play.items["A"], course))


def test_whoever_left_by_the_player_takes_up_nothing() -> None:
    course = course2004(sco("A"), sco("B"))
    play = played(course, "A").committed({"cmi.location": "7"}, terminated=True)
    left = leave(play.session, suspends=False, at=NOW)
    assert taken_up(left, play.items["A"], course) == play.items["A"]
    elsewhere = replace(play.session, current_item="B")
    assert taken_up(elsewhere, play.items["A"], course) == play.items["A"]


def test_a_new_attempt_has_no_data_and_keeps_what_was_achieved() -> None:
    achieved = {"cmi.completion_status": "completed", "cmi.score.scaled": "0.4", "cmi.success_status": "failed"}
    play = played(course2004()).committed({**achieved, "cmi.session_time": "PT1M"}, terminated=True).opened()
    assert play.current.values == {}
    assert entry(play) == "ab-initio"
    assert run_values(play.session, play.current, course=play.course)["cmi.total_time"] == "PT0S"
    worse = play.committed({"cmi.completion_status": "incomplete"})
    assert (worse.session.standing.completion, worse.session.standing.success) == (
        Completion.COMPLETED,
        Success.FAILED,
    )
    better_one = worse.committed({"cmi.success_status": "passed", "cmi.score.scaled": "0.9"})
    assert better_one.session.standing == Standing(
        completion=Completion.COMPLETED, success=Success.PASSED, score=Score(scaled=0.9)
    )
    assert better_one.session.time_ms == 60_000


@pytest.mark.parametrize("leaving", [{"cmi.exit": "suspend"}, None])
def test_no_attempt_begins_where_the_last_has_not_ended(leaving: dict[str, str] | None) -> None:
    play = played(course2004()).committed({DATA: "x", **(leaving or {})}, terminated=leaving is not None).opened()
    assert play.current.values == {DATA: "x"}


def test_to_look_again_begins_no_attempt() -> None:
    done = {"cmi.completion_status": "completed", "cmi.success_status": "passed"}
    play = played(course2004()).committed({DATA: "x", **done}, terminated=True)
    review = play.launched().opened()
    assert review.current.is_review
    assert review.current.values[DATA] == "x"


@pytest.mark.parametrize(
    ("kept", "current", "both"),
    [
        (Standing(), INCOMPLETE, INCOMPLETE),
        (COMPLETED, INCOMPLETE, COMPLETED),
        (PASSED, FAILED, PASSED),
        (FAILED, PASSED, PASSED),
        (FAILED, INCOMPLETE, FAILED),
    ],
)
def test_nobody_loses_by_trying_again(kept: Standing, current: Standing, both: Standing) -> None:
    assert better(kept, current) == both


def test_the_score_is_the_later_one_unless_only_the_earlier_was_passed() -> None:
    high, low = Score(scaled=0.9), Score(scaled=0.1)
    passed, failed = replace(PASSED, score=high), replace(FAILED, score=low)
    assert better(passed, failed).score == high
    assert better(failed, passed).score == high
    assert better(passed, replace(PASSED, score=low)).score == low
    assert better(failed, INCOMPLETE).score == low


# What is opened.


def test_opening_an_asset_completes_it_and_opening_a_sco_begins_it() -> None:
    play = played(course12(asset("A"), sco("B")), "A")
    assert play.items["A"].standing.completion is Completion.COMPLETED
    assert play.session.standing.completion is Completion.INCOMPLETE
    assert played(course12(asset("A"))).session.standing.completion is Completion.COMPLETED
    assert played(course12(sco("A", scorm_type=None))).session.standing.completion is Completion.INCOMPLETE


def test_what_was_completed_without_a_status_stays_so_when_it_is_opened_again() -> None:
    play = played(course12(sco("A"), sco("B")), "A").committed({"cmi.core.lesson_location": "1"}, terminated=True)
    again = play.opened("B").opened("A").committed({"cmi.core.lesson_location": "2"})
    assert again.current.standing.completion is Completion.COMPLETED


@pytest.mark.parametrize("status", ["completed", "passed"])
def test_what_was_achieved_outlasts_a_course_that_is_incomplete_whenever_it_begins(status: str) -> None:
    play = played(course12(sco("A"), sco("B")), "A").committed({STATUS: status, RAW: "90"}, terminated=True)
    again = play.opened("A").committed({STATUS: "incomplete", RAW: "0"}).current
    assert again.values[STATUS] == "incomplete"
    assert (again.standing.completion, again.standing.success) == (
        play.current.standing.completion,
        play.current.standing.success,
    )
    better_now = play.opened("A").committed({STATUS: "passed", RAW: "95"}).current.standing
    assert (better_now.success, better_now.score.raw) == (Success.PASSED, 95)


def test_a_test_after_completion_counts() -> None:
    play = played(course2004()).committed(
        {"cmi.completion_status": "completed", "cmi.exit": "suspend"}, terminated=True
    )
    later = play.launched().opened().committed({"cmi.success_status": "passed", "cmi.score.scaled": "1"})
    assert (later.session.standing.success, later.session.standing.score.scaled) == (Success.PASSED, 1)


def test_what_a_caller_has_set_outlasts_opening() -> None:
    play = untouched(course12()).updated(completion=Completion.COMPLETED, success=Success.PASSED).launched()
    assert play.opened().session.standing == PASSED


def test_objectives_of_the_manifest_are_there_before_the_content_looks() -> None:
    sequencing = Sequencing(
        primary_objective=Objective(identifier="main"),
        objectives=(Objective(identifier="a"), Objective(identifier="b")),
    )
    course = course2004(sco(sequencing=sequencing))
    expected = {f"cmi.objectives.{place}.id": name for place, name in enumerate(("main", "a", "b"))}
    assert played(course).current.values == expected
    assert unrecorded(ItemState(id="ITEM-1"), course).values == expected
    assert played(course).committed({DATA: "x"}, terminated=True).opened().current.values == expected
    assert played(course12(sco(sequencing=sequencing))).current.values == {}
    nameless = course2004(sco(sequencing=Sequencing(objectives=(Objective(identifier="a"),))))
    assert played(nameless).current.values == {"cmi.objectives.0.id": "a"}


def test_shared_data_outlive_an_attempt_on_the_whole_where_the_manifest_says_so() -> None:
    described = course2004(sco(data_maps=(DataMap(target="T"),)))
    for keeps, shared in ((True, {"T": "x"}), (False, {})):
        course = replace(described, keeps_shared_data=keeps)
        play = played(course).committed({"adl.data.0.store": "x"})
        left = replace(play, session=leave(play.session, suspends=False, at=NOW))
        suspended = replace(play, session=leave(play.session, suspends=True, at=NOW))
        assert left.launched().session.shared == shared
        assert suspended.launched().session.shared == {"T": "x"}
        assert play.launched().session.shared == {"T": "x"}


def test_what_was_ended_is_over_until_something_is_opened() -> None:
    left = leave(session(), suspends=False, at=NOW)
    assert left.is_over
    launched = replace(untouched(course12()), session=left).launched()
    assert leave(launched.session, suspends=True, at=NOW).is_over
    assert not launched.opened().session.is_over
    assert item().run == 0
