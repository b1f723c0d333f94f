/**
 * Prefixes as ranges, in the order of the keys' UTF-8 bytes. Code points compare like their UTF-8 encodings (UTF-16 code
 * units, which JavaScript compares, do not), so the end of a prefix is the prefix with its last code point raised.
 */

const LAST_CODE_POINT = 0x10ffff;
const FIRST_SURROGATE = 0xd800;
const LAST_SURROGATE = 0xdfff;

/** The least key greater than every key that begins with `prefix`; undefined when there is none. */
export function prefixEnd(prefix: string): string | undefined {
  const points = Array.from(prefix);
  for (let point = points.pop(); point !== undefined; point = points.pop()) {
    const code = point.codePointAt(0) ?? LAST_CODE_POINT;
    if (code === LAST_CODE_POINT) continue;
    const next = code + 1 === FIRST_SURROGATE ? LAST_SURROGATE + 1 : code + 1;
    return points.join('') + String.fromCodePoint(next);
  }
  return undefined;
}
