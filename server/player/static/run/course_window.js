import { watchLeaving } from "./course_frame.js";

const POLL_MS = 400;

/** A window counts as closed before its unload handlers have run. */
const UNLOADED_WITHIN_MS = 400;
const CLOSED_WITHIN_MS = 2000;
const FEATURES = "popup,width=1100,height=760,resizable=yes,scrollbars=yes";

/**
 * The course in a window of its own, which finds the API through its opener. Browsers open one only on a click, so there
 * is a button, and a plain link where even that is blocked. `onClosed` is called when the learner closes the window.
 */
export class CourseWindow {
  #view = null;
  #name;
  #page;
  #href = "";
  #onLeaving;
  #onClosed;
  #timer = 0;

  /**
   * @param {{page: HTMLElement, name: string, onLeaving: () => void, onClosed: () => void}} options page has
   *   #open-course, #open-link and #window-note
   */
  constructor({ page, name, onLeaving, onClosed }) {
    this.#page = page;
    this.#name = name;
    this.#onLeaving = onLeaving;
    this.#onClosed = onClosed;
  }

  /** Shows the button and tries to open the window at once. */
  open(href) {
    this.#href = href;
    this.#page.hidden = false;
    const link = this.#page.querySelector("#open-link");
    link.href = href;
    link.target = this.#name;
    this.#page.querySelector("#open-course").addEventListener("click", () => this.#try({ asked: true }));
    link.addEventListener("click", (event) => {
      event.preventDefault();
      this.#try({ asked: true, features: "" });
    });
    window.addEventListener("pagehide", () => this.#view?.close());
    this.#try({ asked: false });
  }

  /** Closes the window; resolves when it is closed and its unload handlers have run. */
  async close() {
    clearInterval(this.#timer);
    const view = this.#view;
    if (!view || view.closed) return;
    const left = new Promise((resolve) => {
      if (!watchLeaving(view, () => setTimeout(resolve))) setTimeout(resolve, UNLOADED_WITHIN_MS);
    });
    view.close();
    await Promise.race([left, sleep(CLOSED_WITHIN_MS)]);
  }

  #try({ asked, features = FEATURES }) {
    if (this.#view && !this.#view.closed) {
      this.#view.focus();
      return;
    }
    this.#view = window.open(this.#href, this.#name, features);
    this.#show(this.#view ? "open" : asked ? "blocked" : "waiting");
    if (this.#view) this.#watch();
  }

  #watch() {
    watchLeaving(this.#view, this.#onLeaving);
    clearInterval(this.#timer);
    this.#timer = setInterval(() => {
      if (!this.#view.closed) return;
      clearInterval(this.#timer);
      this.#show("closed");
      setTimeout(() => this.#onClosed(), UNLOADED_WITHIN_MS);
    }, POLL_MS);
  }

  #show(state) {
    this.#page.dataset.state = state;
    const note = this.#page.querySelector("#window-note");
    note.textContent = NOTES[state];
    this.#page.querySelector("#open-course").textContent = state === "open" ? "Go to the course" : "Open the course";
    this.#page.querySelector("#open-link").hidden = state === "open" || state === "closed";
  }
}

const NOTES = {
  waiting: "Keep this page open while you work in it.",
  open: "The course is open in another window. Keep this page open until you are done.",
  blocked: "Your browser blocked the window. Allow pop-ups for this page, or use the link below.",
  closed: "The course was closed. Your progress is being saved.",
};

const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
