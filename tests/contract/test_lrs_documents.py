"""Documents of the Experience API: kept as they came, each change whole, and none lost among many writers."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable
from datetime import timedelta
from hashlib import sha1
from typing import Any
from uuid import uuid4

import pytest

from server.domain.errors import Conflict, InvalidRequest, NotFound, PreconditionFailed
from server.domain.xapi.documents import Resource
from server.domain.xapi.keys import key
from server.domain.xapi.versions import Version
from server.storage.connection import PostgresDatabase, PostgresOperatorDatabase
from tests.contract.lrs_documents_fixtures import JSON, Desk, desk_of
from tests.databases import Dsns
from tests.rows import store_tenant

WRITERS = 24


@pytest.fixture
async def desk(database: PostgresDatabase, operator_database: PostgresOperatorDatabase) -> Desk:
    return desk_of(database, (await store_tenant(operator_database)).id)


@pytest.fixture
async def busy(dsns: Dsns, operator_database: PostgresOperatorDatabase) -> AsyncIterator[Desk]:
    """Has connections for many writers at once."""
    database = PostgresDatabase(dsns.server, pool_size=12)
    await database.open()
    yield desk_of(database, (await store_tenant(operator_database)).id)
    await database.close()


async def outcomes(*calls: Awaitable[None]) -> list[str]:
    """What became of calls at once, sorted: "done", or the name of the error."""
    ended = await asyncio.gather(*calls, return_exceptions=True)
    return sorted("done" if one is None else type(one).__name__ for one in ended)


async def test_a_document_comes_back_byte_by_byte_with_its_type_tag_and_time(desk: Desk) -> None:
    content = bytes(range(256)) * 8
    await desk.put("ü" * 5000, content, "image/x; a=b")
    found = await desk.documents.get("ü" * 5000, place=desk.place)
    assert (found.content, found.content_type, found.updated_at) == (content, "image/x; a=b", desk.clock.now())
    assert found.etag == f'"{sha1(content).hexdigest()}"'


async def test_putting_replaces_and_deleting_may_be_repeated(desk: Desk) -> None:
    await desk.put("s", b"first")
    await desk.put("s", b"second", "a/b")
    found = await desk.documents.get("s", place=desk.place)
    assert (found.content, found.content_type) == (b"second", "a/b")
    assert found.etag == f'"{sha1(b"second").hexdigest()}"'
    await desk.delete("s")
    await desk.delete("s")
    with pytest.raises(NotFound):
        await desk.content("s")


async def test_documents_with_and_without_a_registration_are_different(desk: Desk) -> None:
    one, other = desk.at(uuid4()), desk.at(uuid4())
    for place, content in ((desk, b"none"), (one, b"one"), (other, b"other")):
        await place.put("s", content)
    assert [await place.content("s") for place in (desk, one, other)] == [b"none", b"one", b"other"]
    await one.delete("s")
    assert [await place.content("s") for place in (desk, other)] == [b"none", b"other"]


async def test_without_a_registration_lists_and_deletions_cover_all_of_them(desk: Desk) -> None:
    # xAPI 1.0.3 Part Three 2.3: the context is activity, agent, and the registration if it is specified.
    one = desk.at(uuid4())
    await desk.put("none")
    await one.put("one")
    assert (await desk.ids(), await one.ids(every=False)) == (["none", "one"], ["one"])
    await desk.documents.delete_all(place=one.place, every_registration=False)
    assert await desk.ids() == ["none"]
    await one.put("one")
    await desk.documents.delete_all(place=desk.place, every_registration=True)
    assert await desk.ids() == []


async def test_a_list_since_a_time_has_only_what_changed_after_it(desk: Desk) -> None:
    for name in ("a", "b"):
        await desk.put(name)
    at = desk.clock.now()
    assert await desk.ids(since=at) == []
    assert await desk.ids(since=at - timedelta(microseconds=1)) == ["a", "b"]
    desk.clock.at += timedelta(seconds=1)
    await desk.put("a", b"again")
    assert await desk.ids(since=at) == ["a"]


async def test_merging_is_one_level_deep_and_keeps_what_was_not_sent_as_it_was_written(desk: Desk) -> None:
    await desk.put("s", b'{"a": 1.10, "b": {"c": 1}, "n": 12345678901234567890.10}', JSON)
    await desk.post("s", b'{"b": {"d": 2e0}}')
    assert await desk.content("s") == b'{"a":1.10,"b":{"d": 2e0},"n":12345678901234567890.10}'
    assert await desk.etag("s") == f'"{sha1(await desk.content("s")).hexdigest()}"'


async def test_what_is_merged_into_nothing_is_stored_as_it_came(desk: Desk) -> None:
    await desk.post("s", b"anything", "text/plain")
    found = await desk.documents.get("s", place=desk.place)
    assert (found.content, found.content_type) == (b"anything", "text/plain")


@pytest.mark.parametrize(
    ("there", "there_kind", "sent", "sent_kind"),
    [
        (b"{}", JSON, b"{}", "text/plain"),
        (b"{}", "text/plain", b"{}", JSON),
        (b"[]", JSON, b"{}", JSON),
        (b"{}", JSON, b"[]", JSON),
        (b"{}", JSON, b"{", JSON),
    ],
)
async def test_what_cannot_be_merged_changes_nothing(
    desk: Desk, there: bytes, there_kind: str, sent: bytes, sent_kind: str
) -> None:
    await desk.put("s", there, there_kind)
    with pytest.raises(InvalidRequest):
        await desk.post("s", sent, sent_kind)
    found = await desk.documents.get("s", place=desk.place)
    assert (found.content, found.content_type) == (there, there_kind)


async def test_a_condition_that_does_not_hold_changes_nothing(desk: Desk) -> None:
    for change in (desk.put("s", if_match='"x"'), desk.post("s", {}, if_match="*"), desk.delete("s", if_match='"x"')):
        with pytest.raises(PreconditionFailed):
            await change
    assert await desk.ids() == []
    await desk.post("s", {"a": 1}, if_none_match="*")
    for change in (
        desk.put("s", if_none_match="*"),
        desk.post("s", {"a": 2}, if_match='"x"'),
        desk.delete("s", if_match='"x"'),
    ):
        with pytest.raises(PreconditionFailed):
            await change
    assert json.loads(await desk.content("s")) == {"a": 1}
    await desk.put("s", b"y", if_match=await desk.etag("s"))
    await desk.delete("s", if_match=await desk.etag("s"))
    assert await desk.ids() == []


async def test_who_replaces_blindly_is_refused_as_the_version_says(desk: Desk) -> None:
    with pytest.raises(InvalidRequest):
        await desk.put("p", resource=Resource.AGENT_PROFILE)
    await desk.put("p", resource=Resource.AGENT_PROFILE, version=Version.V2)
    for version, resource in (
        (Version.V1, Resource.AGENT_PROFILE),
        (Version.V1, Resource.ACTIVITY_PROFILE),
        (Version.V2, Resource.AGENT_PROFILE),
        (Version.V2, Resource.STATE),
    ):
        with pytest.raises(Conflict):
            await desk.put("p", b"other", version=version, resource=resource)
    assert await desk.content("p") == b"x"


async def test_merges_at_once_lose_nothing_even_where_nothing_was(busy: Desk) -> None:
    for name in ("new", "there"):
        if name == "there":
            await busy.post(name, {"first": 1})
        assert await outcomes(*(busy.post(name, {f"k{n}": n}) for n in range(WRITERS))) == ["done"] * WRITERS
        expected = {f"k{n}": n for n in range(WRITERS)} | ({"first": 1} if name == "there" else {})
        assert json.loads(await busy.content(name)) == expected


async def test_of_those_who_create_at_once_one_does(busy: Desk) -> None:
    for round_ in range(5):
        puts = (busy.put(f"s{round_}", b"%d" % n, if_none_match="*") for n in range(WRITERS))
        assert await outcomes(*puts) == ["PreconditionFailed"] * (WRITERS - 1) + ["done"]


async def test_of_those_who_replace_the_same_version_at_once_one_does(busy: Desk) -> None:
    await busy.put("s", b"first")
    for round_ in range(5):
        tag = await busy.etag("s")
        puts = (busy.put("s", b"%d-%d" % (round_, n), if_match=tag) for n in range(WRITERS))
        assert await outcomes(*puts) == ["PreconditionFailed"] * (WRITERS - 1) + ["done"]


async def test_who_replaces_blindly_at_once_is_refused_but_for_one(busy: Desk) -> None:
    puts = (busy.put("s", b"%d" % n, version=Version.V2) for n in range(WRITERS))
    assert await outcomes(*puts) == ["Conflict"] * (WRITERS - 1) + ["done"]


async def test_of_a_replacement_and_a_deletion_of_the_same_version_one_happens(busy: Desk) -> None:
    for round_ in range(10):
        await busy.put("s", b"%d" % round_)
        tag = await busy.etag("s")
        ended = await outcomes(busy.put("s", b"new", if_match=tag), busy.delete("s", if_match=tag))
        assert ended == ["PreconditionFailed", "done"]


async def test_writers_and_deleters_at_once_neither_fail_nor_block_each_other(busy: Desk) -> None:
    async with asyncio.timeout(30):
        ended = await outcomes(
            *(busy.put("s", b"%d" % n) for n in range(WRITERS)),
            *(busy.delete("s") for _ in range(WRITERS)),
            *(busy.documents.delete_all(place=busy.place, every_registration=True) for _ in range(WRITERS)),
        )
    # A writer who finds the document made and gone again each time gives up, and says so.
    assert set(ended) <= {"done", "Conflict"}
    assert ended.count("done") >= 2 * WRITERS


async def test_another_tenant_neither_sees_nor_changes_a_document(
    desk: Desk, database: PostgresDatabase, operator_database: PostgresOperatorDatabase
) -> None:
    await desk.put("s", b"mine")
    other = desk_of(database, (await store_tenant(operator_database)).id)
    assert (other.place.owner, await other.ids()) == (desk.place.owner, [])
    with pytest.raises(NotFound):
        await other.content("s")
    await other.delete("s")
    await other.documents.delete_all(place=other.place, every_registration=True)
    await other.put("s", b"theirs", if_none_match="*")
    assert (await desk.content("s"), await other.content("s")) == (b"mine", b"theirs")


async def test_another_owner_has_documents_of_its_own(desk: Desk, database: PostgresDatabase) -> None:
    await desk.put("s", b"ada")
    other = desk_of(database, desk.place.tenant_id, key("owner", "bob"))
    await other.documents.delete_all(place=other.place, every_registration=True)
    assert (await other.ids(), await desk.content("s")) == ([], b"ada")


async def test_each_call_is_as_few_statements_and_round_trips_as_it_needs(desk: Desk) -> None:
    traffic = desk.documents.database.traffic  # type: ignore[attr-defined]

    async def cost(call: Awaitable[Any]) -> tuple[int, int]:
        before = (traffic.statements, traffic.round_trips)
        await call
        return traffic.statements - before[0], traffic.round_trips - before[1]

    assert await cost(desk.post("s", {"a": 1})) == (2, 3)
    assert await cost(desk.post("s", {"b": 1})) == (2, 2)
    assert await cost(desk.put("s")) == (2, 2)
    assert await cost(desk.content("s")) == (1, 1)
    assert await cost(desk.ids()) == (1, 1)
    assert await cost(desk.delete("s")) == (2, 2)
    assert await cost(desk.documents.delete_all(place=desk.place, every_registration=True)) == (1, 2)
