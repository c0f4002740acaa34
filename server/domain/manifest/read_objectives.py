"""The <objectives> of an activity into values: IMS's own, and ADL's extension of the 4th Edition."""

from collections.abc import Mapping
from urllib.parse import unquote

from server.domain.manifest.reading import Element, attribute, child, children, collapse, local_name, text_of
from server.domain.manifest.sequencing import Objective, ObjectiveDataMap, ObjectiveMap
from server.domain.manifest.values import Notes, boolean, decimal, show


def read_objectives(
    holder: Element | None, data_holder: Element | None, notes: Notes
) -> tuple[Objective, tuple[Objective, ...]]:
    """The primary objective and the others, in order, from imsss:objectives and adlseq:objectives."""
    data_maps = _data_maps(data_holder, notes)
    primary, others, seen = Objective(), [], set[str]()
    for element in children(holder, "primaryobjective", "objective"):
        objective = _objective(element, data_maps, notes)
        if objective.identifier in seen:
            notes.add(f"The objective {show(objective.identifier)} is declared twice; the first one counts")
        elif local_name(element) == "primaryobjective":
            primary = objective
        elif not objective.identifier:
            notes.add("An objective without an objectiveID was ignored")
            continue
        else:
            others.append(objective)
        if objective.identifier:
            seen.add(objective.identifier)
    for identifier in data_maps.keys() - seen:
        notes.add(f"adlseq:objectives names {show(identifier)}, which is no objective of its activity")
    return primary, tuple(others)


def _objective(element: Element, data_maps: Mapping[str, tuple[ObjectiveDataMap, ...]], notes: Notes) -> Objective:
    identifier = attribute(element, "objectiveid") or ""
    written = child(element, "minnormalizedmeasure")
    measure = 1.0
    if written is not None and text_of(written):
        number = decimal(text_of(written), -1.0, 1.0)
        if number is None:
            notes.add(f"{show(text_of(written))} is no minNormalizedMeasure; 1.0 was used")
        else:
            measure = number
    return Objective(
        identifier=identifier,
        satisfied_by_measure=boolean(element, "satisfiedbymeasure", False, notes),
        min_normalized_measure=measure,
        maps=tuple(
            ObjectiveMap(
                target=_target(mapping),
                read_satisfied_status=boolean(mapping, "readsatisfiedstatus", True, notes),
                read_normalized_measure=boolean(mapping, "readnormalizedmeasure", True, notes),
                write_satisfied_status=boolean(mapping, "writesatisfiedstatus", False, notes),
                write_normalized_measure=boolean(mapping, "writenormalizedmeasure", False, notes),
            )
            for mapping in children(element, "mapinfo")
        ),
        data_maps=data_maps.get(identifier, ()),
    )


def _target(mapping: Element) -> str:
    # xs:anyURI: `gObj%20%20x` and `gObj x` name the same objective once white space is decoded and collapsed.
    return collapse(unquote(attribute(mapping, "targetobjectiveid") or ""))


def _data_maps(holder: Element | None, notes: Notes) -> dict[str, tuple[ObjectiveDataMap, ...]]:
    found: dict[str, tuple[ObjectiveDataMap, ...]] = {}
    for element in children(holder, "objective", "primaryobjective"):
        maps = tuple(
            ObjectiveDataMap(
                target=_target(mapping),
                read_raw_score=boolean(mapping, "readrawscore", True, notes),
                read_min_score=boolean(mapping, "readminscore", True, notes),
                read_max_score=boolean(mapping, "readmaxscore", True, notes),
                read_completion_status=boolean(mapping, "readcompletionstatus", True, notes),
                read_progress_measure=boolean(mapping, "readprogressmeasure", True, notes),
                write_raw_score=boolean(mapping, "writerawscore", False, notes),
                write_min_score=boolean(mapping, "writeminscore", False, notes),
                write_max_score=boolean(mapping, "writemaxscore", False, notes),
                write_completion_status=boolean(mapping, "writecompletionstatus", False, notes),
                write_progress_measure=boolean(mapping, "writeprogressmeasure", False, notes),
            )
            for mapping in children(element, "mapinfo")
        )
        found.setdefault(attribute(element, "objectiveid") or "", maps)
    return found
