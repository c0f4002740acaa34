"""What courses set comes back over the API as it was set, and decides what it should."""

from playwright.sync_api import BrowserContext, expect

from tests.browser.player.learners import Customer, Player
from tests.factories.courses import course

LONG = "Twenty characters …\n" * 3000

ROWS_12 = {
    "passed": ({"cmi.core.lesson_status": "passed"}, "completed", "passed"),
    "failed": ({"cmi.core.lesson_status": "failed"}, "completed", "failed"),
    "completed": ({"cmi.core.lesson_status": "completed"}, "completed", "unknown"),
    "browsed": ({"cmi.core.lesson_status": "browsed"}, "completed", "unknown"),
    "score after status": ({"cmi.core.lesson_status": "passed", "cmi.core.score.raw": "60"}, "completed", "passed"),
    "nothing at all": ({}, "completed", "unknown"),
    "nothing, suspended": ({"cmi.core.exit": "suspend"}, "incomplete", "unknown"),
}


def test_the_status_of_scorm_12_decides_completion_and_success(customer: Customer, context: BrowserContext) -> None:
    seat = customer.seat(course("1.2", scos=len(ROWS_12)))
    player = Player.open(context, seat.url)
    for number, (values, _, _) in enumerate(ROWS_12.values(), start=1):
        player.sco(f"Lesson {number}")
        for element, value in values.items():
            player.set({element: value})
        assert player.call("Terminate", "") == ("true", "0")
        player.is_saved()
        if number < len(ROWS_12):
            player.button("Next").click()
    player.exit()
    items = seat.read()["items"]
    judged = {
        row: (item["completion_status"], item["success_status"]) for row, item in zip(ROWS_12, items, strict=True)
    }
    assert judged == {row: expected for row, (_, *expected_) in ROWS_12.items() for expected in [tuple(expected_)]}
    assert items[4]["score"] == {"scaled": 0.6, "raw": 60}


def test_opening_is_not_left_as_not_attempted(customer: Customer, context: BrowserContext) -> None:
    seat = customer.seat(course("1.2"))
    assert seat.read()["completion_status"] == "not_attempted"
    player = Player.open(context, seat.url)
    player.sco()
    assert seat.read()["completion_status"] == "incomplete"


def test_scorm_12_keeps_long_suspend_data_whole(customer: Customer, context: BrowserContext) -> None:
    seat = customer.seat(course("1.2"))
    player = Player.open(context, seat.url)
    assert len(LONG) == 60_000
    values = {"cmi.suspend_data": LONG, "cmi.core.exit": "suspend", "cmi.comments": "c" * 5000}
    player.set(values)
    player.exit()
    assert seat.read()["cmi_data"]["cmi.suspend_data"] == LONG
    assert Player.open(context, seat.url).get("cmi.suspend_data") == LONG


def test_scorm_2004_keeps_long_texts_whole(customer: Customer, context: BrowserContext) -> None:
    seat = customer.seat(course("2004"))
    player = Player.open(context, seat.url)
    at = "cmi.interactions.0."
    values = {
        "cmi.suspend_data": LONG + LONG,
        at + "id": "essay",
        at + "type": "long-fill-in",
        at + "description": "Describe it in your own words. " * 40,
        at + "learner_response": "A long answer. " * 1000,
    }
    player.set(values)
    player.exit()
    seat.until(data=values)
    again = Player.open(context, seat.url)
    assert again.get("cmi.suspend_data") == LONG + LONG
    assert again.get("cmi.interactions._count") == "1"


def test_a_mastery_score_is_told_to_the_course_and_decides(customer: Customer, context: BrowserContext) -> None:
    archive = course("1.2", mastery_score=70, title="Mastery")
    for overrides, success in ((True, "failed"), (False, "passed")):
        settings = {"settings": {"mastery_overrides_status": overrides}}
        customer.ask("PATCH", f"/api/v1/packages/{customer.upload(archive)}", settings)
        seat = customer.seat(archive)
        player = Player.open(context, seat.url)
        assert player.get("cmi.student_data.mastery_score") == "70"
        player.set({"cmi.core.score.raw": "60", "cmi.core.lesson_status": "passed"})
        player.call("Terminate", "")
        seat.until(completion_status="completed", success_status=success)
        player.page.close()


def test_a_passing_score_of_2004_is_told_to_the_course_and_decides(customer: Customer, context: BrowserContext) -> None:
    seat = customer.seat(course("2004", passing_score=0.7))
    player = Player.open(context, seat.url)
    assert player.get("cmi.scaled_passing_score") == "0.7"
    player.set({"cmi.score.scaled": "0.9", "cmi.completion_status": "completed"})
    assert player.get("cmi.success_status") == "passed"
    seat.until(completion_status="completed", success_status="passed")


def test_entry_tells_how_the_last_launch_ended(customer: Customer, context: BrowserContext) -> None:
    seat = customer.seat(course("1.2"))
    suspend, normal = {"cmi.core.exit": "suspend"}, {"cmi.core.lesson_status": "incomplete"}
    launches = (("ab-initio", suspend, True), ("resume", normal, True), ("", normal, False), ("resume", normal, True))
    for entry, values, finishes in launches:
        player = Player.open(context, seat.url)
        assert player.get("cmi.core.entry") == entry
        player.set(values)
        if finishes:
            player.call("Terminate", "")
        player.is_saved()
        player.page.close()
    assert Player.open(context, seat.url).get("cmi.core.entry") == ""


def test_a_session_that_was_suspended_from_outside_the_course_resumes(
    customer: Customer, context: BrowserContext
) -> None:
    seat = customer.seat(course("2004"))
    player = Player.open(context, seat.url)
    player.set({"cmi.location": "page 7", "cmi.suspend_data": "state"})
    player.exit()
    player.says("Your progress is saved")
    player.button("Open again").click()
    assert player.get("cmi.entry") == "resume"
    assert (player.get("cmi.location"), player.get("cmi.suspend_data")) == ("page 7", "state")
    expect(player.button("Exit")).to_be_enabled()
