/** The host of the tests: it writes down what the run-time tells it, and answers as the test says. */

import { createApi12 } from "/server/player/static/runtime/api_12.js";
import { createApi2004 } from "/server/player/static/runtime/api_2004.js";
import { DataModel } from "/server/player/static/runtime/data_model.js";

const ERRORS = { 1.2: "LMSGetLastError", 2004: "GetLastError" };

/** Begins a run; `broken` names the host's functions that throw. */
export function start({ version, values, stores, valid, accepts, broken }) {
  const told = [];
  const host = {
    changed: (element, value) => told.push(["changed", element, value]),
    initialized: () => told.push(["initialized"]),
    commit: () => told.push(["commit"]) > 0 && accepts,
    terminated: (request) => told.push(["terminated", request, attempt(api, version)]) > 0 && accepts,
    valid: () => valid,
  };
  for (const name of broken) {
    host[name] = () => {
      throw new Error(`${name} is broken`);
    };
  }
  const model = new DataModel({ version, values, host, stores });
  const api = version === "2004" ? createApi2004({ model, host }) : createApi12({ model, host });
  return { api, told, lastError: api[ERRORS[version]] };
}

/** What the API answers from within the host's `terminated`. */
function attempt(api, version) {
  return version === "2004" ? api.SetValue("cmi.location", "late") : api.LMSSetValue("cmi.suspend_data", "late");
}

/** Makes calls of [function, …arguments], each function on its own; gives answer, last error and what the host heard. */
export function calls({ api, told, lastError }, steps) {
  return steps.map(([name, ...given]) => {
    const before = told.length;
    const detached = api[name];
    const answer = detached(...given);
    return [answer, lastError(), told.slice(before)];
  });
}
