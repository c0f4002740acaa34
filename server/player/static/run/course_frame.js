const EMPTY = "about:blank";
const EMPTIED_WITHIN_MS = 2000;

/** A course that did not come, for the network or a server failed, is asked for again after these pauses. */
const PAUSES_MS = [500, 1500, 4000, 8000];

/**
 * The course in a frame of this page. `onLeaving` is called when a document of the course goes away: its own unload
 * handlers may just have said something.
 */
export class CourseFrame {
  #frame;
  #onLeaving;

  /** @param {{frame: HTMLIFrameElement, onLeaving: () => void}} options */
  constructor({ frame, onLeaving }) {
    this.#frame = frame;
    this.#onLeaving = onLeaving;
  }

  /** Loads the course. */
  open(href) {
    this.#frame.hidden = false;
    this.#frame.addEventListener("load", () => watchLeaving(this.#frame.contentWindow, this.#onLeaving));
    this.#frame.addEventListener("load", () => document.hasFocus() && this.#frame.focus(), { once: true });
    this.#load(href, [...PAUSES_MS]);
  }

  /** Loads it, again where the browser shows an error of its own: no page of ours, which could be looked into. */
  #load(href, pauses) {
    const isOurs = new URL(href, location.href).origin === location.origin;
    const loaded = () => {
      if (!isOurs || pauses.length === 0 || isReadable(this.#frame)) return;
      setTimeout(() => this.#frame.isConnected && this.#load(href, pauses), pauses.shift());
    };
    this.#frame.addEventListener("load", loaded, { once: true });
    this.#frame.src = href;
  }

  /** Unloads the course, so that its unload handlers run; resolves when they have. */
  async close() {
    if (!this.#frame.isConnected) return;
    await new Promise((resolve) => {
      this.#frame.addEventListener("load", resolve, { once: true });
      setTimeout(resolve, EMPTIED_WITHIN_MS);
      this.#empty();
    });
    // A course that refuses to go (beforeunload) goes now.
    this.#frame.remove();
  }

  #empty() {
    try {
      this.#frame.contentWindow.location.replace(EMPTY);
    } catch {
      this.#frame.src = EMPTY; // the course had gone to another origin
    }
  }
}

function isReadable(frame) {
  try {
    return frame.contentDocument !== null;
  } catch {
    return false;
  }
}

/** Calls back when the document in a window goes away. False: windows of other origins cannot be watched. */
export function watchLeaving(view, onLeaving) {
  try {
    for (const event of ["pagehide", "unload"]) view.addEventListener(event, onLeaving);
    return true;
  } catch {
    return false; // nothing of the course can be there either
  }
}
