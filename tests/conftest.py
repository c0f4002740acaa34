"""Fixtures that every kind of test may use."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from server.storage.connection import PostgresDatabase, PostgresOperatorDatabase
from tests.databases import Dsns, Template, running_template
from tests.edge import Edge
from tests.stack import Stack

_TEMPLATE = "database_template"
_stack = pytest.StashKey[ExitStack]()
_template = pytest.StashKey[Template]()


Scale = Callable[[int, int], int]


def pytest_addoption(parser: pytest.Parser) -> None:
    """`make stress` sets it."""
    parser.addoption("--full", action="store_true", help="run the stress tests at full size, and print what they count")


@pytest.fixture(scope="session")
def scale(request: pytest.FixtureRequest) -> Scale:
    """`scale(small, full)` is how many of something a stress test takes: few in `make test`, all in `make stress`."""
    full = bool(request.config.getoption("--full"))
    return lambda small, all_of_them: all_of_them if full else small


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


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One copy for each pytest worker; give each test a tenant of its own."""
    # Tests' own web servers, which imports fetch from.
    opened = {"EGRESS_ALLOW_CIDRS": "127.0.0.0/8"}
    stack = Stack.start(tmp_path_factory.mktemp("stack"), environment=opened)
    yield stack
    stack.discard()


@pytest.fixture(scope="session")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    """The gateway alone, before upstreams that tests direct; give each test keys, packages and grants of its own."""
    with Edge.start(tmp_path_factory.mktemp("edge")) as edge:
        yield edge
