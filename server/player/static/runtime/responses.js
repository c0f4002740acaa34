/** What learners answered and what would have been right, by the interaction's type. */

import { isIdentifier, isLocalized, isReal, isShortIdentifier } from "./texts.js";

const MATTERS = /\{(case_matters|order_matters)=([^}]*)\}/y;
const TRUE_FALSE_12 = /^(?:0|1|t|f|true|false)$/i;

/**
 * Whether a text is a learner_response or a pattern of SCORM 2004 (RTE 4.2.9).
 *
 * @param {string|undefined} interaction its type; without it any text is right
 * @param {string} text
 * @param {boolean} isPattern
 * @returns {boolean}
 */
export function isResponse2004(interaction, text, isPattern) {
  return JUDGES_2004.get(interaction)?.(text, isPattern) ?? true;
}

/**
 * Whether a text is a student_response or a pattern of SCORM 1.2.
 *
 * The book wants single characters for choices; courses write words, so only the shape counts. Blank is always right.
 *
 * @param {string|undefined} interaction its type; without it any text is right
 * @param {string} text
 * @returns {boolean}
 */
export function isResponse12(interaction, text) {
  return text === "" || (JUDGES_12.get(interaction)?.(text) ?? true);
}

const JUDGES_2004 = new Map(
  Object.entries({
    "true-false": (text) => text === "true" || text === "false",
    choice: isSetOfChoices,
    "fill-in": (text, isPattern) => allAfterMatters(text, isPattern, ["case_matters", "order_matters"], isLocalized),
    "long-fill-in": isLongFillIn,
    likert: isShortIdentifier,
    matching: isMatching,
    performance: (text, isPattern) => allAfterMatters(text, isPattern, ["order_matters"], isStep),
    sequencing: (text) => text.split("[,]").every(isShortIdentifier),
    // For a pattern the book wants a range; courses write the one right number, which is what they mean.
    numeric: (text, isPattern) => isReal(text) || (isPattern && isRange(text)),
  }),
);

const JUDGES_12 = new Map(
  Object.entries({
    "true-false": (text) => TRUE_FALSE_12.test(text),
    choice: (text) => items(text).every((item) => item !== ""),
    sequencing: (text) => items(text).every((item) => item !== ""),
    matching: (text) => items(text).every(isPair12),
    numeric: isReal,
    likert: isIdentifier,
  }),
);

/** A set, which may be empty; nothing is in it twice. */
function isSetOfChoices(text) {
  if (text === "") return true;
  const chosen = text.split("[,]");
  return chosen.every(isShortIdentifier) && new Set(chosen).size === chosen.length;
}

function isLongFillIn(text, isPattern) {
  const rest = isPattern ? afterMatters(text, ["case_matters"]) : text;
  return rest !== null && isLocalized(rest);
}

/** Pairs of source and target. A learner may have matched nothing; a pattern says something. */
function isMatching(text, isPattern) {
  if (text === "") return !isPattern;
  return text.split("[,]").every((pair) => {
    const parts = pair.split("[.]");
    return parts.length === 2 && parts.every(isShortIdentifier);
  });
}

/** A step's name, its answer, or both. The answer is a text, a number or a range of numbers. */
function isStep(text) {
  const [name, answer, ...more] = text.split("[.]");
  if (answer === undefined || more.length > 0 || (name === "" && answer === "")) return false;
  return (name === "" || isShortIdentifier(name)) && (!answer.includes("[:]") || isRange(answer));
}

/** Two numbers in order. Either may be left out and then sets no bound. */
function isRange(text) {
  const bounds = text.split("[:]");
  if (bounds.length !== 2 || !bounds.every((bound) => bound === "" || isReal(bound))) return false;
  return bounds.includes("") || Number(bounds[0]) <= Number(bounds[1]);
}

function allAfterMatters(text, isPattern, known, judge) {
  const rest = isPattern ? afterMatters(text, known) : text;
  return rest !== null && rest.split("[,]").every(judge);
}

/** What follows {case_matters=…} and {order_matters=…}, which only stand in front; null if one is not a boolean. */
function afterMatters(text, known) {
  let start = 0;
  for (;;) {
    MATTERS.lastIndex = start;
    const found = MATTERS.exec(text);
    if (!found || !known.includes(found[1])) return text.slice(start);
    if (found[2] !== "true" && found[2] !== "false") return null;
    start += found[0].length;
  }
}

function items(text) {
  const bare = text.startsWith("{") && text.endsWith("}") ? text.slice(1, -1) : text;
  return bare.split(",").map(withoutSpaces);
}

/** Without spaces around it. Not trim(), which takes away what Unicode calls a space. */
function withoutSpaces(text) {
  let start = 0;
  let end = text.length;
  while (start < end && text[start] === " ") start++;
  while (end > start && text[end - 1] === " ") end--;
  return text.slice(start, end);
}

function isPair12(item) {
  const dot = item.indexOf(".");
  return dot > 0 && dot < item.length - 1;
}
