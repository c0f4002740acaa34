import dataclasses
import enum
import functools
import json
import types
import typing
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.domain.manifest import Manifest, from_json, to_json
from tests.factories import manifest12, manifest2004
from tests.unit.manifests import parse

LEVELS = 5
SIMPLE: dict[Any, st.SearchStrategy[Any]] = {
    str: st.text(max_size=5),
    int: st.integers(),
    float: st.floats(allow_nan=False, allow_infinity=False),
    bool: st.booleans(),
}


@functools.cache
def anything(kind: Any, levels: int = LEVELS) -> st.SearchStrategy[Any]:
    """Values of a type. Of what repeats at most two, and none where that many levels of values are around it.

    Hypothesis' own `from_type` knows no measure: most of what it draws is too large, and thrown away.
    """
    if typing.get_origin(kind) is tuple:
        if not levels:
            return st.just(())
        return st.lists(anything(typing.get_args(kind)[0], levels - 1), max_size=2).map(tuple)
    if typing.get_origin(kind) in (types.UnionType, typing.Union):
        return st.none() | anything(typing.get_args(kind)[0], levels)
    if dataclasses.is_dataclass(kind):
        build: Any = kind
        hints = typing.get_type_hints(build)
        return st.builds(build, **{name: anything(hint, levels) for name, hint in hints.items()})
    return st.sampled_from(kind) if issubclass(kind, enum.Enum) else SIMPLE[kind]


@given(anything(Manifest))
@settings(max_examples=50, deadline=None)
def test_any_manifest_survives_json(manifest: Manifest) -> None:
    assert from_json(to_json(manifest)) == manifest


@pytest.mark.parametrize("text", [manifest12(scos=3, mastery_score=70), manifest2004(scos=3, passing_score=0.7)])
def test_a_parsed_manifest_survives_json(text: str) -> None:
    manifest = parse(text, scos=3)
    assert from_json(to_json(manifest)) == manifest


def test_what_is_default_is_not_written() -> None:
    item = json.loads(to_json(parse(manifest12())))["organizations"][0]["items"][0]
    assert item == {
        "identifier": "ITEM-1",
        "title": "Lesson 1",
        "resource": "RES-1",
        "url": "sco1/index.html",
        "scorm_type": "sco",
    }


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"format":1}',
        to_json(parse(manifest12())).replace('"format":1', '"format":2'),
        to_json(parse(manifest12())).replace('"edition":"1.2"', '"edition":"3.0"'),
        to_json(parse(manifest12())).replace('"title":"Lesson 1"', '"title":7'),
        to_json(parse(manifest12())).replace('"title":"Lesson 1"', '"titel":"x"'),
    ],
)
def test_what_is_no_stored_manifest_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  json's own error is one, without a message worth matching
        from_json(text)
