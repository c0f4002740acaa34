"""Fixtures of the storage and upload suites. Every test that takes `backend` runs against each server there is."""

import uuid
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from google.cloud import storage

from server.storage.blobs import GcsBlobs
from tests.contract.backends import FAKE_GCS_SERVER, STANDIN, Backend, fake_gcs_server, running
from tests.contract.uploads_fixtures import Bucket, Host, running_bucket, running_host
from tests.databases import Dsns


def pytest_report_header() -> str:
    if fake_gcs_server():
        return "storage contract: stand-in and fake-gcs-server"
    return "storage contract: stand-in only; neither fake-gcs-server nor go is here"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Leaves a server out of the tests that its table of divergences names, see each module's FAKE_DIVERGES."""
    if "backend" not in metafunc.fixturenames:
        return
    kinds = [STANDIN]
    divergences: dict[str, str] = getattr(metafunc.module, "FAKE_DIVERGES", {})
    if fake_gcs_server() is None:
        warnings.warn("fake-gcs-server is not here; the stand-in is only judged by us", stacklevel=1)
    elif metafunc.function.__name__ not in divergences:
        kinds.append(FAKE_GCS_SERVER)
    metafunc.parametrize("backend", kinds, indirect=True, scope="session")


@pytest.fixture(scope="session")
def backends(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Backend]]:
    """The servers that run already; each starts when it is first needed."""
    with ExitStack() as stack:

        class Started(dict[str, Backend]):
            def __missing__(self, kind: str) -> Backend:
                self[kind] = stack.enter_context(running(kind, tmp_path_factory.mktemp(kind)))
                return self[kind]

        yield Started()


@pytest.fixture(scope="session")
def backend(request: pytest.FixtureRequest, backends: dict[str, Backend]) -> Backend:
    return backends[request.param]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A directory for a stand-in of the test's own."""
    return tmp_path / "data"


@pytest.fixture
def client(backend: Backend) -> Iterator[storage.Client]:
    with backend.client() as opened:
        yield opened


@pytest.fixture
def bucket(client: storage.Client) -> storage.Bucket:
    """A new, empty bucket."""
    return client.create_bucket(f"bucket-{uuid.uuid4().hex[:12]}")


@pytest.fixture
def http(backend: Backend) -> Iterator[httpx.Client]:
    """Plain HTTP, as the gateway speaks it."""
    with httpx.Client(base_url=backend.url) as opened:
        yield opened


@pytest.fixture
def blobs(backend: Backend, bucket: storage.Bucket) -> Iterator[GcsBlobs]:
    """Our adapter on the new bucket."""
    opened = GcsBlobs(bucket.name, threads=16, client=backend.client())
    yield opened
    opened.close()


@pytest.fixture(name="storage", scope="module")
def storage_of_uploads(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    """The stand-in that the uploads of a module go to."""
    with running_bucket(tmp_path_factory.mktemp("storage")) as bucket:
        yield bucket


@pytest.fixture
async def host(storage: Bucket, dsns: Dsns, tmp_path: Path) -> AsyncIterator[Host]:
    """An upload process with an empty bucket and database."""
    storage.blobs.delete_prefix("")
    async with running_host(dsns, storage, tmp_path) as running:
        yield running
