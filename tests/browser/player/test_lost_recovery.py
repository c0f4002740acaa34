"""What the browser has kept goes to the server before the next launch, which would make it stale, begins."""

import contextlib
import json
from collections.abc import Mapping

import psutil
import pytest
from playwright.sync_api import BrowserContext, Route

from tests.browser.player.learners import Customer, Player, Seat
from tests.factories.courses import course

COMMITS = "**/commit"
KEPT = {"cmi.location": "page 7"}


def crash_tabs() -> None:
    """Ends the processes that show pages. Whoever closes a tab may still send, though it is offline."""
    tabs = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if "--type=renderer" in process.cmdline():
                tabs.append(process)
    # All at once: one whose parent has died hides its page, and that sends.
    for end in (psutil.Process.suspend, psutil.Process.kill):
        for tab in tabs:
            with contextlib.suppress(psutil.Error):
                end(tab)


def left_with_unsent(customer: Customer, context: BrowserContext, values: Mapping[str, str] = KEPT) -> Seat:
    """A session whose learner has left while nothing went through."""
    seat = customer.seat(course("2004"))
    player = Player.open(context, seat.url)
    player.is_saved()
    context.set_offline(True)
    player.set(values)
    assert player.call("Commit", "")[0] == "true"
    crash_tabs()
    player.page.close()
    context.set_offline(False)
    assert "cmi.location" not in seat.read()["cmi_data"]
    return seat


@pytest.mark.parametrize("trouble", ["lost", "busy"])
def test_a_launch_waits_until_what_was_kept_has_gone_through(
    customer: Customer, context: BrowserContext, trouble: str
) -> None:
    seat = left_with_unsent(customer, context)
    tried: list[str] = []

    def disturb(route: Route) -> None:
        tried.append(route.request.url)
        if len(tried) > 2:
            route.continue_()
        elif trouble == "lost":
            route.abort()
        else:
            route.fulfill(status=503)

    context.route(COMMITS, disturb)
    player = Player.open(context, seat.url)
    assert player.get("cmi.location") == "page 7"
    assert seat.read()["cmi_data"]["cmi.location"] == "page 7"
    assert len(tried) > 2


def test_what_the_server_refuses_keeps_nobody_from_the_course(customer: Customer, context: BrowserContext) -> None:
    seat = left_with_unsent(customer, context, {**KEPT, "cmi.suspend_data": "refused", "cmi.progress_measure": "0.5"})
    tried: list[str] = []

    def refuse(route: Route) -> None:
        tried.append(route.request.url)
        if "cmi.suspend_data" in (route.request.post_data or ""):
            route.fulfill(status=400, json={"error": {"code": "VALIDATION_ERROR"}})
        else:
            route.continue_()

    context.route(COMMITS, refuse)
    player = Player.open(context, seat.url)
    assert (player.get("cmi.location"), player.get("cmi.progress_measure")) == ("page 7", "0.5")
    assert player.get("cmi.suspend_data") == ""
    assert len([url for url in tried if url == tried[0]]) < 10


def test_a_proxy_that_says_no_in_our_place_loses_nothing(customer: Customer, context: BrowserContext) -> None:
    seat = left_with_unsent(customer, context)
    context.route(COMMITS, lambda route: route.fulfill(status=404, body="<h1>Not found</h1>"), times=2)
    assert Player.open(context, seat.url).get("cmi.location") == "page 7"


def test_a_full_storage_does_not_keep_from_sending(customer: Customer, context: BrowserContext) -> None:
    seat = left_with_unsent(customer, context)
    context.add_init_script(
        "if (location.pathname.endsWith('recover.html')) Storage.prototype.setItem = () => { throw 0; };"
    )
    assert Player.open(context, seat.url).get("cmi.location") == "page 7"


def test_what_lay_here_for_long_is_still_tried(customer: Customer, context: BrowserContext) -> None:
    seat = left_with_unsent(customer, context)
    context.add_init_script("{ const now = Date.now; Date.now = () => now() + 120 * 24 * 3600 * 1000; }")
    assert Player.open(context, seat.url).get("cmi.location") == "page 7"


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_what_a_killed_browser_still_knows_takes_nothing_back(
    customer: Customer, context: BrowserContext, lost: int
) -> None:
    seat = customer.seat(course("2004"))
    player = Player.open(context, seat.url)
    player.is_saved()
    player.set({"cmi.location": "page 1", "cmi.progress_measure": "0.1"})
    # Chromium writes to disk some seconds later: this is what is found there.
    old = player.run_page().evaluate("Object.entries(localStorage)")
    assert any(name.endswith("/cmi.location") for name, _ in old)
    player.set({"cmi.location": "page 7"})
    seat.until(data={"cmi.location": "page 7"}, page=player.page)
    player.is_saved()
    player.page.close()
    if lost:
        context.route(COMMITS, lambda route: route.abort(), times=lost)
    # Once: what is tried again finds what the first try has left.
    put_back = f"for (const one of {json.dumps(old)}) localStorage.setItem(...one); sessionStorage.killed = 1;"
    context.add_init_script(
        f"if (location.pathname.endsWith('recover.html') && !sessionStorage.killed) {{ {put_back} }}"
    )
    player = Player.open(context, seat.url)
    assert (player.get("cmi.location"), player.get("cmi.progress_measure")) == ("page 7", "0.1")
