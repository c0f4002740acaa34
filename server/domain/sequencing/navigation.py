"""What a sequencer is asked, and what it answers (SCORM 2004 4th Ed. SN 4.4, 5.6)."""

import enum
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from server.domain.sessions.course import Course
from server.domain.sessions.model import Standing


class NavigationRequest(enum.StrEnum):
    """SN 4.4.1, spelled as adl.nav.request."""

    CONTINUE = "continue"
    PREVIOUS = "previous"
    CHOICE = "choice"
    JUMP = "jump"
    EXIT = "exit"
    EXIT_ALL = "exitAll"
    SUSPEND_ALL = "suspendAll"
    ABANDON = "abandon"
    ABANDON_ALL = "abandonAll"

    @property
    def has_target(self) -> bool:
        """Whether it names an item."""
        return self in (NavigationRequest.CHOICE, NavigationRequest.JUMP)

    @property
    def ends_launch(self) -> bool:
        """Whether nothing is delivered afterwards."""
        return self in (NavigationRequest.EXIT_ALL, NavigationRequest.SUSPEND_ALL, NavigationRequest.ABANDON_ALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What a sequencer may know of a session: the current item, and the standings of those that were opened or written.

    `resumes`: the learner did not end the session, and takes it up where it was.
    """

    current: str | None = None
    resumes: bool = True
    standings: Mapping[str, Standing] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What a request leads to: an item to be shown, or the end, or neither: the learner must choose.

    `is_suspended`: the end, but the session will be taken up where it is.
    """

    item: str | None = None
    is_over: bool = False
    is_suspended: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidRequests:
    """What may be asked for now: adl.nav.request_valid (RTE 4.4.2), and what the player offers. `choices` are items."""

    can_continue: bool
    can_go_back: bool
    choices: Collection[str]


class RequestRefused(Exception):
    """The request is not valid now."""


class Sequencer(Protocol):
    """Decides where a learner may go in a course."""

    def start(self, course: Course, progress: Progress) -> Delivery:
        """What is shown when the course is opened, for the first time or again."""
        ...

    def navigate(self, course: Course, progress: Progress, request: NavigationRequest, target: str | None) -> Delivery:
        """What a request leads to. Raises RequestRefused."""
        ...

    def valid(self, course: Course, progress: Progress) -> ValidRequests:
        """What may be asked for now."""
        ...
