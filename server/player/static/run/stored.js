/**
 * How the journal of a run lies in localStorage:
 *
 *     scorm/{session}/{launch}.{run}            header {token, commitUrl, launch, run, next, base, terminated, at}
 *     scorm/{session}/{launch}.{run}/{element}  the value as JSON text (which keeps NUL and lone surrogates)
 *
 * The run page writes it; the recovery page reads what a run page left.
 */

const ROOT = "scorm/";

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
 * @returns {{token: string, commitUrl: string, launch: number, run: number, next: number, base: number,
 *   terminated: boolean, at: number} | null}
 */
export function readHeader(storage, key) {
  const header = parsed(storage.getItem(key));
  return header && Number.isInteger(header.next) && typeof header.commitUrl === "string" ? header : null;
}

/** Returns the elements that a journal holds, each with its value: a Map of text to text. */
export function readValues(storage, key) {
  const values = new Map();
  for (const name of keysUnder(storage, `${key}/`)) {
    const value = parsed(storage.getItem(name));
    if (typeof value === "string") values.set(name.slice(key.length + 1), value);
  }
  return values;
}

/** Returns the header keys of a session's journals, the oldest run first. */
export function journalsOf(storage, session) {
  const prefix = `${ROOT}${session}/`;
  const keys = new Set(keysUnder(storage, prefix).map((name) => prefix + name.slice(prefix.length).split("/", 1)[0]));
  return [...keys].sort(byRun);
}

/** Takes a commit number for recovery: far ahead, and in the header before anybody sends it. */
export function takeRecoveryNumber(storage, key, header) {
  const number = Math.max(header.next, readHeader(storage, key)?.next ?? 0) + STRIDE + Math.floor(Math.random() * STRIDE);
  storage.setItem(key, JSON.stringify({ ...header, next: number + 1 }));
  return number;
}

/** Removes those of `values` that nobody has changed since, and the header once nothing is left. */
export function removeSent(storage, key, values) {
  for (const [element, value] of values) {
    const name = `${key}/${element}`;
    if (parsed(storage.getItem(name)) === value) storage.removeItem(name);
  }
  if (keysUnder(storage, `${key}/`).length === 0) storage.removeItem(key);
}

/** Removes a whole journal. */
export function removeJournal(storage, key) {
  for (const name of keysUnder(storage, `${key}/`)) storage.removeItem(name);
  storage.removeItem(key);
}

/** Removes the journals of any session whose tokens ran out long ago: last written before `time` (milliseconds). */
export function removeOlderThan(storage, time) {
  for (const name of keysUnder(storage, ROOT)) {
    const [, session, run, element] = name.split("/");
    if (element === undefined && run && !(readHeader(storage, name)?.at > time)) removeJournal(storage, `${ROOT}${session}/${run}`);
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
