"""Sequencing without rules: the table of contents, in any order, and one after the other."""

from collections.abc import Collection
from dataclasses import dataclass

from server.domain.sequencing.navigation import (
    Delivery,
    NavigationRequest,
    Progress,
    RequestRefused,
    ValidRequests,
)
from server.domain.sequencing.prerequisites import openable
from server.domain.sessions.course import Course
from server.domain.sessions.model import Completion


@dataclass(frozen=True, slots=True, kw_only=True)
class DefaultSequencer:
    """Keeps `Sequencer`. SCORM 1.2 prerequisites close items (CAM 1.2, 2.3.2.5.1), if `heeds_prerequisites`."""

    heeds_prerequisites: bool = True

    def start(self, course: Course, progress: Progress) -> Delivery:
        """In SCORM 2004 what was suspended, done or not, or else the first item (4th Ed. SN SB.2.3, SB.2.1).

        Who comes again to several items that do not flow, having ended the session, chooses. That nobody has to choose
        the first time is more than SB.2.5 gives. In 1.2 where the learner was; if that is done, the first that is not.
        """
        open_now = self._openable(course, progress)
        first = next(iter(open_now), None)
        here = progress.current if progress.resumes and progress.current in open_now else None
        if course.version == "2004":
            chooses = here is None and progress.current is not None and course.only is None and not course.flows
            return Delivery(item=None if chooses else here or first)
        if here is not None and not _is_done(progress, here):
            return Delivery(item=here)
        undone = (item for item in open_now if not _is_done(progress, item))
        return Delivery(item=next(undone, here or first))

    def navigate(self, course: Course, progress: Progress, request: NavigationRequest, target: str | None) -> Delivery:
        """As `Sequencer.navigate`. Whoever exits the only item leaves; elsewhere an exit waits for a choice."""
        if request.ends_launch:
            return Delivery(is_over=True, is_suspended=request is NavigationRequest.SUSPEND_ALL)
        if request in (NavigationRequest.EXIT, NavigationRequest.ABANDON):
            return Delivery(is_over=course.only is not None)
        open_now = self._openable(course, progress)
        if request.has_target:
            if target is None or target not in open_now:
                raise RequestRefused
            return Delivery(item=target)
        step = 1 if request is NavigationRequest.CONTINUE else -1
        neighbour = _neighbour(course, progress.current, step, open_now)
        if neighbour is None and step > 0:
            # SCORM 2004 4th Ed. SN SB.2.2: to go on from the last is to leave.
            return Delivery(is_over=True)
        if neighbour is None:
            raise RequestRefused
        return Delivery(item=neighbour)

    def valid(self, course: Course, progress: Progress) -> ValidRequests:
        """As `Sequencer.valid`."""
        open_now = self._openable(course, progress)
        return ValidRequests(
            can_continue=_neighbour(course, progress.current, 1, open_now) is not None,
            can_go_back=_neighbour(course, progress.current, -1, open_now) is not None,
            choices=open_now,
        )

    def _openable(self, course: Course, progress: Progress) -> list[str]:
        if course.version != "1.2" or not self.heeds_prerequisites:
            return list(course.launchable)
        return openable(course, progress)


def _neighbour(course: Course, current: str | None, step: int, open_now: Collection[str]) -> str | None:
    """The next item that may be opened, in the direction of `step`."""
    order, wanted = list(course.launchable), set(open_now)
    if current not in course.launchable:
        return next((item for item in order if item in wanted), None) if step > 0 else None
    place = order.index(current)
    rest = order[place + 1 :] if step > 0 else order[:place][::-1]
    return next((item for item in rest if item in wanted), None)


def _is_done(progress: Progress, item: str) -> bool:
    standing = progress.standings.get(item)
    return standing is not None and standing.completion is Completion.COMPLETED
