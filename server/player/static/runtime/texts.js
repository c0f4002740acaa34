/** The small texts that values are made of. Digits are those of ASCII. */

import { isLanguage } from "./languages.js";

const REAL = /^-?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)$/;
const VISIBLE = /[^\x00-\x20\x7f]/;
// What RFC 3986 lets stand nowhere, and the brackets that SCORM keeps for its own delimiters.
const NOT_OF_A_URI = /[\x00-\x20\x7f"<>[\]\\^`{|}]/;
const URN = /^urn:[A-Za-z0-9][A-Za-z0-9-]{0,31}:./i;
const LANGUAGE = /^\{lang=([^}]*)\}/;

/**
 * Whether this is a number in digits, however many.
 *
 * @param {string} text
 * @returns {boolean}
 */
export function isReal(text) {
  return REAL.test(text);
}

/**
 * Whether this is SCORM 1.2's CMIIdentifier, of any length.
 *
 * @param {string} text
 * @returns {boolean}
 */
export function isIdentifier(text) {
  return VISIBLE.test(text);
}

/**
 * Whether this is a URI, which may be relative (RTE 4.1.1.9).
 *
 * @param {string} text
 * @returns {boolean}
 */
export function isShortIdentifier(text) {
  return text !== "" && !NOT_OF_A_URI.test(text);
}

/**
 * Whether this is a URI, and if a URN a whole one (RTE 4.1.1.5).
 *
 * @param {string} text
 * @returns {boolean}
 */
export function isLongIdentifier(text) {
  return isShortIdentifier(text) && (!/^urn:/i.test(text) || URN.test(text));
}

/**
 * Whether the language that the text declares in front is one, if it declares any (RTE 4.1.1.3).
 *
 * @param {string} text
 * @returns {boolean}
 */
export function isLocalized(text) {
  const declared = LANGUAGE.exec(text);
  return declared === null || isLanguage(declared[1]);
}
