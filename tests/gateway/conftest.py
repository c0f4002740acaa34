"""The gateway whose wire is looked at."""

from collections.abc import Iterator

import httpx
import pytest

from tests.edge import Edge
from tests.edge_upstreams import Key
from tests.gateway.edge_lrs import basic, new_key
from tests.gateway.wire import KEY, Wire
from tests.raw_storage import RawStorage


def _soon_done(config: str) -> str:
    """The gateway waits seconds before it closes on who was refused: longer than tests should."""
    assert '"delayed_close_timeout": "3s"' in config
    return config.replace('"delayed_close_timeout": "3s"', '"delayed_close_timeout": "0.03s"')


@pytest.fixture(scope="session")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    """For tests that leave nothing behind but requests."""
    with RawStorage.served() as storage:
        url = f"http://127.0.0.1:{storage.port}"
        with Edge.start(tmp_path_factory.mktemp("wire"), edit=_soon_done, storage_url=url) as edge:
            edge.upstream.keys[KEY] = Key("tenant-of-the-wire")
            yield Wire(edge, storage)


@pytest.fixture
def lrs_key(edge: Edge) -> str:
    """A key that the edge knows."""
    return new_key(edge)


@pytest.fixture
def lrs_client(edge: Edge, lrs_key: str) -> Iterator[httpx.Client]:
    """A client that comes with it as HTTP Basic."""
    with edge.client(timeout=30) as client:
        client.headers["authorization"] = basic(lrs_key)
        yield client
