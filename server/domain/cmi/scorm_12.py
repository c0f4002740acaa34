"""The data model of SCORM 1.2 (Run-Time Environment 1.2, section 3.4), optional elements included.

Whoever supports the optional ones lists them in `_children`, so there is no smaller model within this one.
"""

from server.domain.cmi.elements import Element, Type, children, count, string, vocabulary

_IDENTIFIER = Type(kind="identifier", size=255)
_TIMESPAN = Type(kind="timespan")
_DECIMAL = Type(kind="decimal")
_PERCENT = Type(kind="decimal", min=0, max=100, blank=True)
_STATUS = vocabulary("passed", "completed", "failed", "incomplete", "browsed", "not attempted")


def _score(of: str) -> tuple[Element, ...]:
    return (
        children(f"{of}.score", "raw,min,max"),
        Element(f"{of}.score.raw", "rw", _PERCENT),
        Element(f"{of}.score.min", "rw", _PERCENT),
        Element(f"{of}.score.max", "rw", _PERCENT),
    )


# What every system must have: cmi.core, cmi.suspend_data, cmi.launch_data. _version belongs to the model as a whole.
_CORE = (
    Element("cmi._version", "ro", Type(kind="version", values=("3.4",)), "3.4"),
    children(
        "cmi.core",
        "student_id,student_name,lesson_location,credit,lesson_status,entry,score,total_time,lesson_mode,exit,"
        "session_time",
    ),
    Element("cmi.core.student_id", "ro", _IDENTIFIER),
    Element("cmi.core.student_name", "ro", string(255)),
    Element("cmi.core.lesson_location", "rw", string(255)),
    Element("cmi.core.credit", "ro", vocabulary("credit", "no-credit"), "credit"),
    Element("cmi.core.lesson_status", "rw", _STATUS, "not attempted"),
    Element("cmi.core.entry", "ro", vocabulary("ab-initio", "resume", ""), "ab-initio"),
    *_score("cmi.core"),
    Element("cmi.core.total_time", "ro", _TIMESPAN, "0000:00:00.00"),
    Element("cmi.core.lesson_mode", "ro", vocabulary("browse", "normal", "review"), "normal"),
    Element("cmi.core.exit", "wo", vocabulary("time-out", "suspend", "logout", "")),
    Element("cmi.core.session_time", "wo", _TIMESPAN),
    Element("cmi.suspend_data", "rw", string(4096)),
    Element("cmi.launch_data", "ro", string(4096)),
)

_COMMENTS = (
    Element("cmi.comments", "rw", string(4096)),
    Element("cmi.comments_from_lms", "ro", string(4096)),
)

_OBJECTIVES = (
    children("cmi.objectives", "id,score,status"),
    count("cmi.objectives"),
    Element("cmi.objectives.n.id", "rw", _IDENTIFIER),
    *_score("cmi.objectives.n"),
    Element("cmi.objectives.n.status", "rw", _STATUS),
)

_STUDENT_DATA = (
    children("cmi.student_data", "mastery_score,max_time_allowed,time_limit_action"),
    Element("cmi.student_data.mastery_score", "ro", _PERCENT),
    Element("cmi.student_data.max_time_allowed", "ro", _TIMESPAN),
    Element(
        "cmi.student_data.time_limit_action",
        "ro",
        vocabulary("exit,message", "exit,no message", "continue,message", "continue,no message"),
    ),
)

_STUDENT_PREFERENCE = (
    children("cmi.student_preference", "audio,language,speed,text"),
    Element("cmi.student_preference.audio", "rw", Type(kind="sinteger", min=-1, max=100), "0"),
    Element("cmi.student_preference.language", "rw", string(255)),
    Element("cmi.student_preference.speed", "rw", Type(kind="sinteger", min=-100, max=100), "0"),
    Element("cmi.student_preference.text", "rw", Type(kind="sinteger", min=-1, max=1), "0"),
)

# A course cannot read back what it says of an interaction.
_INTERACTIONS = (
    children("cmi.interactions", "id,objectives,time,type,correct_responses,weighting,student_response,result,latency"),
    count("cmi.interactions"),
    Element("cmi.interactions.n.id", "wo", _IDENTIFIER),
    count("cmi.interactions.n.objectives"),
    Element("cmi.interactions.n.objectives.n.id", "wo", _IDENTIFIER),
    Element("cmi.interactions.n.time", "wo", Type(kind="time")),
    Element(
        "cmi.interactions.n.type",
        "wo",
        vocabulary("true-false", "choice", "fill-in", "matching", "performance", "sequencing", "likert", "numeric"),
    ),
    count("cmi.interactions.n.correct_responses"),
    Element("cmi.interactions.n.correct_responses.n.pattern", "wo", Type(kind="pattern", size=255)),
    Element("cmi.interactions.n.weighting", "wo", _DECIMAL),
    Element("cmi.interactions.n.student_response", "wo", Type(kind="response", size=255)),
    Element(
        "cmi.interactions.n.result",
        "wo",
        Type(kind="result", values=("correct", "wrong", "unanticipated", "neutral")),
    ),
    Element("cmi.interactions.n.latency", "wo", _TIMESPAN),
)

ELEMENTS = (*_CORE, *_COMMENTS, *_OBJECTIVES, *_STUDENT_DATA, *_STUDENT_PREFERENCE, *_INTERACTIONS)
