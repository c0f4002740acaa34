"""One attempt in two tabs: the second takes over, and nothing of the first can undo its work."""

import httpx
from playwright.sync_api import BrowserContext, Request, Route, expect

from tests.browser.player.learners import Customer, Player
from tests.factories.courses import course

ELSEWHERE = "This course was opened in another window"


def test_the_second_tab_takes_over_and_the_first_is_told(customer: Customer, context: BrowserContext) -> None:
    seat = customer.seat(course("2004"))
    first = Player.open(context, seat.url)
    first.set({"cmi.location": "of the first"})
    seat.until(data={"cmi.location": "of the first"})
    second = Player.open(context, seat.url)
    assert second.get("cmi.location") == "of the first"
    second.set({"cmi.location": "of the second"})
    seat.until(data={"cmi.location": "of the second"})
    first.set({"cmi.location": "stale"})
    first.says(ELSEWHERE)
    first.page.close()
    second.is_saved()
    assert seat.read()["cmi_data"]["cmi.location"] == "of the second"
    second.set({"cmi.progress_measure": "0.4"})
    seat.until(data={"cmi.location": "of the second", "cmi.progress_measure": "0.4"})


def test_a_launch_that_a_closed_tab_has_left_under_way_takes_the_session_from_nobody(
    customer: Customer, context: BrowserContext
) -> None:
    seat = customer.seat(course("2004"))
    left: list[Request] = []

    def leave(route: Route) -> None:
        left.append(route.request)
        route.abort()

    context.route("**/launch", leave, times=1)
    player = Player.open(context, seat.url)
    player.sco()
    answer = httpx.post(left[0].url, content=left[0].post_data)
    assert (answer.status_code, answer.json()) == (200, {"holder": 1})
    player.set({"cmi.location": "page 7"})
    seat.until(data={"cmi.location": "page 7"})


def test_a_page_that_comes_late_takes_the_session_with_all_that_it_has_recovered(
    customer: Customer, context: BrowserContext
) -> None:
    seat = customer.seat(course("2004"))
    # The answer is lost: the launch that it began is unknown to the page.
    context.route("**/launch", lambda route: (httpx.post(route.request.url, json={}), route.abort()), times=1)
    player = Player.open(context, seat.url)
    player.set({"cmi.location": "page 7"})
    seat.until(data={"cmi.location": "page 7"})
    assert seat.read()["launches"] == 2


def test_the_first_can_take_it_back(customer: Customer, context: BrowserContext) -> None:
    seat = customer.seat(course("1.2"))
    first = Player.open(context, seat.url)
    first.set({"cmi.core.lesson_location": "of the first"})
    seat.until(data={"cmi.core.lesson_location": "of the first"})
    second = Player.open(context, seat.url)
    second.set({"cmi.core.lesson_location": "of the second"})
    seat.until(data={"cmi.core.lesson_location": "of the second"})
    first.set({"cmi.core.lesson_location": "stale"})
    first.says(ELSEWHERE)
    first.button("Continue here").click()
    assert first.get("cmi.core.lesson_location") == "of the second"
    second.set({"cmi.core.lesson_location": "stale now"})
    second.says(ELSEWHERE)
    assert seat.read()["cmi_data"]["cmi.core.lesson_location"] == "of the second"


def test_a_stale_tab_cannot_reopen_what_is_completed(customer: Customer, context: BrowserContext) -> None:
    seat = customer.seat(course("1.2"))
    stale = Player.open(context, seat.url)
    stale.set({"cmi.core.lesson_status": "incomplete"})
    seat.until(data={"cmi.core.lesson_status": "incomplete"})
    player = Player.open(context, seat.url)
    player.set({"cmi.core.lesson_status": "passed", "cmi.core.score.raw": "90"})
    player.call("Terminate", "")
    seat.until(completion_status="completed", success_status="passed")
    stale.set({"cmi.core.lesson_status": "browsed", "cmi.core.score.raw": "10"})
    assert stale.call("Commit", "")[0] in ("true", "false")
    stale.says(ELSEWHERE)
    stale.page.close()
    session = seat.read()
    assert (session["completion_status"], session["success_status"]) == ("completed", "passed")
    assert session["score"]["raw"] == 90


def test_opening_a_completed_attempt_again_is_a_review(customer: Customer, context: BrowserContext) -> None:
    seat = customer.seat(course("1.2"))
    player = Player.open(context, seat.url)
    player.set({"cmi.core.lesson_status": "passed", "cmi.core.score.raw": "90"})
    player.call("Terminate", "")
    player.exit()
    player.button("Open again").click()
    assert (player.get("cmi.core.lesson_mode"), player.get("cmi.core.credit")) == ("review", "no-credit")
    player.set({"cmi.core.lesson_status": "incomplete", "cmi.core.score.raw": "10"})
    player.call("Terminate", "")
    player.exit()
    session = seat.read()
    assert (session["completion_status"], session["success_status"]) == ("completed", "passed")
    assert session["score"]["raw"] == 90


def test_a_stale_tab_is_told_even_when_it_navigates(customer: Customer, context: BrowserContext) -> None:
    seat = customer.seat(course("2004", scos=2))
    first = Player.open(context, seat.url)
    first.set({"cmi.location": "page 7"})
    seat.until(data={"cmi.location": "page 7"})
    second = Player.open(context, seat.url)
    second.sco("Lesson 1")
    first.button("Next").click()
    first.says(ELSEWHERE)
    expect(second.page.get_by_role("heading", name=ELSEWHERE)).to_be_hidden()
    assert seat.read()["current_item_id"] == "ITEM-1"
