"""The gateway whose wire is looked at."""

from collections.abc import Iterator

import pytest

from tests.edge import Edge
from tests.edge_upstreams import Key
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
