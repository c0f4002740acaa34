"""What groups of processes use: CPU time between two moments, and the most memory of their own."""

import contextlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

SAMPLE_SECONDS = 0.05
MIB = 1024**2

Groups = Mapping[str, Sequence[psutil.Process]]


@dataclass(slots=True)
class Usage:
    """By group: seconds of CPU, and the greatest RssAnon of any of its processes, in bytes: no page cache, no shared
    buffers."""

    cpu_seconds: dict[str, float] = field(default_factory=dict)
    peak_bytes: dict[str, int] = field(default_factory=dict)


@contextlib.contextmanager
def metered(groups: Groups) -> Iterator[Usage]:
    """Measures the groups while the block runs; the usage is complete after it."""
    usage = Usage(peak_bytes=dict.fromkeys(groups, 0))
    before = {name: _cpu(processes) for name, processes in groups.items()}
    ended = threading.Event()
    sampler = threading.Thread(target=_sample, args=(groups, usage, ended))
    sampler.start()
    try:
        yield usage
    finally:
        usage.cpu_seconds = {name: _cpu(processes) - before[name] for name, processes in groups.items()}
        ended.set()
        sampler.join()


def _sample(groups: Groups, usage: Usage, ended: threading.Event) -> None:
    while not ended.wait(SAMPLE_SECONDS):
        for name, processes in groups.items():
            now = max((_anonymous_bytes(process.pid) for process in processes), default=0)
            usage.peak_bytes[name] = max(usage.peak_bytes[name], now)


def _cpu(processes: Sequence[psutil.Process]) -> float:
    """Of the processes and their descendants, whether these have ended or not."""
    total = 0.0
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            total += sum(process.cpu_times()[:4])
            for child in process.children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    total += sum(child.cpu_times()[:4])
    return total


def _anonymous_bytes(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
    return 0
