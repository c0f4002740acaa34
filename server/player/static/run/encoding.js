import { gzipSync, strToU8 } from "../vendor/fflate/fflate.js";

const COMPRESS_ABOVE = 8 * 1024;

/**
 * Returns a commit's text as the bytes to send: UTF-8, gzip-compressed when long. It is synchronous, because a page that
 * is being dismissed has no time for anything else; so it is quick rather than thorough, unless `level` (1 to 9) says so.
 * @returns {Uint8Array}
 */
export function encode(text, level = 1) {
  const bytes = strToU8(text);
  return bytes.length > COMPRESS_ABOVE ? gzipSync(bytes, { level }) : bytes;
}
