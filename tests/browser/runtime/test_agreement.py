"""The browser and the server judge values alike."""

import json
from pathlib import Path

from server.domain.cmi.languages import LANGUAGE_CODES
from tests.browser.runtime.courses import Runtime

CORPUS = Path(__file__).parents[2] / "unit" / "cmi" / "corpus.json"
JUDGE = """async (cases) => {
  const { DataModel } = await import("/server/player/static/runtime/data_model.js");
  const host = { changed() {} };
  return cases.map(({ version, element, value, context }) =>
    new DataModel({ version, values: context ?? {}, host }).set(element, value).error === undefined);
}"""
KNOWN = """async (tags) => {
  const { isLanguage } = await import("/server/player/static/runtime/languages.js");
  return tags.filter(isLanguage);
}"""


def test_the_corpus_is_judged_as_the_server_does(runtime: Runtime) -> None:
    cases = json.loads(CORPUS.read_text())
    verdicts = runtime.page.evaluate(JUDGE, cases)
    assert len(cases) > 500
    assert [case for case, verdict in zip(cases, verdicts, strict=True) if case["ok"] != verdict] == []


def test_both_know_the_same_languages(runtime: Runtime) -> None:
    letters = "abcdefghijklmnopqrstuvwxyz"
    pairs = [first + second for first in letters for second in letters]
    local = {first + second + third for first in "q" for second in "abcdefghijklmnopqrst" for third in letters}
    known = runtime.page.evaluate(KNOWN, pairs + [pair + third for pair in pairs for third in letters])
    assert set(known) == set(LANGUAGE_CODES.split()) | local
