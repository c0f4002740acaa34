/** A frame that says nothing for so long was lost on its way. */
const SILENT_MS = 4000;

/** Sending a journal, which it tells of, takes its time. */
const WORKING_MS = 17000;

/** How long the learner waits at most for what cannot be sent although the server is there. */
const PATIENCE_MS = 30000;
const FIRST_PAUSE_MS = 300;
const LONGEST_PAUSE_MS = 4000;

/**
 * Lets the content origin send what earlier run pages of this session left in its storage. A launch makes all of that
 * stale, so it is tried again and again while some of it could still be sent.
 * @param {{contentOrigin: string, recover: string, session: string}} data
 * @param {(waiting: boolean) => void} onWaiting is told true when it has to be repeated
 * @param {number} patience how many milliseconds it is tried
 * @returns {Promise<void>}
 */
export async function recovered(data, onWaiting, patience = PATIENCE_MS) {
  const until = Date.now() + patience;
  for (let failures = 0; (await left(data)) !== 0 && Date.now() < until; failures += 1) {
    onWaiting(true);
    const pause = Math.min(FIRST_PAUSE_MS * 2 ** failures, LONGEST_PAUSE_MS);
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

/** Resolves with how many journals could still be sent; null if nobody knows. */
async function left({ contentOrigin, recover, session }) {
  const frame = document.createElement("iframe");
  frame.hidden = true;
  frame.title = "Unsaved progress";
  const hash = new URLSearchParams({ session, shell: location.origin });
  frame.src = `${contentOrigin}${recover}#${hash}`;
  const kept = await new Promise((resolve) => {
    let timer = setTimeout(() => done(null), SILENT_MS);
    const hear = (event) => {
      if (event.source !== frame.contentWindow || event.origin !== contentOrigin) return;
      if (event.data?.kind === "recovered") done(event.data.kept);
      if (event.data?.kind !== "recovering") return;
      clearTimeout(timer);
      timer = setTimeout(() => done(null), WORKING_MS);
    };
    const done = (number) => {
      window.removeEventListener("message", hear);
      clearTimeout(timer);
      resolve(number);
    };
    window.addEventListener("message", hear);
    document.body.append(frame);
  });
  frame.remove();
  return kept;
}
