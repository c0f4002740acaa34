/** What the APIs of both versions share: the last error, and calls that cannot hurt the course. */

const LONGEST = 250; // RTE 3.1.6.3: at most 255 characters.

/** The error that GetLastError and GetDiagnostic speak of. */
export class LastError {
  /** @param {Record<string, string>} texts what each code means */
  constructor(texts) {
    this.texts = new Map(Object.entries(texts));
    this.clear();
  }

  /** Nothing went wrong. */
  clear() {
    this.code = "0";
    this.diagnostic = "";
  }

  /**
   * Something did.
   *
   * @param {string} code
   * @param {string} [diagnostic]
   */
  raise(code, diagnostic = "") {
    this.code = code;
    this.diagnostic = diagnostic;
  }

  /**
   * What a code means, "" for one that does not exist.
   *
   * @param {string} code
   * @returns {string}
   */
  text(code) {
    return this.texts.get(code) ?? "";
  }

  /**
   * More about the last error for "" and its own code; for any other code what it means.
   *
   * @param {string} code
   * @returns {string}
   */
  explain(code) {
    const last = code === "" || code === this.code;
    return ((last && this.diagnostic) || this.text(last ? this.code : code)).slice(0, LONGEST);
  }
}

/**
 * A function for courses: arguments arrive as texts, and it never throws.
 *
 * @param {LastError} errors
 * @param {string} failed what the course gets if the call breaks
 * @param {(first: string, second: string) => string} action
 * @returns {(first?: unknown, second?: unknown) => string}
 */
export function guarded(errors, failed, action) {
  return (first, second) => {
    try {
      return action(text(first), text(second));
    } catch (error) {
      errors.raise("101", `The call failed: ${error?.message}`);
      return failed;
    }
  };
}

// Courses leave arguments out and pass numbers and booleans.
function text(argument) {
  if (typeof argument === "string") return argument;
  return argument === undefined || argument === null ? "" : String(argument);
}
