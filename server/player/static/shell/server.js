const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10000;
const TIMEOUT_MS = 30000;

/** The server itself, no proxy, said no in a way that repeating does not change: `status`, `code`. */
export class Refused extends Error {
  constructor(status, error) {
    super(error?.message ?? `HTTP ${status}`);
    this.status = status;
    this.code = error?.code ?? "";
  }
}

/** Nobody knows whether the server did it: the request went out and no answer came. */
export class Unknown extends Error {}

/**
 * The session's calls on the server. Each takes as long as the network needs, with growing pauses; `onWaiting` is told
 * true when a call has to be repeated and false when it went through.
 */
export class Server {
  #api;
  #onWaiting;
  #holder; // the launch that this page takes the session from: if it is another one by now, there is more to recover

  /**
   * @param {{api: string, holder: number, onWaiting: (waiting: boolean) => void}} options api "/player/session/{token}"
   */
  constructor({ api, holder, onWaiting }) {
    this.#api = api;
    this.#holder = holder;
    this.#onWaiting = onWaiting;
  }

  /** Begins a launch; `before` runs before each try. @returns {Promise<object>} the answer */
  launch(before) {
    return this.#repeated("launch", () => ({ holder: this.#holder }), { before });
  }

  /**
   * Asks for navigation. @returns {Promise<object>} the answer
   * @param {{launch: string, request: string, target?: string}} body
   */
  navigate(body) {
    // Continue and previous go two steps if they are done twice; with the rest, twice is the same as once.
    const once = body.request === "continue" || body.request === "previous";
    return this.#repeated("navigate", () => body, { once });
  }

  async #repeated(call, body, { before = async () => {}, once = false }) {
    for (let failures = 0; ; failures += 1) {
      if (failures > 0) await pause(failures);
      await before();
      const answer = await this.#post(call, body(), once && navigator.onLine);
      this.#onWaiting(answer === null);
      this.#holder = answer?.holder ?? answer?.launch?.number ?? this.#holder;
      if (answer?.launch) return this.#renewed(answer);
    }
  }

  /** Returns the answer, or null if the call should be repeated. */
  async #post(call, body, once) {
    let response;
    try {
      response = await fetch(`${this.#api}/${call}`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
    } catch {
      if (once) throw new Unknown(call);
      return null;
    }
    if (response.ok) return response.json();
    const error = (await response.json().catch(() => null))?.error;
    if (response.status >= 500 || response.status === 429 || response.status === 408 || !error?.code) return null;
    throw new Refused(response.status, error);
  }

  /** Goes on under a renewed token; the address bar too, so that reloading works for as long as the session is used. */
  #renewed(answer) {
    if (!answer.token) return answer;
    this.#api = this.#api.replace(/[^/]+$/, answer.token);
    history.replaceState(null, "", this.#api + location.search + location.hash);
    return answer;
  }
}

/** Resolves after a pause that grows with the failures, or as soon as the browser is online again. */
function pause(failures) {
  const longest = Math.min(FIRST_PAUSE_MS * 2 ** (failures - 1), LONGEST_PAUSE_MS);
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      window.removeEventListener("online", done);
      resolve();
    };
    const timer = setTimeout(done, longest * (0.75 + Math.random() / 4));
    window.addEventListener("online", done);
  });
}
