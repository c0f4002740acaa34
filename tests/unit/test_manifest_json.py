import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.domain.manifest import Manifest, from_json, to_json
from tests.factories import manifest12, manifest2004
from tests.unit.manifests import parse

st.register_type_strategy(str, st.text(max_size=5))
st.register_type_strategy(float, st.floats(allow_nan=False, allow_infinity=False))


@given(st.from_type(Manifest))
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
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
