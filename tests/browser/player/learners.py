"""Learners in a browser and, beside them, the customer who reads over the public API what they have done."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Frame, Page, expect

from tests import chromium
from tests.browser.conftest import QUIET
from tests.stack import Stack

T = TypeVar("T")
# Playwright turns the partitioning of third-party storage off, which no browser of a learner does. Naming these again
# without it overrides that.
AS_LEARNERS_HAVE_IT = (
    "--disable-features=AvoidUnnecessaryBeforeUnloadCheckSync,DestroyProfileOnBrowserClose,HttpsUpgrades,MediaRouter,"
    "NetworkTimeServiceQuerying,OptimizationHints,PaintHolding,PreconnectToSearch"
)
PATIENCE_SECONDS = 60.0
PATIENCE_MS = PATIENCE_SECONDS * 1000
expect.set_options(timeout=PATIENCE_MS)


@dataclass(slots=True)
class Seat:
    """A session, and the link that opens it."""

    customer: "Customer"
    id: str
    url: str

    def read(self) -> dict[str, Any]:
        """The session as the API tells it."""
        return dict(self.customer.ask("GET", f"/api/v1/sessions/{self.id}")["session"])

    def until(
        self,
        *,
        data: Mapping[str, str] | None = None,
        page: Page | None = None,
        patience_seconds: float = PATIENCE_SECONDS,
        **fields: Any,
    ) -> dict[str, Any]:
        """Waits until the session has these fields and run-time data, and answers it. `page` goes on meanwhile."""
        deadline = time.monotonic() + patience_seconds
        while True:
            session = self.read()
            told = {**session["cmi_data"], **session}
            missing = {name: value for name, value in {**(data or {}), **fields}.items() if told.get(name) != value}
            if not missing:
                return session
            if time.monotonic() > deadline:
                raise AssertionError(f"missing {str(missing)[:2000]} in {str(told)[:2000]}")
            if page is None:
                time.sleep(0.1)
            else:
                page.wait_for_timeout(100)

    def data_of(self, item_id: str) -> dict[str, str]:
        """The run-time data of one item."""
        return dict(self.item(item_id)["cmi_data"])

    def item(self, item_id: str) -> dict[str, Any]:
        """One item."""
        return next(dict(item) for item in self.read()["items"] if item["id"] == item_id)

    def launch(self, **fields: Any) -> str:
        """A fresh link."""
        return str(self.customer.ask("POST", f"/api/v1/sessions/{self.id}/launch", fields)["launch_url"])


@dataclass(slots=True)
class Customer:
    """A tenant, with the packages that it has uploaded."""

    stack: Stack
    key: str
    packages: dict[bytes, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Calls the public API."""
        headers = {"X-API-Key": self.key}
        response = httpx.request(method, self.stack.base_url + path, headers=headers, json=body, timeout=60)
        assert response.is_success, response.text
        return response.json()

    def upload(self, archive: bytes) -> str:
        """The id of the package, which is uploaded once."""
        if archive not in self.packages:
            response = httpx.post(
                f"{self.stack.base_url}/api/v1/packages",
                headers={"X-API-Key": self.key},
                files={"file": ("course.zip", archive, "application/zip")},
                timeout=120,
            )
            assert response.status_code == 201, response.text
            self.packages[archive] = response.json()["package_id"]
        return self.packages[archive]

    def seat(self, archive: bytes, **fields: Any) -> Seat:
        """A session of a new learner."""
        body = {"package_id": self.upload(archive), "user_id": str(uuid4()), "user_name": "Ada Lovelace", **fields}
        created = self.ask("POST", "/api/v1/sessions", body)
        return Seat(self, created["session"]["id"], created["launch_url"])


@dataclass
class Player:
    """A tab with the player. `complaints` are what the browser had to say, `hosts` whom it asked."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)

    @classmethod
    def open(cls, context: BrowserContext, url: str) -> "Player":
        """Opens a link in a new tab."""
        player = cls(context.new_page())
        player.watch(player.page)
        player.page.goto(url)
        return player

    def watch(self, page: Page) -> None:
        """Listens to a tab or pop-up."""
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.hosts.add(urlsplit(request.url).netloc))

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def sco(self, heading: str | None = None) -> Frame:
        """The frame with the SCO, once it is ready; with `heading` the one that shows this heading."""
        return found(self.page, lambda: self._sco(heading))

    def _sco(self, heading: str | None) -> Frame | None:
        for frame in self.page.frames:
            if frame.is_detached() or "/content/" not in frame.url:
                continue
            try:
                ready = frame.evaluate("window.sco?.ready ? document.querySelector('h1').textContent : null")
            except Exception:  # it is on its way out
                continue
            if ready is not None and heading in (None, ready):
                return frame
        return None

    def run_page(self) -> Frame:
        """The frame with the run-time page."""
        return found(self.page, lambda: next((one for one in self.page.frames if "/player/run/" in one.url), None))

    def call(self, function: str, *arguments: str) -> tuple[str, str]:
        """What the API answers to the SCO, and the last error."""
        answer, error = self.sco().evaluate("([name, given]) => window.sco.call(name, ...given)", [function, arguments])
        return answer, error

    def get(self, element: str) -> str:
        """What the SCO reads."""
        return self.call("GetValue", element)[0]

    def set(self, values: Mapping[str, str]) -> None:
        """The SCO sets these. Fails if one is refused."""
        assert self.sco().evaluate("values => window.sco.set(values)", dict(values)) == []

    def button(self, name: str) -> Any:
        """A button of the shell's."""
        return self.page.get_by_role("button", name=name, exact=True)

    def says(self, text: str) -> None:
        """Waits for a heading over the course."""
        expect(self.page.get_by_role("heading", name=text)).to_be_visible()

    def is_saved(self) -> None:
        """Waits until the indicator says so."""
        expect(self.page.locator("#indicator[data-state=saved]")).to_be_visible()

    def exit(self) -> None:
        """Leaves by the shell's button."""
        self.button("Exit").click()
        expect(self.page.locator("body[data-session=ended]")).to_be_attached()


def found(page: Page, look: Callable[[], T | None]) -> T:
    """Waits, while the page goes on, until there is something."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (one := look()) is None:
        if time.monotonic() > deadline:
            said = page.locator("body").inner_text()
            raise AssertionError(f"not found in {[frame.url[:60] for frame in page.frames]}, where it says {said}")
        page.wait_for_timeout(50)
    return one


def profile(
    browser: Browser,
    folder: Path,
    *,
    blocks_storage: bool = False,
    blocks_popups: bool = False,
    caches_pages: bool = False,
    arguments: tuple[str, ...] = (),
) -> BrowserContext:
    """A browser of its own whose profile lies in a folder, where a later one finds it again.

    `blocks_storage`: frames of other sites have neither cookies nor storage, not even one of their own for each site.
    """
    preferences: dict[str, Any] = {}
    if blocks_storage:
        preferences |= {"block_third_party_cookies": True, "cookie_controls_mode": 1}
    if blocks_popups:
        preferences["default_content_setting_values"] = {"popups": 2}
    if preferences:
        (folder / "Default").mkdir(parents=True, exist_ok=True)
        (folder / "Default" / "Preferences").write_text(json.dumps({"profile": preferences}))
    arguments = arguments if blocks_storage else (*arguments, AS_LEARNERS_HAVE_IT)
    without = [
        *(["--disable-popup-blocking"] if blocks_popups else []),
        *(["--disable-back-forward-cache"] if caches_pages else []),
    ]
    return browser.browser_type.launch_persistent_context(
        folder,
        executable_path=chromium.find(),
        args=["--no-sandbox", *QUIET, *arguments],
        ignore_default_args=without,
    )
