"""A real Chromium."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from tests import chromium

# Chromium's own errands would be look-ups of hosts outside; tests talk to this machine only.
QUIET = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for each module: while it is open its event loop runs in this thread, and no other can."""
    with sync_playwright() as playwright:
        # As root Chromium has no sandbox; the pages are our own.
        opened = playwright.chromium.launch(executable_path=chromium.find(), args=["--no-sandbox", *QUIET])
        yield opened
        opened.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser profile of its own."""
    opened = browser.new_context()
    yield opened
    opened.close()
