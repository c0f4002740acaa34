"""The gateway's Lua modules, run by the LuaJIT that Envoy embeds."""

import json
import urllib.parse
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lupa import luajit21

from server.dev.gateway.check_lua import faults
from server.domain.errors import Conflict, Gone, NotFound, Unavailable
from server.rpc.errors import render
from server.rpc.pages import error_page

ROOT = Path(__file__).resolve().parents[2]


def module(name: str) -> Any:
    # Bytes in and out as they are: a path need not be UTF-8.
    lua = luajit21.LuaRuntime(unpack_returned_tuples=True, encoding="latin-1")
    lua.execute(f"package.path = '{ROOT}/?.lua'")
    return lua.eval(f"require('gateway.{name}')")


PATHS = module("paths")
ANSWERS = module("answers")


def object_of(rest: bytes) -> bytes | None:
    """The decoded object name of the rest of a content URL."""
    found = PATHS.object(rest.decode("latin-1"))
    return None if found is None else urllib.parse.unquote_to_bytes(found)


segment = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/\\"), min_size=1, max_size=20
).filter(lambda text: text not in (".", ".."))


@given(st.lists(segment, min_size=1, max_size=5))
def test_every_name_is_found_again_under_its_url(segments: list[str]) -> None:
    name = "/".join(segments)
    assert object_of(urllib.parse.quote(name).encode()) == name.encode()


@given(st.one_of(st.binary(max_size=60), st.text(st.sampled_from("./%25eEfFcC0\\;?#ab"), max_size=40).map(str.encode)))
def test_no_url_means_an_object_outside_its_prefix(rest: bytes) -> None:
    name = object_of(rest)
    if name is None:
        return
    assert not {b"", b".", b".."} & set(name.split(b"/"))
    assert not any(byte < 32 or byte in (127, 92) for byte in name)
    name.decode()  # UTF-8, or it raises


@given(st.binary(max_size=60))
def test_what_goes_to_storage_needs_no_second_look(rest: bytes) -> None:
    encoded = PATHS.object(rest.decode("latin-1"))
    if encoded is not None:
        assert encoded == urllib.parse.quote(urllib.parse.unquote_to_bytes(encoded), safe="/~")


@pytest.mark.parametrize(
    ("path", "logged"),
    [
        ("/api/v1/packages?cursor=x", "/api/v1/packages"),
        ("/content/abc.def.ghi/a/b.html?x#y", "/content/***/a/b.html"),
        ("/content/abc", "/content/***"),
        ("/download/abc.def.ghi/a.zip", "/download/***/a.zip"),
        ("/player/session/abc", "/player/session/***"),
        ("/player/session/abc/navigate?token=abc", "/player/session/***/navigate"),
        ("/player/run/abc.def", "/player/run/***"),
        ("/player/run/abc/commit", "/player/run/***/commit"),
        ("/player/dispatch/abc/def", "/player/dispatch/***/def"),
        ("/x/eyJhbGciOiJFZERTQSJ9.eyJh.c-_2/y", "/x/***/y"),
        ("/x/scorm_AbC-_9/y", "/x/***/y"),
        ("", ""),
    ],
)
def test_a_logged_path_opens_nothing(path: str, logged: str) -> None:
    assert PATHS.masked(path) == logged


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("A course.zip", "attachment; filename=\"A course.zip\"; filename*=UTF-8''A%20course.zip"),
        ("Übung.zip", "attachment; filename=\"__bung.zip\"; filename*=UTF-8''%C3%9Cbung.zip"),
        ('a"; x=y\r\n.zip', "attachment; filename=\"a__ x_y__.zip\"; filename*=UTF-8''a%22%3B%20x%3Dy%0D%0A.zip"),
        ("a/b%.zip", "attachment; filename=\"a_b_.zip\"; filename*=UTF-8''a%2Fb%25.zip"),
    ],
)
def test_a_download_is_named_in_ascii_and_in_full(name: str, header: str) -> None:
    assert PATHS.disposition(name.encode().decode("latin-1")) == header


@pytest.mark.parametrize(
    ("said", "field", "fault"),
    [
        ('page: invalid value "abc" for type TYPE_INT32', "page", "Must be an integer"),
        ('score.scaled: invalid value "x" for type TYPE_DOUBLE', "score.scaled", "Must be a number"),
        ('(items[0].on): invalid value "x" for type TYPE_BOOL', "items[0].on", "Must be true or false"),
        ('a: invalid value "x" for type TYPE_MESSAGE', "a", "Must be of the documented type"),
        (
            ": invalid value oneof field '_page' is already set. Cannot set 'page' for type oneof",
            "page",
            "Must be given only once",
        ),
    ],
)
def test_the_transcoders_complaint_becomes_a_field_error(said: str, field: str, fault: str) -> None:
    reason, body = ANSWERS.untranscodable(said, "r-1")
    assert reason == "VALIDATION_ERROR"
    assert json.loads(body) == {
        "error": {
            "code": "VALIDATION_ERROR",
            "message": "Validation failed",
            "details": {"fieldErrors": {field: [fault]}},
        },
        "request_id": "r-1",
    }


@given(st.binary(max_size=80), st.binary(max_size=20))
def test_whatever_the_transcoder_says_the_answer_is_json_without_its_words(said: bytes, request_id: bytes) -> None:
    reason, body = ANSWERS.untranscodable("Secret " + said.decode("latin-1"), request_id.decode("latin-1"))
    assert reason in ("BAD_REQUEST", "VALIDATION_ERROR")
    assert "Secret" not in body
    assert json.loads(body)["request_id"] == request_id.decode("latin-1")


def entry(lua: Any, **values: int) -> Any:
    return lua.table_from(values)


@pytest.fixture
def lua() -> Any:
    runtime = luajit21.LuaRuntime(unpack_returned_tuples=True)
    runtime.execute(f"package.path = '{ROOT}/?.lua'")
    return runtime


def test_an_entry_counts_from_its_beginning_to_its_end(lua: Any) -> None:
    table = lua.eval("require('gateway.expiring_table').new(10)")
    table.put("k", entry(lua, at=1000, until_ms=2000))
    found = [table.get("k", now) is not None for now in (999, 1000, 1999, 2000)]
    assert found == [False, True, True, False], "nor before: the clock may have been set back"


def test_memory_is_bounded_and_the_newest_stay(lua: Any) -> None:
    table = lua.eval("require('gateway.expiring_table').new(10)")
    for number in range(1000):
        table.put(number, entry(lua, at=0, until_ms=9))
    kept = [number for number in range(1000) if table.get(number, 1) is not None]
    assert 10 <= len(kept) <= 20
    assert kept[-1] == 999


def test_an_entry_that_is_put_again_takes_no_room(lua: Any) -> None:
    table = lua.eval("require('gateway.expiring_table').new(10)")
    table.put("first", entry(lua, at=0, until_ms=9))
    for _ in range(1000):
        table.put("again", entry(lua, at=0, until_ms=9))
    assert table.get("first", 1) is not None


@pytest.mark.parametrize("others", [0, 10, 11])
def test_a_forgotten_entry_is_gone_whichever_generation_it_is_of(lua: Any, others: int) -> None:
    table = lua.eval("require('gateway.expiring_table').new(10)")
    table.put("k", entry(lua, at=0, until_ms=9))
    for number in range(others):
        table.put(number, entry(lua, at=0, until_ms=9))
    table.forget("k")
    assert table.get("k", 1) is None
    table.put("k", entry(lua, at=0, until_ms=9))
    assert table.get("k", 1) is not None


def test_the_checked_in_lua_compiles_and_uses_no_unknown_global() -> None:
    assert faults() == []


def test_misspelt_names_and_syntax_errors_are_found(tmp_path: Path) -> None:
    (tmp_path / "misspelt.lua").write_text(
        "local function f() return function() retrun_value = tonumer(1) end end\nf()"
    )
    (tmp_path / "syntax.lua").write_text("local = 1")
    found = faults(tmp_path)
    assert found[:2] == ["misspelt.lua: global retrun_value", "misspelt.lua: global tonumer"]
    assert found[2].startswith("syntax.lua:1:")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/static/0123456789abcdef/shell/shell.js", "_static/0123456789abcdef/shell/shell.js"),
        ("/static/0123456789abcdef/a_b-c.2.js?v=1#x", "_static/0123456789abcdef/a_b-c.2.js"),
        ("/static/0123456789abcdef/..x/x..", "_static/0123456789abcdef/..x/x.."),
        ("/static/0123456789abcde/x.js", None),
        ("/static/0123456789abcdef0/x.js", None),
        ("/static/0123456789ABCDEF/x.js", None),
        ("/static/0123456789abcdef/", None),
        ("/static/0123456789abcdef/a//b", None),
        ("/static/0123456789abcdef/a/../b", None),
        ("/static/0123456789abcdef/./b", None),
        ("/static/0123456789abcdef/a/", None),
        ("/static/0123456789abcdef/%61", None),
        ("/static/0123456789abcdef/a b", None),
        ("/x/static/0123456789abcdef/a", None),
    ],
)
def test_a_published_file_has_a_plain_name(path: str, name: str | None) -> None:
    assert PATHS.static(path) == name


def test_the_gateways_page_of_an_error_is_the_servers() -> None:
    for error in (Gone(), Unavailable(), NotFound(), Conflict("held")):
        rendered = replace(render(error), details={})
        ours, headers = error_page(replace(rendered, message=rendered.entry.message), "id-1")
        assert ANSWERS.page(rendered.to_json("id-1"), "id-1") == ours.data.decode()
        assert ANSWERS.page_policy == dict(headers)["content-security-policy"]
        assert ANSWERS.page_type == ours.content_type


def test_a_link_is_told_from_others_however_it_is_spelt() -> None:
    signature = "".join(chr(ord("a") + number) for number in range(26)) + "01234-_89ABCDEFGH"
    token = f"eyJh.eyJz.{signature}"
    link = PATHS.link(f"/player/run/{token}")
    assert link == signature[:32]
    assert PATHS.link(f"/player/session/{token}/launch?x#y") == link
    spellings = ["".join(f"%{ord(character):x}" for character in token), f"{token[:-1]}1", token.replace("-_", "+_")]
    # What Python's reader of base64 takes for the same.
    spellings += [f"{token}=", f"{token}=AAAA", token.replace("mn", "m~!n"), token.replace("mn", "m%7e=n")]
    assert [PATHS.link(f"/player/run/{spelt}") for spelt in spellings] == [link] * len(spellings)
    assert PATHS.link(f"/player/run/{token.replace('a0', 'b0').replace('abc', 'abd')}") != link
    assert PATHS.link("/player/run/short") == "short"
    assert PATHS.link("/player/run/a.b.") == "a.b."
    assert PATHS.link("/player/run/") is None
    assert PATHS.link("/api/v1/packages") is None


@pytest.mark.parametrize(
    ("path", "version"),
    [
        ("/xapi/1.0.3/statements", "1.0.3"),
        ("/xapi/1.0.3", "1.0.3"),
        ("/xapi/1.0.3?x", "1.0.3"),
        ("/xapi/1.0.30/statements", "2.0.0"),
        ("/xapi/1a0b3/statements", "2.0.0"),
        ("/xapi/statements?x=/xapi/1.0.3/", "2.0.0"),
        ("/xapi", "2.0.0"),
        ("/xapi?x", "2.0.0"),
        ("/xapi2/statements", None),
        ("/api/v1/xapi/statements", None),
        ("", None),
    ],
)
def test_the_version_of_the_lrs_is_that_of_its_path(path: str, version: str | None) -> None:
    assert PATHS.xapi_version(path) == version


@pytest.mark.parametrize(
    ("path", "rest"),
    [("/xapi/statements", True), ("/api/v1/packages", True), ("/scorm.v1.LrsService/GetState", False)],
)
def test_no_path_of_the_lrs_is_a_grpc_method(path: str, rest: bool) -> None:
    assert PATHS.is_rest(path) == rest


@pytest.mark.parametrize(
    ("form", "value"),
    [
        ("method=PUT", "PUT"),
        ("a=1&method=PUT&b=2", "PUT"),
        ("m%65thod=P%55T", "PUT"),
        ("method=a+b%2Bc=d", "a b+c=d"),
        ("method=", ""),
        ("method", ""),
        ("method=%C3%BC", "\u00c3\u00bc"),
        ("method=PUT&method=PUT", None),
        ("method=PUT&m%65thod=GET", None),
        ("Method=PUT", None),
        ("amethod=PUT&x=method=PUT", None),
        ("", None),
    ],
)
def test_a_field_is_what_is_there_once(form: str, value: str | None) -> None:
    assert PATHS.field(form, "method") == value


# Else the gateway would let in, or refuse, by another method than the core serves.
@given(
    st.lists(st.sampled_from(["method", "m%65thod", "+", "=", "&", ";", "GET", "PUT", "%26", "%3D", "a"]), max_size=8)
)
def test_the_gateway_reads_a_form_as_the_core_does(pieces: list[str]) -> None:
    form = "".join(pieces)
    given = urllib.parse.parse_qs(form, keep_blank_values=True).get("method", [])
    assert PATHS.field(form, "method") == (given[0] if len(given) == 1 else None)
