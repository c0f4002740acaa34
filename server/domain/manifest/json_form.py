"""Manifests as JSON and back, exactly. What equals its default is left out, which keeps most manifests small."""

import dataclasses
import enum
import functools
import json
import types
import typing
from typing import Any

from server.domain.manifest.model import Manifest

FORMAT = 1


def to_json(manifest: Manifest) -> str:
    """The manifest as one JSON object, which `from_json` reads back as an equal value."""
    return json.dumps({"format": FORMAT, **_encode(manifest)}, ensure_ascii=False, separators=(",", ":"))


def from_json(text: str) -> Manifest:
    """The manifest that `to_json` wrote. Raises ValueError for anything else."""
    try:
        data = json.loads(text)
        if data.pop("format") != FORMAT:
            raise ValueError("unknown format")
        return typing.cast(Manifest, _decode(Manifest, data))
    except (AttributeError, KeyError, TypeError, RecursionError) as cause:
        raise ValueError("this is no stored manifest") from cause


def _encode(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_encode(one) for one in value]
    if not dataclasses.is_dataclass(value):
        return value
    return {
        field.name: _encode(content)
        for field in dataclasses.fields(value)
        if (content := getattr(value, field.name)) != field.default
    }


def _decode(kind: Any, value: Any) -> Any:
    if typing.get_origin(kind) is tuple:
        return tuple(_decode(typing.get_args(kind)[0], one) for one in value)
    if typing.get_origin(kind) in (types.UnionType, typing.Union):
        return None if value is None else _decode(typing.get_args(kind)[0], value)
    if dataclasses.is_dataclass(kind):
        build: Any = kind
        hints = _hints(build)
        return build(**{name: _decode(hints[name], content) for name, content in value.items()})
    if issubclass(kind, enum.Enum):
        return kind(value)
    if not isinstance(value, (int, float) if kind is float else kind):
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return value


@functools.cache
def _hints(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind)
