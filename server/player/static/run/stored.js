/**
 * How the journal of a run lies in localStorage:
 *
 *     scorm/{session}/{launch}.{run}            header {token, commitUrl, launch, run, next, issued, base,
 *                                               initialized, terminated, at}
 *     scorm/{session}/{launch}.{run}/{element}  [value, when it was set], as JSON (which keeps NUL and lone surrogates)
 *
 * The run page writes it; the recovery page reads what a run page left. `next` is the next commit number; `issued` the
 * last before it when the run page wrote here: all that any commit up to it held is here too, or acknowledged.
 */

const ROOT = "scorm/";

/** A value set longer ago than this is sent with its age: a customer may have written the element since. */
const FRESH_MS = 20;

/** How far recovery jumps ahead, so that its number is none that a still living page takes at the same time. */
const STRIDE = 1000;

/**
 * Returns the key of a run's header.
 * @param {{session: string, launch: number, run: number}} run
 */
export function headerKey({ session, launch, run }) {
  return `${ROOT}${session}/${launch}.${run}`;
}

/** Returns the window's localStorage, or null where the browser blocks it. */
export function openStorage() {
  try {
    const storage = window.localStorage;
    storage.getItem(ROOT);
    return storage;
  } catch {
    return null;
  }
}

/**
 * Returns the header under a key, or null if there is none that can be read.
 * @returns {{token: string, commitUrl: string, launch: number, run: number, next: number, issued: number, base: number,
 *   initialized: boolean, terminated: boolean, at: number} | null}
 */
export function readHeader(storage, key) {
  const header = parsed(storage.getItem(key));
  if (!header || !Number.isInteger(header.next) || typeof header.commitUrl !== "string") return null;
  return { issued: header.next - 1, ...header };
}

/** Returns the text of an element's entry. */
export function entryText({ value, at }) {
  return JSON.stringify([value, at]);
}

/** Returns the elements that a journal holds: a Map of element to {value, at}. */
export function readValues(storage, key) {
  const values = new Map();
  for (const name of keysUnder(storage, `${key}/`)) {
    const [value, at] = parsed(storage.getItem(name)) ?? [];
    if (typeof value === "string") values.set(name.slice(key.length + 1), { value, at });
  }
  return values;
}

/**
 * Returns what a commit says of elements: {values: element → text, ages: element → milliseconds since it was set}, the
 * ages of those alone that are no longer fresh.
 * @param {Iterable<[string, {value: string, at: number}]>} entries
 */
export function valuesAndAges(entries, now) {
  const values = {};
  const ages = {};
  for (const [element, { value, at }] of entries) {
    values[element] = value;
    if (now - at > FRESH_MS) ages[element] = now - at;
  }
  return { values, ...(Object.keys(ages).length > 0 && { ages }) };
}

/** Returns the header keys of a session's journals, the oldest run first. */
export function journalsOf(storage, session) {
  const prefix = `${ROOT}${session}/`;
  const keys = new Set(keysUnder(storage, prefix).map((name) => prefix + name.slice(prefix.length).split("/", 1)[0]));
  return [...keys].sort(byRun);
}

/** Takes a commit number for recovery: far ahead, and where there is room in the header before anybody sends it. */
export function takeRecoveryNumber(storage, key, header) {
  const next = Math.max(header.next, readHeader(storage, key)?.next ?? 0);
  const number = next + STRIDE + Math.floor(Math.random() * STRIDE);
  keepHeader(storage, key, { ...header, next: number + 1 });
  return number;
}

/**
 * Stores a header if there is room: without, another recovery takes a number that is most likely a different one. What a
 * run page that still lives has written there meanwhile is not taken back.
 */
export function keepHeader(storage, key, header) {
  const { next = 0, issued = 0 } = readHeader(storage, key) ?? {};
  const kept = { ...header, next: Math.max(header.next, next), issued: Math.max(header.issued, issued) };
  try {
    storage.setItem(key, JSON.stringify(kept));
  } catch {
    // Storage is full. What is sent is removed, which makes room.
  }
}

/** Removes those of `values` that nobody has changed since, and the header once nothing is left and nobody needs it. */
export function removeSent(storage, key, values, { keepsHeader = false } = {}) {
  for (const [element, entry] of values) {
    const name = `${key}/${element}`;
    if (storage.getItem(name) === entryText(entry)) storage.removeItem(name);
  }
  if (!keepsHeader && keysUnder(storage, `${key}/`).length === 0) storage.removeItem(key);
}

/** Removes a whole journal. */
export function removeJournal(storage, key) {
  for (const name of keysUnder(storage, `${key}/`)) storage.removeItem(name);
  storage.removeItem(key);
}

/**
 * Removes the journals of other sessions whose tokens ran out long ago: last written before `time` (milliseconds). Those
 * of `session` are for the server to refuse.
 */
export function removeOlderThan(storage, time, session) {
  for (const name of keysUnder(storage, ROOT)) {
    const [, other, run, element] = name.split("/");
    if (element !== undefined || !run || other === session || readHeader(storage, name)?.at > time) continue;
    removeJournal(storage, `${ROOT}${other}/${run}`);
  }
}

function keysUnder(storage, prefix) {
  const names = [];
  for (let index = 0; index < storage.length; index += 1) {
    const name = storage.key(index);
    if (name?.startsWith(prefix)) names.push(name);
  }
  return names;
}

function byRun(left, right) {
  const [a, b] = [left, right].map((key) => key.slice(key.lastIndexOf("/") + 1).split(".").map(Number));
  return a[0] - b[0] || a[1] - b[1];
}

function parsed(text) {
  if (text === null) return null;
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
