/** What makes a run page stale for good. A proxy or a wrong route may answer with the same statuses: only our own count. */
const FINAL = {
  UNAUTHORIZED: "gone",
  NOT_FOUND: "gone",
  SESSION_NOT_FOUND: "gone",
  GONE: "gone",
  CONFLICT: "stale",
};
const MALFORMED = ["BAD_REQUEST", "VALIDATION_ERROR"];
const TOO_LARGE = 413;

/**
 * Returns what a response to a commit means: "taken"; "gone" or "stale", for good; "refused" for what it holds, so that
 * less may go through; "later" for anything that may pass.
 * @param {Response} response whose body is read if it is no success
 */
export async function verdict(response) {
  if (response.ok) return "taken";
  const code = (await response.json().catch(() => null))?.error?.code;
  if (Object.hasOwn(FINAL, code ?? "")) return FINAL[code];
  return response.status === TOO_LARGE || MALFORMED.includes(code) ? "refused" : "later";
}
