"""The dashboard and the alerts in `deploy/` ask for what there is."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import promql_parser
import pytest
import yaml

from tests.stack import ROOT, Stack
from tests.telemetry.pages import pages

DEPLOY = ROOT / "deploy"
RULES = yaml.safe_load((DEPLOY / "prometheus" / "rules.yaml").read_text())
DASHBOARD = json.loads((DEPLOY / "grafana" / "dashboard.json").read_text())
ALERTS = [rule for group in RULES["groups"] for rule in group["rules"]]
TYPE = re.compile(r"^# TYPE (\S+) (\S+)$", re.MULTILINE)
# Prometheus makes it itself.
OF_PROMETHEUS = {"up"}


def queries() -> Iterator[tuple[str, str]]:
    """Every expression, with what it is for."""
    for rule in ALERTS:
        yield rule["alert"], rule["expr"]
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"].replace("$__rate_interval", "5m")


QUERIES = list(queries())


def selectors(node: Any) -> Iterator[Any]:
    """The vector selectors of a parsed expression."""
    if isinstance(node, promql_parser.VectorSelector):
        yield node
    for name in ("expr", "lhs", "rhs", "vector_selector", "args"):
        inner = getattr(node, name, None)
        for part in inner if isinstance(inner, list) else [inner]:
            if part is not None:
                yield from selectors(part)


@pytest.mark.parametrize("expression", [expression for _, expression in QUERIES])
def test_every_expression_is_promql_over_named_metrics(expression: str) -> None:
    found = list(selectors(promql_parser.parse(expression)))
    assert found
    assert all(selector.name for selector in found)


def test_every_metric_that_is_asked_for_exists(stack: Stack) -> None:
    httpx.get(f"{stack.base_url}/api/v1/packages", headers={"X-API-Key": stack.demo_key}).raise_for_status()
    there = set(OF_PROMETHEUS)
    for page in pages(stack).values():
        for name, kind in TYPE.findall(page):
            there |= {f"{name}_{part}" for part in ("bucket", "sum", "count")} if kind == "histogram" else {name}
    asked = {selector.name for _, expression in QUERIES for selector in selectors(promql_parser.parse(expression))}
    assert len(asked) > 40
    assert asked - there == set()


def test_alerts_say_how_bad_it_is_and_what_it_is() -> None:
    for rule in ALERTS:
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"]["summary"]
    assert len({rule["alert"] for rule in ALERTS}) == len(ALERTS)


def test_panels_have_places_of_their_own() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        columns, rows = (range(place[at], place[at] + place[size]) for at, size in (("x", "w"), ("y", "h")))
        cells = {(column, row) for column in columns for row in rows}
        assert not cells & taken, panel["title"]
        taken |= cells


def test_the_scrape_configuration_names_the_files_that_make_run_and_these_rules_are() -> None:
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yaml").read_text())
    assert [DEPLOY / "prometheus" / name for name in config["rule_files"]] == [DEPLOY / "prometheus" / "rules.yaml"]
    (files,) = config["scrape_configs"][0]["file_sd_configs"][0]["files"]
    assert (DEPLOY / "prometheus" / Path(files)).resolve() == ROOT / "var" / "metrics-targets.json"
