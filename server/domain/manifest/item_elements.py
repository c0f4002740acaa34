"""ADL's own elements inside an item."""

import re
from dataclasses import replace

from server.domain.manifest.model import CompletionThreshold, DataMap, Edition, Item
from server.domain.manifest.reading import Element, attribute, child, children, text_of
from server.domain.manifest.values import Notes, boolean, decimal, decimal_attribute, show

TIME_LIMIT_ACTIONS = ("exit,message", "exit,no message", "continue,message", "continue,no message")
CONTROLS = ("previous", "continue", "exit", "exitAll", "abandon", "abandonAll", "suspendAll")


def with_adl_elements(item: Item, element: Element, edition: Edition, notes: Notes) -> Item:
    """The item with what ADL's extensions say of it, as far as the edition has them."""
    item = replace(
        item,
        time_limit_action=time_limit_action(element, notes),
        data_from_lms=raw_text(child(element, "datafromlms")),
    )
    if edition is Edition.SCORM_1_2:
        return replace(
            item,
            prerequisites=text_of(child(element, "prerequisites")) or None,
            mastery_score=mastery_score(element, notes),
            max_time_allowed=text_of(child(element, "maxtimeallowed")) or None,
        )
    return replace(
        item,
        completion_threshold=completion_threshold(element, edition, notes),
        data_maps=data_maps(element, notes),
        hidden_controls=hidden_controls(element, notes),
    )


def raw_text(element: Element | None) -> str | None:
    """The element's text as it is: content gets it back unchanged as its launch data."""
    return None if element is None else "".join(str(part) for part in element.itertext())


def mastery_score(element: Element, notes: Notes) -> float | None:
    """adlcp:masteryscore, 0 to 100 (SCORM 1.2 CAM 2.3.2)."""
    text = text_of(child(element, "masteryscore"))
    if not text:
        return None
    score = decimal(text, 0.0, 100.0)
    if score is None:
        notes.add(f"{show(text)} is no masteryscore from 0 to 100; it was ignored")
    return score


def time_limit_action(element: Element, notes: Notes) -> str | None:
    """adlcp:timelimitaction or timeLimitAction, in the specification's spelling."""
    text = re.sub(r"\s*,\s*", ",", text_of(child(element, "timelimitaction")).lower())
    if text and text not in TIME_LIMIT_ACTIONS:
        notes.add(f"{show(text)} is no time limit action; it was ignored")
        return None
    return text or None


def completion_threshold(element: Element, edition: Edition, notes: Notes) -> CompletionThreshold | None:
    """adlcp:completionThreshold: attributes in the 4th Edition, text before it."""
    threshold = child(element, "completionthreshold")
    if threshold is None:
        return None
    text = text_of(threshold)
    if text:
        measure = decimal(text, 0.0, 1.0)
        if measure is None:
            notes.add(f"{show(text)} is no completion threshold from 0 to 1; it was ignored")
            return None
        return CompletionThreshold(completed_by_measure=True, min_progress_measure=measure)
    if not threshold.attrib and edition is not Edition.SCORM_2004_4TH:
        return None
    return CompletionThreshold(
        completed_by_measure=boolean(threshold, "completedbymeasure", False, notes),
        min_progress_measure=decimal_attribute(threshold, "minprogressmeasure", 1.0, notes),
        progress_weight=decimal_attribute(threshold, "progressweight", 1.0, notes),
    )


def data_maps(element: Element, notes: Notes) -> tuple[DataMap, ...]:
    """adlcp:data, in order; a target that is mapped twice counts once."""
    found: dict[str, DataMap] = {}
    for mapping in children(child(element, "data"), "map"):
        target = attribute(mapping, "targetid")
        if not target:
            notes.add("An adlcp:map without a targetID was ignored")
        elif target in found:
            notes.add(f"The shared data {show(target)} is mapped twice in an item; the first one counts")
        else:
            found[target] = DataMap(
                target=target,
                read_shared_data=boolean(mapping, "readshareddata", True, notes),
                write_shared_data=boolean(mapping, "writeshareddata", True, notes),
            )
    return tuple(found.values())


def hidden_controls(element: Element, notes: Notes) -> tuple[str, ...]:
    """adlnav:hideLMSUI: the navigation controls that the player hides."""
    spelling = {word.lower(): word for word in CONTROLS}
    found = []
    for control in children(child(element, "presentation", "navigationinterface"), "hidelmsui"):
        word = spelling.get(text_of(control).lower())
        if word is None:
            notes.add(f"{show(text_of(control))} is no control that can be hidden; it was ignored")
        else:
            found.append(word)
    return tuple(dict.fromkeys(found))
