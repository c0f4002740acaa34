"""A course that does as learners do, by chance, and says what the API has promised to keep.

Every value carries a number that grows over all runs, so that whoever finds a value knows how late it is. After each
Commit and Terminate that returned "true" the course tells the console `kept {…}`, and its own storage, what it had set
until then: neither is ever ahead of the truth, and what is in its storage was written after what the player wrote.
"""

import re
import time

from tests.factories.courses import course, sco

KEPT = "kept "
STORED = "torture/"
TIME = "time"
STATUS = "status"
# A score is the number in this unit: it is below 100 for hours.
SCORE_UNIT = 100_000

_SCRIPT = """
const place = JSON.parse(window.parent.document.getElementById("data").textContent);
const name = modern
  ? {data: "cmi.suspend_data", location: "cmi.location", score: "cmi.score.raw", time: "cmi.session_time",
     status: "cmi.completion_status", exit: "cmi.exit", response: "learner_response", mode: "cmi.mode"}
  : {data: "cmi.suspend_data", location: "cmi.core.lesson_location", score: "cmi.core.score.raw",
     time: "cmi.core.session_time", status: "cmi.core.lesson_status", exit: "cmi.core.exit",
     response: "student_response", mode: "cmi.core.lesson_mode"};
// Of a review nothing is recorded but its time.
const reviews = bare("GetValue", name.mode) === "review";
const begun = performance.now();
const chance = Math.random;
const oneOf = (...all) => all[Math.floor(chance() * all.length)];
let latest = 0;
let ended = false;
let answered = Number(bare("GetValue", "cmi.interactions._count"));
let set = {};
const kept = {};

const number = () => (latest = Math.max(latest + 1, Date.now() - EPOCH));
function put(element, text, known = [element, latest]) {
  const done = bare("SetValue", element, text) === "true";
  if (done && (!reviews || element === name.time)) set[known[0]] = known[1];
}
function noise(length) {
  const codes = new Uint8Array(length);
  for (let at = 0; at < length; at += 65536) crypto.getRandomValues(codes.subarray(at, at + 65536));
  return Array.from(codes, (code) => String.fromCharCode(97 + code % 26)).join("");
}
function timed() {
  const spent = Math.floor((performance.now() - begun) / 10) * 10;
  const seconds = (spent / 1000).toFixed(2);
  const clock = [spent / 3600000, spent / 60000 % 60].map((part) => String(Math.floor(part)).padStart(2, "0"));
  const old = `${clock.join(":")}:${(spent % 60000 / 1000).toFixed(2).padStart(5, "0")}`;
  put(name.time, modern ? `PT${seconds}S` : old, ["time", spent]);
}
const acts = {
  data() {
    const long = chance() < 0.03 ? 90000 : 10; // more than a page that goes away can send
    put(name.data, `${number()} ${noise(oneOf(10, 100, 1000, 1000, 9000, 20000, long))}`);
  },
  location: () => put(name.location, `page ${number()}`),
  score: () => put(name.score, (number() / UNIT).toFixed(5)),
  time: timed,
  answer() {
    const at = `cmi.interactions.${answered}`;
    put(`${at}.id`, `q${number()}`);
    put(`${at}.type`, "fill-in", [`${at}.id`, latest]);
    put(`${at}.${name.response}`, `${number()}`);
    answered += 1;
  },
  again() {
    if (answered > 0) put(`cmi.interactions.${Math.floor(chance() * answered)}.${name.response}`, `${number()}`);
  },
};
function keep(call) {
  if (bare(call, "") !== "true") return false;
  const {session, launch, run, item} = place;
  const at = Date.now();
  console.log("kept " + JSON.stringify({session, launch, run, item, at, values: set}));
  for (const [element, one] of Object.entries(set)) kept[element] = {number: one, at};
  set = {};
  try {
    localStorage.setItem(`torture/${session}/${launch}.${run}`, JSON.stringify({session, launch, run, item, kept}));
  } catch {
    // Blocked: the console knows it.
  }
  return true;
}
function act() {
  if (ended) return;
  acts[oneOf("data", "data", "data", "location", "location", "score", "answer", "again", "time")]();
  if (chance() < 0.35) keep("Commit");
  setTimeout(act, 20 + chance() * 250);
}
function end() {
  timed();
  put(name.exit, "suspend", ["exit", 0]);
  ended = keep("Terminate");
}
function leave() {
  if (ended) return;
  acts[oneOf("data", "location", "score", "answer")]();
  timed();
  if (chance() < 0.5) keep("Commit");
  if (chance() < 0.7) end();
}
Object.assign(window.sco, {
  go() {
    const fresh = ["not attempted", "unknown"].includes(bare("GetValue", name.status));
    if (fresh) put(name.status, "incomplete", ["begun", 0]);
    const event = oneOf("pagehide", "unload", "beforeunload", "");
    if (event) window.addEventListener(event, leave);
    act();
  },
  complete() {
    if (ended) return;
    put(name.status, "completed", ["status", number()]);
    keep("Commit");
  },
  end,
});
"""


def torture(version: str, *, scos: int, epoch_ms: int) -> bytes:
    """A package. Its pages have `sco.go()`, `sco.complete()` and `sco.end()`."""
    script = f"const EPOCH = {epoch_ms}; const UNIT = {SCORE_UNIT};{_SCRIPT}"
    return course(version, scos=scos, page=sco(script=script), title=f"Torture {version}")


def number_in(element: str, text: str) -> int:
    """The number that a value carries."""
    if element.endswith("score.raw"):
        return round(float(text) * SCORE_UNIT)
    found = re.search(r"\d+", text)
    return int(found.group()) if found else -1


def now_ms() -> int:
    """As the pages' clocks say, which is the same machine's."""
    return int(time.time() * 1000)
