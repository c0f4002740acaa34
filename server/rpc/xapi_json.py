"""Statements as JSON: read strictly, and written as their senders wrote them."""

import json
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import msgspec

from server.domain.errors import InvalidRequest, ValidationFailed
from server.domain.xapi.formats import as_exact, has_lone_activities
from server.domain.xapi.repeated import Repeated
from server.services.statements import Sent

_TWICE = "Has the same property twice"
_split = msgspec.json.Decoder(list[msgspec.Raw])
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
# Numbers keep their digits.
_exact = msgspec.json.Decoder(float_hook=Decimal)
_encoder = msgspec.json.Encoder(decimal_format="number")
MOST_STATEMENTS = 5_000


class _Twice(ValueError):
    """An object has the same property twice: readers differ in which of them counts."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise _Twice
    return made


def _refuse(constant: str) -> None:
    raise ValueError(constant)


_strict = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_refuse)


def read_json(body: bytes) -> Any:
    """A JSON text, strictly. Raises InvalidRequest and ValidationFailed."""
    try:
        return _strict.decode(body.decode())
    except _Twice:
        raise ValidationFailed.of("", _TWICE) from None
    except (ValueError, RecursionError) as error:
        raise InvalidRequest("The body is not valid JSON in UTF-8") from error


def read_statements(body: bytes) -> tuple[list[Sent], bool]:
    """The statements in a body, and whether it is a list. Raises InvalidRequest and ValidationFailed."""
    is_list = body.lstrip(b" \t\r\n")[:1] == b"["
    try:
        raw = [bytes(one) for one in _split.decode(body)] if is_list else [body]
        if len(raw) > MOST_STATEMENTS:
            raise ValidationFailed.of("", f"Must be at most {MOST_STATEMENTS} statements at once")
        return [_sent(one, f"[{place}]" if is_list else "") for place, one in enumerate(raw)], is_list
    except (ValueError, RecursionError) as error:
        raise InvalidRequest("The body is not valid JSON in UTF-8") from error


def _sent(raw: bytes, path: str) -> Sent:
    try:
        members = {name: bytes(member) for name, member in _members.decode(raw).items()}
        if _is_written_plainly(raw, members):
            return Sent({name: _read_member(name, member) for name, member in members.items()}, members)
        value = _strict.decode(raw.decode())
    except _Twice:
        raise ValidationFailed.of(path, _TWICE) from None
    except msgspec.ValidationError:
        raise ValidationFailed.of(path, "Must be a JSON object") from None
    return Sent(value, members)


def _is_written_plainly(raw: bytes, members: dict[str, bytes]) -> bool:
    """Whether the object is its members and nothing else, as most writers write it: so none of them is there twice."""
    for comma, colon in ((b",", b'":'), (b", ", b'": ')):
        if raw == b"{" + comma.join([b'"' + name.encode() + colon + member for name, member in members.items()]) + b"}":
            return True
    return False


# Values that are kept, by property and JSON: the last ones, and those before them.
_REPEATED = frozenset({"actor", "verb", "object", "context"})
_LONGEST_REPEATED = 768
_MOST_REPEATED = 4_096
_kept: dict[tuple[str, bytes], Repeated] = {}
_kept_before: dict[tuple[str, bytes], Repeated] = {}


def _read_member(name: str, member: bytes) -> Any:
    """The value of a property. One that comes again is not read again."""
    global _kept, _kept_before
    first = member[:1]
    if first == b'"':
        return msgspec.json.decode(member)
    if first != b"{" or name not in _REPEATED or len(member) > _LONGEST_REPEATED:
        return _strict.decode(member.decode())
    place = (name, member)
    found = _kept.get(place)
    if found is None:
        found = _kept_before.get(place) or Repeated(_strict.decode(member.decode()))
        if len(_kept) >= _MOST_REPEATED:
            _kept, _kept_before = {}, _kept
        _kept[place] = found
    return found


def in_arrays(sent: Sent) -> Sent:
    """A valid statement with each context activity in an array, as it is told (xAPI 1.0.3 Part Two 2.4.6.2)."""
    if not has_lone_activities(sent.value):
        return sent
    told = as_exact(_exact.decode(b"{%b}" % b",".join(b'"%b":%b' % (n.encode(), m) for n, m in sent.members.items())))
    changed: dict[str, bytes] = {name: _encoder.encode(told[name]) for name in ("context", "object") if name in told}
    return Sent(sent.value, {**sent.members, **changed})


def decode_exactly(content: str) -> dict[str, Any]:
    """A kept statement as a value, numbers as Decimal where they are not whole."""
    value: dict[str, Any] = _exact.decode(content)
    return value


def encode(value: object) -> bytes:
    """The JSON of what `decode_exactly` made."""
    return _encoder.encode(value)


def joined(contents: Iterable[str]) -> str:
    """A JSON array of texts that are JSON."""
    return "[" + ",".join(contents) + "]"


def merge_documents(old: bytes, new: bytes) -> bytes:
    """The JSON object `old` with the properties of `new`, as they were written. Raises InvalidRequest."""
    try:
        return msgspec.json.encode({**_members.decode(old), **_members.decode(new)})
    except (ValueError, RecursionError):
        raise InvalidRequest("Only a JSON object can be merged into a JSON object") from None
