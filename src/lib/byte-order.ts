/**
 * The order of strings by their UTF-8 bytes, which is how etcd sorts keys and how Go sorts the keys of a map.
 * JavaScript compares UTF-16 units, which differs only where surrogates (U+10000 and above) meet U+E000..U+FFFF.
 */
export function compareBytes(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const difference = rank(a.charCodeAt(i)) - rank(b.charCodeAt(i));
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** Surrogates after everything else, the rest as it is. */
const rank = (unit: number): number => (unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit);
