"""What a row of the table measured, and where it is kept between runs."""

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

RESULTS = Path(__file__).with_name("results.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A median with the least and the most of all rounds."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        return cls(median=statistics.median(values), least=min(values), most=max(values))

    def text(self, digits: int = 2, unit: str = "") -> str:
        return f"{self.median:.{digits}f}{unit} ({self.least:.{digits}f}-{self.most:.{digits}f})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table.

    `reached` is compared with `at_least` and `stretch`: the more the better, or the less if `less_is_better`. `cpu` is
    by side ("ours", the baseline's name) and process, in `cpu_unit`. `peak_mib` is by process, `notes` are sentences.
    """

    name: str
    title: str
    baseline: str
    reached: Spread
    unit: str
    at_least: float
    stretch: float | None
    less_is_better: bool = False
    cpu: Mapping[str, Mapping[str, float]]
    cpu_unit: str
    peak_mib: Mapping[str, float] = field(default_factory=dict)
    most_mib: float | None = None
    notes: Sequence[str] = ()
    measured_at: str = ""

    def keeps(self, bound: float | None) -> bool:
        """Whether `reached` is as good as `bound`."""
        if bound is None:
            return True
        median = self.reached.median
        return median <= bound if self.less_is_better else median >= bound

    @property
    def memory_kept(self) -> bool:
        """Whether no process took more memory than it may."""
        return self.most_mib is None or max(self.peak_mib.values()) <= self.most_mib


def load() -> dict[str, Row]:
    """All rows measured so far, by name."""
    if not RESULTS.exists():
        return {}
    rows = json.loads(RESULTS.read_text())
    return {row["name"]: Row(**{**row, "reached": Spread(**row["reached"])}) for row in rows}


def save(rows: Mapping[str, Row]) -> None:
    """Keeps them."""
    RESULTS.write_text(json.dumps([asdict(row) for row in rows.values()], indent=1) + "\n")


def medians(rounds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The median of each entry over all rounds."""
    return {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}
