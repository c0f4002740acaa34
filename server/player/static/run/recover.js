/**
 * Sends what earlier run pages of a session could not: the browser was closed, or the network was away. Loaded by the
 * shell in a hidden frame: `recover.html#session={uuid}&shell={origin}`.
 */
import { encode } from "./encoding.js";
import {
  journalsOf, keepHeader, openStorage, readHeader, readValues, removeJournal, removeOlderThan, removeSent,
  takeRecoveryNumber, valuesAndAges,
} from "./stored.js";
import { verdict } from "./verdict.js";

const TIMEOUT_MS = 15000;
const LOCKED_MS = 3000;
/** Longer than a run's token is valid. */
const KEEP_MS = 100 * 24 * 60 * 60 * 1000;
const MOST_REPEATS = 1;

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
  let later = 0;
  for (const key of journalsOf(storage, session)) later += (await recoverOne(storage, key)) ? 0 : 1;
  removeOlderThan(storage, Date.now() - KEEP_MS, session);
  return later;
}

/** Returns whether nothing is gained by another try. */
async function recoverOne(storage, key) {
  let header = readHeader(storage, key);
  if (!header) {
    removeJournal(storage, key); // nobody could send values without it
    return true;
  }
  let most = Infinity;
  for (let repeated = 0; repeated <= MOST_REPEATS; ) {
    const all = readValues(storage, key);
    const values = new Map([...all].slice(0, most));
    const isLast = values.size === all.size;
    // The server may have had more than this, if the browser was killed before that was on disk.
    header.issued = Math.max(header.issued, readHeader(storage, key)?.issued ?? 0);
    const { word, commit, answer } = await send(storage, key, header, { values, isLast });
    if (word === "later") return false;
    header = { ...header, next: commit + 1 };
    if (word === "gone" || word === "stale" || (word === "refused" && values.size === 0)) {
      removeJournal(storage, key);
      return true;
    }
    if (word === "refused") {
      if (values.size === 1) drop(storage, key, values);
      most = Math.ceil(values.size / 2);
    } else if (answer.applied <= commit) { // less: the run had ended before, and takes no more
      if (isLast) {
        removeSent(storage, key, values);
        return true;
      }
      removeSent(storage, key, values, { keepsHeader: true });
      header = { ...header, base: answer.applied, initialized: false };
      if (!answer.isOld) header.issued = commit;
      most *= 2;
    } else {
      // The server lacks `base`, or another tab was faster: once more, from what the server has.
      repeated += 1;
      header = { ...header, base: answer.resendFrom ?? header.base, next: Math.max(commit, answer.applied ?? 0) + 1 };
    }
    keepHeader(storage, key, header);
  }
  return false;
}

function drop(storage, key, values) {
  removeSent(storage, key, values, { keepsHeader: true });
  console.warn(`Not recorded, because the server refuses it: ${[...values.keys()][0]}`);
}

/** Sends a commit of `values`; `word` is the verdict, and "later" without a network. */
async function send(storage, key, header, { values, isLast }) {
  const { launch, run, issued: known, base, initialized, terminated } = header;
  const commit = takeRecoveryNumber(storage, key, header);
  tell({ kind: "recovering" });
  const body = {
    ...{ launch, run, commit, base, known, ...valuesAndAges(values, Date.now()) },
    ...(initialized && { initialized }),
    ...(terminated && isLast && { terminated }),
  };
  try {
    const response = await fetch(header.commitUrl, {
      method: "POST",
      headers: { "Content-Type": "text/plain" },
      body: encode(JSON.stringify(body)),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const word = await verdict(response);
    return { word, commit, answer: word === "taken" ? await response.json() : null };
  } catch {
    return { word: "later" }; // the network is away
  }
}
