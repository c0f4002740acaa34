"""A customer with courses, and a browser as learners have it."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests import chromium
from tests.browser.conftest import QUIET
from tests.browser.player.learners import AS_LEARNERS_HAVE_IT, Customer
from tests.stack import Stack


@pytest.fixture(scope="session")
def customer(stack: Stack) -> Customer:
    """One for all tests of a worker; give each test a learner of its own."""
    return Customer(stack, stack.new_tenant())


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """As `tests.browser.conftest.browser`."""
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", *QUIET, AS_LEARNERS_HAVE_IT]
        opened = playwright.chromium.launch(executable_path=chromium.find(), args=arguments)
        yield opened
        opened.close()
