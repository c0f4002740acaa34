"""A running copy that is traced."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.stack import Stack
from tests.telemetry.collector import Collector


@dataclass(frozen=True, slots=True)
class Traced:
    """The copy, and the collector that its traces go to."""

    stack: Stack
    collector: Collector


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traced]:
    """Every request of it is traced, and told soon."""
    with Collector.running() as collector:
        environment = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
            # Tests' own web servers, which imports fetch from.
            "EGRESS_ALLOW_CIDRS": "127.0.0.0/8",
        }
        stack = Stack.start(tmp_path_factory.mktemp("traced"), serve_processes=1, environment=environment)
        yield Traced(stack, collector)
        stack.discard()
