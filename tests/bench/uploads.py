"""Uploads through Envoy against the storage client alone: of gigabytes, and of many small files."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.bench import zips
from tests.bench.figures import Row, Spread, medians
from tests.bench.meter import MIB, Usage, metered
from tests.bench.running_copy import Copy, shown, worked
from tests.stack import tenant_of

GIB = 1024**3
LATENCY_MS = 30
MOST_MIB = 300
OURS = ("envoy", "upload", "storage", "postgres", "worker")
BASELINE = "storage client"


def measure_stored(copy: Copy, *, quick: bool) -> list[Row]:
    """2 GB of videos."""
    return _measure_large(copy, quick=quick, deflated=False)


def measure_deflated(copy: Copy, *, quick: bool) -> list[Row]:
    """2 GB of what was text."""
    return _measure_large(copy, quick=quick, deflated=True)


def _measure_large(copy: Copy, *, quick: bool, deflated: bool) -> list[Row]:
    path = copy.scratch / "large.zip"
    zips.write_large(path, size_bytes=2 * GIB // (8 if quick else 1), deflated=deflated)
    size_mib = path.stat().st_size / MIB
    turns = _Turns(copy, path, {"path": str(path), "threads": 2, "whole": True, "files": None})
    for _ in range(2 if quick else 5):
        turns.take()
    kind = "deflated" if deflated else "stored"
    return [
        Row(
            name=f"large_{kind}",
            title=f"Upload of a 2 GB package through Envoy, {kind}: throughput",
            baseline="from a local file the storage client uploads the zip and each extracted file, two threads",
            reached=Spread.of(turns.ratios),
            unit="×",
            at_least=0.5,
            stretch=0.8,
            cpu=turns.cpu,
            cpu_unit="s per upload",
            peak_mib=turns.peak_mib,
            most_mib=MOST_MIB,
            notes=[
                f"{size_mib:.0f} MiB in {len(turns.ratios)} rounds: {Spread.of(turns.ours).text(1, ' s')} through "
                f"Envoy, {Spread.of(turns.theirs).text(1, ' s')} for the baseline."
            ],
        )
    ]


def measure_small_files(copy: Copy, *, quick: bool) -> list[Row]:
    """5,000 of them, each request to storage 30 ms longer."""
    path = copy.scratch / "small.zip"
    files = 500 if quick else 5000
    zips.write_small(path, files=files)
    copy.plan_faults({"latency_ms": LATENCY_MS})
    turns = _Turns(copy, path, {"path": str(path), "threads": 1, "whole": False, "files": files})
    for _ in range(1 if quick else 3):
        turns.take()
    return [
        Row(
            name="small_files",
            title="Upload of 5,000 small files through Envoy, storage 30 ms slower per request: throughput",
            baseline="a plain loop of the storage client over the files of the zip",
            reached=Spread.of(turns.ratios),
            unit="×",
            at_least=10,
            stretch=15,
            cpu=turns.cpu,
            cpu_unit="s per upload",
            peak_mib=turns.peak_mib,
            notes=[
                f"{files} files of 1 to 16 KiB in {len(turns.ratios)} rounds: {Spread.of(turns.ours).text(1, ' s')} "
                f"through Envoy, {Spread.of(turns.theirs).text(1, ' s')} for the baseline."
            ],
        )
    ]


@dataclass(slots=True)
class _Turn:
    seconds: float
    usage: Usage


class _Turns:
    """Rounds in which first ours and then the baseline upload the same file; what they stored is deleted after each."""

    def __init__(self, copy: Copy, path: Path, baseline: Mapping[str, Any]) -> None:
        self._copy = copy
        self._path = path
        self._baseline = baseline
        self._key = copy.stack.new_tenant()
        self._taken: list[tuple[_Turn, _Turn]] = []

    def take(self) -> None:
        """One more round."""
        ours, theirs = self._ours(), self._theirs()
        self._taken.append((ours, theirs))
        shown([f"  ours {ours.seconds:.1f} s, {BASELINE} {theirs.seconds:.1f} s: {theirs.seconds / ours.seconds:.2f}"])

    def _ours(self) -> _Turn:
        request = {"port": self._copy.stack.port, "key": self._key, "path": str(self._path)}
        with metered(self._copy.processes(*OURS)) as usage:
            done = worked("tests.bench.upload_client", request)
        usage.cpu_seconds["client"] = done["cpu_seconds"]
        package = done["package_id"]
        self._copy.delete(f"/api/v1/packages/{package}", self._key)
        self._copy.wait_until_deleted(f"tenants/{tenant_of(self._key)}/packages/{package}/")
        return _Turn(done["seconds"], usage)

    def _theirs(self) -> _Turn:
        environment = {"STORAGE_EMULATOR_HOST": self._copy.storage_url}
        groups = {**self._copy.processes("storage"), BASELINE: [psutil.Process()]}
        with metered(groups) as usage:
            done = worked("tests.bench.baseline.storage_client", {**self._baseline, "prefix": "baseline"}, environment)
        usage.cpu_seconds[BASELINE] = done["cpu_seconds"]
        self._copy.empty("baseline/")
        return _Turn(done["seconds"], usage)

    @property
    def ours(self) -> list[float]:
        """Seconds."""
        return [ours.seconds for ours, _ in self._taken]

    @property
    def theirs(self) -> list[float]:
        """Seconds."""
        return [theirs.seconds for _, theirs in self._taken]

    @property
    def ratios(self) -> list[float]:
        """Our throughput to the baseline's."""
        return [theirs.seconds / ours.seconds for ours, theirs in self._taken]

    @property
    def cpu(self) -> dict[str, dict[str, float]]:
        """Seconds of CPU per upload."""
        sides = {"ours": [ours for ours, _ in self._taken], BASELINE: [theirs for _, theirs in self._taken]}
        return {side: medians([turn.usage.cpu_seconds for turn in turns]) for side, turns in sides.items()}

    @property
    def peak_mib(self) -> dict[str, float]:
        """The most of all rounds; of ours, for the storage stand-in is no part of the platform."""
        peaks = [ours.usage.peak_bytes for ours, _ in self._taken]
        return {name: max(peak[name] for peak in peaks) / MIB for name in OURS}
