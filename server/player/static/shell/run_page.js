const SANDBOX = [
  "allow-scripts", "allow-same-origin", "allow-forms", "allow-popups", "allow-popups-to-escape-sandbox", "allow-modals",
  "allow-downloads", "allow-pointer-lock", "allow-presentation", "allow-orientation-lock",
];
const ALLOW = [
  "autoplay", "fullscreen", "encrypted-media", "clipboard-write", "picture-in-picture", "microphone", "camera",
  "gyroscope", "accelerometer",
];

/** The run page answers within 5 s of the course being gone, which takes up to 2 s; one that does not is stuck. */
const CLOSED_WITHIN_MS = 9000;

/** After this the learner may leave again, even if nothing has come. */
const OPENED_WITHIN_MS = 8000;

/** How long a page that has loaded may take to say that it is ours. */
const READY_WITHIN_MS = 2000;

/** A page that did not come, for the network or a server failed, is asked for again after these pauses. */
const PAUSES_MS = [500, 1500, 4000];

/**
 * The frame with the run page, and the line to it: `hear` gets each message {kind: "run.…"} that comes from this very
 * frame and its origin.
 */
export class RunPage {
  #stage;
  #origin;
  #hear;
  #frame = null;
  #ready = false;
  #opened = () => {};
  #closing = null;

  /** @param {{stage: HTMLElement, origin: string, hear: (message: object) => void}} options */
  constructor({ stage, origin, hear }) {
    this.#stage = stage;
    this.#origin = origin;
    this.#hear = hear;
    window.addEventListener("message", (event) => this.#heard(event));
  }

  /**
   * Opens a run page, again where it does not come; resolves when it is there.
   * @returns {Promise<boolean>} false if something else is shown, such as an error
   */
  async open(url, title) {
    for (const pause of [0, ...PAUSES_MS]) {
      await passed(pause);
      await this.#load(url, title);
      if (this.#ready) return true;
    }
    return false;
  }

  async #load(url, title) {
    this.remove();
    const frame = document.createElement("iframe");
    frame.id = "content";
    frame.title = title;
    frame.setAttribute("sandbox", SANDBOX.join(" "));
    frame.allow = ALLOW.join("; ");
    frame.src = url;
    this.#frame = frame;
    const opened = new Promise((resolve) => (this.#opened = resolve));
    const loaded = new Promise((resolve) => frame.addEventListener("load", resolve, { once: true })); // an error page's too
    this.#stage.prepend(frame);
    await Promise.race([opened, loaded, passed(OPENED_WITHIN_MS)]);
    await Promise.race([opened, passed(READY_WITHIN_MS)]);
  }

  /** Puts the keyboard into the course. */
  focus() {
    this.#frame?.focus();
  }

  /**
   * Asks the run page to close the course and to bring everything to the server.
   * @returns {Promise<boolean | null>} whether everything is there; null if the page does not answer, and nobody knows
   */
  async close() {
    if (!this.#frame || !this.#ready) return true;
    const message = await new Promise((resolve) => {
      this.#closing = resolve;
      setTimeout(() => resolve({ saved: null }), CLOSED_WITHIN_MS);
      this.#frame.contentWindow.postMessage({ kind: "shell.close" }, this.#origin);
    });
    this.#closing = null;
    return message.saved;
  }

  /** Takes the frame away. */
  remove() {
    this.#frame?.remove();
    this.#frame = null;
    this.#ready = false;
  }

  #heard(event) {
    if (!this.#frame || event.source !== this.#frame.contentWindow || event.origin !== this.#origin) return;
    const message = event.data;
    if (typeof message?.kind !== "string") return;
    if (message.kind === "run.closed" && this.#closing) {
      this.#closing(message);
      return;
    }
    this.#hear(message);
    if (message.kind !== "run.ready") return;
    this.#ready = true;
    this.#opened();
  }
}

function passed(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
