"""RESULTS.md, from the rows that were measured."""

import os
import platform
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil

from tests.bench.figures import Row

PATH = Path(__file__).with_name("RESULTS.md")
METHOD = """\
Every row is a ratio: ours and the baseline are measured in turns in the same run, and the median of all rounds is
given, with the least and the most of them in parentheses. The copy is the one that `make run` starts (durable: Postgres
and the storage stand-in call fsync), with one `serve` process; everything, load generator included, shares the
machine. The load generator is tests/bench/load.py, a process of its own with kept connections whose CPU counts for
nobody. CPU is what the kernel charged each process for the round (`cpu_times`, descendants included). Peak memory is
RssAnon, sampled every 50 ms: what a process has for itself, without page cache and shared buffers. `make bench` repeats
it; `make bench ARGS="get_package --quick"` only shows.
"""

# As profiles showed it, by row.
IN_THE_WAY = {
    "get_package": (
        "gRPC between gateway and core. Envoy writes JSON from protobuf, about 100 µs more than to pass HTTP on, and "
        "grpc.aio takes more per call than uvicorn."
    ),
    "content_large": (
        "copying. Envoy reads into memory of its own and writes from there, which takes about 0.8 s of one core for "
        "1 GiB while storage and client need the other; nginx does the same, and takes longer. Buffers four times as "
        "large made no difference. splice(2) would, which Envoy does not have."
    ),
    "content_small": (
        "the chain of filters. An Envoy with nothing but its router took 143 µs beside 315 µs of ours, in turns. What "
        "a token grants is kept for 3 s and not verified again (7 %); what the Lua filter does with storage's headers "
        "is 6 %, and no other filter's absence could be told from noise: the rest is spread over all of them."
    ),
    "large_stored": (
        "the two cores, which are busy all the time. Every byte is stored twice, in the original and in its file, and "
        "the upload process spools it, checks it against the zip's CRC-32 and tells storage its CRC32C."
    ),
}


def line(row: Row) -> str:
    """One row in a line, for the terminal."""
    verdict = "stretch reached" if row.stretch is not None and row.keeps(row.stretch) else _verdict(row)
    return f"{row.title}: {row.reached.text(2, ' ' + row.unit)} {verdict}; {' '.join(row.notes)}"


def _verdict(row: Row) -> str:
    return "reached" if row.keeps(row.at_least) and row.memory_kept else "MISSED"


def write(rows: Mapping[str, Row]) -> None:
    """Writes RESULTS.md anew."""
    PATH.write_text("\n".join(_lines(rows)))


def _lines(rows: Mapping[str, Row]) -> Iterator[str]:
    yield "# Results of `make bench`"
    yield "Written by it. The bounds are those that this project set itself.\n"
    yield f"Machine: {_machine()}.\n"
    yield METHOD
    yield "| what | compared with | reached | at least | stretch | measured |"
    yield "|---|---|---|---|---|---|"
    for row in rows.values():
        yield _table_line(row)
    for row in rows.values():
        yield from _details(row)


def _table_line(row: Row) -> str:
    sign = "≤" if row.less_is_better else "≥"
    digits = 0 if row.unit == "µs" else 2
    bounds = [f"{sign} {row.at_least:g} {row.unit} {_mark(row, row.at_least)}"]
    bounds.append("–" if row.stretch is None else f"{sign} {row.stretch:g} {row.unit} {_mark(row, row.stretch)}")
    reached = f"**{row.reached.text(digits, ' ' + row.unit)}**"
    return f"| {row.title} | {row.baseline} | {reached} | {' | '.join(bounds)} | {row.measured_at} |"


def _mark(row: Row, bound: float) -> str:
    return "✓" if row.keeps(bound) else "✗"


def _details(row: Row) -> Iterator[str]:
    yield f"\n## {row.title}"
    yield " ".join(row.notes) + "\n"
    names = list(dict.fromkeys(name for side in row.cpu.values() for name in side))
    yield f"| {row.cpu_unit} | {' | '.join(names)} |"
    yield "|---" * (len(names) + 1) + "|"
    for side, used in row.cpu.items():
        yield f"| {side} | {' | '.join(_cell(used.get(name)) for name in names)} |"
    if row.peak_mib:
        limit = f", at most {row.most_mib:g} MiB each" if row.most_mib else ""
        peaks = ", ".join(f"{name} {peak:.0f} MiB" for name, peak in row.peak_mib.items())
        yield f"\nPeak memory{limit}: {peaks}."
    if row.name in IN_THE_WAY:
        yield f"\nWhat is in the way of more: {IN_THE_WAY[row.name]}"


def _cell(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.0f}" if value >= 10 else f"{value:.2f}"


def _machine() -> str:
    model = next(
        (text.partition(":")[2].strip() for text in _cpuinfo() if text.startswith("model name")), platform.processor()
    )
    memory = psutil.virtual_memory().total / 1024**3
    return f"{os.cpu_count()} cores ({model}), {memory:.0f} GiB of memory, Linux, Python {platform.python_version()}"


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []
