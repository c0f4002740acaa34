"""Fixtures that every kind of test may use."""

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from server.storage.connection import PostgresDatabase, PostgresOperatorDatabase
from tests.databases import Dsns, Template, running_template

_TEMPLATE = "database_template"
_stack = pytest.StashKey[ExitStack]()
_template = pytest.StashKey[Template]()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """In a parallel run the controller starts Postgres, before its first worker, and tells each."""
    config: pytest.Config = node.config
    if _stack not in config.stash:
        stack = config.stash[_stack] = ExitStack()
        config.add_cleanup(stack.close)
        config.stash[_template] = stack.enter_context(running_template())
    node.workerinput[_TEMPLATE] = config.stash[_template].encoded()


@pytest.fixture(scope="session")
def database_template(request: pytest.FixtureRequest) -> Iterator[Template]:
    """The migrated database that others are copied from."""
    if told := getattr(request.config, "workerinput", {}).get(_TEMPLATE):
        yield Template.decoded(told)
        return
    with running_template() as template:
        yield template


@pytest.fixture
def dsns(database_template: Template) -> Iterator[Dsns]:
    """A new, migrated, empty database."""
    with database_template.copy() as copy:
        yield copy


@pytest.fixture
async def database(dsns: Dsns) -> AsyncIterator[PostgresDatabase]:
    """The new database as the server sees it."""
    opened = PostgresDatabase(dsns.server, pool_size=2)
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
async def operator_database(dsns: Dsns) -> AsyncIterator[PostgresOperatorDatabase]:
    """The new database as the operator sees it."""
    opened = PostgresOperatorDatabase(dsns.operator, pool_size=1)
    await opened.open()
    yield opened
    await opened.close()
