"""Commits that come late, twice or not at all change nothing that is right."""

import json
import time
from collections.abc import Callable
from typing import Any

import httpx
from playwright.sync_api import BrowserContext, Page, Request, Route, expect

from tests.browser.player.learners import Customer, Player, found
from tests.factories.courses import course

COMMITS = "**/player/run/*/commit"


def commits_of(player: Player) -> list[Request]:
    """The commits that the page sends from now on."""
    sent: list[Request] = []
    player.page.on("request", lambda request: sent.append(request) if request.url.endswith("/commit") else None)
    return sent


def body_of(request: Request) -> dict[str, Any]:
    return dict(json.loads(request.post_data_buffer or b"{}"))


def test_a_commit_that_comes_after_terminate_neither_overwrites_nor_reopens(
    customer: Customer, context: BrowserContext
) -> None:
    seat = customer.seat(course("2004"))
    player = Player.open(context, seat.url)
    player.is_saved()
    sent = commits_of(player)
    player.set({"cmi.location": "early", "cmi.completion_status": "incomplete"})
    player.call("Commit", "")
    player.set({"cmi.location": "late", "cmi.completion_status": "completed", "cmi.session_time": "PT1M"})
    assert player.call("Terminate", "") == ("true", "0")
    found(player.page, lambda: any(body_of(request).get("terminated") for request in sent) or None)
    player.is_saved()
    before = seat.until(data={"cmi.location": "late"}, completion_status="completed", time_spent_seconds=60)
    early = next(request for request in sent if body_of(request)["values"].get("cmi.location") == "early")
    last = max(sent, key=lambda request: int(body_of(request)["commit"]))
    # As a beacon comes: plain text, no header of ours.
    for body in (
        body_of(early),
        body_of(last),
        {**body_of(early), "commit": body_of(last)["commit"] + 1, "base": body_of(last)["commit"]},
    ):
        answer = httpx.post(early.url, content=json.dumps(body), headers={"content-type": "text/plain"})
        assert (answer.status_code, answer.json()["applied"]) == (200, body_of(last)["commit"])
    assert seat.read() == before


def test_a_beacon_needs_nothing_but_its_address(customer: Customer, context: BrowserContext) -> None:
    seat = customer.seat(course("1.2"))
    player = Player.open(context, seat.url)
    player.is_saved()
    player.run_page().evaluate(
        """() => {
             const {commitUrl, launch, run} = JSON.parse(document.getElementById("data").textContent);
             const values = {"cmi.core.lesson_status": "completed"};
             const body = JSON.stringify({launch, run, commit: 50, base: 0, values, terminated: true});
             return navigator.sendBeacon(commitUrl, new Blob([body], {type: "text/plain"}));
           }"""
    )
    seat.until(completion_status="completed", data={"cmi.core.lesson_status": "completed"})
    assert httpx.post(f"{customer.stack.content_url}/player/run/none/commit", content="{}").status_code == 404


def test_terminate_does_not_overtake_a_commit_that_is_on_its_way(customer: Customer, context: BrowserContext) -> None:
    seat = customer.seat(course("1.2"))
    player = Player.open(context, seat.url)
    player.is_saved()
    held: list[Route] = []
    player.page.route(COMMITS, lambda route: held.append(route), times=1)
    player.set({"cmi.core.lesson_location": "early", "cmi.core.lesson_status": "incomplete"})
    player.call("Commit", "")
    found(player.page, lambda: held or None)
    player.set({"cmi.core.lesson_location": "late", "cmi.core.lesson_status": "passed"})
    assert player.call("Terminate", "") == ("true", "0")
    assert seat.read()["cmi_data"] == {}
    held[0].continue_()
    seat.until(
        data={"cmi.core.lesson_location": "late"},
        completion_status="completed",
        success_status="passed",
        page=player.page,
    )


def test_terminate_twice_and_a_commit_afterwards_count_time_once(customer: Customer, context: BrowserContext) -> None:
    seat = customer.seat(course("1.2"))
    player = Player.open(context, seat.url)
    player.set({"cmi.core.session_time": "00:01:30"})
    assert player.call("Terminate", "") == ("true", "0")
    assert player.call("Terminate", "") == ("false", "301")
    assert player.call("Commit", "") == ("false", "301")
    assert player.call("SetValue", "cmi.core.session_time", "00:09:00") == ("false", "301")
    player.is_saved()
    player.exit()
    assert seat.read()["time_spent_seconds"] == 90


def test_a_commit_whose_answer_is_lost_is_repeated_and_counts_time_once(
    customer: Customer, context: BrowserContext
) -> None:
    seat = customer.seat(course("2004"))
    player = Player.open(context, seat.url)
    player.is_saved()
    lost: list[int] = []

    def lose(route: Route) -> None:
        lost.append(route.fetch().status)
        route.abort()

    player.page.route(COMMITS, lose, times=2)
    player.set({"cmi.session_time": "PT1M30S", "cmi.location": "page 7"})
    player.call("Commit", "")
    found(player.page, lambda: len(lost) == 2 or None)
    player.is_saved()
    player.set({"cmi.session_time": "PT2M"})
    player.call("Terminate", "")
    seat.until(time_spent_seconds=120, page=player.page)
    assert lost == [200, 200]


def test_time_adds_up_over_launches(customer: Customer, context: BrowserContext) -> None:
    seat = customer.seat(course("1.2"))
    for number, total in enumerate(("0000:00:00.00", "0000:01:00.00", "0000:03:00.00"), start=1):
        player = Player.open(context, seat.url)
        assert player.get("cmi.core.total_time") == total
        player.set({"cmi.core.session_time": f"00:0{number}:00", "cmi.core.exit": "suspend"})
        player.call("Terminate", "")
        player.exit()
        player.page.close()
    session = seat.read()
    assert (session["time_spent_seconds"], session["session_time"], session["launches"]) == (360, "PT3M", 3)


def test_the_server_is_told_that_a_course_runs_before_it_has_set_anything(
    customer: Customer, context: BrowserContext
) -> None:
    seat = customer.seat(course("2004"))
    player = Player.open(context, seat.url)
    assert player.get("cmi.entry") == "ab-initio"
    player.is_saved()
    player.page.close()
    assert Player.open(context, seat.url).get("cmi.entry") == "resume"


def test_what_a_customer_has_written_since_is_not_overwritten_by_what_was_set_before(
    customer: Customer, context: BrowserContext
) -> None:
    seat = customer.seat(course("2004"))
    player = Player.open(context, seat.url)
    player.is_saved()
    context.set_offline(True)
    player.set({"cmi.location": "of the course", "cmi.progress_measure": "0.5"})
    expect(player.page.get_by_text("Offline – will be saved")).to_be_visible()
    customer.ask("PUT", f"/api/v1/sessions/{seat.id}", {"cmi_data": {"cmi.location": "of the customer"}})
    player.page.wait_for_timeout(2500)
    context.set_offline(False)
    seat.until(data={"cmi.location": "of the customer", "cmi.progress_measure": "0.5"}, page=player.page)


def next_commit(page: Page) -> Callable[[], Route | None]:
    """Holds the next commit back. The answer tells which, once it is on its way."""
    held: list[Route] = []
    page.route(COMMITS, lambda route: held.append(route), times=1)
    return lambda: held[0] if held else None


def test_what_a_customer_writes_within_the_second_after_a_change_stays(
    customer: Customer, context: BrowserContext
) -> None:
    seat = customer.seat(course("2004"))
    player = Player.open(context, seat.url)
    player.is_saved()
    # The server knows when the course set a value as well as the commit was quick: on a busy machine the customer may
    # seem to have been the first.
    written, set_ms, asked_ms = "", 0.0, -1.0
    for turn in range(20):
        written = f"of the customer, {turn}"
        held = next_commit(player.page)
        began = time.monotonic()
        player.set({"cmi.location": f"of the course, {turn}", "cmi.progress_measure": "0.5"})
        player.page.wait_for_timeout(300)
        asked_ms = 1000 * (time.monotonic() - began)
        customer.ask("PUT", f"/api/v1/sessions/{seat.id}", {"cmi_data": {"cmi.location": written}})
        commit = found(player.page, held)
        commit.continue_()
        player.is_saved()
        set_ms = 1000 * (time.monotonic() - began) - body_of(commit.request)["ages"]["cmi.location"]
        if set_ms < asked_ms:
            break
    assert set_ms < asked_ms
    seat.until(data={"cmi.location": written, "cmi.progress_measure": "0.5"}, page=player.page)


def test_a_course_that_sets_the_same_again_overrules_what_a_customer_wrote_in_between(
    customer: Customer, context: BrowserContext
) -> None:
    seat = customer.seat(course("2004"))
    player = Player.open(context, seat.url)
    player.set({"cmi.location": "of the course"})
    seat.until(data={"cmi.location": "of the course"}, page=player.page)
    customer.ask("PUT", f"/api/v1/sessions/{seat.id}", {"cmi_data": {"cmi.location": "of the customer"}})
    player.set({"cmi.location": "of the course"})
    seat.until(data={"cmi.location": "of the course"}, page=player.page)


def refusing(route: Route, *, most: int = 100, element: str = "") -> None:
    """Takes no more than so many elements at once, and one element never."""
    values = body_of(route.request)["values"]
    if len(values) > most or element in values:
        route.fulfill(status=413, body="Too large")
    else:
        route.continue_()


def test_what_is_too_much_for_one_commit_goes_in_several(customer: Customer, context: BrowserContext) -> None:
    seat = customer.seat(course("2004"))
    player = Player.open(context, seat.url)
    player.is_saved()
    player.page.route(COMMITS, lambda route: refusing(route, most=4))
    values = {f"cmi.objectives.{index}.id": f"objective-{index}" for index in range(12)}
    player.set({**values, "cmi.completion_status": "completed", "cmi.session_time": "PT1M"})
    player.call("Terminate", "")
    seat.until(data=values, completion_status="completed", time_spent_seconds=60, page=player.page)
    player.is_saved()
    player.exit()


def test_one_element_that_is_refused_costs_no_other_and_is_told(customer: Customer, context: BrowserContext) -> None:
    seat = customer.seat(course("2004"))
    player = Player.open(context, seat.url)
    player.is_saved()
    player.page.route(COMMITS, lambda route: refusing(route, element="cmi.suspend_data"))
    values = {f"cmi.objectives.{index}.id": f"objective-{index}" for index in range(5)}
    player.set({**values, "cmi.suspend_data": "too much", "cmi.location": "page 7"})
    expect(player.page.get_by_role("status")).to_contain_text("Some answers could not be saved")
    assert "cmi.suspend_data" not in seat.until(data={**values, "cmi.location": "page 7"}, page=player.page)["cmi_data"]
    player.exit()


def test_a_proxy_that_answers_in_our_place_loses_nothing(customer: Customer, context: BrowserContext) -> None:
    seat = customer.seat(course("2004"))
    player = Player.open(context, seat.url)
    player.is_saved()
    statuses = iter([404, 401, 409, 410, 400])
    player.page.route(COMMITS, lambda route: route.fulfill(status=next(statuses), body="<h1>No</h1>"), times=5)
    player.set({"cmi.location": "page 7"})
    seat.until(data={"cmi.location": "page 7"}, page=player.page)
    player.is_saved()
