"""What learners were promised: by Commit, by answers to commits, and by the clock; and whether a session keeps it."""

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from server.domain.cmi.durations import parse_duration
from tests.stress.learners_course import KEPT, STATUS, TIME, now_ms, number_in

_TIMES = ("cmi.core.session_time", "cmi.session_time")
# Chromium writes storage to disk after five seconds, and then no more often than once a minute.
UNWRITTEN_MS = 70_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """A commit as it went to the server."""

    session: str
    launch: int
    run: int
    item: str
    number: int
    base: int
    values: Mapping[str, str]
    terminated: bool = False

    @property
    def told(self) -> str:
        """For people."""
        names = " ".join(f"{name}={text[:20]}" for name, text in self.values.items())
        return f"{self.launch}.{self.run} #{self.number} base {self.base}{' T' * self.terminated}: {names}"


class Place(NamedTuple):
    """Where a value belongs."""

    session: str
    item: str
    element: str


class Promise(NamedTuple):
    """A number that was to be kept, since when, and from which run."""

    number: int
    at: int
    launch: int
    run: int


class Known(NamedTuple):
    """What was acknowledged of a session, and how much time."""

    numbers: Mapping[Place, int]
    milliseconds: int


@dataclass(slots=True)
class Ledger:
    """`broken` is what the platform did not keep; `excused` what it cannot keep, by reason.

    `blocked`: the browsers of its learners block storage, so that what was not acknowledged may be lost with a tab.
    """

    blocked: bool = False

    kept: defaultdict[Place, list[Promise]] = field(default_factory=lambda: defaultdict(list))
    stored: defaultdict[Place, set[Promise]] = field(default_factory=lambda: defaultdict(set))
    acknowledged: dict[Place, int] = field(default_factory=dict)
    told: defaultdict[str, dict[tuple[int, int, str], int]] = field(default_factory=lambda: defaultdict(dict))
    counted: defaultdict[str, dict[tuple[int, int, str], int]] = field(default_factory=lambda: defaultdict(dict))
    reviews: set[tuple[str, int, int]] = field(default_factory=set)
    takers: dict[str, int] = field(default_factory=dict)
    overtook: defaultdict[str, dict[int, int]] = field(default_factory=lambda: defaultdict(dict))
    seen: dict[Place, int] = field(default_factory=dict)
    done: set[tuple[str, str]] = field(default_factory=set)
    locks: defaultdict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))
    counts: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    history: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    excused: Counter[str] = field(default_factory=Counter)
    _excused: set[tuple[Place, Promise]] = field(default_factory=set)

    def tell(self, session: str, text: str) -> None:
        """Something that happened to a session, for whoever has to find out why it is broken."""
        self.history[session].append(f"{now_ms() % 10_000_000:>7} {text}")

    def heard(self, text: str) -> None:
        """A line of a page's console."""
        if not text.startswith(KEPT):
            return
        said = json.loads(text.removeprefix(KEPT))
        self.counts["commits that returned true"] += 1
        promised = " ".join(f"{element}={number}" for element, number in said["values"].items())
        self.tell(
            said["session"], f"promised at {said['at'] % 10_000_000} in {said['launch']}.{said['run']}: {promised}"
        )
        for element, number in said["values"].items():
            place = Place(said["session"], said["item"], element)
            self.kept[place].append(Promise(number, said["at"], said["launch"], said["run"]))
            self.counts["values of theirs"] += 1

    def read(self, texts: list[str]) -> None:
        """What courses left in the storage of a browser."""
        for said in map(json.loads, texts):
            for element, one in said["kept"].items():
                place = Place(said["session"], said["item"], element)
                self.stored[place].add(Promise(one["number"], one["at"], said["launch"], said["run"]))

    def taking_over(self, session: str, at: int) -> None:
        """A second window is about to open the session."""
        self.tell(session, "a second window")
        self.takers[session] = at

    def taken_over(self, session: str) -> None:
        """The first window is closed."""
        self.tell(session, "the first window is closed")
        self.takers.pop(session, None)

    def launched(self, session: str, launch: int, asked: int) -> None:
        """A launch holds the session, since it was asked for: perhaps by a tab that is gone, and late."""
        self.counts["launches"] += 1
        self.tell(session, f"launch {launch}")
        self.overtook[session].setdefault(launch, self.takers.get(session, asked))

    def sent(self, commit: Commit) -> None:
        """A commit is about to reach the server, perhaps."""
        self.counts["commits sent"] += 1
        self.tell(commit.session, f"sent {commit.told}")
        self._time_of(commit, self.told[commit.session])

    def _time_of(self, commit: Commit, runs: dict[tuple[int, int, str], int]) -> None:
        run = (commit.launch, commit.run, commit.item)
        for element in _TIMES:
            if (told := parse_duration(commit.values.get(element, ""))) is not None:
                runs[run] = max(runs.get(run, 0), told)

    def answered(self, commit: Commit, status: int, answer: Mapping[str, Any]) -> None:
        """The server has answered it."""
        self.counts[f"answers {status}" if status != 200 else "commits acknowledged"] += 1
        applied = {name: answer[name] for name in ("applied", "resendFrom") if name in answer}
        self.tell(commit.session, f"answered {status} {applied} to {commit.told}")
        if answer.get("rejected"):
            self.broken.append(f"rejected: {answer['rejected']}")
        if answer.get("applied") != commit.number:
            return
        self._time_of(commit, self.counted[commit.session])
        if (commit.session, commit.launch, commit.run) in self.reviews:
            return
        for element, text in commit.values.items():
            if _is_numbered(element):
                place = Place(commit.session, commit.item, element)
                self.acknowledged[place] = max(self.acknowledged.get(place, 0), number_in(element, text))

    def known(self, session: str) -> Known:
        """What was acknowledged until now. Ask for it before you ask the API."""
        numbers = {place: number for place, number in self.acknowledged.items() if place.session == session}
        return Known(numbers, sum(self.counted[session].values()))

    def check(
        self, session: Mapping[str, Any], known: Known, *, kills: Sequence[int], why: str, reopened: bool
    ) -> None:
        """Holds the session as the API tells it to what was known before; after a reopening, to Commits too."""
        name = session["id"]
        found = {one["id"]: one for one in session["items"]}
        for place, number in self._numbers(found, name):
            if number < self.seen.get(place, 0):
                self._break(f"{why}: {place} went back from {self.seen[place]} to {number}")
            self.seen[place] = max(number, self.seen.get(place, 0))
        for place, number in known.numbers.items():
            self.counts["acknowledged values checked"] += 1
            if self.seen.get(place, -1) < number:
                self._break(f"{why}: {place} acknowledged {number}, found {self.seen.get(place)}")
        if session["time_spent_seconds"] < known.milliseconds // 1000:
            self._break(f"{why}: {name} spent {session['time_spent_seconds']} s, acknowledged {known.milliseconds} ms")
        if reopened:
            self._check_promises(session, found, kills, why)
        self._check_time(session, kills, why, reopened)
        self._check_status(session, found, why)

    def _check_promises(
        self, session: Mapping[str, Any], found: Mapping[str, Any], kills: Sequence[int], why: str
    ) -> None:
        for place, promises in self._promises(session["id"]):
            if place.element == TIME or not (_is_numbered(place.element) or place.element == STATUS):
                continue
            self.counts["promised values checked"] += 1
            if place.element == STATUS:
                has = promises[-1].number if found[place.item]["completion_status"] == "completed" else -1
            else:
                has = self.seen.get(place, -1)
            missing = [one for one in promises if one.number > has]
            self._judge(place, missing, kills, f"{why}: {place} promised {missing[-1:]}, found {has}")

    def _judge(self, place: Place, missing: list[Promise], kills: Sequence[int], text: str) -> None:
        for one in missing:
            if self.blocked:
                reason = "storage was blocked"
            elif self.is_overtaken(place.session, one):
                reason = "set after another window had taken over"
            elif one not in self.stored[place] and any(one.at <= kill <= one.at + UNWRITTEN_MS for kill in kills):
                reason = "in storage that a killed browser had not written"
            else:
                self._break(text)
                continue
            if (place, one) not in self._excused:
                self._excused.add((place, one))
                self.excused[reason] += 1

    def is_overtaken(self, session: str, promise: Promise) -> bool:
        """Whether another window had asked for the session when the promise was made."""
        return any(launch > promise.launch and at < promise.at for launch, at in self.overtook[session].items())

    def _promises(self, session: str) -> Iterator[tuple[Place, list[Promise]]]:
        for place in {one for known in (self.kept, self.stored) for one in known if one.session == session}:
            both = {*self.kept.get(place, ()), *self.stored.get(place, ())}
            yield place, sorted(both)

    def _check_time(self, session: Mapping[str, Any], kills: Sequence[int], why: str, reopened: bool) -> None:
        told, spent = self.told[session["id"]], session["time_spent_seconds"]
        most = sum(told.values()) // 1000
        if spent > most:
            self._break(f"{why}: {session['id']} spent {spent} s, told of {told}")
        if not reopened or self.blocked:
            return
        least: dict[tuple[int, int, str], int] = {}
        for place, promises in self._promises(session["id"]):
            if place.element == TIME:
                for one in promises:
                    endangered = any(one.at <= kill <= one.at + UNWRITTEN_MS for kill in kills)
                    if not self.is_overtaken(place.session, one) and not endangered:
                        run = (one.launch, one.run, place.item)
                        least[run] = max(least.get(run, 0), one.number)
        if spent < sum(least.values()) // 1000:
            self._break(f"{why}: {session['id']} spent {spent} s, was promised {least}")

    def _check_status(self, session: Mapping[str, Any], found: Mapping[str, Any], why: str) -> None:
        if session["attempts"] != 1:
            self._break(f"{why}: {session['id']} has {session['attempts']} attempts")
        states = {"": session["completion_status"], **{name: one["completion_status"] for name, one in found.items()}}
        for item, status in states.items():
            if status == "completed":
                self.done.add((session["id"], item))
            elif (session["id"], item) in self.done:
                self._break(f"{why}: {session['id']} {item} was completed, and is {status}")

    def _numbers(self, found: Mapping[str, Any], session: str) -> Iterator[tuple[Place, int]]:
        for item, one in found.items():
            for element, text in one["cmi_data"].items():
                if _is_numbered(element):
                    yield Place(session, item, element), number_in(element, text)

    def _break(self, text: str) -> None:
        if text not in self.broken:
            self.broken.append(text)


def _is_numbered(element: str) -> bool:
    if element.startswith("cmi.interactions."):
        return element.endswith((".id", "_response"))
    return element.endswith(("suspend_data", "location", "score.raw"))
