"""Playing a preview: as `playing`, but nothing is recorded, and all that is known comes with the request."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from server.domain.errors import Gone
from server.domain.packages import Package
from server.domain.previews import Preview
from server.domain.sequencing.navigation import (
    Delivery,
    NavigationRequest,
    Progress,
    RequestRefused,
    Sequencer,
)
from server.domain.sessions.answers import Situation
from server.domain.sessions.course import Course
from server.domain.sessions.launches import TakenOver, unrecorded
from server.domain.sessions.model import ItemState, Launched, Session
from server.services.courses import Courses
from server.services.playing import OpenSession, Played
from server.services.ports import Clock
from server.services.previews import Previews
from server.services.recording import Run
from server.services.session_ports import RunLink, SessionSigner

_NOBODY = UUID(int=0)
LEARNER_ID, LEARNER_NAME = "preview", "Preview"
# A launch of a preview is named by the item that it shows.
NOTHING_SHOWN = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewPlaying:
    """The use cases of a preview's player."""

    previews: Previews
    courses: Courses
    signer: SessionSigner
    sequencer: Sequencer
    clock: Clock

    async def open(self, *, token: str) -> OpenSession:
        """What a link opens. Raises NotFound and Gone."""
        preview, package = await self.previews.open(token=token)
        return OpenSession(session=self._session(preview, package), course=await self._course(preview))

    async def begin(self, *, token: str) -> Played:
        """Shows where the course starts. Raises NotFound and Gone."""
        preview, package = await self.previews.open(token=token)
        course = await self._course(preview)
        return self._show(preview, package, course, self.sequencer.start(course, Progress()), NOTHING_SHOWN)

    async def navigate(self, *, token: str, launch_id: str, request: NavigationRequest, target: str | None) -> Played:
        """Follows a request from the item that `launch_id` names; one that is not valid leaves the choice."""
        preview, package = await self.previews.open(token=token)
        course = await self._course(preview)
        try:
            delivery = self.sequencer.navigate(course, Progress(current=launch_id), request, target)
        except RequestRefused:
            delivery = Delivery()
        return self._show(preview, package, course, delivery, launch_id)

    async def open_run(self, link: RunLink) -> Run:
        """What a run-time page begins with. Raises Gone."""
        package = await self.previews.packages.find(tenant_id=link.tenant_id, package_id=link.package_id)
        if package is None:
            raise Gone("The course of this preview link is no longer available")
        preview = Preview(
            tenant_id=link.tenant_id, package_id=link.package_id, expires_at=link.expires_at, redirect_url=None
        )
        course = await self._course(preview)
        if link.item_id not in course.launchable:
            raise TakenOver
        session = self._session(preview, package)
        item = unrecorded(ItemState(id=link.item_id), course)
        return Run(
            session=session,
            item=item,
            situation=self._situation(course, link.item_id),
            link=link,
            recording=False,
        )

    def _show(self, preview: Preview, package: Package, course: Course, delivery: Delivery, shown: str) -> Played:
        item = delivery.item
        return Played(
            session=self._session(preview, package),
            launch_id=shown if item is None else item,
            situation=self._situation(course, item),
            item=item,
            run_token=self._run_token(preview, item) if item is not None else None,
            redirect_url=preview.redirect_url,
            is_over=delivery.is_over,
        )

    def _situation(self, course: Course, item: str | None) -> Situation:
        progress = Progress(current=item)
        return Situation(course=course, progress=progress, valid=self.sequencer.valid(course, progress))

    def _run_token(self, preview: Preview, item: str) -> str:
        return self.signer.sign_run(
            RunLink(
                tenant_id=preview.tenant_id,
                package_id=preview.package_id,
                session_id=None,
                launch=0,
                run=0,
                item_id=item,
                issued_at=self.clock.now(),
                expires_at=preview.expires_at,
            )
        )

    async def _course(self, preview: Preview) -> Course:
        course = await self.courses.get(tenant_id=preview.tenant_id, package_id=preview.package_id)
        if course is None:
            raise Gone("The course of this preview link is no longer available")
        return course

    def _session(self, preview: Preview, package: Package) -> Session:
        """A session that is none: what the pages need to show it."""
        now: datetime = self.clock.now()
        return Session(
            id=_NOBODY,
            tenant_id=preview.tenant_id,
            package_id=preview.package_id,
            user_id=LEARNER_ID,
            user_name=LEARNER_NAME,
            attempt=1,
            package=Launched(title=package.title, version=package.version, settings=package.settings),
            created_at=now,
            updated_at=now,
            redirect_url=preview.redirect_url,
        )
