/** Whether a text is a value of a type. server/domain/cmi/values.py judges the same way, and a corpus proves it. */

import { isLanguage } from "./languages.js";
import { isResponse12, isResponse2004 } from "./responses.js";
import { isIdentifier, isLocalized, isLongIdentifier, isReal, isShortIdentifier } from "./texts.js";

const INTEGER = /^-?[0-9]{1,10}$/;
const UNSIGNED = /^[0-9]{1,10}$/;
const NAVIGATION = /^\{target=[^{}]+\}(?:choice|jump)$/;
const TIME_12 = /^(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,2})?$/;
const TIMESPAN = /^[0-9]{2,4}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,2})?$/;
const DURATION = new RegExp(
  "^P(?=[0-9T])(?:[0-9]{1,10}Y)?(?:[0-9]{1,10}M)?(?:[0-9]{1,10}D)?" +
    "(?:T(?=[0-9])(?:[0-9]{1,10}H)?(?:[0-9]{1,10}M)?(?:[0-9]{1,10}(?:\\.[0-9]{1,2})?S)?)?$",
);
// RTE 4.1.1.7: everything but the year may be left out from the right; a time zone only follows a fraction of a second.
const TIME_2004 = new RegExp(
  "^([0-9]{4})(?:-(0[1-9]|1[0-2])(?:-([0-9]{2})(?:T(?:[01][0-9]|2[0-3])(?::[0-5][0-9](?::[0-5][0-9]" +
    "(?:\\.[0-9]{1,2}(?:Z|[+-](?:[01][0-9]|2[0-3])(?::[0-5][0-9])?)?)?)?)?)?)?)?$",
);

/**
 * What is wrong with a value: its type, its range, or nothing.
 *
 * @param {"1.2"|"2004"} version
 * @param {{kind: string, values?: string[]|string, min?: number, max?: number, blank?: boolean}} type
 * @param {string} text
 * @param {string} [interaction] the type of the interaction that a response or pattern belongs to
 * @returns {"type"|"range"|null}
 */
export function fault(version, type, text, interaction) {
  if (text.includes("\0")) return "type";
  if (type.blank && text === "") return null;
  switch (type.kind) {
    case "decimal":
    case "real":
      return isReal(text) ? rangeFault(type, Number(text)) : "type";
    case "integer":
    case "sinteger":
      return INTEGER.test(text) ? rangeFault(type, Number(text)) : "type";
    case "count":
    case "uinteger":
      return UNSIGNED.test(text) ? rangeFault(type, Number(text)) : "type";
    case "response":
    case "pattern":
      return isResponse(version, type.kind, text, interaction) ? null : "type";
    default:
      return CHECKS[type.kind](text, type, version) ? null : "type";
  }
}

function rangeFault({ min = -Infinity, max = Infinity }, number) {
  return number >= min && number <= max ? null : "range";
}

function isResponse(version, kind, text, interaction) {
  return version === "1.2" ? isResponse12(interaction, text) : isResponse2004(interaction, text, kind === "pattern");
}

const CHECKS = {
  boolean: (text) => text === "true" || text === "false",
  children: (text, type) => text === type.values,
  duration: (text) => DURATION.test(text),
  identifier: isIdentifier,
  language: isLanguage,
  localized: isLocalized,
  long_identifier: isLongIdentifier,
  nav_request: isNavigation,
  result: (text, type) => type.values.includes(text) || isReal(text),
  short_identifier: isShortIdentifier,
  string: () => true,
  time: (text, _, version) => (version === "1.2" ? TIME_12.test(text) : isTime2004(text)),
  timespan: (text) => TIMESPAN.test(text),
  version: (text, type) => type.values.includes(text),
  vocabulary: (text, type) => type.values.includes(text),
};

function isNavigation(text, type) {
  if (text === "choice" || text === "jump") return false;
  return type.values.includes(text) || NAVIGATION.test(text);
}

/** A year from 1970 to 2038, or a day of the calendar in it, or a time on that day. */
function isTime2004(text) {
  const found = TIME_2004.exec(text);
  if (!found || Number(found[1]) < 1970 || Number(found[1]) > 2038) return false;
  const day = found[3];
  return day === undefined || (day !== "00" && Number(day) <= daysIn(Number(found[1]), Number(found[2])));
}

function daysIn(year, month) {
  return new Date(Date.UTC(year, month, 0)).getUTCDate();
}
