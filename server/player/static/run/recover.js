/**
 * Sends what earlier run pages of a session could not: the browser was closed, or the network was away. Loaded by the
 * shell in a hidden frame: `recover.html#session={uuid}&shell={origin}`.
 */
import { encode } from "./encoding.js";
import {
  journalsOf, openStorage, readHeader, readValues, removeJournal, removeOlderThan, removeSent, takeRecoveryNumber,
  valuesAndAges,
} from "./stored.js";

const TIMEOUT_MS = 15000;
const LOCKED_MS = 3000;
const KEEP_MS = 30 * 24 * 60 * 60 * 1000;
const FINAL = [401, 404, 409, 410];
const PASSING = [408, 425, 429];

const asked = new URLSearchParams(location.hash.slice(1));
const session = asked.get("session") ?? "";
tell({ kind: "recovering" });
const kept = await exclusively(() => recover(openStorage()));
tell({ kind: "recovered", kept });

function tell(message) {
  window.parent.postMessage(message, asked.get("shell") ?? location.origin);
}

/** Keeps two tabs from sending the same journal at once where the browser can; the numbers make it safe where not. */
async function exclusively(task) {
  let result = null;
  const once = () => (result ??= task());
  try {
    const signal = AbortSignal.timeout(LOCKED_MS);
    await navigator.locks.request(`scorm/${session}`, { signal }, once);
  } catch {
    // No locks here, or another tab takes long.
  }
  return once();
}

/** Returns how many journals of the session could not be sent for now. */
async function recover(storage) {
  if (!storage || !session) return 0;
  removeOlderThan(storage, Date.now() - KEEP_MS);
  let later = 0;
  for (const key of journalsOf(storage, session)) later += (await recoverOne(storage, key)) ? 0 : 1;
  return later;
}

/** Returns whether nothing is gained by another try. */
async function recoverOne(storage, key) {
  const header = readHeader(storage, key);
  if (!header) {
    removeJournal(storage, key); // nobody could send values without it
    return true;
  }
  try {
    let outcome = await send(storage, key, header);
    if (outcome === "again") outcome = await send(storage, key, readHeader(storage, key) ?? header);
    return outcome === "done" || outcome === "refused";
  } catch {
    return false; // storage is full or the network is away
  }
}

async function send(storage, key, header) {
  const values = readValues(storage, key);
  const { launch, run, base, initialized, terminated } = header;
  const commit = takeRecoveryNumber(storage, key, header);
  tell({ kind: "recovering" });
  const body = {
    ...{ launch, run, commit, base, ...valuesAndAges(values, Date.now()) },
    ...(initialized && { initialized }),
    ...(terminated && { terminated }),
  };
  const response = await fetch(header.commitUrl, {
    method: "POST",
    headers: { "Content-Type": "text/plain" },
    body: encode(JSON.stringify(body)),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  if (FINAL.includes(response.status)) {
    removeJournal(storage, key);
    return "done";
  }
  if (!response.ok) return response.status >= 500 || PASSING.includes(response.status) ? "later" : "refused";
  const answer = await response.json();
  if (answer.applied <= commit) { // less: the run had ended before, and takes no more
    removeSent(storage, key, values);
    return "done";
  }
  return again(storage, key, answer);
}

/** The server lacks `base`, or another tab was faster: once more, from what the server has. */
function again(storage, key, { resendFrom, applied }) {
  const header = readHeader(storage, key);
  if (!header) return "done";
  const next = Math.max(header.next, (applied ?? 0) + 1);
  storage.setItem(key, JSON.stringify({ ...header, base: resendFrom ?? header.base, next }));
  return "again";
}
