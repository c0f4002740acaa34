"""What the player's pages are told, as JSON. The scripts in `server/player/static` read it, and nobody else."""

import json
from collections.abc import Iterable
from typing import Any

from server.domain.sequencing.navigation import ValidRequests
from server.domain.sessions.answers import Ancestors, Entry, Situation
from server.domain.sessions.course import is_sco
from server.domain.sessions.model import Session, Standing
from server.domain.sessions.run_data import run_values, stores
from server.services.playing import Played
from server.services.recording import CommitAnswer, Run


def to_json(value: Any) -> bytes:
    """The shortest text. ASCII, so that what courses store goes through even where it is no Unicode."""
    return json.dumps(value, separators=(",", ":")).encode()


def played(answer: Played, *, content_base_url: str) -> dict[str, Any]:
    """The answer to launch and navigate."""
    found: dict[str, Any] = {
        "launch": {"id": answer.launch_id, "number": answer.session.holder},
        "items": [_entry(entry) for entry in answer.situation.contents()],
        "status": _status(answer.session),
        "deliver": _delivery(answer, content_base_url),
        "controls": _controls(answer.situation),
        "ended": answer.is_over,
        "redirectUrl": answer.redirect_url,
    }
    if answer.token is not None:
        found["token"] = answer.token
    return found


def _delivery(answer: Played, content_base_url: str) -> dict[str, str] | None:
    if answer.item is None or answer.run_token is None:
        return None
    return {
        "item": answer.item,
        "title": answer.situation.course.launchable[answer.item].title,
        "runUrl": f"{content_base_url}/player/run/{answer.run_token}",
    }


def _controls(situation: Situation) -> dict[str, bool]:
    """What the shell offers, but for what the course has buttons of its own for (SCORM 2004 4th Ed. SN 3.15)."""
    valid = situation.valid
    current = situation.course.launchable.get(situation.progress.current or "")
    hidden = current.hidden_controls if current else ()
    return {
        "continue": valid.can_continue and "continue" not in hidden,
        "previous": valid.can_go_back and "previous" not in hidden,
        "choice": bool(valid.choices),
    }


def _entry(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.item.identifier,
        "title": entry.item.title or entry.item.identifier,
        "visible": entry.item.visible,
        "launchable": bool(entry.item.url),
        "enabled": entry.is_open,
        "current": entry.is_current,
        **_standing(entry.standing),
        "children": [_entry(child) for child in entry.children],
    }


def _standing(standing: Standing) -> dict[str, Any]:
    found: dict[str, Any] = {"completion": standing.completion.value, "success": standing.success.value}
    if standing.score.scaled is not None:
        found["scoreScaled"] = standing.score.scaled
    return found


def _status(session: Session) -> dict[str, Any]:
    return {**_standing(session.standing), "timeSpentSeconds": session.time_ms // 1000}


def run(opened: Run, *, token: str, course_url: str, shell_origin: str) -> dict[str, Any]:
    """The data of a run-time page."""
    session, item, course = opened.session, opened.item, opened.situation.course
    described = course.launchable[item.id]
    settings = session.package.settings
    return {
        "token": token,
        "commitUrl": f"/player/run/{token}/commit",
        "session": str(session.id),
        "launch": opened.link.launch,
        "run": opened.link.run,
        "item": item.id,
        "title": described.title or item.id,
        "version": course.version,
        "scormType": "sco" if is_sco(described) else "asset",
        "href": course_url,
        "values": run_values(session, item, course=course),
        "stores": stores(course, item.id),
        "acknowledged": item.applied,
        "valid": valid_requests(opened.situation.valid, course.launchable),
        "shellOrigin": shell_origin,
        "window": False,
        "recording": opened.recording,
        "settings": {
            "masteryOverridesStatus": settings.mastery_overrides_status,
            "failedCompletes": settings.failed_completes,
        },
    }


def committed(answer: CommitAnswer) -> dict[str, Any]:
    """The answer to a commit. What depends on standings is told where one has changed."""
    result, situation = answer.result, answer.situation
    if result.resend_from is not None:
        return {"resendFrom": result.resend_from}
    found = {
        "applied": result.item.applied,
        "rejected": dict(result.rejected),
        "items": {},
        "status": _status(result.session),
    }
    if result.is_old:
        found["isOld"] = True
    if situation is not None:
        changed = Ancestors.of(situation.course, result.item.id).changed
        found["items"] = {item.identifier: _standing(situation.standing(item)) for item in changed}
        found["valid"] = valid_requests(situation.valid, situation.course.launchable)
    return found


def valid_requests(valid: ValidRequests, items: Iterable[str]) -> dict[str, Any]:
    """adl.nav.request_valid, as the data model spells it."""
    choices = frozenset(valid.choices)
    targets = {item: _spelled(item in choices) for item in items}
    return {
        "continue": _spelled(valid.can_continue),
        "previous": _spelled(valid.can_go_back),
        "choice": targets,
        "jump": targets,
    }


def _spelled(value: bool) -> str:
    return "true" if value else "false"
