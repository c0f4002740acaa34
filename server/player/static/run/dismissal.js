import { encode } from "./encoding.js";

/** What all keepalive requests in flight may carry together (Fetch Standard, "inflightKeepaliveBytes"). */
const ALLOWANCE = 64 * 1024;

const LONG = 8 * 1024;

/** What is so many times too long may still fit if it is compressed with more care. */
const NEARLY = 1.25;

/** A change alone may spend this part of what is left, so that enough stays for Commit and Terminate. */
const SHARE_OF_A_CHANGE = 1 / 8;

/**
 * Brings the journal out while the page goes away. Courses call Commit and Terminate in their own unload handlers, which
 * run after our pagehide, so from then on each call is sent by itself.
 */
export class Dismissal {
  #journal;
  #commits;
  #url;
  #left = ALLOWANCE;
  #latest = null; // the last complete commit sent this way
  #whole = null; // the last one that depends on no other
  #partial = 0; // the change up to which results alone were sent
  #gone = false;

  /** @param {{journal: Journal, commits: Commits, url: string}} options */
  constructor({ journal, commits, url }) {
    this.#journal = journal;
    this.#commits = commits;
    this.#url = url;
  }

  /** Whether pagehide was seen: nothing asynchronous can be relied upon. */
  get going() {
    return this.#gone;
  }

  /** Starts to watch the window. */
  watch() {
    document.addEventListener("visibilitychange", () => document.visibilityState === "hidden" && this.send());
    window.addEventListener("pagehide", () => {
      this.send();
      this.#gone = true;
    });
    window.addEventListener("pageshow", () => this.#stay());
  }

  /** Takes a change that came after pagehide: sent at once if that is cheap, else when the course's handler ends. */
  changed() {
    const limit = Math.min(this.#left * SHARE_OF_A_CHANGE, LONG);
    if (this.#due && this.#journal.size < limit) this.#sendOne([() => this.#journal.whole()], limit);
    queueMicrotask(() => this.send());
  }

  /** Sends what was not sent this way yet, as far as the allowance goes; what does not fit stays in the journal. */
  send() {
    if (!this.#due || this.#sendOne(this.#complete(), this.#left)) return;
    if (this.#partial !== this.#journal.change && this.#sendOne([() => this.#journal.essentials()], this.#left)) {
      this.#partial = this.#journal.change;
    }
  }

  get #due() {
    return !this.#commits.over && !this.#journal.empty && this.#latest?.change !== this.#journal.change;
  }

  /**
   * The ways to say everything, the best first: all that is unacknowledged, which depends on nothing; where that is long,
   * what changed since it was sent before. Compressing it again with each call would take the time that is left.
   */
  #complete() {
    const whole = () => this.#journal.whole();
    if (!this.#whole) return [whole];
    const since = () => this.#journal.after(this.#whole.number);
    return this.#journal.size > LONG ? [since, whole] : [whole, since];
  }

  #sendOne(ways, limit) {
    for (const build of ways) {
      const commit = build();
      let body = encode(commit.text);
      if (body.length > limit && body.length < limit * NEARLY) body = encode(commit.text, 9);
      if (body.length <= limit && this.#post(commit, body)) return true;
    }
    return false;
  }

  #post(commit, body) {
    if (this.#gone && !navigator.sendBeacon(this.#url, new Blob([body], { type: "text/plain" }))) return false;
    this.#left -= body.length;
    if (!commit.partial) this.#latest = commit;
    if (commit.whole) this.#whole = commit;
    // The server would take its number for all that an earlier one held, though that may be lost: build upon neither.
    if (commit.partial) this.#whole = null;
    if (!this.#gone) this.#keepalive(commit, body);
    return true;
  }

  async #keepalive(commit, body) {
    const headers = { "Content-Type": "text/plain" };
    let moved = false;
    try {
      const response = await fetch(this.#url, { method: "POST", keepalive: true, headers, body });
      moved = (await this.#commits.heard(response, commit)) && response.ok;
    } catch {
      // No network, or the browser counts the allowance in another way: the journal still has it.
    }
    this.#left += body.length;
    if (!moved) this.#latest = this.#whole = null;
    this.#commits.flush();
  }

  #stay() {
    this.#gone = false;
    this.#left = ALLOWANCE;
    this.#latest = this.#whole = null;
    this.#commits.flush();
  }
}
