const STATES = {
  none: "Not started",
  incomplete: "In progress",
  completed: "Completed",
  passed: "Passed",
  failed: "Failed",
  locked: "Locked",
};

/**
 * Returns what a learner sees of an item's or session's status: {key: name of the icon, text}. The result says more than
 * the completion.
 * @param {{completion: string, success: string}} status
 */
export function stateOf({ completion, success }) {
  const key = success === "passed" || success === "failed" ? success : (COMPLETIONS[completion] ?? "none");
  return { key, text: STATES[key] };
}

const COMPLETIONS = { completed: "completed", incomplete: "incomplete" };

/** Returns the state of an item that cannot be chosen for now: what was begun there says more than that it is locked. */
export function lockedOr(state) {
  return state.key === "none" ? { key: "locked", text: STATES.locked } : state;
}

/** Returns a scaled score (−1 to 1) as a percentage. */
export function percentage(scaled) {
  return `${Math.round(scaled * 1000) / 10} %`;
}

/** Returns a length of time in words: "45 s", "12 min", "2 h 5 min". */
export function lengthOfTime(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.round(whole / 60);
  if (minutes < 60) return `${minutes} min`;
  return minutes % 60 ? `${Math.floor(minutes / 60)} h ${minutes % 60} min` : `${minutes / 60} h`;
}
