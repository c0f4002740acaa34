const PATIENCE_MS = 4000;

/**
 * Lets the content origin send what earlier run pages of this session left in its storage, for at most four seconds.
 * @param {{contentOrigin: string, recover: string, session: string}} options
 * @returns {Promise<void>}
 */
export async function recovered({ contentOrigin, recover, session }) {
  const frame = document.createElement("iframe");
  frame.hidden = true;
  frame.title = "Unsaved progress";
  const hash = new URLSearchParams({ session, shell: location.origin });
  frame.src = `${contentOrigin}${recover}#${hash}`;
  await new Promise((resolve) => {
    const hear = (event) => {
      if (event.source !== frame.contentWindow || event.origin !== contentOrigin) return;
      if (event.data?.kind === "recovered") done();
    };
    const done = () => {
      window.removeEventListener("message", hear);
      clearTimeout(timer);
      resolve();
    };
    const timer = setTimeout(done, PATIENCE_MS);
    window.addEventListener("message", hear);
    document.body.append(frame);
  });
  frame.remove();
}
