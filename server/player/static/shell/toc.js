import { element, icon } from "./elements.js";
import { lessons } from "./items.js";
import { lockedOr, stateOf } from "./words.js";

const PHONE = window.matchMedia("(max-width: 48rem)");

/**
 * The table of contents: beside the course on a wide screen, a drawer over it on a phone. `onChoose` gets the id of the
 * item that the learner chose.
 */
export class Contents {
  #nav = document.getElementById("contents");
  #tree = document.getElementById("tree");
  #toggle = document.getElementById("btn-contents");
  #progress = document.getElementById("overall");
  #progressText = document.getElementById("overall-text");
  #behind = [document.getElementById("stage"), document.getElementById("foot")];
  #onChoose;
  #always;
  #drawn = "";
  #followed = null;

  /** @param {{onChoose: (id: string) => void, always?: boolean}} options always: open even for a single lesson */
  constructor({ onChoose, always = false }) {
    this.#onChoose = onChoose;
    this.#always = always;
    this.#toggle.addEventListener("click", () => this.#show(this.#nav.hidden, { focus: true }));
    document.getElementById("backdrop").addEventListener("click", () => this.#show(false, { focus: true }));
    document.addEventListener("keydown", (event) => this.#key(event));
    PHONE.addEventListener("change", () => this.#show(!PHONE.matches && !this.#nav.hidden, {}));
  }

  /** Draws the items; a course of one lesson keeps its contents closed. */
  draw(items) {
    const before = this.#drawn;
    this.#drawn = JSON.stringify(items);
    if (this.#drawn === before) return; // a button that is replaced while it is pressed would lose the click
    const focused = this.#tree.contains(document.activeElement) ? document.activeElement.dataset.item : null;
    this.#tree.replaceChildren(this.#list(items));
    if (focused) this.#tree.querySelector(`[data-item="${CSS.escape(focused)}"]`)?.focus();
    this.#drawProgress(lessons(items));
    if (!before) {
      const useful = this.#always || lessons(items).length > 1;
      this.#toggle.hidden = !useful;
      this.#show(useful && !PHONE.matches, {});
    }
    this.#follow();
  }

  /** Shows the contents, because the learner has to choose. */
  open() {
    this.#show(true, { focus: true });
  }

  /** Closes the drawer, which would keep everything else from being used. */
  close() {
    if (PHONE.matches) this.#show(false, {});
  }

  /** Brings the item that was come to into sight, and leaves the learner who looks elsewhere alone until the next. */
  #follow() {
    const current = this.#tree.querySelector("[aria-current]");
    if (!current || current.dataset.item === this.#followed) return;
    this.#followed = current.dataset.item;
    current.scrollIntoView({ block: "nearest" });
  }

  #list(items) {
    const list = element("ul", { role: "list" });
    list.append(...items.flatMap((item) => this.#entry(item)));
    return list;
  }

  /** Returns the nodes of an item; one that is not to be seen leaves its children in its place. */
  #entry(item) {
    const children = item.children ?? [];
    if (item.visible === false) return children.flatMap((child) => this.#entry(child));
    const entry = element("li", {}, this.#row(item));
    if (children.some(shows)) entry.append(this.#list(children));
    return [entry];
  }

  #row(item) {
    const cluster = !item.launchable;
    const plain = cluster && !item.enabled;
    const closed = !plain && !item.enabled;
    const state = closed && !item.current ? lockedOr(stateOf(item)) : stateOf(item);
    const row = element(plain ? "div" : "button", {
      type: plain ? null : "button",
      class: cluster ? "item cluster" : "item",
      title: item.title,
      "data-item": item.id,
      "data-state": state.key,
      "aria-current": item.current ? "true" : null,
      "aria-disabled": closed ? "true" : null, // `disabled` would hide from the keyboard that there is something
    });
    const name = cluster && state.key === "none" ? "group" : state.key;
    const spoken = element("span", { class: "visually-hidden", text: `(${state.text})` });
    row.append(icon(name), element("span", { text: item.title, dir: "auto" }), spoken);
    if (!plain && !closed) row.addEventListener("click", () => this.#choose(item.id));
    return row;
  }

  #choose(id) {
    if (PHONE.matches) this.#show(false, {});
    this.#onChoose(id);
  }

  #drawProgress(all) {
    const done = all.filter((item) => item.completion === "completed").length;
    this.#progress.max = Math.max(1, all.length);
    this.#progress.value = done;
    this.#progressText.textContent = `${done} of ${all.length} completed`;
  }

  #show(shown, { focus }) {
    this.#nav.hidden = !shown;
    this.#toggle.setAttribute("aria-expanded", String(shown));
    for (const place of this.#behind) place.inert = shown && PHONE.matches;
    if (!focus) return;
    const find = (selector) => this.#tree.querySelector(selector);
    if (shown) (find("button[aria-current]") ?? find("button"))?.focus();
    else this.#toggle.focus();
  }

  #key(event) {
    if (event.key === "Escape" && PHONE.matches && !this.#nav.hidden) this.#show(false, { focus: true });
  }
}

/** Whether anything of an item is to be seen. */
function shows(item) {
  return item.visible !== false || (item.children ?? []).some(shows);
}
