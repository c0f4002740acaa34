"""Assembly of what sessions and their player are made of; with `main`, alone in knowing everyone."""

from dataclasses import dataclass
from functools import cached_property

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from server.config import Settings
from server.domain.sequencing.default import DefaultSequencer
from server.domain.sessions.statements import Teller
from server.rpc.player import PlayerServicer, PlayerUrls
from server.rpc.player_pages import PlayerPages
from server.rpc.sessions import SessionServicer
from server.services.courses import Courses
from server.services.idempotency import Idempotency
from server.services.playing import Playing
from server.services.ports import Clock, Database
from server.services.preview_playing import PreviewPlaying
from server.services.previews import Previews
from server.services.recording import Recording
from server.services.session_changes import Stores
from server.services.session_links import SessionLinks
from server.services.sessions import Sessions
from server.services.static_files import static_hash
from server.storage.session_items import PostgresLaunches, PostgresSessionItems, PostgresSessionStatements
from server.storage.session_lists import PostgresSessions
from server.storage.session_tokens import SessionTokens
from server.storage.sessions import PostgresCourses
from server.storage.signing import ContentTokenSigner


@dataclass(frozen=True, kw_only=True)
class SessionParts:
    """Everything of `serve` that has to do with sessions."""

    settings: Settings
    database: Database
    clock: Clock
    idempotency: Idempotency
    previews: Previews
    tokens: SessionTokens
    content_key: Ed25519PrivateKey

    def session_servicer(self) -> SessionServicer:
        """What customers call."""
        stores = self._stores
        sessions = Sessions(
            database=self.database,
            stores=stores,
            idempotency=self.idempotency,
            teller=self._teller(),
            clock=self.clock,
        )
        links = SessionLinks(
            database=self.database,
            stores=stores,
            idempotency=self.idempotency,
            signer=self.tokens,
            clock=self.clock,
        )
        return SessionServicer(sessions=sessions, links=links, base_url=self.settings.base_url)

    def player_servicer(self) -> PlayerServicer:
        """What learners' browsers call."""
        stores = self._stores
        playing = Playing(
            database=self.database,
            stores=stores,
            signer=self.tokens,
            sequencer=DefaultSequencer(),
            teller=self._teller(),
            clock=self.clock,
        )
        recording = Recording(
            database=self.database,
            stores=stores,
            signer=self.tokens,
            sequencer=DefaultSequencer(),
            teller=self._teller(),
            clock=self.clock,
        )
        previews = PreviewPlaying(
            previews=self.previews,
            courses=stores.courses,
            signer=self.tokens,
            sequencer=DefaultSequencer(heeds_prerequisites=False),
            clock=self.clock,
        )
        return PlayerServicer(
            playing=playing, recording=recording, previews=previews, pages=self._pages(), urls=self._urls()
        )

    @cached_property
    def _stores(self) -> Stores:
        """One for all: courses are kept there."""
        return Stores(
            sessions=PostgresSessions(),
            items=PostgresSessionItems(),
            launches=PostgresLaunches(),
            statements=PostgresSessionStatements(),
            courses=Courses(database=self.database, store=PostgresCourses()),
        )

    def _teller(self) -> Teller:
        return Teller(iri_base=self.settings.iri_base or self.settings.base_url)

    def _pages(self) -> PlayerPages:
        return PlayerPages(static=f"/static/{static_hash()}", content_base_url=self.settings.content_base_url)

    def _urls(self) -> PlayerUrls:
        return PlayerUrls(
            base_url=self.settings.base_url,
            content_base_url=self.settings.content_base_url,
            # Who frames the player frames the course, and that may be any site.
            signer=ContentTokenSigner(self.content_key, frame_ancestors=["*"]),
            clock=self.clock,
        )
