"""Records of collections: which may be written so that none lacks what it needs and no index is left out.

Each judge gets what is stored and the names of what is given and has no fault yet. In this order one pass is enough:
what a later judge refuses takes nothing away that an earlier one relied on.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from server.domain.cmi.elements import Version

Judge = Callable[[Mapping[str, str], Sequence[str]], dict[str, str]]

_OUTER = re.compile(r"(cmi\.[a-z_]+)\.([0-9]{1,5})\.")
_INNER = re.compile(r"(cmi\.interactions\.[0-9]{1,5}\.(?:objectives|correct_responses))\.([0-9]{1,5})\.")
_WITH_ID = ("cmi.interactions", "cmi.objectives")


def judges(version: Version) -> tuple[Judge, ...]:
    """What is judged of a version's records, in this order."""
    if version == "1.2":
        return (_inner_gaps, _outer_gaps)
    return (_without_id, _without_type, _inner_gaps, _outer_gaps)


def _without_id(stored: Mapping[str, str], accepted: Sequence[str]) -> dict[str, str]:
    """RTE 4.2.9 and 4.2.17: the id of an interaction or objective comes first."""
    known = set(accepted)
    refused = {}
    for name in accepted:
        found = _OUTER.match(name)
        if found and found[1] in _WITH_ID:
            needed = f"{found[0]}id"
            if needed not in known and needed not in stored:
                refused[name] = f"Needs {needed} first"
    return refused


def _without_type(stored: Mapping[str, str], accepted: Sequence[str]) -> dict[str, str]:
    """RTE 4.2.9: without its type nobody can tell what a response means."""
    known = set(accepted)
    refused = {}
    for name in accepted:
        found = _OUTER.match(name)
        if found and name.endswith((".learner_response", ".pattern")):
            needed = f"{found[0]}type"
            if needed not in known and needed not in stored:
                refused[name] = f"Needs {needed} first"
    return refused


def _inner_gaps(stored: Mapping[str, str], accepted: Sequence[str]) -> dict[str, str]:
    return _gaps(_INNER, stored, accepted)


def _outer_gaps(stored: Mapping[str, str], accepted: Sequence[str]) -> dict[str, str]:
    return _gaps(_OUTER, stored, accepted)


def _gaps(pattern: re.Pattern[str], stored: Iterable[str], accepted: Sequence[str]) -> dict[str, str]:
    places = {name: (found[1], int(found[2])) for name in accepted if (found := pattern.match(name))}
    if not places:
        return {}
    present: defaultdict[str, set[int]] = defaultdict(set)
    for collection, index in places.values():
        present[collection].add(index)
    for name in stored:
        if found := pattern.match(name):
            present[found[1]].add(int(found[2]))
    free = {collection: _first_free(indexes) for collection, indexes in present.items()}
    return {
        name: f"Leaves a gap: the next index of {collection} is {free[collection]}"
        for name, (collection, index) in places.items()
        if index > free[collection]
    }


def _first_free(indexes: set[int]) -> int:
    return next(number for number in range(len(indexes) + 1) if number not in indexes)
