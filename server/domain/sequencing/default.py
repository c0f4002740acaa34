"""Sequencing without rules: the table of contents, in any order, and one after the other."""

from dataclasses import dataclass

from server.domain.sequencing.navigation import (
    Delivery,
    NavigationRequest,
    Progress,
    RequestRefused,
    ValidRequests,
)
from server.domain.sequencing.prerequisites import is_open
from server.domain.sessions.course import Course
from server.domain.sessions.model import Completion


@dataclass(frozen=True, slots=True, kw_only=True)
class DefaultSequencer:
    """Keeps `Sequencer`. SCORM 1.2 prerequisites close items (CAM 1.2, 2.3.2.5.1), if `heeds_prerequisites`."""

    heeds_prerequisites: bool = True

    def start(self, course: Course, progress: Progress) -> Delivery:
        """Where the learner was; else the first item that is not done; else the first.

        SCORM 2004 resumes what was suspended, done or not (4th Ed. SN SB.2.3); elsewhere what is done is over.
        """
        openable = self._openable(course, progress)
        here = progress.current if progress.resumes and progress.current in openable else None
        if here is not None and (course.version == "2004" or not _is_done(progress, here)):
            return Delivery(item=here)
        undone = (item for item in openable if not _is_done(progress, item))
        return Delivery(item=next(undone, here or next(iter(openable), None)))

    def navigate(self, course: Course, progress: Progress, request: NavigationRequest, target: str | None) -> Delivery:
        """As `Sequencer.navigate`. Whoever exits the only item leaves; elsewhere an exit waits for a choice."""
        if request.ends_launch:
            return Delivery(is_over=True, is_suspended=request is NavigationRequest.SUSPEND_ALL)
        if request.has_target:
            if target is None or target not in self._openable(course, progress):
                raise RequestRefused
            return Delivery(item=target)
        if request in (NavigationRequest.EXIT, NavigationRequest.ABANDON):
            return Delivery(is_over=course.only is not None)
        step = 1 if request is NavigationRequest.CONTINUE else -1
        neighbour = self._neighbour(course, progress, step)
        if neighbour is None:
            raise RequestRefused
        return Delivery(item=neighbour)

    def valid(self, course: Course, progress: Progress) -> ValidRequests:
        """As `Sequencer.valid`."""
        return ValidRequests(
            can_continue=self._neighbour(course, progress, 1) is not None,
            can_go_back=self._neighbour(course, progress, -1) is not None,
            choices=self._openable(course, progress),
        )

    def _neighbour(self, course: Course, progress: Progress, step: int) -> str | None:
        """The next item that may be opened, in the direction of `step`."""
        order, openable = list(course.launchable), set(self._openable(course, progress))
        if progress.current not in course.launchable:
            return next((item for item in order if item in openable), None) if step > 0 else None
        place = order.index(progress.current)
        rest = order[place + 1 :] if step > 0 else order[:place][::-1]
        return next((item for item in rest if item in openable), None)

    def _openable(self, course: Course, progress: Progress) -> list[str]:
        if course.version != "1.2" or not self.heeds_prerequisites:
            return list(course.launchable)
        return [name for name, item in course.launchable.items() if is_open(item.prerequisites, course, progress)]


def _is_done(progress: Progress, item: str) -> bool:
    standing = progress.standings.get(item)
    return standing is not None and standing.completion is Completion.COMPLETED
