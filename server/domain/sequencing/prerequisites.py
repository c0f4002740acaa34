"""Prerequisites of SCORM 1.2 (CAM 1.2, 2.3.2.5.1): the logic statements of AICC CMI001, appendix A.

A & B   both        A | B   one of them      ~A   not      ( )   grouping
A="passed", A<>"failed"      the status as lesson_status spells it      2*{A, B, C}   at least two of them
"""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache

from server.domain.manifest.model import Item
from server.domain.sequencing.navigation import Progress
from server.domain.sessions.course import Course
from server.domain.sessions.model import Completion, Standing, Success

MAX_LENGTH = 5000
# Of a whole course. They are read with every commit, and must not keep others waiting.
MAX_TOTAL_LENGTH = 100_000
MAX_DEPTH = 50
_TOKEN = re.compile(r'\s*(?:(<>|[&|~=(){},*])|"([^"]*)"|([^\s&|~=<>(){},*"]+))')
# AICC's short forms of statuses.
_STATUS = {"p": "passed", "c": "completed", "f": "failed", "i": "incomplete", "b": "browsed", "n": "not attempted"}


class _Malformed(Exception):
    """The statement is none."""


def openable(course: Course, progress: Progress) -> list[str]:
    """What may be opened, in order: where an item's prerequisites are met, and those of the groups around it.

    A course with more of them than can be read in a moment has none.
    """
    find = _lookup(course, progress)
    found: dict[str, None] = {}
    total = sum(len(item.prerequisites or "") for item in course.walk())
    if total > MAX_TOTAL_LENGTH:
        return list(course.launchable)

    def look(items: Iterable[Item]) -> None:
        for item in items:
            if not _is_met_by(item.prerequisites, find):
                continue
            if course.launchable.get(item.identifier) is item:
                found[item.identifier] = None
            look(item.children)

    look(course.items)
    # Items that wait for each other would lock everybody out.
    return list(found) or list(course.launchable)


def _is_met_by(prerequisites: str | None, find: Callable[[str], Standing]) -> bool:
    """Whether they are met. What cannot be read locks nobody out."""
    if not prerequisites or not prerequisites.strip() or len(prerequisites) > MAX_LENGTH:
        return True
    try:
        return _Statement(prerequisites, find).value()
    except _Malformed:
        return True


def _lookup(course: Course, progress: Progress) -> Callable[[str], Standing]:
    """The standing of an item, or of a group: that of all that it holds."""
    items = {item.identifier: item for item in course.walk()}

    @cache
    def find(name: str) -> Standing:
        if name not in items:
            raise _Malformed
        return _standing(items[name], progress)

    return find


def _standing(item: Item, progress: Progress) -> Standing:
    below = [progress.standings.get(one.identifier, Standing()) for one in item.walk() if one.url]
    if not below:
        # A mere heading: nobody could ever meet it.
        raise _Malformed
    if len(below) == 1:
        return below[0]
    done = all(one.completion is Completion.COMPLETED for one in below)
    passed = all(one.success is Success.PASSED for one in below)
    begun = any(one.completion is not Completion.NOT_ATTEMPTED for one in below)
    if any(one.success is Success.FAILED for one in below):
        success = Success.FAILED
    else:
        success = Success.PASSED if passed else Success.UNKNOWN
    undone = Completion.INCOMPLETE if begun else Completion.NOT_ATTEMPTED
    return Standing(completion=Completion.COMPLETED if done else undone, success=success)


def _is_met(standing: Standing) -> bool:
    """An item's name alone: completed or passed, and not failed."""
    return standing.success is Success.PASSED or (
        standing.completion is Completion.COMPLETED and standing.success is not Success.FAILED
    )


def _has_status(standing: Standing, status: str) -> bool:
    wanted = _STATUS.get(status.strip().lower()[:1])
    if wanted is None:
        raise _Malformed
    if wanted in ("passed", "failed"):
        return standing.success.value == wanted
    completed = standing.completion is Completion.COMPLETED
    return {
        "completed": completed and standing.success is not Success.FAILED,
        "browsed": completed,
        "incomplete": standing.completion is Completion.INCOMPLETE,
        "not attempted": standing.completion is Completion.NOT_ATTEMPTED,
    }[wanted]


class _Statement:
    """A recursive descent: or → and → not → operand."""

    def __init__(self, text: str, find: Callable[[str], Standing]) -> None:
        self._tokens = list(_tokens(text))
        self._place = 0
        self._depth = 0
        self._find = find

    def value(self) -> bool:
        """What the whole statement says."""
        result = self._either()
        if self._place != len(self._tokens):
            raise _Malformed
        return result

    def _peek(self) -> str:
        return self._tokens[self._place] if self._place < len(self._tokens) else ""

    def _accept(self, token: str) -> bool:
        if self._peek() != token:
            return False
        self._place += 1
        return True

    def _expect(self, token: str) -> None:
        if not self._accept(token):
            raise _Malformed

    def _either(self) -> bool:
        result = self._both()
        while self._accept("|"):
            # Both sides are always read.
            result = self._both() or result
        return result

    def _both(self) -> bool:
        result = self._operand()
        while self._accept("&"):
            result = self._operand() and result
        return result

    def _operand(self) -> bool:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _Malformed
        try:
            if self._accept("~"):
                return not self._operand()
            if self._accept("("):
                result = self._either()
                self._expect(")")
                return result
            return self._named()
        finally:
            self._depth -= 1

    def _named(self) -> bool:
        name = self._name()
        if name.isascii() and name.isdigit() and self._accept("*"):
            return self._count() >= int(name[:9])
        standing = self._find(name)
        if self._accept("="):
            return _has_status(standing, self._name())
        if self._accept("<>"):
            return not _has_status(standing, self._name())
        return _is_met(standing)

    def _count(self) -> int:
        self._expect("{")
        met = int(self._either())
        while self._accept(","):
            met += int(self._either())
        self._expect("}")
        return met

    def _name(self) -> str:
        token = self._peek()
        if not token.startswith("'"):
            raise _Malformed
        self._place += 1
        return token[1:]


def _tokens(text: str) -> Iterator[str]:
    """Operators as they are; names and quoted texts behind an apostrophe."""
    place = 0
    text = text.rstrip()
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None:
            raise _Malformed
        place = found.end()
        yield found[1] or f"'{found[2] if found[2] is not None else found[3]}"
