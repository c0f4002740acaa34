"""The pages of metrics of a running copy, read as Prometheus reads them."""

import json
from collections.abc import Iterator, Mapping

import httpx
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from tests.stack import Stack


def targets(stack: Stack) -> Mapping[str, str]:
    """The URL of each process's page."""
    groups = json.loads((stack.var / "metrics-targets.json").read_text())
    return {
        group["labels"]["process"]: f"http://{group['targets'][0]}{group['labels']['__metrics_path__']}"
        for group in groups
    }


def pages(stack: Stack) -> Mapping[str, str]:
    """Every page, by the process whose it is."""
    return {process: httpx.get(url).raise_for_status().text for process, url in targets(stack).items()}


def samples(page: str) -> Iterator[Sample]:
    """The samples of a page, under the names that they have there."""
    # The parser gives counters the ending `_total`, which Envoy's do not have.
    untyped = "".join(f"{line}\n" for line in page.splitlines() if not line.startswith("#"))
    return (sample for family in text_string_to_metric_families(untyped) for sample in family.samples)


def total(page: str, name: str, **labels: str) -> float:
    """The sum of the samples of a name that have these labels."""
    found = (sample for sample in samples(page) if sample.name == name)
    return sum(sample.value for sample in found if labels.items() <= sample.labels.items())
