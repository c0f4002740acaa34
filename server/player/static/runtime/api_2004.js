/** The API of SCORM 2004 4th Edition, as window.API_1484_11 (Run-Time Environment 3.1). */

import { guarded, LastError } from "./calls.js";

// RTE 3.1.7.
const ERRORS = {
  0: "No Error",
  101: "General Exception",
  102: "General Initialization Failure",
  103: "Already Initialized",
  104: "Content Instance Terminated",
  111: "General Termination Failure",
  112: "Termination Before Initialization",
  113: "Termination After Termination",
  122: "Retrieve Data Before Initialization",
  123: "Retrieve Data After Termination",
  132: "Store Data Before Initialization",
  133: "Store Data After Termination",
  142: "Commit Before Initialization",
  143: "Commit After Termination",
  201: "General Argument Error",
  301: "General Get Failure",
  351: "General Set Failure",
  391: "General Commit Failure",
  401: "Undefined Data Model Element",
  402: "Unimplemented Data Model Element",
  403: "Data Model Element Value Not Initialized",
  404: "Data Model Element Is Read Only",
  405: "Data Model Element Is Write Only",
  406: "Data Model Element Type Mismatch",
  407: "Data Model Element Value Out Of Range",
  408: "Data Model Dependency Not Established",
};
const ARGUMENT = 'The argument must be ""';
const TARGETED = /^\{target=(.*)\}(choice|jump)$/s;

/**
 * The object that a SCORM 2004 course looks for; its functions also work on their own.
 *
 * @param {object} parts
 * @param {import("./data_model.js").DataModel} parts.model
 * @param {{initialized: () => void, commit: () => boolean,
 *   terminated: (request: {request: string, target?: string}) => boolean}} parts.host
 * @returns {object} Initialize, Terminate, GetValue, SetValue, Commit, GetLastError, GetErrorString, GetDiagnostic,
 *   version
 */
export function createApi2004({ model, host }) {
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

  /** The code for a call outside of running, null while running. */
  function closed(before, after) {
    return { new: before, running: null, terminated: after }[state];
  }

  function initialize(argument) {
    if (state === "terminated") return refused("false", "104");
    if (state === "running") return refused("false", "103");
    if (argument !== "") return refused("false", "201", ARGUMENT);
    return begin();
  }

  function begin() {
    try {
      host.initialized();
    } catch (error) {
      return refused("false", "102", `The player failed: ${error?.message}`);
    }
    state = "running";
    return finished();
  }

  function terminate(argument) {
    const code = closed("112", "113");
    if (code) return refused("false", code);
    if (argument !== "") return refused("false", "201", ARGUMENT);
    state = "terminated";
    // RTE 4.2.8: these two are Exit All, in place of whatever the content asks for.
    const endsAll = ["time-out", "logout"].includes(model.valueOfRun("cmi.exit"));
    const asked = endsAll ? { request: "exitAll" } : navigation(model.get("adl.nav.request").value);
    return host.terminated(asked) ? finished() : refused("false", "111");
  }

  function getValue(name) {
    const code = closed("122", "123");
    if (code) return refused("", code);
    const answer = model.get(name);
    return answer.error ? refused("", answer.error, answer.diagnostic) : finished(answer.value);
  }

  function setValue(name, value) {
    const code = closed("132", "133");
    if (code) return refused("false", code);
    const answer = model.set(name, value);
    return answer.error ? refused("false", answer.error, answer.diagnostic) : finished();
  }

  function commit(argument) {
    const code = closed("142", "143");
    if (code) return refused("false", code);
    if (argument !== "") return refused("false", "201", ARGUMENT);
    return host.commit() ? finished() : refused("false", "391");
  }

  return {
    version: "1.0",
    Initialize: guarded(errors, "false", initialize),
    Terminate: guarded(errors, "false", terminate),
    GetValue: guarded(errors, "", getValue),
    SetValue: guarded(errors, "false", setValue),
    Commit: guarded(errors, "false", commit),
    GetLastError: () => errors.code,
    GetErrorString: guarded(errors, "", (code) => errors.text(code)),
    GetDiagnostic: guarded(errors, "", (code) => errors.explain(code)),
  };
}

function navigation(value) {
  if (value === undefined || value === "_none_") return { request: "" };
  const targeted = TARGETED.exec(value);
  return targeted ? { request: targeted[2], target: targeted[1] } : { request: value };
}
