import { createApi12 } from "../runtime/api_12.js";
import { createApi2004 } from "../runtime/api_2004.js";
import { DataModel } from "../runtime/data_model.js";
import { Commits } from "./commits.js";
import { CourseFrame } from "./course_frame.js";
import { CourseWindow } from "./course_window.js";
import { Dismissal } from "./dismissal.js";
import { Journal } from "./journal.js";
import { openStorage } from "./stored.js";
import { Line } from "./talk.js";

const SAVED_WITHIN_MS = 5000;

/** Requests after which nothing is delivered (adl.nav.request). */
const ENDINGS = ["exitAll", "suspendAll", "abandonAll"];

const page = JSON.parse(document.getElementById("data").textContent);
const line = new Line(page.shellOrigin);
let valid = page.valid;

const recorder = page.recording ? recording() : preview();
publishApi();
const course = page.window || location.hash === "#window=1" ? courseWindow() : courseFrame();
line.on("shell.close", close);
line.tell({ kind: "run.ready", valid });
course.open(page.href);

/** What receives the course's changes: journal, commits and dismissal together. */
function recording() {
  const journal = new Journal({ storage: openStorage(), page });
  const commits = new Commits({
    journal,
    url: page.commitUrl,
    onAnswer: takeAnswer,
    onState: (state) => line.tell({ kind: "run.state", state }),
  });
  const dismissal = new Dismissal({ journal, commits, url: page.commitUrl });
  if (page.scormType === "asset") window.addEventListener("pagehide", () => journal.terminate());
  dismissal.watch();
  window.addEventListener("storage", (event) => journal.heard(event));
  window.addEventListener("online", () => commits.retryNow());
  commits.flush();
  const send = () => (dismissal.going ? dismissal.send() : commits.flush());
  return {
    leftOver: journal.leftOver,
    changed(element, value) {
      if (commits.over) return;
      journal.put(element, value);
      if (dismissal.going) dismissal.changed();
      else commits.changed();
    },
    initialized() {
      if (commits.over) return;
      journal.initialize();
      commits.changed();
    },
    terminated(request = "") {
      if (commits.over) return false;
      // With the end, so that the server knows of it even if the player is closed now.
      if (page.version === "2004" && ENDINGS.includes(request)) journal.put("adl.nav.request", request);
      journal.terminate();
      send();
      return true;
    },
    send() {
      send();
      return !commits.over;
    },
    settled: (milliseconds) => commits.settled(milliseconds),
  };
}

/** A preview records nothing: every call succeeds and goes nowhere. */
function preview() {
  const nothing = () => {};
  const yes = () => true;
  return { leftOver: {}, changed: nothing, initialized: nothing, terminated: yes, send: yes, settled: async () => true };
}

function takeAnswer(answer) {
  valid = answer.valid ?? valid;
  line.tell({ kind: "run.items", items: answer.items ?? {}, status: answer.status, valid });
}

/** Puts the API where the course looks for it: on this window, the parent (or opener) of the course's. */
function publishApi() {
  const host = {
    changed: recorder.changed,
    initialized() {
      recorder.initialized();
      line.tell({ kind: "run.initialized" });
    },
    commit: recorder.send,
    terminated({ request = "", target } = {}) {
      const kept = recorder.terminated(request);
      line.tell({ kind: "run.terminated", request, ...(target && { target }) });
      return kept;
    },
    valid: () => valid,
  };
  const values = { ...page.values, ...recorder.leftOver };
  const model = new DataModel({ version: page.version, values, host, stores: page.stores });
  if (page.version === "1.2") window.API = createApi12({ model, host });
  else window.API_1484_11 = createApi2004({ model, host });
}

function courseFrame() {
  const frame = document.getElementById("course");
  return new CourseFrame({ frame, onLeaving: recorder.send });
}

function courseWindow() {
  return new CourseWindow({
    page: document.getElementById("window"),
    name: `scorm-${page.session}`,
    onLeaving: recorder.send,
    onClosed: finish,
  });
}

async function close() {
  await course.close();
  await finish();
}

/** Says that the course is closed, once everything is on the server or cannot get there for now. */
async function finish() {
  if (page.scormType === "asset") recorder.terminated(); // an asset does not speak for itself
  line.tell({ kind: "run.closed", saved: await recorder.settled(SAVED_WITHIN_MS) });
}
