import { element, icon } from "./elements.js";

const STATES = {
  saved: { icon: "saved", text: "Saved" },
  saving: { icon: "saving", text: "Saving…" },
  offline: {
    icon: "offline",
    text: "Offline – will be saved",
    more: "Kept in this browser and sent when the connection is back.",
  },
  memory: {
    icon: "memory",
    text: "Not saved yet",
    more: "This browser keeps nothing for this site: please keep this page open until it says Saved.",
  },
  refused: { icon: "memory", text: "Some answers could not be saved", more: "The server does not accept them." },
  stale: { icon: "memory", text: "Not saved", more: "The course was opened in another window." },
  gone: { icon: "memory", text: "Not saved", more: "This link is not valid any more." },
};

/** A state that passes quickly is not shown, or the word would flicker with each answer. */
const SHOWN_AFTER_MS = 600;

/** The word on whether the learner's progress is saved. */
export class Indicator {
  #place;
  #state = "";
  #timer = 0;
  #preview = false;

  /** @param {HTMLElement} place */
  constructor(place) {
    this.#place = place;
  }

  /** Shows a state: "saved", "saving", "offline", "memory", "refused", "stale" or "gone". */
  show(state) {
    clearTimeout(this.#timer);
    if (this.#preview || !(state in STATES) || state === this.#state) return;
    const passing = state === "saving" || (state === "memory" && this.#state === "saved");
    if (passing) this.#timer = setTimeout(() => this.#draw(state), SHOWN_AFTER_MS);
    else this.#draw(state);
  }

  /** Shows that nothing is recorded at all. */
  showPreview() {
    this.#preview = true;
    this.#place.className = "badge";
    this.#place.textContent = "Preview – nothing is recorded";
  }

  #draw(state) {
    this.#state = state;
    const { icon: name, text, more } = STATES[state];
    this.#place.dataset.state = state;
    this.#place.title = more ?? "";
    const told = more ? [element("span", { class: "visually-hidden", text: ` (${more})` })] : [];
    this.#place.replaceChildren(icon(name), element("span", { class: "label", text }), ...told);
  }
}
