"""One data model: finds the element that a name means, and says which values may not be written."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from server.domain.cmi import records, scorm_12, scorm_2004
from server.domain.cmi.elements import Element, Version
from server.domain.cmi.values import fault

_INDEX = re.compile(r"\.(?:0|[1-9][0-9]{0,4})(?=\.|\Z)")
_TARGET = re.compile(r"\{target=[^{}]+\}\Z")


@dataclass(frozen=True, slots=True)
class DataModel:
    """All elements of one version."""

    version: Version
    elements: tuple[Element, ...]
    _by_name: Mapping[str, tuple[Element, int]]

    def find(self, name: str) -> Element | None:
        """The element of a concrete name, such as cmi.interactions.12.type; None if there is none."""
        if "{" in name:
            with_target, name = name, _TARGET.sub("{target=}", name)
            if with_target == name:
                return None
        generic, indexes = _INDEX.subn(".n", name)
        found = self._by_name.get(generic)
        # A name that has an n of its own has fewer indexes than the element.
        return found[0] if found is not None and found[1] == indexes else None

    def faults(self, stored: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
        """Which of `given` may not be written on top of `stored`, and why; the others may, without them.

        For whoever writes through the API and for the player's commits. What a player must not do beyond that (SCORM
        1.2's "not attempted", the order of calls) is the business of the run-time. So are shared data: only a manifest
        says which there are and which may be written.
        """
        found = {name: reason for name, reason in self._value_faults(stored, given) if reason is not None}
        for judge in records.judges(self.version):
            accepted = [name for name in given if name not in found]
            found |= judge(stored, accepted)
        return found

    def _value_faults(self, stored: Mapping[str, str], given: Mapping[str, str]) -> Iterator[tuple[str, str | None]]:
        for name, text in given.items():
            element = self.find(name)
            if element is None:
                yield name, f"SCORM {self.version} has no such element"
            elif element.access == "ro":
                yield name, None if stored.get(name) == text else "Is read-only"
            elif element.type.kind in ("response", "pattern"):
                yield name, fault(self.version, element.type, text, self._interaction_type(stored, given, name))
            else:
                yield name, fault(self.version, element.type, text)

    def _interaction_type(self, stored: Mapping[str, str], given: Mapping[str, str], name: str) -> str | None:
        """The type that the interaction of a response or pattern has once everything right is written."""
        type_name = ".".join(name.split(".", 3)[:3]) + ".type"
        new = given.get(type_name)
        if new is not None:
            element = self.find(type_name)
            if element is not None and fault(self.version, element.type, new) is None:
                return new
        return stored.get(type_name)


def model_of(version: Version) -> DataModel:
    """The data model of a version."""
    return _MODELS[version]


def _model(version: Version, elements: tuple[Element, ...]) -> DataModel:
    indexes = (f".{element.name}.".count(".n.") for element in elements)
    by_name = {element.name: (element, count) for element, count in zip(elements, indexes, strict=True)}
    return DataModel(version, elements, by_name)


_MODELS: Mapping[Version, DataModel] = {
    "1.2": _model("1.2", scorm_12.ELEMENTS),
    "2004": _model("2004", scorm_2004.ELEMENTS),
}
