import { lessons, withChanges } from "./items.js";
import { BROKEN, GONE, LEFT, MEMORY, RETRYING, STUCK, TAKEN_OVER, UNSAVED } from "./messages.js";
import { recovered } from "./recovery.js";
import { RunPage } from "./run_page.js";
import { Refused, Server, Unknown } from "./server.js";
import { summary } from "./summary.js";

/** Where everything goes well, what is in memory alone is saved before this, and there is nothing to say. */
const MEMORY_AFTER_MS = 3000;

/** After this long the learner may leave although not everything is saved. */
const LEAVE_AFTER_MS = 20000;

/** How long the recovery of a run page that did not answer may take. */
const RESCUE_MS = 10000;

/** A link that ends in "#window=1" opens the course in a window of its own. */
const IN_WINDOW = new URLSearchParams(location.hash.slice(1)).get("window") === "1" ? "#window=1" : "";

/** The learner left although not everything is saved. */
class LeftUnsaved extends Error {}

/** A launch: recover, launch, deliver, navigate, end. One thing at a time: while busy, clicks do nothing. */
export class Player {
  #data;
  #over;
  #indicator;
  #contents;
  #draw;
  #server;
  #runPage;
  #launch = "";
  #items = [];
  #status = {};
  #controls = {};
  #valid = null; // what the run page of this item first said on navigation
  #title = "";
  #busy = true;
  #ready = false;
  #ended = null; // "ended", or "lost" to another window or an invalid link
  #attention = false;
  #lost = null; // why the server takes nothing from this launch any more
  #memoryTimer = 0;
  #hint = null; // what the strip says while there is nothing more urgent
  #waiting = (waiting) => this.#strip(waiting ? RETRYING : null);

  /** @param {{data: object, over: Over, indicator: Indicator, contents: Contents, draw: (view: object) => void}} o */
  constructor({ data, over, indicator, contents, draw }) {
    this.#data = data;
    this.#over = over;
    this.#indicator = indicator;
    this.#contents = contents;
    this.#draw = draw;
    this.#server = new Server({ api: data.api, holder: data.holder, onWaiting: this.#waiting });
    this.#runPage = new RunPage({
      stage: document.getElementById("stage"),
      origin: data.contentOrigin,
      hear: (message) => this.#heard(message),
    });
  }

  /** Begins a launch. */
  start() {
    return this.#guarded(async () => {
      this.#over.busy("Opening the course …");
      await this.#take(await this.#launched(), { focus: false });
    });
  }

  /** A launch makes stale what earlier run pages have left: that is sent before. */
  #launched() {
    return this.#server.launch(() => (this.#data.preview ? undefined : recovered(this.#data, this.#waiting)));
  }

  /** Asks for navigation, after the course was closed and all of it was saved. */
  navigate(request, target) {
    if (this.#busy || this.#ended) return;
    this.#guarded(async () => {
      this.#over.busy(LEAVING.has(request) ? "Saving …" : "Opening …");
      await this.#closeCourse();
      const answer = await this.#asked({ launch: this.#launch, request, ...(target && { target }) });
      await this.#take(answer, { focus: true });
    });
  }

  /** Leaves the course, to be taken up where it is: only the course itself may say that it is over. */
  exit() {
    this.navigate("suspendAll");
  }

  /** Returns the answer to a navigation; if nobody knows whether it took place, that of a new launch, which resumes. */
  async #asked(body) {
    try {
      return await this.#server.navigate(body);
    } catch (error) {
      if (!(error instanceof Unknown)) throw error;
      return this.#launched();
    }
  }

  async #guarded(task) {
    this.#busy = true;
    this.#show();
    try {
      await task();
    } catch (error) {
      this.#failed(error);
    }
    this.#busy = false;
    this.#show();
  }

  async #take(answer, { focus }) {
    this.#launch = answer.launch.id;
    this.#items = answer.items;
    this.#status = answer.status;
    this.#controls = { ...answer.controls };
    this.#valid = null;
    this.#attention = false;
    this.#title = answer.deliver?.title ?? "";
    if (answer.ended) this.#end(answer.redirectUrl);
    else if (answer.deliver) await this.#deliver(answer.deliver, focus);
    else this.#askToChoose();
    this.#ready = true;
  }

  async #deliver({ runUrl, title }, focus) {
    this.#over.busy("Opening …");
    this.#show();
    if (!(await this.#runPage.open(runUrl + IN_WINDOW, title))) throw new Error("the run-time page did not come");
    this.#over.clear();
    if (focus) this.#runPage.focus();
  }

  #askToChoose() {
    this.#runPage.remove();
    const started = lessons(this.#items).some((item) => item.completion !== "not_attempted");
    this.#over.message({
      heading: started ? "Choose how to go on" : "Choose where to begin",
      text: "Pick a lesson from the contents.",
      tone: "calm",
      actions: [{ text: "Show the contents", act: () => this.#contents.open() }],
    });
  }

  #end(redirectUrl) {
    this.#ended = "ended";
    this.#runPage.remove();
    this.#settle();
    if (/^https?:\/\//i.test(redirectUrl ?? "")) {
      this.#over.busy("Leaving the course …");
      location.assign(redirectUrl);
      return;
    }
    const actions = [{ text: "Open again", act: () => location.reload() }];
    if (mayClose()) actions.push({ text: "Close", act: () => window.close() });
    this.#over.message(summary({ items: this.#items, status: this.#status, preview: this.#data.preview, actions }));
  }

  /** Closes the run page; as long as it cannot save, it stays and goes on trying, for only it may have the answers. */
  async #closeCourse() {
    const began = Date.now();
    let leave = () => {};
    const left = new Promise((_, reject) => (leave = () => reject(new LeftUnsaved())));
    let saved = false;
    let offered = false;
    for (let tries = 0; (saved = await Promise.race([this.#runPage.close(), left])) === false; tries += 1) {
      if (this.#lost) throw this.#lost;
      if (tries === 0) this.#strip(UNSAVED);
      if (offered || Date.now() - began < LEAVE_AFTER_MS) continue;
      offered = true;
      this.#contents.close();
      this.#over.message({ ...STUCK, actions: [{ text: "Leave without saving", act: leave }] });
    }
    if (offered) this.#over.busy("Saving …");
    this.#strip(null);
    this.#runPage.remove();
    if (saved === null && !this.#data.preview) await this.#rescue();
  }

  /** What a run page that is stuck has kept goes to the server before anything else makes it stale. */
  #rescue() {
    const atLast = new Promise((resolve) => setTimeout(resolve, RESCUE_MS));
    return Promise.race([recovered(this.#data, this.#waiting, RESCUE_MS), atLast]);
  }

  #strip(text) {
    this.#over.strip(text ?? this.#hint);
  }

  #heard(message) {
    switch (message.kind) {
      case "run.ready":
        this.#valid = message.valid;
        break;
      case "run.state":
        this.#stateChanged(message.state);
        break;
      case "run.items":
        this.#itemsChanged(message);
        break;
      case "run.terminated":
        this.#courseTerminated(message);
        break;
      case "run.closed": // nobody asked: the learner closed the window that the course was in
        if (lessons(this.#items).length > 1) this.navigate("exit");
        else this.exit();
        break;
    }
  }

  #stateChanged(state) {
    this.#indicator.show(state);
    clearTimeout(this.#memoryTimer);
    if (state === "memory") this.#memoryTimer = setTimeout(() => this.#advise(MEMORY), MEMORY_AFTER_MS);
    else this.#advise(null);
    if (state !== "stale" && state !== "gone") return;
    this.#lost = new Refused(state === "stale" ? 409 : 410);
    if (!this.#busy) this.#failed(this.#lost);
  }

  #advise(hint) {
    if (hint === this.#hint) return;
    this.#hint = hint;
    if (!this.#busy) this.#strip(null);
  }

  #itemsChanged({ items, status, valid }) {
    this.#items = withChanges(this.#items, items, this.#controls.choice ? valid?.choice : {});
    this.#status = status ?? this.#status;
    for (const request of ["continue", "previous"]) {
      // What only now became valid was not hidden on purpose.
      if (valid?.[request] === "true" && this.#valid?.[request] !== "true") this.#controls[request] = true;
    }
    this.#show();
  }

  /** The course has ended itself: it asks for navigation, or stays to be seen until the learner goes on. */
  #courseTerminated({ request, target }) {
    if (this.#busy) return; // a click on the shell's own buttons outranks what the course asks for while it is unloaded
    if (request) this.navigate(request, target);
    else {
      this.#attention = true;
      this.#show();
    }
  }

  /** Nothing of the course is left: neither what it said nor what lay over it. */
  #settle() {
    clearTimeout(this.#memoryTimer);
    this.#hint = null;
    this.#strip(null);
    this.#contents.close();
  }

  #failed(error) {
    this.#runPage.remove();
    this.#settle();
    const again = { text: "Load again", act: () => location.reload() };
    if (error instanceof LeftUnsaved) {
      this.#over.message({ ...LEFT, actions: [{ ...again, text: "Open again" }] });
    } else if (!(error instanceof Refused)) {
      console.error(error);
      this.#over.message({ ...BROKEN, actions: [again] });
    } else if (error.status === 409) {
      this.#over.message({ ...TAKEN_OVER, actions: [{ ...again, text: "Continue here" }] });
    } else if (GONE_STATUSES.has(error.status)) {
      this.#over.message(GONE);
    } else {
      this.#over.message({ ...BROKEN, text: `${BROKEN.text} (${error.message})`, actions: [again] });
    }
    this.#ended = "lost";
    this.#show();
  }

  #show() {
    this.#draw({
      items: this.#items,
      controls: this.#controls,
      title: this.#title,
      busy: this.#busy,
      ready: this.#ready,
      ended: this.#ended,
      attention: this.#attention,
    });
  }
}

const LEAVING = new Set(["exitAll", "suspendAll", "abandonAll"]);
const GONE_STATUSES = new Set([401, 403, 404, 410]);

/** Browsers let a script close only what a script has opened, or what has never shown another page. */
function mayClose() {
  return window.top === window && (window.opener !== null || history.length === 1);
}
