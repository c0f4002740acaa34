"""xAPI statements of what happens in a session, as ADL's profile for SCORM spells them.

They come with the change that they tell of, in its transaction. Of one change the score stands on one statement.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote
from uuid import UUID

from server.domain.cmi.durations import format_iso
from server.domain.cmi.languages import is_language
from server.domain.ids import new_id
from server.domain.sessions.course import Course
from server.domain.sessions.launches import is_suspended
from server.domain.sessions.model import Completion, ItemState, Launch, Score, Session, Standing, Success
from server.domain.xapi.authority import Authority
from server.domain.xapi.versions import Version

_VERBS = "http://adlnet.gov/expapi/verbs/"
_TYPES = "http://adlnet.gov/expapi/activities/"
_PROFILE = "https://w3id.org/xapi/scorm"
Result = dict[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One statement. `content` is its JSON."""

    id: UUID
    verb: str
    at: datetime
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a session was and what it has become, and the item that it came about in, if any."""

    before: Session
    after: Session
    item_before: ItemState | None = None
    item_after: ItemState | None = None
    launch: Launch | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Teller:
    """Writes statements under the installation's IRIs."""

    iri_base: str

    def launched(self, session: Session, course: Course, *, at: datetime) -> list[Statement]:
        """A player has opened the session."""
        return [self._make(session, "launched", self._package(session, course), None, at=at)]

    def changed(self, change: Change, course: Course, *, at: datetime) -> list[Statement]:
        """What a commit or an update has brought about, in the order in which a reader expects it."""
        return [
            *self._item_begins(change, course, at=at),
            *self._standing_changes(change, course, at=at),
            *self._item_ends(change, course, at=at),
        ]

    def _item_begins(self, change: Change, course: Course, *, at: datetime) -> Iterator[Statement]:
        before, after = change.item_before, change.item_after
        if before is None or after is None or before.is_initialized or not after.is_initialized:
            return
        verb = "resumed" if after.entry == "resume" else "initialized"
        yield self._of_item(change.after, course, after, verb, None, at=at)

    def _item_ends(self, change: Change, course: Course, *, at: datetime) -> Iterator[Statement]:
        before, after = change.item_before, change.item_after
        if before is None or after is None or before.is_terminated or not after.is_terminated:
            return
        result: dict[str, Any] = {"completion": after.standing.completion is Completion.COMPLETED}
        if after.standing.success is not Success.UNKNOWN:
            result["success"] = after.standing.success is Success.PASSED
        if change.launch and after.id in change.launch.items:
            result["duration"] = format_iso(change.launch.items[after.id].run_ms)
        verb = "suspended" if is_suspended(after) else "terminated"
        yield self._of_item(change.after, course, after, verb, result, at=at)

    def _standing_changes(self, change: Change, course: Course, *, at: datetime) -> Iterator[Statement]:
        before, after = change.item_before, change.item_after
        whole = _told(change.before.standing, change.after.standing)
        if course.only is None and before and after:
            # The score of the whole stands for that of its part: readers add up scores.
            for verb, result in _told(before.standing, after.standing, scored=not any(map(_has_score, whole))):
                yield self._of_item(change.after, course, after, verb, result, at=at)
        for verb, result in whole:
            yield self._make(change.after, verb, self._package(change.after, course), result, at=at)

    def _of_item(
        self,
        session: Session,
        course: Course,
        item: ItemState,
        verb: str,
        result: Result,
        *,
        at: datetime,
    ) -> Statement:
        described = course.launchable[item.id]
        target = {
            "objectType": "Activity",
            "id": f"{self._package_iri(session)}/items/{_escaped(item.id)}",
            "definition": {"type": _TYPES + "lesson", "name": {"und": described.title or item.id}},
        }
        return self._make(session, verb, target, result, at=at, parent=self._package_iri(session))

    def _make(
        self,
        session: Session,
        verb: str,
        target: dict[str, Any],
        result: Result,
        *,
        at: datetime,
        parent: str | None = None,
    ) -> Statement:
        activities: dict[str, Any] = {
            "category": [{"id": _PROFILE}],
            "grouping": [
                {
                    "id": f"{self._package_iri(session)}/sessions/{session.id}",
                    "definition": {"type": _TYPES + "attempt"},
                }
            ],
        }
        if parent is not None:
            activities["parent"] = [{"id": parent}]
        identifier = new_id(at)
        content: dict[str, Any] = {
            "id": str(identifier),
            "actor": self._actor(session),
            "verb": {"id": _VERBS + verb, "display": {"en": verb}},
            "object": target,
            "context": {"registration": str(session.id), "contextActivities": activities},
            "timestamp": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "version": Version.V1.stored,
            "authority": Authority.of_installation(self.iri_base).agent,
        }
        if result:
            content["result"] = result
        return Statement(id=identifier, verb=_VERBS + verb, at=at, content=json.dumps(content, separators=(",", ":")))

    def _actor(self, session: Session) -> dict[str, Any]:
        account = {"homePage": f"{self.iri_base}/tenants/{session.tenant_id}", "name": session.user_id}
        named = {"name": session.user_name} if session.user_name else {}
        return {"objectType": "Agent", **named, "account": account}

    def _package_iri(self, session: Session) -> str:
        return f"{self.iri_base}/packages/{session.package_id}"

    def _package(self, session: Session, course: Course) -> dict[str, Any]:
        # xAPI 2.4.4.1: keys are RFC 5646 tags, which manifests do not always have.
        language = course.language if course.language and is_language(course.language) else "und"
        name = {language: session.package.title}
        return {
            "objectType": "Activity",
            "id": self._package_iri(session),
            "definition": {"type": _TYPES + "course", "name": name},
        }


def _has_score(told: tuple[str, Result]) -> bool:
    _, result = told
    return result is not None and "score" in result


def _told(before: Standing, after: Standing, *, scored: bool = True) -> list[tuple[str, Result]]:
    """Verbs and results of what has changed; of the score only if `scored`."""
    told: list[tuple[str, dict[str, Any]]] = []
    if after.completion is not before.completion and after.completion is Completion.COMPLETED:
        told.append(("completed", {"completion": True}))
    if after.success is not before.success and after.success is not Success.UNKNOWN:
        told.append((after.success.value, {"success": after.success is Success.PASSED}))
    if scored and after.score != before.score and (score := score_json(after.score)):
        # The last of them is the judgement, if there is one: that is where a reader looks for the score.
        if not told:
            told.append(("scored", {}))
        told[-1][1]["score"] = score
    return [(verb, result or None) for verb, result in told]


def score_json(score: Score) -> dict[str, float]:
    """xAPI 2.4.5.1: raw is between min and max, and min less than max; what does not fit is left out."""
    found = {} if score.scaled is None else {"scaled": score.scaled}
    if score.raw is None:
        return found
    least, most = score.min, score.max
    if least is not None and most is not None and least >= most:
        least = most = None
    if (least is not None and score.raw < least) or (most is not None and score.raw > most):
        return found
    parts = {"raw": score.raw, "min": least, "max": most}
    return found | {name: value for name, value in parts.items() if value is not None}


def _escaped(identifier: str) -> str:
    return quote(identifier, safe="")
