/**
 * The run page's line to the shell, which lives on another origin: every message names its target origin, and only what
 * comes from that window and origin is heard.
 */
export class Line {
  #origin;

  /** @param {string} origin the shell's origin */
  constructor(origin) {
    this.#origin = origin;
  }

  /** Tells the shell something: `{kind: "run.…", …}`. */
  tell(message) {
    if (window.parent !== window) window.parent.postMessage(message, this.#origin);
  }

  /** Calls back for each message of a kind from the shell. */
  on(kind, callback) {
    window.addEventListener("message", (event) => {
      const known = event.source === window.parent && event.origin === this.#origin;
      if (known && event.data?.kind === kind) callback(event.data);
    });
  }
}
