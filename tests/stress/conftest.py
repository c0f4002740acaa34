"""The copy that most fault runs share."""

from collections.abc import Iterator

import pytest

from tests.stack import Stack

SPOOL_BYTES = 24 * 1024**2
STALL_SECONDS = 3


@pytest.fixture(scope="session")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """It soon takes silence for death, has little room for uploads on their way, and drains as in production."""
    environment = {
        "LOST_SECONDS": "3",
        "UPLOAD_STALL_SECONDS": str(STALL_SECONDS),
        "SPOOL_BYTES": str(SPOOL_BYTES),
        "UPLOAD_PROCESSES": "2",
        "DRAIN_SECONDS": "3",
        "EGRESS_ALLOW_CIDRS": "127.0.0.0/8",
    }
    stack = Stack.start(tmp_path_factory.mktemp("impatient"), environment=environment)
    yield stack
    stack.discard()
