"""What each type takes. The corpus is also what the player's JavaScript is judged by."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from server.domain.cmi.elements import Element, Version
from server.domain.cmi.model import model_of
from server.domain.cmi.values import fault

CORPUS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "corpus.json").read_text())
VERSIONS: tuple[Version, ...] = ("1.2", "2004")
ALL = [(version, element) for version in VERSIONS for element in model_of(version).elements]
INTERACTIONS = {
    version: next(e.type.values for e in model_of(version).elements if e.name == "cmi.interactions.n.type")
    for version in VERSIONS
}


@pytest.mark.parametrize("version", ["1.2", "2004"])
def test_every_row_of_the_corpus_is_judged_as_it_says(version: Version) -> None:
    model = model_of(version)
    rows = [row for row in CORPUS if row["version"] == version]
    wrong = [
        row for row in rows if (model.faults(row.get("context", {}), {row["element"]: row["value"]}) == {}) != row["ok"]
    ]
    assert wrong == []
    assert len(rows) > 250


def test_the_corpus_has_good_and_bad_of_every_writable_element_and_interaction() -> None:
    judged = set()
    for row in CORPUS:
        element = model_of(row["version"]).find(row["element"])
        assert element is not None, row
        kind = (
            row.get("context", {}).get("cmi.interactions.0.type")
            if element.type.kind in ("response", "pattern")
            else ""
        )
        judged.add((row["version"], element.type.kind, kind, row["ok"]))
    for version, element in ALL:
        if element.access != "ro":
            kinds = INTERACTIONS[version] if element.type.kind in ("response", "pattern") else ("",)
            for kind in kinds:
                assert (version, element.type.kind, kind, True) in judged, (element, kind)
                assert (version, element.type.kind, kind, False) in judged, (element, kind)


@pytest.mark.parametrize(("version", "element"), ALL, ids=lambda value: getattr(value, "name", value))
def test_a_default_is_a_value_of_its_element(version: Version, element: Element) -> None:
    if element.default is not None:
        assert fault(version, element.type, element.default) is None
    assert fault(version, element.type, "\0") == "Must not contain NUL characters"


@pytest.mark.parametrize(
    ("version", "name", "text", "reason"),
    [
        (
            "1.2",
            "cmi.core.lesson_status",
            "done",
            "Must be one of passed, completed, failed, incomplete, browsed, not attempted",
        ),
        ("1.2", "cmi.core.exit", "normal", "Must be one of time-out, suspend, logout, or empty"),
        ("1.2", "cmi.core.score.raw", "101", "Must be from 0 to 100"),
        ("1.2", "cmi.core.score.raw", "high", "Must be a number such as 75 or 0.5"),
        ("1.2", "cmi.student_preference.audio", "1.5", "Must be a whole number"),
        (
            "1.2",
            "cmi.interactions.n.result",
            "good",
            "Must be one of correct, wrong, unanticipated, neutral, or a number",
        ),
        ("2004", "cmi.score.scaled", "1.5", "Must be from -1 to 1"),
        ("2004", "cmi.learner_preference.audio_level", "-1", "Must be at least 0"),
        (
            "2004",
            "adl.nav.request",
            "choice",
            "Must be one of continue, previous, exit, exitAll, abandon, abandonAll, suspendAll, _none_, "
            "{target=ITEM}choice, {target=ITEM}jump",
        ),
        ("2004", "cmi.session_time", "90", "Must be a duration such as PT1H30M5.25S"),
    ],
)
def test_a_reason_says_what_is_allowed(version: Version, name: str, text: str, reason: str) -> None:
    element = model_of(version).find(name.replace(".n.", ".0."))
    assert element is not None
    assert fault(version, element.type, text) == reason


def test_a_reason_for_a_response_names_the_interaction_type() -> None:
    element = model_of("2004").find("cmi.interactions.0.correct_responses.0.pattern")
    assert element is not None
    reason = fault("2004", element.type, "five", "numeric")
    assert reason == "Must be a number or a range of numbers, such as 1[:]5, as the interaction is numeric"


def test_text_beyond_what_every_system_must_keep_is_a_value() -> None:
    for version, element in ALL:
        if element.type.kind in ("string", "localized", "identifier", "long_identifier"):
            assert fault(version, element.type, "x" * 200_000) is None


PIECES = [
    "{lang=",
    "{order_matters=true}",
    "{case_matters=",
    "[,]",
    "[.]",
    "[:]",
    "a[.]",
    "-",
    "0",
    "9.",
    "P1Y",
    ":",
    "en-",
]


@pytest.mark.parametrize("piece", [*PIECES, "urn:", "a", " ", "{", "a,", "a.b,", "{target=", "\U0001f393", "2024-01"])
def test_no_text_takes_long_to_judge(piece: str) -> None:
    text = piece * (200_000 // len(piece))
    kinds = {(version, element.type.kind): element.type for version, element in ALL}
    for (version, kind), of in kinds.items():
        for interaction in INTERACTIONS[version] if kind in ("response", "pattern") else (None,):
            began = time.perf_counter()
            fault(version, of, text, interaction)
            assert time.perf_counter() - began < 1, (version, kind, interaction)
