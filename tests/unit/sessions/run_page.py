"""A run-time page as a model: what it journals, which commits it builds, and how it takes answers.

The page itself is JavaScript (`journal.js` and `dismissal.js` in `server/player/static/run`). Here is what matters to
the server.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from server.domain.sessions.commits import Commit, Committed

# What a closing page leaves out if not everything fits.
LONG = "cmi.suspend_data"


@dataclass(kw_only=True)
class Built:
    """A commit, and which changes the server has once it has this one."""

    commit: Commit
    holds: Mapping[str, int]


@dataclass(kw_only=True)
class RunPage:
    """One page, from its load on."""

    launch: int
    run: int
    acknowledged: int = 0
    values: dict[str, str] = field(default_factory=dict)
    pending: dict[str, int] = field(default_factory=dict)
    terminated: bool = False
    terminated_pending: bool = False
    initialized_pending: bool = False

    def __post_init__(self) -> None:
        self._base, self._next, self._change = self.acknowledged, self.acknowledged + 1, 0
        self._issued: dict[int, Built] = {}
        # What a chained commit may build upon: all changes up to it are in it, or in those that it builds upon.
        self._complete: Built | None = None

    @property
    def is_settled(self) -> bool:
        """Whether the page has nothing left to say."""
        return not self.pending and not self.terminated_pending and not self.initialized_pending

    def initialize(self) -> None:
        self.terminated = self.terminated_pending = False
        self.initialized_pending = True

    def set(self, element: str, value: str) -> None:
        """Ignored after Terminate, as the API refuses it."""
        if self.terminated:
            return
        self._change += 1
        self.values[element], self.pending[element] = value, self._change

    def terminate(self) -> None:
        self.terminated_pending = self.terminated_pending or not self.terminated
        self.terminated = True

    def whole(self) -> Commit:
        """Everything that is not acknowledged."""
        self._complete = self._build(dict(self.pending), base=self._base, terminated=self.terminated)
        return self._complete.commit

    def partial(self) -> Commit:
        """The short values of it. What comes next cannot build upon what this one may have overtaken."""
        self._complete = None
        short = {element: change for element, change in self.pending.items() if element != LONG}
        return self._build(short, base=self._base, terminated=False, begins=not self.terminated).commit

    def chained(self) -> Commit:
        """What changed since the last complete commit, which nobody has acknowledged yet."""
        before = self._complete
        if before is None:
            return self.whole()
        changed = {name: change for name, change in self.pending.items() if before.holds.get(name) != change}
        built = self._build(changed, base=before.commit.number, terminated=self.terminated)
        built.holds = {**before.holds, **built.holds}
        self._complete = built
        return built.commit

    def reloaded(self, *, acknowledged: int, stored: Mapping[str, str]) -> "RunPage":
        """The same run, loaded again: it has what the server has, what the journal kept, and initialises."""
        kept = {name: self.values[name] for name in self.pending}
        page = RunPage(
            launch=self.launch,
            run=self.run,
            acknowledged=acknowledged,
            values={**stored, **kept},
            pending=dict.fromkeys(kept, 0),
        )
        page._next = max(page._next, self._next)
        page.initialize()
        return page

    def stored(self) -> Commit:
        """What would be recovered if the browser were killed now, and forgot whatever is stored from now on."""
        return Commit(
            launch=self.launch,
            run=self.run,
            number=self._next + 1000,
            base=self._base,
            values={name: self.values[name] for name in self.pending},
            initialized=self.initialized_pending,
            terminated=self.terminated_pending,
            known=self._next - 1,
        )

    def hear(self, answer: Committed, *, to: int) -> None:
        """Takes the server's answer to a commit, however late."""
        if answer.resend_from is not None:
            self.pending = {**dict.fromkeys(self.values, self._change), **self.pending}
            self.terminated_pending = self.terminated
            self._base, self._complete = answer.resend_from, None
            return
        applied = answer.item.applied
        self._next = max(self._next, applied + 1)
        # What the server refuses as late it will never take.
        if (held := self._issued.get(max(applied, to) if not answer.changed else applied)) is None:
            return
        self.pending = {name: change for name, change in self.pending.items() if held.holds.get(name) != change}
        if held.commit.terminated:
            self.terminated_pending = False
        if held.commit.initialized:
            self.initialized_pending = False
        self._base = max(self._base, applied)

    def _build(self, changes: Mapping[str, int], *, base: int, terminated: bool, begins: bool = True) -> Built:
        number, self._next = self._next, self._next + 1
        commit = Commit(
            launch=self.launch,
            run=self.run,
            number=number,
            base=base,
            values={name: self.values[name] for name in changes},
            initialized=self.initialized_pending and begins,
            terminated=terminated,
        )
        self._issued[number] = Built(commit=commit, holds=changes)
        return self._issued[number]
