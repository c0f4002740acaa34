"""The copy that most fault runs share, and one of little room."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stack import Stack

STALL_SECONDS = 3
# It soon takes silence for death, and drains as in production.
IMPATIENT = {
    "LOST_SECONDS": "3",
    "UPLOAD_STALL_SECONDS": str(STALL_SECONDS),
    "UPLOAD_PROCESSES": "2",
    "DRAIN_SECONDS": "3",
    "EGRESS_ALLOW_CIDRS": "127.0.0.0/8",
}


@pytest.fixture(scope="session")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack.start(tmp_path_factory.mktemp("impatient"), environment=IMPATIENT)
    yield stack
    stack.discard()


@pytest.fixture
def tight(tmp_path: Path) -> Iterator[Stack]:
    """Another, which has little room for uploads on their way."""
    stack = Stack.start(tmp_path / "tight", environment={**IMPATIENT, "SPOOL_BYTES": str(24 * 1024**2)})
    yield stack
    stack.discard()
