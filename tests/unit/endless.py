"""Telling what never ends from what takes a moment."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

# Hundreds of times what anything that is guarded here takes, and a moment of what it would take unguarded.
CPU_SECONDS = 60


@contextmanager
def not_endless() -> Iterator[None]:
    """Fails once the block has ended, but only after minutes of this thread's CPU: no judgement of its speed."""
    began = time.thread_time()
    yield
    assert time.thread_time() - began < CPU_SECONDS
