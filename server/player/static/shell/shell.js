import { Indicator } from "./indicator.js";
import { lessons } from "./items.js";
import { Over } from "./over.js";
import { Player } from "./player.js";
import { Contents } from "./toc.js";

const data = JSON.parse(document.getElementById("data").textContent);
const learner = document.getElementById("learner");
const itemTitle = document.getElementById("item-title");
const buttons = {
  continue: document.getElementById("btn-next"),
  previous: document.getElementById("btn-prev"),
  exit: document.getElementById("btn-exit"),
};
// Everything that an LMS may offer (SCORM 2004 4th Ed. SN 4.4.1), for those who add `#controls=all` to the address.
const all = {
  suspendAll: document.getElementById("btn-suspend"),
  exitAll: document.getElementById("btn-exit-all"),
  abandonAll: document.getElementById("btn-abandon"),
};
const showsAll = new URLSearchParams(location.hash.slice(1)).get("controls") === "all";

const over = new Over();
const indicator = new Indicator(document.getElementById("indicator"));
const contents = new Contents({ onChoose: (id) => player.navigate("choice", id), always: showsAll });
const player = new Player({ data, over, indicator, contents, draw });

learner.textContent = data.learner ?? "";
learner.hidden = !data.learner;
if (data.preview) indicator.showPreview();
buttons.continue.addEventListener("click", () => player.navigate("continue"));
buttons.previous.addEventListener("click", () => player.navigate("previous"));
buttons.exit.addEventListener("click", () => player.exit());
document.getElementById("all-controls").hidden = !showsAll;
for (const [request, button] of Object.entries(all)) button.addEventListener("click", () => player.navigate(request));
// A page out of the browser's cache holds a launch that may be long over.
window.addEventListener("pageshow", (event) => event.persisted && location.reload());
player.start();

/**
 * Draws what the player knows: `{items, controls: {continue, previous}, title, busy, ready, ended, attention}`;
 * `attention` names the button that is the next thing to do.
 */
function draw({ items, controls, title, busy, ready, ended, attention }) {
  itemTitle.textContent = title ?? "";
  itemTitle.hidden = !title || lessons(items).length < 2;
  document.title = title && title !== data.title ? `${title} – ${data.title}` : data.title;
  document.getElementById("foot").hidden = lessons(items).length < 2 && !controls.continue && !controls.previous;
  // Below the foot's decision: the contents scroll to the current item in the room that is left.
  if (items.length > 0) contents.draw(items);
  buttons.continue.disabled = busy || !controls.continue;
  buttons.previous.disabled = busy || !controls.previous;
  for (const button of [buttons.exit, ...Object.values(all)]) button.disabled = busy;
  const next = attention && controls.continue ? buttons.continue : attention && buttons.exit;
  for (const button of Object.values(buttons)) {
    button.classList.toggle("primary", button === next);
    button.toggleAttribute("data-attention", button === next);
  }
  document.body.toggleAttribute("data-ready", ready);
  if (ended) document.body.dataset.session = ended;
}
