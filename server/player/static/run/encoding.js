import { gzipSync, strToU8 } from "../vendor/fflate/fflate.js";

const COMPRESS_ABOVE = 8 * 1024;

/**
 * Returns a commit's text as the bytes to send: UTF-8, gzip-compressed when long. It is synchronous, because a page that
 * is being dismissed has no time for anything else.
 * @returns {Uint8Array}
 */
export function encode(text) {
  const bytes = strToU8(text);
  return bytes.length > COMPRESS_ABOVE ? gzipSync(bytes, { level: 6 }) : bytes;
}
