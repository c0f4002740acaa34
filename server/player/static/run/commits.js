import { encode } from "./encoding.js";
import { verdict } from "./verdict.js";

const DELAY_MS = 1000;
const AT_ONCE_ABOVE = 16 * 1024;
const TIMEOUT_MS = 15000;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10000;

/**
 * Brings the journal to the server, one request at a time, and knows how far that has come. `onAnswer` gets each 200
 * answer, `onState` each change of the state: "saved", "saving", "offline", "memory", "refused" (all but something that
 * the server does not take), or for good "stale" (a newer launch holds the session) or "gone" (it is deleted, or the token
 * has run out).
 */
export class Commits {
  #journal;
  #url;
  #onAnswer;
  #onState;
  #state = "";
  #final = null;
  #inFlight = false;
  #wanted = false;
  #timer = 0;
  #failures = 0;
  #turns = 0; // answers in a row that acknowledged nothing
  #most = Infinity; // how many elements a commit may have, after the server has refused more
  #hasGivenUp = false;
  #waiting = new Set();

  /** @param {{journal: Journal, url: string, onAnswer: (answer: object) => void, onState: (state: string) => void}} o */
  constructor({ journal, url, onAnswer, onState }) {
    this.#journal = journal;
    this.#url = url;
    this.#onAnswer = onAnswer;
    this.#onState = onState;
  }

  /** Whether the server takes nothing from this page any more. */
  get over() {
    return this.#final !== null;
  }

  /** Sees to it that a change just put into the journal is sent in time. */
  changed() {
    if (this.over) return;
    if (this.#journal.unsentSize > AT_ONCE_ABOVE) this.flush();
    else if (!this.#timer && !this.#inFlight) this.#sendAfter(DELAY_MS);
    this.#tell();
  }

  /** Sends what there is at once; while requests fail, when the pause is over. */
  flush() {
    if (this.over || this.#journal.empty) return;
    this.#wanted = true;
    if (!this.#inFlight && this.#failures === 0) this.#send();
    this.#tell();
  }

  /** Sends what there is at once even if the last request failed: the network is back, or somebody waits. */
  retryNow() {
    if (this.over || this.#inFlight || this.#journal.empty) return;
    this.#send();
  }

  /** Resolves with whether everything was acknowledged within so many milliseconds. */
  settled(milliseconds) {
    if (this.over) return Promise.resolve(false);
    if (this.#journal.empty) return Promise.resolve(true);
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#waiting.delete(done);
        resolve(this.#journal.empty && !this.over);
      };
      const timer = setTimeout(done, milliseconds);
      this.#waiting.add(done);
      this.flush();
      this.retryNow();
    });
  }

  /**
   * Takes the server's response to a commit {number, elements?}, whichever way that was sent.
   * @returns {Promise<boolean>} whether it moved things on; false asks for a pause
   */
  async heard(response, commit) {
    const word = await verdict(response);
    if (word === "gone" || word === "stale") this.#end(word);
    if (this.over) return true;
    if (word === "taken") return this.#taken(response, commit);
    return word === "refused" && this.#refused(commit);
  }

  async #taken(response, { number }) {
    const answer = await response.json();
    if (this.over) return true;
    if (answer.resendFrom !== undefined) {
      this.#journal.resendFrom(answer.resendFrom);
      return this.#again();
    }
    if (answer.applied < number) this.#journal.letGo(number);
    else if (!this.#journal.acknowledge(answer.applied)) return this.#again();
    this.#turns = 0;
    this.#most *= 2;
    if (this.#journal.empty) this.#most = Infinity;
    else if (this.#most < Infinity) this.#wanted = true;
    warnOf(answer.rejected);
    this.#onAnswer(answer);
    this.#tell();
    return true;
  }

  /** The server does not take what a commit holds: tries with half of it, until that is what it does not take. */
  #refused({ number, elements }) {
    if (!elements) return false; // sent by a page on its way out; the next one is sent in the usual way
    this.#wanted = true;
    if (elements.length > 1) {
      this.#most = Math.ceil(elements.length / 2);
      return true;
    }
    this.#hasGivenUp = true;
    this.#journal.giveUp(number);
    console.warn(`Not recorded, because the server refuses it: ${elements[0] ?? "the state of the course"}`);
    return true;
  }

  #sendAfter(milliseconds) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#send(), milliseconds);
  }

  async #send() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#wanted = false;
    if (this.over || this.#journal.empty) return;
    this.#inFlight = true;
    this.#tell();
    const moved = await this.#post(this.#journal.whole(this.#most));
    this.#inFlight = false;
    this.#failures = moved ? 0 : this.#failures + 1;
    this.#next();
    this.#tell();
  }

  async #post(commit) {
    try {
      const response = await fetch(this.#url, {
        method: "POST",
        headers: { "Content-Type": "text/plain" },
        body: encode(commit.text),
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      return await this.heard(response, commit);
    } catch {
      return false;
    }
  }

  #next() {
    if (this.over || this.#journal.empty) return;
    if (this.#failures > 0) this.#sendAfter(pause(this.#failures));
    else if (this.#wanted) this.#send();
    else this.#sendAfter(DELAY_MS);
  }

  /** Sends anew after an answer that acknowledged nothing: at once the first time, after a pause if that goes on. */
  #again() {
    this.#wanted = true;
    this.#turns += 1;
    return this.#turns === 1;
  }

  #end(state) {
    this.#final = state;
    this.#journal.abandon();
    this.#tell();
  }

  #tell() {
    if (this.over || this.#journal.empty) for (const done of [...this.#waiting]) done();
    const state = this.#final ?? this.#currentState();
    if (state === this.#state) return;
    this.#state = state;
    this.#onState(state);
  }

  #currentState() {
    if (this.#journal.empty) return this.#hasGivenUp ? "refused" : "saved";
    if (!this.#journal.durable) return "memory";
    return this.#failures > 0 ? "offline" : "saving";
  }
}

/** Returns how long to wait after so many failures: growing, and not the same for everybody at once. */
function pause(failures) {
  const longest = Math.min(FIRST_PAUSE_MS * 2 ** (failures - 1), LONGEST_PAUSE_MS);
  return longest * (0.75 + Math.random() / 4);
}

function warnOf(rejected) {
  for (const [element, reason] of Object.entries(rejected ?? {})) console.warn(`Not recorded: ${element}: ${reason}`);
}
