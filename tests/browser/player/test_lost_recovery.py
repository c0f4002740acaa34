"""What the browser has kept goes to the server before the next launch, which would make it stale, begins."""

import contextlib

import psutil
import pytest
from playwright.sync_api import BrowserContext, Route

from tests.browser.player.learners import Customer, Player, Seat
from tests.factories.courses import course

COMMITS = "**/commit"
KEPT = {"cmi.location": "page 7"}


def crash_tabs() -> None:
    """Ends the processes that show pages. Whoever closes a tab may still send, though it is offline."""
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if "--type=renderer" in process.cmdline():
                process.kill()


def left_with_unsent(customer: Customer, context: BrowserContext) -> Seat:
    """A session whose learner has left while nothing went through."""
    seat = customer.seat(course("2004"))
    player = Player.open(context, seat.url)
    player.is_saved()
    context.set_offline(True)
    player.set(KEPT)
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
    seat = left_with_unsent(customer, context)
    tried: list[str] = []

    def refuse(route: Route) -> None:
        tried.append(route.request.url)
        route.fulfill(status=400)

    context.route(COMMITS, refuse)
    player = Player.open(context, seat.url)
    player.sco()
    of_the_old_run = [url for url in tried if url == tried[0]]
    assert len(of_the_old_run) == 1
