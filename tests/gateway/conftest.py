"""A running copy for the tests of what can be seen through Envoy."""

from collections.abc import Iterator

import pytest

from tests.edge import Edge
from tests.stack import Stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One copy for each pytest worker; give each test a tenant of its own."""
    stack = Stack.start(tmp_path_factory.mktemp("stack"))
    yield stack
    stack.discard()


@pytest.fixture(scope="session")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    """The gateway alone, before upstreams that tests direct; give each test keys, packages and grants of its own."""
    with Edge.start(tmp_path_factory.mktemp("edge")) as edge:
        yield edge
