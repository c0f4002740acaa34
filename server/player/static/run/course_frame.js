const EMPTY = "about:blank";
const EMPTIED_WITHIN_MS = 2000;

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

/** Calls back when the document in a window goes away. False: windows of other origins cannot be watched. */
export function watchLeaving(view, onLeaving) {
  try {
    for (const event of ["pagehide", "unload"]) view.addEventListener(event, onLeaving);
    return true;
  } catch {
    return false; // nothing of the course can be there either
  }
}
