"""What one commit does."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from server.domain.manifest.model import DataMap
from server.domain.sessions.commits import MAX_SESSION_TIME_MS, Commit
from server.domain.sessions.launches import TakenOver
from server.domain.sessions.model import Completion, Success
from server.domain.sessions.updates import SessionUpdate
from tests.factories.sessions import FIRST, NOW, Play, course12, course2004, played, sco

STATUS, DATA, TIME = "cmi.core.lesson_status", "cmi.suspend_data", "cmi.core.session_time"


def commit(number: int, values: dict[str, str], *, base: int = 0, **said: Any) -> Commit:
    return replace(Commit(launch=1, run=1, number=number, base=base, values=values), **said)


def test_a_commit_that_builds_upon_a_lost_one_is_sent_back_to_what_is_stored() -> None:
    play = played(course12()).committed({DATA: "one"})
    after, answer = play.apply(commit(3, {STATUS: "passed"}, base=2))
    assert answer.resend_from == 1
    assert not answer.changed
    assert after == play


def test_a_commit_of_a_run_that_nobody_knows_is_asked_for_everything() -> None:
    _, answer = played(course12()).apply(commit(1, {DATA: "x"}, run=2))
    assert answer.resend_from == 0


def test_a_commit_raises_the_revision_once() -> None:
    play = played(course12()).after(seconds=5)
    after, _ = play.apply(commit(1, {DATA: "x"}))
    again, answer = after.after(seconds=5).apply(commit(1, {DATA: "x"}))
    assert after.session.revision == play.session.revision + 1
    assert after.session.updated_at == play.at
    assert again.session == after.session
    assert answer.item.applied == 1


def test_one_faulty_element_does_not_lose_the_others() -> None:
    after, answer = played(course12()).apply(
        commit(1, {STATUS: "finished", DATA: "kept", "cmi.core.student_id": "eve", "cmi.nothing": ""})
    )
    assert after.current.values == {DATA: "kept"}
    assert set(answer.rejected) == {STATUS, "cmi.core.student_id", "cmi.nothing"}
    assert after.current.applied == 1


@pytest.mark.parametrize(
    ("request_", "is_over", "is_suspended"),
    [("exitAll", True, False), ("abandonAll", True, False), ("suspendAll", False, True), ("continue", False, False)],
)
def test_a_course_that_ends_the_whole_is_heard_without_the_player(
    request_: str, is_over: bool, is_suspended: bool
) -> None:
    asked = {"adl.nav.request": request_}
    play = played(course2004()).committed(asked)
    assert (play.session.is_over, play.current.is_suspended) == (False, False)
    after, _ = play.apply(commit(2, asked, base=1, terminated=True))
    assert (after.session.is_over, after.current.is_suspended) == (is_over, is_suspended)
    again, _ = after.apply(commit(3, {}, base=2, initialized=True))
    assert (again.session.is_over, again.current.is_suspended) == (False, False)


def test_of_what_is_older_than_the_server_only_what_is_lacking_is_taken() -> None:
    play = played(course12()).committed({DATA: "one"}).committed({DATA: "two"}, terminated=True)
    old = commit(1002, {DATA: "one", TIME: "00:00:10", STATUS: "incomplete"}, known=1, initialized=True)
    ended, answer = play.apply(old)
    assert (answer.changed, answer.item.applied, ended) == (False, 2, play)
    running = played(course12()).committed({DATA: "one"}).committed({DATA: "two"})
    after, answer = running.apply(old)
    assert (after.current.values, answer.item.applied) == ({DATA: "two", TIME: "00:00:10", STATUS: "incomplete"}, 1002)
    same, _ = running.apply(replace(old, known=2))
    assert same.current.values[DATA] == "one"


def test_long_texts_are_stored_whole() -> None:
    text = "x" * 200_000
    values = {DATA: text, "cmi.interactions.0.id": "q", "cmi.interactions.0.student_response": text}
    after, answer = played(course12()).apply(commit(1, values))
    assert not answer.rejected
    assert after.current.values == values


def test_a_commit_after_the_end_changes_nothing() -> None:
    ended = played(course12()).committed({STATUS: "completed"}, terminated=True)
    after, answer = ended.apply(commit(9, {STATUS: "failed", TIME: "01:00:00"}, base=1))
    assert not answer.changed
    assert answer.resend_from is None
    assert after == ended


def test_a_second_end_changes_nothing() -> None:
    ended = played(course12()).committed({TIME: "00:00:10"}, terminated=True, initialized=True)
    after, answer = ended.apply(commit(2, {TIME: "00:00:10"}, terminated=True, initialized=True))
    assert not answer.changed
    assert after == ended


def test_a_part_of_what_was_sent_before_the_end_does_not_take_it_back() -> None:
    ended = played(course12()).committed({STATUS: "completed"}, terminated=True, initialized=True)
    after, answer = ended.apply(commit(2, {STATUS: "incomplete"}, initialized=True))
    assert answer.resend_from == 1
    assert after == ended


def test_a_course_that_initialises_again_on_its_reloaded_page_goes_on() -> None:
    ended = played(course12()).committed({DATA: "one"}, terminated=True, initialized=True)
    after, answer = ended.apply(commit(2, {DATA: "two"}, base=1, initialized=True))
    assert answer.changed
    assert after.current.values[DATA] == "two"
    assert not after.current.is_terminated


def test_a_course_that_only_terminates_has_initialised() -> None:
    assert played(course12()).committed({}, terminated=True).current.is_initialized


def test_a_commit_of_another_launch_is_refused_even_if_it_repeats() -> None:
    play = played(course12()).committed({DATA: "one"}).launched()
    for number in (1, 2):
        with pytest.raises(TakenOver):
            play.apply(commit(number, {DATA: "late"}))
    with pytest.raises(TakenOver):
        play.apply(commit(1, {}, launch=3))


def test_the_item_and_the_session_are_judged_together() -> None:
    play = played(course12(sco("A"), sco("B")), "A").committed({STATUS: "passed", "cmi.core.score.raw": "80"})
    assert play.current.standing.success is Success.PASSED
    assert play.session.standing.completion is Completion.INCOMPLETE
    assert play.session.standing.score.scaled == 0.8
    both = play.opened("B").committed({STATUS: "completed"})
    assert (both.session.standing.completion, both.session.standing.success) == (Completion.COMPLETED, Success.PASSED)


def test_a_review_counts_its_time_and_changes_nothing_else() -> None:
    play = played(course12()).committed({STATUS: "passed"}, terminated=True).launched().opened()
    after = play.committed({STATUS: "failed", DATA: "looked", "cmi.core.session_time": "00:01:00"})
    assert after.current.values == {STATUS: "passed"}
    assert after.session.time_ms == 60_000
    assert after.updated(cmi_data={"cmi.core.lesson_location": "1"}).session.standing == play.session.standing
    assert after.current.standing.success is Success.PASSED
    assert after.session.standing.success is Success.PASSED


def test_stores_belong_to_the_session_and_only_those_that_may_be_written() -> None:
    maps = (DataMap(target="open"), DataMap(target="closed", write_shared_data=False))
    play = played(course2004(sco("A", data_maps=maps), sco("B")))
    after = play.committed(
        {"adl.data.0.store": "shared", "adl.data.1.store": "no", "adl.data.2.store": "none", "adl.nav.request": "exit"}
    )
    assert after.session.shared == {"open": "shared"}
    assert not any(name.startswith("adl.") for name in after.current.values)


@pytest.mark.parametrize("told", ["P9999999999Y", "PT9999999999H"])
def test_an_absurd_time_does_not_spoil_the_sums(told: str) -> None:
    play = played(course2004()).committed({"cmi.session_time": told})
    assert play.session.time_ms == MAX_SESSION_TIME_MS
    assert play.current.time_ms == MAX_SESSION_TIME_MS


def test_session_time_that_shrinks_takes_nothing_back() -> None:
    play = played(course12()).committed({TIME: "00:10:00"}).committed({TIME: "00:04:00"})
    assert play.session.time_ms == 600_000
    assert play.session.session_time_ms == 600_000


# While a player holds the session, a caller writes.


def overruled(play: Play, **said: str) -> Play:
    return play.after(minutes=1).updated(cmi_data=said or {STATUS: "passed"})


def test_what_a_course_had_set_before_a_caller_wrote_is_void() -> None:
    play = overruled(played(course12())).after(minutes=1)
    aged = commit(1, {STATUS: "failed", DATA: "kept"}, ages_ms={STATUS: 90_000, DATA: 90_000})
    after, answer = play.apply(aged)
    assert after.current.values == {STATUS: "passed", DATA: "kept"}
    assert after.session.standing.success is Success.PASSED
    assert not answer.rejected


def test_what_a_course_sets_after_a_caller_wrote_counts() -> None:
    play = overruled(played(course12())).after(minutes=1)
    after, _ = play.apply(commit(1, {STATUS: "failed"}, ages_ms={STATUS: 30_000}))
    assert after.current.values == {STATUS: "failed"}
    assert after.session.standing.success is Success.FAILED


def test_a_value_without_an_age_was_set_just_now() -> None:
    after, _ = overruled(played(course12())).after(minutes=1).apply(commit(1, {STATUS: "failed"}))
    assert after.current.values == {STATUS: "failed"}


def test_a_callers_value_is_void_for_the_run_that_it_met_only() -> None:
    play = overruled(played(course12())).after(minutes=1).opened().after(minutes=1)
    later = commit(1, {STATUS: "failed"}, run=2, ages_ms={STATUS: 600_000})
    assert play.current.overruled == {}
    assert play.apply(later)[0].current.values == {STATUS: "failed"}


def test_what_was_journalled_before_a_caller_wrote_stays_void_when_the_page_is_reloaded() -> None:
    ended = played(course12()).committed({STATUS: "failed"}, terminated=True)
    play = overruled(ended).after(minutes=1)
    journalled = commit(2, {STATUS: "failed"}, base=1, initialized=True, ages_ms={STATUS: 600_000})
    assert play.apply(journalled)[0].current.values == {STATUS: "passed"}


def test_the_time_a_caller_wrote_is_when_its_update_was_applied() -> None:
    result = played(course12()).after(minutes=1).update(SessionUpdate(cmi_data={DATA: "x"}))
    assert result.item is not None
    assert result.item.id == FIRST
    assert result.item.overruled == {DATA: NOW + timedelta(minutes=1)}
