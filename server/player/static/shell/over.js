import { button, element, icon } from "./elements.js";

/** What lies over the course: the wait for it, messages, the summary; and a strip along its foot. */
export class Over {
  #place = document.getElementById("over");
  #strip = document.getElementById("strip");

  /** Shows that something is on its way. */
  busy(text) {
    this.#put(element("p", { class: "busy", role: "status" }, icon("saving"), element("span", { text })));
  }

  /**
   * Shows a message and puts the keyboard on it.
   * @param {{heading: string, text: string, tone?: "warn" | "good", name?: string, actions?: Array<{text: string,
   *   act: () => void}>, more?: Node[]}} message
   */
  message({ heading, text, tone = "warn", name = "info", actions = [], more = [] }) {
    const title = element("h2", { tabindex: -1, text: heading });
    const card = element("div", { class: "card", "data-tone": tone }, icon(name), title, element("p", { text }), ...more);
    const buttons = actions.map(({ text: label, act }, index) => button(label, act, { primary: index === 0 }));
    if (buttons.length > 0) card.append(element("div", { class: "actions" }, ...buttons));
    this.#put(card);
    title.focus({ preventScroll: true });
  }

  /** Shows the course. */
  clear() {
    this.#place.hidden = true;
    this.#place.replaceChildren();
  }

  /** Shows a line along the foot of the stage; none for null. */
  strip(text) {
    this.#strip.hidden = text === null;
    this.#strip.textContent = text ?? "";
  }

  #put(node) {
    this.#place.replaceChildren(node);
    this.#place.hidden = false;
  }
}
