"""Where something between the learner and us is broken, nobody is caught, and what was done is not lost."""

import re

import httpx
import pytest
from playwright.sync_api import BrowserContext, Route, expect

from tests.browser.player.learners import Customer, Player, Seat
from tests.factories.courses import course

COMMITS = "**/player/run/*/commit"
KEPT = {"cmi.location": "page 7"}
# It hears nothing from the shell, and nothing that it sends gets out.
STUCK = """() => {
  window.parent = window;
  window.fetch = () => new Promise(() => {});
  navigator.sendBeacon = () => false;
}"""


def at_the_first_of_two(customer: Customer, context: BrowserContext) -> tuple[Seat, Player]:
    seat = customer.seat(course("2004", scos=2))
    player = Player.open(context, seat.url)
    player.sco("Lesson 1")
    player.is_saved()
    return seat, player


def go_on_from_stuck_page(player: Player) -> None:
    """The page keeps a change that it cannot send, and the learner goes to the next lesson."""
    player.run_page().evaluate(STUCK)
    player.set(KEPT)
    player.button("Next").click()
    player.sco("Lesson 2")


def test_what_a_page_that_is_stuck_has_kept_is_saved_before_the_next_one(
    customer: Customer, context: BrowserContext
) -> None:
    seat, player = at_the_first_of_two(customer, context)
    go_on_from_stuck_page(player)
    assert seat.data_of("ITEM-1")["cmi.location"] == "page 7"


def test_what_a_stuck_page_has_kept_is_saved_before_the_launch_that_a_lost_answer_leads_to(
    customer: Customer, context: BrowserContext
) -> None:
    seat, player = at_the_first_of_two(customer, context)
    asked: list[str] = []
    context.route(COMMITS, lambda route: route.continue_() if asked else route.abort())

    def lose_the_answer(route: Route) -> None:
        asked.append(route.request.url)
        httpx.post(route.request.url, content=route.request.post_data).raise_for_status()
        route.abort()

    context.route("**/navigate", lose_the_answer, times=1)
    go_on_from_stuck_page(player)
    assert seat.read()["launches"] == 2
    assert seat.data_of("ITEM-1")["cmi.location"] == "page 7"


def test_whoever_cannot_save_may_leave_and_finds_it_again(customer: Customer, context: BrowserContext) -> None:
    seat = customer.seat(course("2004"))
    player = Player.open(context, seat.url)
    player.is_saved()
    context.route(COMMITS, lambda route: route.fulfill(status=403, body="<h1>Blocked</h1>"))
    player.set(KEPT)
    player.button("Exit").click()
    expect(player.page.get_by_role("alert")).to_contain_text("not saved yet")
    player.says("Your last answers are not saved yet")
    player.button("Leave without saving").click()
    player.says("You left before everything was saved")
    context.unroute(COMMITS)
    player.button("Open again").click()
    assert player.get("cmi.location") == "page 7"


def test_whoever_waits_leaves_as_soon_as_it_is_saved(customer: Customer, context: BrowserContext) -> None:
    seat = customer.seat(course("2004"))
    player = Player.open(context, seat.url)
    player.is_saved()
    context.route(COMMITS, lambda route: route.fulfill(status=403, body="<h1>Blocked</h1>"))
    player.set(KEPT)
    player.button("Exit").click()
    expect(player.button("Leave without saving")).to_be_visible()
    context.unroute(COMMITS)
    player.says("Your progress is saved")
    seat.until(data=KEPT)


def test_a_proxy_that_answers_in_our_place_does_not_end_a_launch(customer: Customer, context: BrowserContext) -> None:
    seat = customer.seat(course("2004"))
    statuses = iter([404, 409])
    context.route("**/launch", lambda route: route.fulfill(status=next(statuses), body="<h1>No</h1>"), times=2)
    Player.open(context, seat.url).sco()


@pytest.mark.parametrize("lost", ["**/player/run/*", re.compile(r"/content/[^/]+/[^?]*\.html?")])
def test_a_page_that_does_not_come_is_asked_for_again(
    customer: Customer, context: BrowserContext, lost: str | re.Pattern[str]
) -> None:
    seat = customer.seat(course("2004"))
    asked: list[str] = []

    def lose(route: Route) -> None:
        asked.append(route.request.url)
        route.abort()

    context.route(lost, lose, times=2)
    player = Player.open(context, seat.url)
    player.sco()
    assert len(asked) == 2
    player.set(KEPT)
    seat.until(data=KEPT)


def test_whoever_gets_no_page_at_all_is_told(customer: Customer, context: BrowserContext) -> None:
    seat = customer.seat(course("2004"))
    context.route("**/player/run/*", lambda route: route.abort())
    player = Player.open(context, seat.url)
    player.says("Something went wrong")
    context.unroute("**/player/run/*")
    player.button("Load again").click()
    player.sco()
