/** Why a data model refuses a call; each version of SCORM has its own code for it. */

// What SCORM 1.2 does not ask for.
const NEVER = null;

const REASONS = {
  // Code of 2004, code of 1.2, what GetDiagnostic says.
  getUnnamed: ["301", "201", "No element is named"],
  setUnnamed: ["351", "201", "No element is named"],
  unknown: ["401", "401", "There is no such element"],
  foreign: ["401", "201", "There is no such element"],
  noChildren: ["301", "202", "The element does not have children"],
  noCount: ["301", "203", "The element is not a collection: it has no count"],
  noVersion: ["301", "401", "The element does not have a version"],
  getOutOfRange: ["301", "201", "There is no record of this index yet"],
  setOutOfOrder: ["351", "201", "Indexes follow each other without a gap, and this collection is not that long"],
  keyword: ["404", "402", "Keywords cannot be set"],
  readOnly: ["404", "403", "The element is read-only"],
  writeOnly: ["405", "404", "The element is write-only"],
  notSet: ["403", NEVER, "The element has no value yet"],
  idFirst: ["408", NEVER, "The id of the record must be set first"],
  typeFirst: ["408", NEVER, "The type of the interaction must be set first"],
  idKept: ["351", NEVER, "The id of an objective cannot be changed"],
  idTaken: ["351", NEVER, "Another record has this id already"],
  onePattern: ["351", NEVER, "An interaction of this type has one correct response"],
  patternTaken: ["351", NEVER, "The interaction has this correct response already"],
  type: ["406", "405", "The value is not of the element's type"],
  range: ["407", "405", "The value is out of range"],
};

/**
 * Tells a refusal as the API of a version does.
 *
 * @param {"1.2"|"2004"} version
 * @param {string} reason a key of the table above
 * @param {string} name the element that the course named
 * @returns {{error: string, diagnostic: string}}
 */
export function refusal(version, reason, name) {
  const [of2004, of12, text] = REASONS[reason];
  return { error: version === "2004" ? of2004 : of12, diagnostic: name === "" ? text : `${text}: ${name}` };
}
