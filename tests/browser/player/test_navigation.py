"""Courses of several items: on and back, by choice, by the course's own request, today and tomorrow."""

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.browser.player.learners import Customer, Player
from tests.factories.courses import course

DONE = {
    "1.2": {"cmi.core.lesson_status": "completed"},
    "2004": {"cmi.completion_status": "completed"},
}


@pytest.mark.parametrize("version", ["1.2", "2004"])
def test_continue_works_after_each_item_has_terminated_until_all_is_done(
    customer: Customer, context: BrowserContext, version: str
) -> None:
    seat = customer.seat(course(version, scos=3))
    player = Player.open(context, seat.url)
    for number in (1, 2, 3):
        player.sco(f"Lesson {number}")
        player.set(DONE[version])
        assert player.call("Terminate", "") == ("true", "0")
        expect(player.page.get_by_role("navigation")).to_contain_text(f"{number} of 3 completed")
        if number < 3:
            player.button("Next").click()
    expect(player.button("Next")).to_be_disabled()
    seat.until(completion_status="completed", success_status="unknown")
    player.exit()
    player.says("Course completed")


def test_opening_one_of_four_fails_nothing(customer: Customer, context: BrowserContext) -> None:
    seat = customer.seat(course("2004", scos=4))
    player = Player.open(context, seat.url)
    player.set({"cmi.completion_status": "completed", "cmi.success_status": "passed"})
    player.call("Terminate", "")
    player.exit()
    session = seat.read()
    assert (session["completion_status"], session["success_status"]) == ("incomplete", "unknown")
    assert [item["completion_status"] for item in session["items"]] == ["completed", *["not_attempted"] * 3]
    assert [item["success_status"] for item in session["items"]] == ["passed", *["unknown"] * 3]


def test_the_learner_goes_back_and_chooses(customer: Customer, context: BrowserContext) -> None:
    seat = customer.seat(course("2004", scos=3))
    player = Player.open(context, seat.url)
    player.sco("Lesson 1")
    expect(player.button("Previous")).to_be_disabled()
    player.set({"cmi.location": "of the first"})
    player.page.get_by_role("navigation").get_by_role("button", name="Lesson 3").click()
    player.sco("Lesson 3")
    expect(player.button("Next")).to_be_disabled()
    player.button("Previous").click()
    player.sco("Lesson 2")
    player.button("Previous").click()
    player.sco("Lesson 1")
    # Its run was left without Terminate.
    assert (player.get("cmi.location"), player.get("cmi.entry")) == ("of the first", "resume")


@pytest.mark.parametrize("version", ["1.2", "2004"])
def test_what_is_suspended_resumes_where_it_was(customer: Customer, context: BrowserContext, version: str) -> None:
    seat = customer.seat(course(version, scos=3))
    player = Player.open(context, seat.url)
    player.sco("Lesson 1")
    player.set(DONE[version])
    player.call("Terminate", "")
    player.button("Next").click()
    player.sco("Lesson 2")
    exit_, location, entry = {
        "1.2": ("cmi.core.exit", "cmi.core.lesson_location", "cmi.core.entry"),
        "2004": ("cmi.exit", "cmi.location", "cmi.entry"),
    }[version]
    player.set({location: "page 7", exit_: "suspend"})
    player.exit()
    player.says("Your progress is saved")
    player.page.close()
    again = Player.open(context, seat.url)
    again.sco("Lesson 2")
    assert (again.get(location), again.get(entry)) == ("page 7", "resume")
    again.button("Next").click()
    again.sco("Lesson 3")
    assert again.get(entry) == "ab-initio"


def test_a_tab_that_is_closed_in_the_middle_resumes_there(customer: Customer, context: BrowserContext) -> None:
    seat = customer.seat(course("2004", scos=3))
    player = Player.open(context, seat.url)
    player.button("Next").click()
    player.sco("Lesson 2")
    player.page.close()
    Player.open(context, seat.url).sco("Lesson 2")


@pytest.mark.parametrize(
    ("request_", "heading"),
    [
        ("continue", "Lesson 3"),
        ("previous", "Lesson 1"),
        ("{target=ITEM-4}choice", "Lesson 4"),
        ("{target=ITEM-1}jump", "Lesson 1"),
    ],
)
def test_a_course_navigates_by_itself(customer: Customer, context: BrowserContext, request_: str, heading: str) -> None:
    seat = customer.seat(course("2004", scos=4))
    player = Player.open(context, seat.url)
    player.sco("Lesson 1")
    player.button("Next").click()
    player.sco("Lesson 2")
    assert player.get("adl.nav.request_valid.continue") == "true"
    assert player.get("adl.nav.request_valid.previous") == "true"
    assert player.get("adl.nav.request_valid.choice.{target=ITEM-4}") == "true"
    player.set({"adl.nav.request": request_, "cmi.location": "page 7"})
    player.call("Terminate", "")
    player.sco(heading)
    assert seat.data_of("ITEM-2")["cmi.location"] == "page 7"


@pytest.mark.parametrize(("request_", "entry"), [("suspendAll", "resume"), ("exitAll", "ab-initio")])
def test_a_course_ends_the_session_by_itself(
    customer: Customer, context: BrowserContext, request_: str, entry: str
) -> None:
    seat = customer.seat(course("2004"))
    player = Player.open(context, seat.url)
    exit_ = {"cmi.exit": "suspend"} if request_ == "suspendAll" else {"cmi.completion_status": "incomplete"}
    player.set({"adl.nav.request": request_, **exit_})
    player.call("Terminate", "")
    player.says("Your progress is saved")
    player.button("Open again").click()
    assert player.get("cmi.entry") == entry


@pytest.mark.parametrize(("request_", "entry"), [("suspendAll", "resume"), ("exitAll", "ab-initio")])
def test_a_course_ends_the_session_even_if_its_player_is_closed_at_once(
    customer: Customer, context: BrowserContext, request_: str, entry: str
) -> None:
    seat = customer.seat(course("2004"))
    player = Player.open(context, seat.url)
    player.page.route("**/navigate*", lambda route: route.abort())
    player.set({"adl.nav.request": request_, "cmi.completion_status": "incomplete"})
    player.is_saved()
    player.call("Terminate", "")
    player.page.close()
    assert Player.open(context, seat.launch()).get("cmi.entry") == entry


def test_who_ended_a_course_of_several_items_chooses_how_to_go_on(customer: Customer, context: BrowserContext) -> None:
    seat = customer.seat(course("2004", scos=2))
    player = Player.open(context, seat.url)
    player.set({"adl.nav.request": "exitAll", "cmi.completion_status": "incomplete"})
    player.call("Terminate", "")
    player.says("Your progress is saved")
    for _ in range(2):
        player.button("Open again").click()
        player.says("Choose how to go on")
        player.button("Exit").click()
        player.says("Your progress is saved")
    player.page.close()
    player = Player.open(context, seat.launch())
    player.says("Choose how to go on")
    player.page.get_by_role("navigation").get_by_role("button", name="Lesson 2").click()
    player.sco("Lesson 2")
    assert player.get("cmi.entry") == "ab-initio"


def test_logout_of_scorm_12_ends_the_session(customer: Customer, context: BrowserContext) -> None:
    seat = customer.seat(course("1.2", scos=2))
    player = Player.open(context, seat.url)
    player.set({"cmi.core.exit": "logout", "cmi.core.lesson_status": "incomplete"})
    player.call("Terminate", "")
    player.says("Your progress is saved")
    assert seat.item("ITEM-1")["completion_status"] == "incomplete"
