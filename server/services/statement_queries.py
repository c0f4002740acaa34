"""The queries of the strict surface: filters, formats, and the `more` that leads from page to page."""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from server.domain.errors import Faults, NotFound, ValidationFailed
from server.domain.xapi.actors import parse_filter_agent
from server.domain.xapi.keys import key, related
from server.domain.xapi.parameters import parse_position, parse_uuid
from server.domain.xapi.positions import FIRST, LAST
from server.services.authentication import Caller
from server.services.statement_ports import FoundStatement, StoredStatement, Window
from server.services.statements import Page, Statements

DEFAULT_LIMIT = 100
MOST = 500
FORMATS = ("exact", "ids", "canonical")
READS_MINE = "lrs:statements/read/mine"
_READS_ALL = frozenset({"read", "lrs:all", "lrs:statements/read"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is asked for. `mine` is the authority that a caller is confined to."""

    window: Window
    limit: int = DEFAULT_LIMIT
    format: str = "exact"
    attachments: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """A page, how it is to be told, and the token of the next, if there is one."""

    query: Query
    page: Page
    more: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementQueries:
    """`secret` signs tokens of further pages."""

    statements: Statements
    secret: bytes

    async def first(self, parameters: Mapping[str, Any], *, caller: Caller) -> Answer:
        """The first page. Raises ValidationFailed with every faulty parameter."""
        return await self._answer(self._confined(parse_query(parameters), caller), caller)

    async def next(self, token: str, *, caller: Caller) -> Answer:
        """A further page. Raises NotFound for a token that is not of this tenant."""
        return await self._answer(self._confined(self._read(token, caller.tenant_id), caller), caller)

    async def one(self, statement_id: str, *, caller: Caller, voided: bool) -> tuple[FoundStatement, int]:
        """One statement, and what is settled. Raises NotFound."""
        found, settled = await self.statements.get(statement_id, tenant_id=caller.tenant_id, voided=voided)
        if not _READS_ALL & caller.scopes and found.authority != self.statements.authority(caller).key:
            raise NotFound
        return found, settled

    def _confined(self, query: Query, caller: Caller) -> Query:
        """Who may read only what it has stored finds nothing else."""
        if _READS_ALL & caller.scopes:
            return query
        mine = self.statements.authority(caller).key
        return replace(query, window=replace(query.window, authority=mine))

    async def _answer(self, query: Query, caller: Caller) -> Answer:
        page = await self.statements.page(query.window, tenant_id=caller.tenant_id, limit=query.limit)
        more = self._write(query, page.statements[-1], caller.tenant_id) if page.has_more else None
        return Answer(query, page, more)

    def _write(self, query: Query, last: StoredStatement, tenant_id: UUID) -> str:
        window = query.window
        after, before = (last.position, window.before) if window.ascending else (window.after, last.position)
        keys = [list(map(str, one)) if isinstance(one, tuple) else str(one) for one in window.keys]
        told = [keys, after, before, window.ascending, query.limit, query.format, query.attachments]
        text = json.dumps(told, separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(self._seal(text, tenant_id) + text).decode().rstrip("=")

    def _read(self, token: str, tenant_id: UUID) -> Query:
        try:
            raw = base64.b64decode((token + "=" * (-len(token) % 4)).encode("ascii"), altchars=b"-_", validate=True)
        except (ValueError, binascii.Error):
            raise NotFound from None
        seal, text = raw[:16], raw[16:]
        if not hmac.compare_digest(seal, self._seal(text, tenant_id)):
            raise NotFound
        keys, after, before, ascending, limit, form, attachments = json.loads(text)
        window = Window(keys=tuple(map(_key_of, keys)), after=after, before=before, ascending=ascending)
        return Query(window=window, limit=limit, format=form, attachments=attachments)

    def _seal(self, text: bytes, tenant_id: UUID) -> bytes:
        return hmac.digest(self.secret, b"statements/more" + tenant_id.bytes + text, hashlib.sha256)[:16]


def _key_of(told: Any) -> UUID | tuple[UUID, UUID]:
    return UUID(told) if isinstance(told, str) else (UUID(told[0]), UUID(told[1]))


def parse_query(parameters: Mapping[str, Any]) -> Query:
    """What the parameters mean; `agent` is JSON that was read already. Raises ValidationFailed."""
    faults = Faults()
    related_agents = faults.of(lambda: flag(parameters, "related_agents"))
    related_activities = faults.of(lambda: flag(parameters, "related_activities"))
    ascending = faults.of(lambda: flag(parameters, "ascending"))
    attachments = faults.of(lambda: flag(parameters, "attachments"))
    limit = faults.of(lambda: _limit(parameters.get("limit")))
    form = faults.of(lambda: format_of(parameters))
    since = faults.of(lambda: parse_position("since", parameters.get("since"), default=FIRST))
    until = faults.of(lambda: parse_position("until", parameters.get("until"), default=LAST - 1))
    agent = faults.of(lambda: parse_filter_agent(parameters["agent"]) if "agent" in parameters else None)
    registration = faults.of(lambda: parse_uuid("registration", parameters.get("registration")))
    faults.refuse()
    keys: list[UUID | tuple[UUID, UUID]] = []
    # Those that find least come first.
    if registration is not None:
        keys.append(key("registration", str(registration)))
    if "activity" in parameters:
        keys.append((related if related_activities else key)("activity", parameters["activity"]))
    if agent is not None:
        keys.append((related if related_agents else key)("agent", agent))
    if "verb" in parameters:
        keys.append(key("verb", parameters["verb"]))
    window = Window(
        keys=tuple(keys),
        after=since or FIRST,
        before=(until if until is not None else LAST - 1) + 1,
        ascending=bool(ascending),
    )
    return Query(window=window, limit=limit or DEFAULT_LIMIT, format=form or FORMATS[0], attachments=bool(attachments))


def flag(parameters: Mapping[str, Any], name: str) -> bool:
    """A parameter that is `true` or `false`. Raises ValidationFailed."""
    text = parameters.get(name, "false")
    if text not in ("true", "false"):
        raise ValidationFailed.of(name, "Must be true or false")
    return bool(text == "true")


def format_of(parameters: Mapping[str, Any]) -> str:
    """The format that is asked for. Raises ValidationFailed."""
    form = str(parameters.get("format", FORMATS[0]))
    if form not in FORMATS:
        raise ValidationFailed.of("format", f"Must be one of {', '.join(FORMATS)}")
    return form


def _limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_LIMIT
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise ValidationFailed.of("limit", "Must be a whole number from 0")
    return min(int(text), MOST) or DEFAULT_LIMIT
