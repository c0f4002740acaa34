"""Keeping what statements add up to: totals and analytics. The worker does it, one at a time."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from server.domain.ids import parse_id
from server.services.ports import OperatorDatabase
from server.services.statement_fold_ports import ActivityNames, ActorNames, StatementFolds, Window

MOST = 5_000
MOST_WINDOWS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementFolding:
    """`iri_base` is what the IRIs of packages begin with; a transaction folds `most` statements at most."""

    database: OperatorDatabase
    folds: StatementFolds
    iri_base: str
    most: int = MOST

    async def fold(self) -> int:
        """Folds whatever is settled, in bounded transactions, and says how many statements."""
        folded = 0
        for tenant_id in await self.database.read(self.folds.waiting()):
            # In turns, so that nobody waits for the one that stores most.
            for _ in range(MOST_WINDOWS):
                moved = await self._fold_window(tenant_id)
                folded += moved
                if not moved:
                    break
        return folded

    async def _fold_window(self, tenant_id: UUID) -> int:
        """Folds the next window of a tenant, and says how many statements it moved; 0 if there is none."""
        async with self.database.write() as transaction:
            after = await transaction.run(self.folds.begin(tenant_id=tenant_id))
            upto = await transaction.run(self.folds.upto(tenant_id=tenant_id, after=after, most=self.most))
            if upto is None:
                return 0
            window = Window(tenant_id=tenant_id, after=after, upto=upto)
            *_, folded, actors, activities = await transaction.run_all(
                *self.folds.fold(window), *self.folds.latest(window)
            )
            if folded.lost:
                for query in self.folds.recount(window):
                    await transaction.run(query)
            named = {one.key: actor_names(json.loads(one.content)["actor"]) for one in actors}
            about = {one.key: self.activity_names(json.loads(one.content)["object"]) for one in activities}
            await transaction.finish(*self.folds.name(named, about, tenant_id=tenant_id), self.folds.end(window))
            return folded.moved or 1

    def activity_names(self, activity: Mapping[str, Any]) -> ActivityNames:
        """What a statement tells of its object."""
        definition = activity.get("definition") or {}
        prefix = f"{self.iri_base}/packages/"
        package = activity["id"].removeprefix(prefix) if activity["id"].startswith(prefix) else ""
        return ActivityNames(
            id=plain(activity["id"]), type=plain(definition.get("type") or ""), package_id=parse_id(package)
        )


def actor_names(actor: Mapping[str, Any]) -> ActorNames:
    """What a statement tells of its actor."""
    account = actor.get("account") or {}
    mbox = actor.get("mbox")
    return ActorNames(
        name=plain(actor.get("name") or ""),
        mbox=plain(mbox.removeprefix("mailto:")) if mbox is not None else None,
        mbox_sha1sum=actor["mbox_sha1sum"].lower() if "mbox_sha1sum" in actor else None,
        openid=plain(actor["openid"]) if "openid" in actor else None,
        home_page=plain(account["homePage"]) if account else None,
        account_name=plain(account["name"]) if account else None,
    )


def plain(text: str) -> str:
    """What Postgres and Protobuf take: without NUL, and U+FFFD for halves of characters."""
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", "\ufffd")
