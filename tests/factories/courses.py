"""Courses whose pages do what a test tells them: each finds the API as real content does and exposes `window.sco`.

    course("1.2")                                  one SCO that has initialised when its page is loaded
    course("2004", scos=3)                         several, ITEM-1, ITEM-2, …
    course("1.2", page=sco(leaving="pagehide"))    finishes when it is left, as courses do
    course("2004", page=frameset())                the SCO in a frame of a frame of its page
    course("1.2", page=opener())                   the SCO in a pop-up that its page opens on a click

In the page that holds it, `sco` has `version`, `call(function, ...arguments)` under the 2004 names in both versions,
which answers [answer, last error], and `set({element: value})`, which answers the elements that were refused.
"""

from collections.abc import Mapping

from tests.factories.packages import scorm12_package, scorm2004_package

LEAVING = {
    "1.2": {"cmi.core.lesson_status": "completed", "cmi.core.score.raw": "80", "cmi.core.session_time": "00:02:00"},
    "2004": {"cmi.completion_status": "completed", "cmi.score.scaled": "0.8", "cmi.session_time": "PT2M"},
}
"""What a course that finishes when it is left sets in that moment."""

_SCO = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title></head>
<body><h1>{title}</h1><button type="button">In the course</button><script>
function climb(view, name) {{
  for (let hops = 0; view && hops < 50; hops += 1) {{
    try {{
      if (view[name]) return view[name];
    }} catch (error) {{
      (window.refusals ||= []).push(error.name);
      return null;
    }}
    if (view === view.parent) return null;
    view = view.parent;
  }}
  return null;
}}
function find(name) {{
  return climb(window.parent, name) || (window.top.opener ? climb(window.top.opener, name) : null) ||
    (window.opener ? climb(window.opener, name) : null);
}}
const modern = find("API_1484_11");
const api = modern || find("API");
const OLD = {{Initialize: "LMSInitialize", Terminate: "LMSFinish", GetValue: "LMSGetValue", SetValue: "LMSSetValue",
  Commit: "LMSCommit", GetLastError: "LMSGetLastError"}};
const bare = (name, ...given) => (modern ? api[name](...given) : api[OLD[name]](...given));
window.sco = {{
  version: modern ? "2004" : api ? "1.2" : null,
  call: (name, ...given) => [bare(name, ...given), bare("GetLastError")],
  set: (values) => Object.keys(values).filter((name) => bare("SetValue", name, values[name]) !== "true"),
}};
{script}
window.sco.ready = true;
</script></body></html>
"""
_INITIALIZES = 'if (api) bare("Initialize", "");'
_LEAVES = """
const last = {{"1.2": {old}, "2004": {new}}}[window.sco.version];
let left = false;
window.addEventListener("{event}", () => {{
  if (left) return;
  left = true;
  window.sco.set(last);
  bare("Terminate", "");
}});"""
_INNER = """<!DOCTYPE html><html lang="en"><head><title>Frames</title></head>
<frameset cols="30%,*"><frame src="beside.html" name="menu"><frame src="{src}" name="content"></frameset></html>"""
_NESTED = """<!DOCTYPE html><html lang="en"><head><title>Frames</title></head>
<body><iframe src="frames.html" title="inside" width="600" height="300"></iframe></body></html>"""
_OPENER = """<!DOCTYPE html><html lang="en"><head><title>Launcher</title></head><body>
<button type="button" onclick="window.view = window.open('inside.html', 'inside', 'width=500,height=400')">
Start</button></body></html>"""


def sco(
    *, title: str = "Lesson", script: str = "", initializes: bool = True, leaving: str | None = None
) -> dict[str, str]:
    """A page that does as it is told. `leaving` names the event in which it sets `LEAVING` and calls Terminate."""
    parts = [_INITIALIZES if initializes else "", script]
    if leaving is not None:
        parts.append(_LEAVES.format(old=_js(LEAVING["1.2"]), new=_js(LEAVING["2004"]), event=leaving))
    return {"index.html": _SCO.format(title=title, script="\n".join(parts))}


def frameset(*, leaving: str | None = None) -> dict[str, str]:
    """A page with a frame with a frameset, one of whose frames is the SCO."""
    inside = sco(leaving=leaving)["index.html"]
    frames = _INNER.format(src="inside.html")
    return {"index.html": _NESTED, "frames.html": frames, "inside.html": inside, "beside.html": "<h1>Menu</h1>"}


def opener() -> dict[str, str]:
    """A page that opens the SCO in a window of its own when its button is pressed."""
    return {"index.html": _OPENER, "inside.html": sco()["index.html"]}


def course(
    version: str,
    *,
    scos: int = 1,
    page: Mapping[str, str] | None = None,
    title: str = "Workplace Safety",
    mastery_score: int | None = None,
    passing_score: float | None = None,
    parameters: str = "",
    folder: str = "",
    files: Mapping[str, bytes] | None = None,
) -> bytes:
    """A package, "1.2" or "2004", whose every item is `page`: names and texts, `sco()` by default."""
    pages = {
        f"sco{number}/{name}": text.replace("<h1>Lesson<", f"<h1>Lesson {number}<").encode()
        for number in range(1, scos + 1)
        for name, text in (page or sco()).items()
    }
    everything = {**pages, **(files or {})}
    if version == "1.2":
        return scorm12_package(
            title=title, scos=scos, mastery_score=mastery_score, parameters=parameters, folder=folder, files=everything
        )
    return scorm2004_package(
        title=title, scos=scos, passing_score=passing_score, parameters=parameters, folder=folder, files=everything
    )


def _js(values: Mapping[str, str]) -> str:
    return "{" + ", ".join(f'"{name}": "{value}"' for name, value in values.items()) + "}"
