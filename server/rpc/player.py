"""The servicer of `scorm.v1.PlayerService`."""

import re
from dataclasses import dataclass
from typing import Any

import grpc
from google.api import httpbody_pb2

from server.domain.sessions.launches import HeldMeanwhile
from server.gen.scorm.v1 import player_service_pb2, player_service_pb2_grpc
from server.rpc import player_json
from server.rpc.player_bodies import parse_commit, parse_launch, parse_navigation
from server.rpc.player_pages import PlayerPages
from server.services.playing import OpenSession as OpenedSession
from server.services.playing import Played, Playing
from server.services.ports import Clock, ContentSigner
from server.services.preview_playing import PreviewPlaying
from server.services.recording import Recording, Run

Context = grpc.aio.ServicerContext[Any, Any]
_ELSEWHERE = re.compile(r"https?://", re.IGNORECASE)
_NOT_STORED = (("cache-control", "no-store"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayerUrls:
    """Where the player's parts are. `signer` makes tokens of courses that may be framed by who frames the shell."""

    base_url: str
    content_base_url: str
    signer: ContentSigner
    clock: Clock

    def course(self, run: Run) -> str:
        """What the run's item shows, on the run-time page's own origin unless it is elsewhere."""
        url = run.situation.course.launchable[run.item.id].url or ""
        if _ELSEWHERE.match(url):
            return url
        signed = self.signer.sign(tenant_id=run.link.tenant_id, package_id=run.link.package_id, now=self.clock.now())
        return f"/content/{signed.token}/{url}"


class PlayerServicer(player_service_pb2_grpc.PlayerServiceServicer):
    """Converts, calls, converts. `server.rpc.pages` shows what goes wrong."""

    def __init__(
        self, *, playing: Playing, recording: Recording, previews: PreviewPlaying, pages: PlayerPages, urls: PlayerUrls
    ) -> None:
        self._playing = playing
        self._recording = recording
        self._previews = previews
        self._pages = pages
        self._urls = urls

    async def OpenSession(
        self, request: player_service_pb2.OpenSessionRequest, context: Context
    ) -> httpbody_pb2.HttpBody:
        opened = await self._playing.open(token=request.token)
        return await self._shell(opened, "session", request.token, context)

    async def BeginLaunch(
        self, request: player_service_pb2.BeginLaunchRequest, context: Context
    ) -> httpbody_pb2.HttpBody:
        holder = parse_launch(request.body.data)
        try:
            return self._played(await self._playing.begin(token=request.token, holder=holder))
        except HeldMeanwhile as held:
            return _json({"holder": held.holder})

    async def Navigate(self, request: player_service_pb2.NavigateRequest, context: Context) -> httpbody_pb2.HttpBody:
        launch_id, wanted, target = parse_navigation(request.body.data)
        return self._played(
            await self._playing.navigate(token=request.token, launch_id=launch_id, request=wanted, target=target)
        )

    async def OpenPreview(
        self, request: player_service_pb2.OpenPreviewRequest, context: Context
    ) -> httpbody_pb2.HttpBody:
        opened = await self._previews.open(token=request.token)
        return await self._shell(opened, "preview", request.token, context)

    async def BeginPreview(
        self, request: player_service_pb2.BeginPreviewRequest, context: Context
    ) -> httpbody_pb2.HttpBody:
        return self._played(await self._previews.begin(token=request.token))

    async def NavigatePreview(
        self, request: player_service_pb2.NavigatePreviewRequest, context: Context
    ) -> httpbody_pb2.HttpBody:
        launch_id, wanted, target = parse_navigation(request.body.data)
        return self._played(
            await self._previews.navigate(token=request.token, launch_id=launch_id, request=wanted, target=target)
        )

    async def OpenRun(self, request: player_service_pb2.OpenRunRequest, context: Context) -> httpbody_pb2.HttpBody:
        link = self._recording.read(request.token)
        if link.session_id is None:
            run = await self._previews.open_run(link)
        else:
            run = await self._recording.open(link, link.session_id)
        data = player_json.run(
            run, token=request.token, course_url=self._urls.course(run), shell_origin=self._urls.base_url
        )
        await context.send_initial_metadata((*self._pages.run_headers, *_NOT_STORED))
        return self._pages.run(data, title=data["title"], language=run.situation.course.language)

    async def CommitRun(self, request: player_service_pb2.CommitRunRequest, context: Context) -> httpbody_pb2.HttpBody:
        link = self._recording.read(request.token)
        commit = parse_commit(request.body.data, link)
        if link.session_id is None:
            # A preview sends nothing; whoever does learns that it is taken for nothing.
            return _json({"applied": commit.number})
        answer = await self._recording.commit(commit, link=link, session_id=link.session_id)
        return _json(player_json.committed(answer))

    async def _shell(self, opened: OpenedSession, kind: str, token: str, context: Context) -> httpbody_pb2.HttpBody:
        session = opened.session
        data = {
            "token": token,
            "api": f"/player/{kind}/{token}",
            "title": session.package.title,
            "learner": session.user_name,
            "contentOrigin": self._urls.content_base_url,
            "session": str(session.id),
            "holder": session.holder,
            "preview": kind == "preview",
            "recover": f"{self._pages.static}/run/recover.html",
        }
        await context.send_initial_metadata((*self._pages.shell_headers, *_NOT_STORED))
        return self._pages.shell(data, title=session.package.title, language=opened.course.language)

    def _played(self, answer: Played) -> httpbody_pb2.HttpBody:
        return _json(player_json.played(answer, content_base_url=self._urls.content_base_url))


def _json(value: Any) -> httpbody_pb2.HttpBody:
    return httpbody_pb2.HttpBody(content_type="application/json", data=player_json.to_json(value))
