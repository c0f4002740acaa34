"""What a caller of the API writes."""

from dataclasses import replace

import pytest

from server.domain.errors import ValidationFailed
from server.domain.manifest.model import DataMap
from server.domain.sessions.commits import MAX_SESSION_TIME_MS, MOST_CHARACTERS
from server.domain.sessions.model import Completion, Explicit, Score, Standing, Success
from server.domain.sessions.run_data import run_values
from server.domain.sessions.updates import SessionUpdate, faults_of, target_of
from tests.factories.sessions import course12, course2004, group, item, played, sco, session, untouched

STATUS, DATA = "cmi.core.lesson_status", "cmi.suspend_data"
SEVERAL = course12(group("G", sco("A")), sco("B"))


def test_the_only_item_need_not_be_named() -> None:
    assert target_of(SessionUpdate(cmi_data={DATA: "x"}), session(), course12()) == "ITEM-1"
    assert target_of(SessionUpdate(), session(), course12()) == "ITEM-1"


def test_of_several_it_is_the_current_one() -> None:
    update = SessionUpdate(suspend_data="x")
    assert target_of(update, session(current_item="B"), SEVERAL) == "B"
    assert target_of(SessionUpdate(suspend_data="x", item_id="A"), session(current_item="B"), SEVERAL) == "A"


@pytest.mark.parametrize("current", [None, "GONE"])
def test_run_time_data_for_none_of_several_are_refused(current: str | None) -> None:
    with pytest.raises(ValidationFailed) as refused:
        target_of(SessionUpdate(cmi_data={DATA: "x"}), session(current_item=current), SEVERAL)
    assert list(refused.value.field_errors) == ["item_id"]


@pytest.mark.parametrize("named", ["G", "NONE", ""])
def test_an_item_that_cannot_be_opened_is_refused(named: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        target_of(SessionUpdate(item_id=named), session(current_item="A"), SEVERAL)
    assert list(refused.value.field_errors) == ["item_id"]


def test_what_concerns_the_session_alone_needs_no_item() -> None:
    update = SessionUpdate(completion=Completion.COMPLETED, session_time="PT1M")
    assert target_of(update, session(), SEVERAL) is None
    result = untouched(SEVERAL).update(update, to=None)
    assert result.item is None
    assert result.session.standing.completion is Completion.COMPLETED
    assert result.session.time_ms == 60_000


def test_all_faults_are_told_at_once() -> None:
    update = SessionUpdate(
        cmi_data={STATUS: "finished", "cmi.nothing": "", "cmi.core.student_id": "eve", "cmi.core.score.raw": "101"},
        suspend_data="with \0",
        session_time="soon",
        score=Score(scaled=2, raw=float("nan"), min=3, max=2),
    )
    assert set(faults_of(update, {"cmi.core.student_id": "ada"}, version="1.2")) == {
        *("cmi_data.cmi.core.lesson_status", "cmi_data.cmi.nothing", "cmi_data.cmi.core.student_id"),
        *("cmi_data.cmi.core.score.raw", "suspend_data", "session_time", "score.scaled", "score.raw", "score.min"),
    }


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("part", ["scaled", "raw", "min", "max"])
def test_a_score_is_made_of_numbers(part: str, value: float) -> None:
    assert f"score.{part}" in faults_of(SessionUpdate(score=Score(**{part: value})), {}, version="1.2")


@pytest.mark.parametrize("scaled", [-1.0, 0.0, 1.0])
def test_a_right_update_has_no_faults(scaled: float) -> None:
    update = SessionUpdate(
        score=Score(scaled=scaled, min=2, max=2), session_time="PT1H", suspend_data="", cmi_data={STATUS: "passed"}
    )
    assert faults_of(update, {}, version="1.2") == {}


@pytest.mark.parametrize(
    ("text", "right"),
    [("PT1H30M", True), ("0001:30:00", True), ("P3650D", True), ("P3651D", False), ("", False), ("90", False)],
)
def test_session_time_is_a_duration_of_either_version(text: str, right: bool) -> None:
    faults = faults_of(SessionUpdate(session_time=text), {}, version="2004")
    assert (faults == {}) is right


def test_what_the_api_tells_may_be_sent_back() -> None:
    play = played(course12()).committed({STATUS: "passed", "cmi.core.session_time": "00:01:00"})
    known = run_values(play.session, play.current, course=play.course)
    assert faults_of(SessionUpdate(cmi_data=known), known, version="1.2") == {}
    after = play.updated(cmi_data=known)
    assert after.current.values == {**play.current.values, "cmi.core.session_time": "00:01:00"}


def test_keys_given_overwrite_and_others_stay() -> None:
    play = untouched(course12()).updated(cmi_data={DATA: "old", "cmi.comments": "kept"})
    after = play.updated(cmi_data={DATA: "newer"}, suspend_data="newest")
    assert after.items["ITEM-1"].values == {DATA: "newest", "cmi.comments": "kept"}
    assert after.session.revision == play.session.revision + 1


def test_run_time_data_decide_even_in_a_review() -> None:
    play = played(course12()).committed({STATUS: "passed"}, terminated=True).launched().opened()
    after = play.updated(cmi_data={STATUS: "failed"})
    assert after.session.standing.success is Success.FAILED
    assert after.current.is_review


def test_stores_are_written_through_the_item_that_maps_them() -> None:
    course = course2004(sco("A", data_maps=(DataMap(target="T"),)), sco("B"))
    after = untouched(course).updated(to="A", cmi_data={"adl.data.0.store": "x"})
    assert after.session.shared == {"T": "x"}
    assert after.items["A"].values == {}


# What is set explicitly.


def test_explicit_values_win_over_run_time_data_of_the_same_update() -> None:
    after = untouched(course12()).updated(
        cmi_data={STATUS: "failed", "cmi.core.score.raw": "10"},
        completion=Completion.INCOMPLETE,
        success=Success.PASSED,
        score=Score(scaled=0.9),
    )
    standing = after.session.standing
    assert (standing.completion, standing.success, standing.score) == (
        Completion.INCOMPLETE,
        Success.PASSED,
        Score(scaled=0.9),
    )
    assert after.items["ITEM-1"].standing.success is Success.FAILED


def test_explicit_values_stand_until_a_deciding_element_is_written() -> None:
    play = played(course12()).updated(completion=Completion.COMPLETED, success=Success.PASSED, score=Score(scaled=1))
    other = play.committed({DATA: "x"}).updated(suspend_data="y").opened()
    assert other.session.standing == play.session.standing
    scored = other.committed({"cmi.core.score.raw": "40"})
    assert scored.session.standing.score.raw == 40
    assert scored.session.standing.success is Success.PASSED
    assert scored.session.explicit == Explicit(completion_at=play.at, success_at=play.at)
    judged = scored.updated(cmi_data={STATUS: "failed"})
    assert judged.session.standing.success is Success.FAILED
    assert judged.session.explicit == Explicit()


def test_an_update_that_says_nothing_new_changes_nothing() -> None:
    play = played(course12()).committed({STATUS: "passed"})
    assert play.updated().session == play.session
    again = play.updated(suspend_data="x", completion=Completion.COMPLETED, session_time="PT1H")
    assert again.session.revision == play.session.revision + 1
    assert (
        again.updated(suspend_data="x", completion=Completion.COMPLETED, session_time="PT1H").session == again.session
    )


def test_what_was_set_before_does_not_undo_what_a_caller_sets() -> None:
    """The player sends late what the course had set; it is kept, and does not decide about what was set since."""
    for course, to in ((course12(), "ITEM-1"), (course12(sco("A"), sco("B")), None)):
        play = played(course)
        told = play.updated(to=to, completion=Completion.COMPLETED, score=Score(scaled=0.9))
        late = {STATUS: "incomplete", "cmi.core.score.raw": "10"}
        after = told.committed(late, ages_ms=dict.fromkeys(late, 30_000))
        assert (after.session.standing.completion, after.session.standing.score.scaled) == (Completion.COMPLETED, 0.9)
        assert after.current.values == late


def test_a_caller_corrects_what_an_earlier_attempt_had_achieved() -> None:
    done = {"cmi.completion_status": "completed", "cmi.success_status": "passed", "cmi.score.scaled": "1"}
    play = played(course2004()).committed(done, terminated=True)
    again = replace(play, session=replace(play.session, standing=Standing())).opened()
    failed = again.updated(cmi_data={"cmi.success_status": "failed", "cmi.score.scaled": "0.2"})
    assert (failed.current.standing.success, failed.current.standing.score.scaled) == (Success.FAILED, 0.2)
    assert failed.current.standing.completion is Completion.COMPLETED


def test_an_item_has_no_room_without_end() -> None:
    stored = {"cmi.suspend_data": "x" * (MOST_CHARACTERS - 100)}
    faults = faults_of(SessionUpdate(cmi_data={"cmi.comments": "y" * 200}), stored, version="1.2")
    assert list(faults) == ["cmi_data.cmi.comments"]
    assert not faults_of(SessionUpdate(cmi_data={"cmi.suspend_data": "y" * 200}), stored, version="1.2")


def test_a_first_write_begins_the_session() -> None:
    after = untouched(course12()).updated(suspend_data="x")
    assert after.session.standing.completion is Completion.INCOMPLETE
    assert item().standing.completion is Completion.NOT_ATTEMPTED


def test_an_asset_that_was_seen_stays_completed_whatever_is_written_beside() -> None:
    after = played(course12(sco(scorm_type="asset"))).updated(suspend_data="x")
    assert after.session.standing.completion is Completion.COMPLETED


def test_the_longest_time_is_ten_years() -> None:
    assert MAX_SESSION_TIME_MS == 10 * 365 * 86_400_000
