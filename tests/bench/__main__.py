"""Measures the rows that are named, or all: `python -m tests.bench [--quick] [ROW …]`.

Complete measurements are kept in results.json, from which RESULTS.md is written; those with --quick are only shown.
"""

import argparse
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from tests.bench import (
    content,
    figures,
    get_package,
    lists,
    report,
    session_lists,
    sessions,
    statement_lists,
    statements,
    uploads,
)
from tests.bench.running_copy import Copy

ROWS: dict[str, Callable[..., list[figures.Row]]] = {
    "get_package": get_package.measure,
    "sessions": sessions.measure,
    "lists": lists.measure,
    "session_lists": session_lists.measure,
    "statements": statements.measure,
    "statement_lists": statement_lists.measure,
    "content": content.measure,
    "small_files": uploads.measure_small_files,
    "large_stored": uploads.measure_stored,
    "large_deflated": uploads.measure_deflated,
}


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(prog="make bench ARGS=…", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"one of {', '.join(ROWS)}")
    parser.add_argument("--quick", action="store_true", help="small sizes and few rounds, to see that it works")
    arguments = parser.parse_args()
    if unknown := set(arguments.rows) - set(ROWS):
        parser.error(f"there is no row {', '.join(sorted(unknown))}")
    kept = figures.load()
    for name in arguments.rows or ROWS:
        print(name, flush=True)
        with Copy.running() as copy:
            measured = ROWS[name](copy, quick=arguments.quick)
        at = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
        kept |= {row.name: replace(row, measured_at=at) for row in measured}
        print(*(report.line(row) for row in measured), sep="\n", flush=True)
        if not arguments.quick:
            figures.save(kept)
            report.write(kept)


if __name__ == "__main__":
    main()
