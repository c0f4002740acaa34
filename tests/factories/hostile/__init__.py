"""The hostile corpus: what strangers could send as a package, each with the answer that it gets.

`corpus()` has all of it; `table()` shows it to people.
"""

from collections.abc import Iterator

from tests.factories.hostile import bodies, bombs, connections, manifests, names, structure
from tests.factories.hostile.case import Family, Hostile, Sent

__all__ = ["Family", "Hostile", "Sent", "corpus", "table"]

_HEAD = """# Hostile input
What strangers could send to `POST /api/v1/packages`, and what they get. Each line is sent through Envoy to a running
copy by `tests/stress/test_hostile_input.py`, which holds the copy to the answer and to what is left behind: rows,
objects in storage, quota counters, spooled files. After all of them the same processes run, no error is in a log, and
the upload process never took more than 300 MiB.

What an archive can make of its reading is bounded by its limits, not by a clock. The costliest that were found on two
cores, in CPU of one thread: 10 s for a directory of 32 MiB (50,000 names of escaped characters), 2 s for a manifest.

This page is written by `python -m tests.factories.hostile`; a test proves that it is current.
"""
_MODULES = (names, structure, bombs, manifests, bodies, connections)


def corpus() -> Iterator[Hostile]:
    """Every case, family by family."""
    for module in _MODULES:
        yield from module.cases()


def table() -> str:
    """The corpus as Markdown."""
    lines = [_HEAD.rstrip("\n")]
    family = None
    for case in corpus():
        if case.family is not family:
            family = case.family
            lines += ["", f"## {family.value}", "| input | answer | left behind |", "|---|---|---|"]
        lines.append(f"| {_cell(case.name)} | {_cell(case.answer)} | {case.leaves} |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
