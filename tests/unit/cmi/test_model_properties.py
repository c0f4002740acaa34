"""What holds of any values that anybody may send."""

import json
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from server.domain.cmi.elements import Version
from server.domain.cmi.model import model_of
from server.domain.cmi.values import fault

CORPUS = json.loads((Path(__file__).parent / "corpus.json").read_text())
VERSIONS: tuple[Version, ...] = ("1.2", "2004")
TEXTS = sorted({row["value"] for row in CORPUS if len(row["value"]) < 60})
NAMES = {version: sorted(element.name for element in model_of(version).elements) for version in VERSIONS}

versions = st.sampled_from(VERSIONS)
interactions = st.sampled_from(["choice", "fill-in", "numeric", "matching", "performance", "likert", "nonsense", None])
# Of one's own making and out of what values are made of.
texts = st.one_of(
    st.sampled_from(TEXTS),
    st.text(max_size=30),
    st.text(alphabet="{}[]=,.:-0129PTlangcase_mtrsuoe", max_size=30),
    st.builds("".join, st.lists(st.sampled_from(["{lang=en}", "[,]", "[.]", "[:]", "a", "1", "{", "}"]), max_size=8)),
)


@st.composite
def values(draw: st.DrawFn, version: Version) -> dict[str, str]:
    """Elements with few indexes, so that records meet, and every third value anything."""
    drawn: dict[str, str] = {}
    for _ in range(draw(st.integers(0, 12))):
        name = draw(st.sampled_from([name for name in NAMES[version] if ".n." in name] + NAMES[version]))
        while ".n." in name:
            name = name.replace(".n.", f".{draw(st.integers(0, 2))}.", 1)
        likely = {"id": "q1", "type": draw(interactions) or "choice", "pattern": "a", "status": "passed"}
        text = likely.get(name.rsplit(".", 1)[-1]) if draw(st.integers(0, 2)) else None
        drawn[name] = text if text is not None else draw(texts)
    return drawn


@given(versions, st.data(), texts, interactions)
def test_any_text_is_judged_without_an_exception(
    version: Version, data: st.DataObject, text: str, interaction: str | None
) -> None:
    element = data.draw(st.sampled_from(model_of(version).elements))
    reason = fault(version, element.type, text, interaction)
    assert reason is None or (reason and "\0" not in reason)


@given(versions, st.text(max_size=40), st.text(max_size=10))
def test_any_name_is_found_or_not(version: Version, name: str, text: str) -> None:
    assert model_of(version).faults({}, {name: text}).keys() <= {name}


@settings(max_examples=300)
@given(versions, st.data())
def test_what_is_accepted_can_be_written_and_written_again(version: Version, data: st.DataObject) -> None:
    model = model_of(version)
    first = data.draw(values(version))
    stored = {name: text for name, text in first.items() if name not in model.faults({}, first)}
    offered = data.draw(values(version))

    refused = model.faults(stored, offered)
    assert refused.keys() <= offered.keys()
    accepted = {name: text for name, text in offered.items() if name not in refused}
    assert model.faults(stored, accepted) == {}
    assert model.faults(stored | accepted, accepted) == {}
    backwards = dict(reversed(offered.items()))
    assert model.faults(stored, backwards) == refused


@settings(max_examples=300)
@given(versions, st.data())
def test_nothing_that_is_accepted_leaves_a_gap(version: Version, data: st.DataObject) -> None:
    model = model_of(version)
    offered = data.draw(values(version))
    accepted = offered.keys() - model.faults({}, offered).keys()
    for name in accepted:
        parts = name.split(".")
        for place, part in enumerate(parts):
            if part.isdecimal() and parts[0] == "cmi":
                before = [".".join([*parts[:place], str(index)]) + "." for index in range(int(part))]
                assert all(any(other.startswith(prefix) for other in accepted) for prefix in before), name
