import { element, icon } from "./elements.js";
import { lessons } from "./items.js";
import { lengthOfTime, percentage, stateOf } from "./words.js";

/**
 * Returns the message that ends a session: its result, and that of each item if there are several.
 * @param {{items: object[], status: object, preview: boolean, actions: object[]}} end
 */
export function summary({ items, status, preview, actions }) {
  const state = stateOf(status);
  const good = state.key === "completed" || state.key === "passed";
  return {
    heading: HEADINGS[state.key],
    text: preview ? "This was a preview: nothing was recorded." : TEXTS[state.key],
    tone: good ? "good" : "calm",
    name: state.key === "none" ? "info" : state.key,
    more: preview ? [] : [facts(status), ...results(lessons(items))],
    actions,
  };
}

const HEADINGS = {
  none: "See you again",
  incomplete: "Your progress is saved",
  completed: "Course completed",
  passed: "Passed",
  failed: "Not passed",
};

const TEXTS = {
  none: "You have not started this course yet.",
  incomplete: "You can go on where you left off at any time.",
  completed: "Well done. Your result is saved.",
  passed: "Well done. Your result is saved.",
  failed: "Your result is saved.",
};

function facts(status) {
  const list = [
    ["Progress", stateOf({ completion: status.completion }).text],
    ["Result", { passed: "Passed", failed: "Not passed" }[status.success]],
    ["Score", typeof status.scoreScaled === "number" ? percentage(status.scoreScaled) : undefined],
    ["Time", status.timeSpentSeconds ? lengthOfTime(status.timeSpentSeconds) : undefined],
  ];
  const shown = list.filter(([, value]) => value !== undefined);
  return element("dl", { class: "facts" }, ...shown.map(([name, value]) => (
    element("div", {}, element("dt", { text: name }), element("dd", { text: value }))
  )));
}

function results(all) {
  if (all.length < 2) return [];
  return [element("ul", { class: "results", role: "list" }, ...all.map(result))];
}

function result(item) {
  const state = stateOf(item);
  const score = typeof item.scoreScaled === "number" ? ` · ${percentage(item.scoreScaled)}` : "";
  return element("li", { "data-state": state.key },
    icon(state.key),
    element("span", { text: item.title, dir: "auto", lang: document.getElementById("title").lang }),
    element("span", { class: "state", text: state.text + score }));
}
