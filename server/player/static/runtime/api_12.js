/** The API of SCORM 1.2, as window.API (Run-Time Environment 1.2, 3.3). */

import { guarded, LastError } from "./calls.js";

const ERRORS = {
  0: "No error",
  101: "General exception",
  201: "Invalid argument error",
  202: "Element cannot have children",
  203: "Element not an array - cannot have count",
  301: "Not initialized",
  401: "Not implemented error",
  402: "Invalid set value, element is a keyword",
  403: "Element is read only",
  404: "Element is write only",
  405: "Incorrect data type",
};
const ARGUMENT = 'The argument must be ""';

/**
 * The object that a SCORM 1.2 course looks for; its functions also work on their own.
 *
 * @param {object} parts
 * @param {import("./data_model.js").DataModel} parts.model
 * @param {{initialized: () => void, commit: () => boolean,
 *   terminated: (request: {request: string}) => boolean}} parts.host
 * @returns {object} LMSInitialize, LMSFinish, LMSGetValue, LMSSetValue, LMSCommit, LMSGetLastError, LMSGetErrorString,
 *   LMSGetDiagnostic
 */
export function createApi12({ model, host }) {
  const errors = new LastError(ERRORS);
  let state = "new";

  function refused(answer, code, diagnostic) {
    errors.raise(code, diagnostic);
    return answer;
  }

  function finished(answer = "true") {
    errors.clear();
    return answer;
  }

  /** The code and diagnostic for a call with a wrong argument or outside of running, null if all is well. */
  function misused(argument) {
    if (state !== "running") return ["301", state === "new" ? "LMSInitialize comes first" : "LMSFinish was called"];
    return argument === "" ? null : ["201", ARGUMENT];
  }

  function initialize(argument) {
    if (state === "running") return refused("false", "101", "The course is initialized already");
    if (state === "finished") return refused("false", "101", "The course has called LMSFinish");
    if (argument !== "") return refused("false", "201", ARGUMENT);
    host.initialized();
    state = "running";
    return finished();
  }

  function finish(argument) {
    const wrong = misused(argument);
    if (wrong) return refused("false", ...wrong);
    state = "finished";
    // RTE 1.2 3.4.4: "logout" ends the whole session; the rest is the system's business.
    const request = model.valueOfRun("cmi.core.exit") === "logout" ? "exitAll" : "";
    return host.terminated({ request }) ? finished() : refused("false", "101", "The data were not accepted");
  }

  function getValue(name) {
    const wrong = misused("");
    if (wrong) return refused("", ...wrong);
    const answer = model.get(name);
    return answer.error ? refused("", answer.error, answer.diagnostic) : finished(answer.value);
  }

  function setValue(name, value) {
    const wrong = misused("");
    if (wrong) return refused("false", ...wrong);
    const answer = model.set(name, value);
    return answer.error ? refused("false", answer.error, answer.diagnostic) : finished();
  }

  function commit(argument) {
    const wrong = misused(argument);
    if (wrong) return refused("false", ...wrong);
    return host.commit() ? finished() : refused("false", "101", "The data were not accepted");
  }

  return {
    LMSInitialize: guarded(errors, "false", initialize),
    LMSFinish: guarded(errors, "false", finish),
    LMSGetValue: guarded(errors, "", getValue),
    LMSSetValue: guarded(errors, "false", setValue),
    LMSCommit: guarded(errors, "false", commit),
    LMSGetLastError: () => errors.code,
    LMSGetErrorString: guarded(errors, "", (code) => errors.text(code)),
    LMSGetDiagnostic: guarded(errors, "", (code) => errors.explain(code)),
  };
}
