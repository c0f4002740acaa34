/** The data of one run as a course sees them: what it may read, what it may set, and what of it the host is told. */

import { MODELS } from "./models.js";
import { Names } from "./names.js";
import { refusal } from "./reasons.js";
import { completionStatus, successStatus } from "./status.js";
import { fault } from "./values.js";

const UNIQUE_IDS = new Set(["cmi.objectives.n.id", "cmi.interactions.n.objectives.n.id"]);
// RTE 4.2.9.1: types with one correct response, and those whose correct responses must differ.
const ONE_PATTERN = new Set(["true-false", "likert", "numeric", "other"]);
const DIFFERENT_PATTERNS = new Set(["choice", "sequencing"]);
const NAMES = new Map(Object.entries(MODELS).map(([version, { elements }]) => [version, new Names(elements)]));
const DONE = Object.freeze({});

/**
 * @typedef {{error: string, diagnostic: string}} Refusal
 * @typedef {{continue: string, previous: string, choice: Record<string, string>, jump: Record<string, string>}} Valid
 */

/** The data model of one version, filled with what the server knows. */
export class DataModel {
  #version;
  #host;
  #stores;
  #names;
  #values = new Map();
  #ofRun = new Set();
  #counts = new Map();
  #ids = new Map();

  /**
   * @param {object} start
   * @param {"1.2"|"2004"} start.version
   * @param {Record<string, string>} start.values every element that has a value, read-only ones too
   * @param {{changed: (element: string, value: string) => void, valid?: () => Valid}} start.host
   * @param {Record<string, {read: boolean, write: boolean}>} [start.stores] access to adl.data.n.store by index
   */
  constructor({ version, values, host, stores = {} }) {
    this.#version = version;
    this.#host = host;
    this.#stores = stores;
    this.#names = NAMES.get(version);
    for (const [name, value] of Object.entries(values)) this.#fill(name, value);
    // Each run asks anew.
    this.#values.delete("adl.nav.request");
  }

  /**
   * Reads an element for the course.
   *
   * @param {string} name
   * @returns {{value: string}|Refusal}
   */
  get(name) {
    const found = this.#names.find(name);
    const reason = found ? this.#unreadable(found) : this.#whyNot(name, "getUnnamed");
    if (reason) return refusal(this.#version, reason, name);
    const value = this.#read(found);
    if (value !== undefined) return { value };
    return this.#version === "2004" ? refusal(this.#version, "notSet", name) : { value: "" };
  }

  /**
   * Sets an element for the course; the host has been told when this returns without an error.
   *
   * Values are kept as they are given. The host hears of an element even if its text is what the course set last: the
   * server's may be another one since.
   *
   * @param {string} name
   * @param {string} value
   * @returns {{}|Refusal}
   */
  set(name, value) {
    const found = this.#names.find(name);
    const reason = found
      ? (this.#unwritable(found) ?? this.#misplaced(found) ?? this.#unfit(found, value))
      : this.#whyNotSet(name);
    if (reason) return refusal(this.#version, reason, name);
    this.#host.changed(found.name, value);
    this.#ofRun.add(found.name);
    this.#put(found, value);
    return DONE;
  }

  /**
   * What the course has set in this run, readable for it or not.
   *
   * @param {string} name
   * @returns {string|undefined}
   */
  valueOfRun(name) {
    return this.#ofRun.has(name) ? this.#values.get(name) : undefined;
  }

  #whyNot(name, unnamed) {
    return name === "" ? unnamed : this.#names.whyNot(name);
  }

  #whyNotSet(name) {
    const reason = this.#whyNot(name, "setUnnamed");
    return ["noChildren", "noCount", "noVersion"].includes(reason) ? "keyword" : reason;
  }

  #unreadable({ entry, levels }) {
    if (entry.access === "wo") return "writeOnly";
    for (const { path, index } of levels) if (index >= this.#count(path)) return "getOutOfRange";
    return this.#storeMay("read", entry, levels) ? null : "writeOnly";
  }

  #read({ name, entry, levels, target }) {
    if (entry.type.kind === "count") return String(this.#count(name.slice(0, -"._count".length)));
    if (entry.keyword) return entry.default;
    if (name.startsWith("adl.nav.request_valid.")) return this.#valid(name.split(".", 4)[3], target);
    if (this.#version === "2004" && levels.length === 0) return this.#statusOr(name, entry);
    const value = this.#values.get(name) ?? entry.default;
    // RTE 4.3.1: a store that holds nothing was never set.
    return value === "" && entry.name === "adl.data.n.store" ? undefined : value;
  }

  #statusOr(name, entry) {
    const value = this.#values.get(name);
    if (name === "cmi.completion_status") {
      const threshold = this.#values.get("cmi.completion_threshold");
      return completionStatus(value, threshold, this.#values.get("cmi.progress_measure"));
    }
    if (name === "cmi.success_status") {
      const passing = this.#values.get("cmi.scaled_passing_score");
      return successStatus(value, passing, this.#values.get("cmi.score.scaled"));
    }
    return value ?? entry.default;
  }

  #valid(request, target) {
    const valid = this.#host.valid?.() ?? {};
    if (target === undefined || !valid[request]) return valid[request] ?? "unknown";
    // An item that nobody knows cannot be chosen.
    return Object.hasOwn(valid[request], target) ? valid[request][target] : "false";
  }

  #unwritable({ entry, levels }) {
    if (entry.keyword) return "keyword";
    return entry.access === "ro" || !this.#storeMay("write", entry, levels) ? "readOnly" : null;
  }

  #storeMay(what, entry, levels) {
    return entry.name !== "adl.data.n.store" || this.#stores[levels[0].index]?.[what] !== false;
  }

  /** Why the record that the element belongs to is not there and does not come into being by this call. */
  #misplaced({ entry, levels }) {
    for (const [depth, { path, index }] of levels.entries()) {
      const count = this.#count(path);
      if (index > count) return "setOutOfOrder";
      if (index < count) continue;
      const innermost = depth === levels.length - 1;
      if (innermost && !entry.grows) return "setOutOfOrder";
      // In 1.2 any element makes its record.
      if (this.#version === "2004" && !(innermost && entry.makesRecord)) return "idFirst";
    }
    return null;
  }

  #unfit({ name, entry, levels }, value) {
    const { kind } = entry.type;
    const interaction = kind === "response" || kind === "pattern" ? this.#interactionType(levels) : undefined;
    if (interaction === null) return "typeFirst";
    if (kind === "pattern" && this.#isOneTooMany(levels, interaction)) return "onePattern";
    // RTE 1.2 3.4.4: "not attempted" is for the system to say.
    if (name === "cmi.core.lesson_status" && value === "not attempted") return "type";
    return (
      fault(this.#version, entry.type, value, interaction) ??
      this.#idFault(name, entry, levels, value) ??
      this.#patternFault(kind, levels, value, interaction)
    );
  }

  #isOneTooMany(levels, interaction) {
    return this.#version === "2004" && levels[1].index > 0 && ONE_PATTERN.has(interaction);
  }

  /** The type, null where 2004 demands one that is not there. */
  #interactionType(levels) {
    const type = this.#values.get(`cmi.interactions.${levels[0].index}.type`);
    return type ?? (this.#version === "2004" ? null : undefined);
  }

  #idFault(name, entry, levels, value) {
    if (this.#version !== "2004" || !UNIQUE_IDS.has(entry.name)) return null;
    const { path, index } = levels.at(-1);
    // RTE 4.2.17.1: an objective keeps its id.
    if (entry.name === "cmi.objectives.n.id" && (this.#values.get(name) ?? value) !== value) return "idKept";
    return (this.#ids.get(path)?.get(value) ?? index) === index ? null : "idTaken";
  }

  #patternFault(kind, levels, value, interaction) {
    if (kind !== "pattern" || this.#version !== "2004" || !DIFFERENT_PATTERNS.has(interaction)) return null;
    const { path, index } = levels[1];
    for (let other = this.#count(path) - 1; other >= 0; other--) {
      if (other !== index && this.#values.get(`${path}.${other}.pattern`) === value) return "patternTaken";
    }
    return null;
  }

  #count(path) {
    return this.#counts.get(path) ?? 0;
  }

  #fill(name, value) {
    const found = this.#names.find(name);
    if (found && !found.entry.keyword) this.#put(found, value);
  }

  #put({ name, entry, levels }, value) {
    for (const { path, index } of levels) if (index >= this.#count(path)) this.#counts.set(path, index + 1);
    if (this.#version === "2004" && UNIQUE_IDS.has(entry.name)) this.#remember(name, levels.at(-1), value);
    this.#values.set(name, value);
  }

  #remember(name, { path, index }, id) {
    const ids = this.#ids.get(path) ?? this.#ids.set(path, new Map()).get(path);
    ids.delete(this.#values.get(name));
    ids.set(id, index);
  }
}
