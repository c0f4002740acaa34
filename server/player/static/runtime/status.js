/** Statuses that the system derives from what a course reports. */

/**
 * The completion status that a SCORM 2004 course reads.
 *
 * RTE 4.2.4.1: with a threshold only the measure decides; without one the course's own word does.
 *
 * @param {string|undefined} own what the course set
 * @param {string|undefined} threshold cmi.completion_threshold
 * @param {string|undefined} measure cmi.progress_measure
 * @returns {string}
 */
export function completionStatus(own, threshold, measure) {
  return judged(own, threshold, measure, "completed", "incomplete");
}

/**
 * The success status that a SCORM 2004 course reads.
 *
 * RTE 4.2.22.1: with a scaled passing score only the scaled score decides; without one the course's own word does.
 *
 * @param {string|undefined} own what the course set
 * @param {string|undefined} passing cmi.scaled_passing_score
 * @param {string|undefined} scaled cmi.score.scaled
 * @returns {string}
 */
export function successStatus(own, passing, scaled) {
  return judged(own, passing, scaled, "passed", "failed");
}

function judged(own, needed, reached, above, below) {
  if (needed === undefined || needed === "") return own ?? "unknown";
  if (reached === undefined || reached === "") return "unknown";
  return Number(reached) >= Number(needed) ? above : below;
}
