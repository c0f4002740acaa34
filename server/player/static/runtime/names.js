/** Finds the element of the data model's table that a name stands for. */

const INDEX = /^\d+$/;
const TARGET = /^(adl\.nav\.request_valid\.(?:choice|jump)\.)\{target=([^{}]+)\}$/;
const KEYWORD = /\.(_children|_count|_version)$/;
const MISSING = { _children: "noChildren", _count: "noCount", _version: "noVersion" };
const NONE = Object.freeze([]);

/**
 * @typedef {object} Entry an element of the table, and
 * @property {boolean} keyword whether it is _children, _count or _version
 * @property {boolean} grows whether the course may add records to the collection that it is in
 * @property {boolean} makesRecord whether setting it adds a record: the id does, or anything in records without one
 * @typedef {object} Found
 * @property {string} name with indexes as they are kept: "01" is 1
 * @property {Entry} entry
 * @property {{path: string, index: number}[]} levels the collections that it is in, outermost first
 * @property {string} [target] the item that a navigation request aims at
 */

/** The names of one data model. */
export class Names {
  #plain = new Map();
  #templates = new Map();
  #groups = new Set();

  /** @param {{name: string, access: string, type: {kind: string}}[]} elements the table of one version */
  constructor(elements) {
    const accesses = new Map(elements.map((element) => [element.name, element.access]));
    for (const element of elements) {
      const kept = /\.n\.|\{/.test(element.name) ? this.#templates : this.#plain;
      kept.set(element.name, described(element, accesses));
      for (let dot = element.name.indexOf("."); dot > 0; dot = element.name.indexOf(".", dot + 1)) {
        this.#groups.add(element.name.slice(0, dot));
      }
    }
  }

  /**
   * The element of a name, or null if there is none.
   *
   * @param {string} name
   * @returns {Found|null}
   */
  find(name) {
    const plain = this.#plain.get(name);
    if (plain) return { name, entry: plain, levels: NONE };
    const targeted = TARGET.exec(name);
    return targeted ? this.#targeted(name, targeted[1], targeted[2]) : this.#indexed(name);
  }

  /**
   * The reason for which a name that is no element is refused.
   *
   * @param {string} name
   * @returns {string}
   */
  whyNot(name) {
    const keyword = KEYWORD.exec(name);
    if (keyword && this.#known(name.slice(0, keyword.index))) return MISSING[keyword[1]];
    return /^(?:cmi|adl)(?:\.|$)/.test(name) ? "unknown" : "foreign";
  }

  #targeted(name, prefix, target) {
    const entry = this.#templates.get(`${prefix}{target=}`);
    return entry ? { name, entry, levels: NONE, target } : null;
  }

  #indexed(asked) {
    const levels = [];
    const parts = asked.split(".");
    let name = parts[0];
    for (let at = 1; at < parts.length; at++) {
      let part = parts[at];
      if (part === "n") return null;
      if (INDEX.test(part)) {
        const index = Number(part);
        levels.push({ path: name, index });
        part = index;
        parts[at] = "n";
      }
      name += `.${part}`;
    }
    const entry = this.#templates.get(parts.join("."));
    return entry ? { name, entry, levels } : null;
  }

  #known(name) {
    const template = name
      .split(".")
      .map((part) => (INDEX.test(part) ? "n" : part))
      .join(".");
    return this.#groups.has(template) || this.#plain.has(template) || this.#templates.has(template);
  }
}

function described(element, accesses) {
  const last = element.name.lastIndexOf(".n.");
  const id = `${element.name.slice(0, last)}.n.id`;
  return {
    ...element,
    keyword: ["children", "count", "version"].includes(element.type.kind),
    grows: accesses.get(id) !== "ro",
    makesRecord: element.name === id || !accesses.has(id),
  };
}
