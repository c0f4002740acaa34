"""The data model of SCORM 2004 4th Edition (Run-Time Environment 4.2, shared data, and navigation)."""

from server.domain.cmi.elements import Access, Element, Type, children, count, string, vocabulary

_LONG_IDENTIFIER = Type(kind="long_identifier", size=4000)
_DURATION = Type(kind="duration")
_TIME = Type(kind="time")
_REAL = Type(kind="real")
_FRACTION = Type(kind="real", min=0, max=1)
_SCALED = Type(kind="real", min=-1, max=1)
_NOT_NEGATIVE = Type(kind="real", min=0)
_DESCRIPTION = Type(kind="localized", size=250)
_COMPLETION = vocabulary("completed", "incomplete", "not attempted", "unknown")
_SUCCESS = vocabulary("passed", "failed", "unknown")
_VALID = vocabulary("true", "false", "unknown")


def _comments(of: str, access: Access) -> tuple[Element, ...]:
    return (
        children(of, "comment,location,timestamp"),
        count(of),
        Element(f"{of}.n.comment", access, Type(kind="localized", size=4000)),
        Element(f"{of}.n.location", access, string(250)),
        Element(f"{of}.n.timestamp", access, _TIME),
    )


def _score(of: str) -> tuple[Element, ...]:
    return (
        children(f"{of}.score", "scaled,raw,min,max"),
        Element(f"{of}.score.scaled", "rw", _SCALED),
        Element(f"{of}.score.raw", "rw", _REAL),
        Element(f"{of}.score.min", "rw", _REAL),
        Element(f"{of}.score.max", "rw", _REAL),
    )


# RTE 4.2.1 to 4.2.8.
_FIRST = (
    Element("cmi._version", "ro", Type(kind="version", values=("1.0",)), "1.0"),
    *_comments("cmi.comments_from_learner", "rw"),
    *_comments("cmi.comments_from_lms", "ro"),
    Element("cmi.completion_status", "rw", _COMPLETION, "unknown"),
    Element("cmi.completion_threshold", "ro", _FRACTION),
    Element("cmi.credit", "ro", vocabulary("credit", "no-credit"), "credit"),
    Element("cmi.entry", "ro", vocabulary("ab-initio", "resume", ""), "ab-initio"),
    Element("cmi.exit", "wo", vocabulary("time-out", "suspend", "logout", "normal", "")),
)

# RTE 4.2.9.
_INTERACTIONS = (
    children(
        "cmi.interactions",
        "id,type,objectives,timestamp,correct_responses,weighting,learner_response,result,latency,description",
    ),
    count("cmi.interactions"),
    Element("cmi.interactions.n.id", "rw", _LONG_IDENTIFIER),
    Element(
        "cmi.interactions.n.type",
        "rw",
        vocabulary(
            "true-false",
            "choice",
            "fill-in",
            "long-fill-in",
            "likert",
            "matching",
            "performance",
            "sequencing",
            "numeric",
            "other",
        ),
    ),
    count("cmi.interactions.n.objectives"),
    Element("cmi.interactions.n.objectives.n.id", "rw", _LONG_IDENTIFIER),
    Element("cmi.interactions.n.timestamp", "rw", _TIME),
    count("cmi.interactions.n.correct_responses"),
    Element("cmi.interactions.n.correct_responses.n.pattern", "rw", Type(kind="pattern", size=4000)),
    Element("cmi.interactions.n.weighting", "rw", _REAL),
    Element("cmi.interactions.n.learner_response", "rw", Type(kind="response", size=4000)),
    Element(
        "cmi.interactions.n.result",
        "rw",
        Type(kind="result", values=("correct", "incorrect", "unanticipated", "neutral")),
    ),
    Element("cmi.interactions.n.latency", "rw", _DURATION),
    Element("cmi.interactions.n.description", "rw", _DESCRIPTION),
)

# RTE 4.2.10 to 4.2.16.
_LEARNER = (
    Element("cmi.launch_data", "ro", string(4000)),
    Element("cmi.learner_id", "ro", _LONG_IDENTIFIER),
    Element("cmi.learner_name", "ro", _DESCRIPTION),
    children("cmi.learner_preference", "audio_level,language,delivery_speed,audio_captioning"),
    Element("cmi.learner_preference.audio_level", "rw", _NOT_NEGATIVE, "1"),
    Element("cmi.learner_preference.language", "rw", Type(kind="language", size=250, blank=True), ""),
    Element("cmi.learner_preference.delivery_speed", "rw", _NOT_NEGATIVE, "1"),
    Element("cmi.learner_preference.audio_captioning", "rw", vocabulary("-1", "0", "1"), "0"),
    Element("cmi.location", "rw", string(1000)),
    Element("cmi.max_time_allowed", "ro", _DURATION),
    Element("cmi.mode", "ro", vocabulary("browse", "normal", "review"), "normal"),
)

# RTE 4.2.17.
_OBJECTIVES = (
    children("cmi.objectives", "id,score,success_status,completion_status,progress_measure,description"),
    count("cmi.objectives"),
    Element("cmi.objectives.n.id", "rw", _LONG_IDENTIFIER),
    *_score("cmi.objectives.n"),
    Element("cmi.objectives.n.success_status", "rw", _SUCCESS, "unknown"),
    Element("cmi.objectives.n.completion_status", "rw", _COMPLETION, "unknown"),
    Element("cmi.objectives.n.progress_measure", "rw", _FRACTION),
    Element("cmi.objectives.n.description", "rw", _DESCRIPTION),
)

# RTE 4.2.18 to 4.2.25.
_LAST = (
    Element("cmi.progress_measure", "rw", _FRACTION),
    Element("cmi.scaled_passing_score", "ro", _SCALED),
    *_score("cmi"),
    Element("cmi.session_time", "wo", _DURATION),
    Element("cmi.success_status", "rw", _SUCCESS, "unknown"),
    Element("cmi.suspend_data", "rw", string(64000)),
    Element(
        "cmi.time_limit_action",
        "ro",
        vocabulary("exit,message", "exit,no message", "continue,message", "continue,no message"),
        "continue,no message",
    ),
    Element("cmi.total_time", "ro", _DURATION, "PT0S"),
)

# RTE 4.3. Whether a course may write a store is said by the manifest (adlcp:map writeSharedData), not here.
_SHARED_DATA = (
    children("adl.data", "id,store"),
    count("adl.data"),
    Element("adl.data.n.id", "ro", _LONG_IDENTIFIER),
    Element("adl.data.n.store", "rw", string(64000)),
)

# Sequencing and Navigation 5.6.
_NAVIGATION = (
    Element(
        "adl.nav.request",
        "rw",
        Type(
            kind="nav_request",
            values=(
                "continue",
                "previous",
                "choice",
                "jump",
                "exit",
                "exitAll",
                "abandon",
                "abandonAll",
                "suspendAll",
                "_none_",
            ),
        ),
        "_none_",
    ),
    Element("adl.nav.request_valid.continue", "ro", _VALID, "unknown"),
    Element("adl.nav.request_valid.previous", "ro", _VALID, "unknown"),
    Element("adl.nav.request_valid.choice.{target=}", "ro", _VALID, "unknown"),
    Element("adl.nav.request_valid.jump.{target=}", "ro", _VALID, "unknown"),
)

ELEMENTS = (*_FIRST, *_INTERACTIONS, *_LEARNER, *_OBJECTIVES, *_LAST, *_SHARED_DATA, *_NAVIGATION)
