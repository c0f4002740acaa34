"""The values that a session consists of."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from server.domain.packages import PackageSettings

# The one launch of a caller that never launches.
NO_LAUNCH = 0


class Completion(enum.StrEnum):
    """Whether the learner is through. `unknown` of a course is incomplete once it was launched."""

    NOT_ATTEMPTED = "not_attempted"
    INCOMPLETE = "incomplete"
    COMPLETED = "completed"


class Success(enum.StrEnum):
    """Whether the learner has mastered it."""

    UNKNOWN = "unknown"
    PASSED = "passed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What is known of a score; `scaled` is -1 to 1."""

    scaled: float | None = None
    raw: float | None = None
    min: float | None = None
    max: float | None = None

    @property
    def is_known(self) -> bool:
        """Whether anything of it is."""
        return (self.scaled, self.raw, self.min, self.max) != (None, None, None, None)


NO_SCORE = Score()


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Completion, success and score together: of an item, or of a session."""

    completion: Completion = Completion.NOT_ATTEMPTED
    success: Success = Success.UNKNOWN
    score: Score = NO_SCORE


@dataclass(frozen=True, slots=True, kw_only=True)
class Explicit:
    """When a caller has set which part of a session's standing: it stands until a deciding element is set later."""

    completion_at: datetime | None = None
    success_at: datetime | None = None
    score_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Launched:
    """A package as a session knows it."""

    title: str
    version: str
    settings: PackageSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One attempt of one learner on one package.

    `time_ms` is the time of all launches. `session_time_ms` is that of the latest launch that told one, of number
    `told_launch`. `launches` counts those that have begun, `holder` is the number of the one whose player holds the
    session (0: none yet), `runs` counts how often an item was opened. `shared` are the stores of adl.data by their
    target. `is_over` says that the learner ended it, rather than to take it up again. Links that were made before
    `links_valid_from` are void.
    """

    id: UUID
    tenant_id: UUID
    package_id: UUID
    user_id: str
    user_name: str | None
    attempt: int
    package: Launched
    created_at: datetime
    updated_at: datetime
    standing: Standing = Standing()
    explicit: Explicit = Explicit()
    time_ms: int = 0
    session_time_ms: int | None = None
    told_launch: int = NO_LAUNCH
    launches: int = NO_LAUNCH
    holder: int = NO_LAUNCH
    runs: int = 0
    current_item: str | None = None
    is_over: bool = False
    shared: Mapping[str, str] = field(default_factory=dict)
    redirect_url: str | None = None
    links_valid_from: datetime | None = None
    revision: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemState:
    """What a session knows of an item that was opened, or written by a caller.

    `values` are run-time data as courses write them. `run` is the number of the latest run (0: none), in launch
    `launch`; `applied` the number of the last commit of that run that was applied, and `entry` what the course is told
    of how it comes to run (cmi.entry). `is_review`: the run began after the session was completed, and decides nothing.
    `is_suspended`: the learner suspended the whole course out of it. `overruled` are elements that a caller wrote since
    the run began, and when: what the player set before is void. `kept` is what earlier attempts on the item had
    achieved, and `earlier_ms` the part of its time that they took.
    """

    id: str
    values: Mapping[str, str] = field(default_factory=dict)
    standing: Standing = Standing()
    time_ms: int = 0
    run: int = 0
    launch: int = NO_LAUNCH
    applied: int = 0
    entry: str = "ab-initio"
    is_initialized: bool = False
    is_terminated: bool = False
    is_review: bool = False
    is_suspended: bool = False
    kept: Standing = Standing()
    earlier_ms: int = 0
    overruled: Mapping[str, datetime] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTime:
    """The time that one launch spent in one item: in runs that are over, and in the latest one."""

    earlier_ms: int = 0
    run: int = 0
    run_ms: int = 0

    @property
    def ms(self) -> int:
        """All of it."""
        return self.earlier_ms + self.run_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """One sitting.

    `is_review`: it was opened when there was nothing left to gain. `told_ms` is what a caller told of it as a whole,
    `items` what courses told, by item.
    """

    id: UUID
    number: int
    begun_at: datetime
    opened_at: datetime | None = None
    is_review: bool = False
    told_ms: int = 0
    items: Mapping[str, RunTime] = field(default_factory=dict)

    @property
    def time_ms(self) -> int:
        """The time spent in it: what is told of the whole and of its parts is the same time."""
        return max(self.told_ms, sum(item.ms for item in self.items.values()))
