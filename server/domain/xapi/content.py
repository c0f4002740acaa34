"""A statement's JSON as it is kept: what the sender wrote of each property, and what the store puts in.

The property `stored` is not kept: it follows from the statement's place in the store.
"""

from collections.abc import Mapping

# What the sender may say and the store decides (xAPI 1.0.3 Part Two 2.4.8, 2.4.9).
_OURS = frozenset({"stored", "authority"})


def completed(members: Mapping[str, bytes], ours: Mapping[str, bytes]) -> bytes:
    """The statement's own properties in their order, then those of `ours` that it lacks. Names need no escapes."""
    kept = [b'"%b":%b' % (name.encode(), value) for name, value in members.items() if name not in _OURS]
    added = [
        b'"%b":%b' % (name.encode(), value) for name, value in ours.items() if name in _OURS or name not in members
    ]
    return b"{" + b",".join(kept + added) + b"}"


def with_stored(content: str, stored: str) -> str:
    """A kept statement as it is told, with the time at which it was stored."""
    return f'{content[:-1]},"stored":"{stored}"}}'
