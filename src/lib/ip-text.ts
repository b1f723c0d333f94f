/**
 * The text of addresses, to and from words and bytes. Written for the netlink codecs, which turn every address of every
 * message into text and back, and used by `cidr.ts` for everything else, so that there is one parser and one printer.
 *
 * Strict on input: four decimal octets without leading zeros, or RFC 4291 text; no octal, no hexadecimal IPv4, no short
 * forms, no zone, no white space. Canonical on output: RFC 5952, with the dotted tail for IPv4-mapped addresses only.
 */

const OCTETS: readonly string[] = Array.from({length: 256}, (_, octet) => String(octet));
const HEX: readonly string[] = Array.from({length: 256}, (_, byte) => byte.toString(16));
const HEX_PADDED: readonly string[] = HEX.map((hex) => hex.padStart(2, '0'));

const DOT = 0x2e;
const COLON = 0x3a;

/** The text of the address of `family` that starts at `offset`. Bytes beyond the end count as zero. */
export function formatIpAt(bytes: Uint8Array, offset: number, family: 4 | 6): string {
  return family === 4 ? formatIpv4At(bytes, offset) : formatIpv6At(bytes, offset);
}

function formatIpv4At(bytes: Uint8Array, offset: number): string {
  return joinOctets(bytes[offset] ?? 0, bytes[offset + 1] ?? 0, bytes[offset + 2] ?? 0, bytes[offset + 3] ?? 0);
}

function formatIpv6At(bytes: Uint8Array, offset: number): string {
  const groups: number[] = [];
  for (let at = offset; at < offset + 16; at += 2) groups.push(((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0));
  return formatIpv6Groups(groups);
}

/** Dotted quad of one unsigned 32-bit word. */
export function formatIpv4Word(word: number): string {
  return joinOctets(word >>> 24, (word >>> 16) & 255, (word >>> 8) & 255, word & 255);
}

const joinOctets = (a: number, b: number, c: number, d: number): string =>
  `${OCTETS[a]}.${OCTETS[b]}.${OCTETS[c]}.${OCTETS[d]}`;

/** RFC 5952 text of eight 16-bit groups: lower case, and the first of the longest runs of zeros as `::`. */
export function formatIpv6Groups(groups: readonly number[]): string {
  let gapStart = 8;
  let gapLength = 1; // A single zero group is not shortened.
  for (let start = 0; start < 8; start++) {
    let end = start;
    while (end < 8 && groups[end] === 0) end++;
    if (end - start > gapLength) {
      gapStart = start;
      gapLength = end - start;
    }
    if (end > start) start = end;
  }
  if (gapStart === 0 && gapLength === 5 && groups[5] === 0xffff) {
    return `::ffff:${formatIpv4Word((groups[6] ?? 0) * 65536 + (groups[7] ?? 0))}`;
  }
  if (gapStart === 8) return hexGroups(groups, 0, 8);
  return `${hexGroups(groups, 0, gapStart)}::${hexGroups(groups, gapStart + gapLength, 8)}`;
}

function hexGroups(groups: readonly number[], start: number, end: number): string {
  let text = '';
  for (let i = start; i < end; i++) {
    const group = groups[i] ?? 0;
    const high = group >>> 8;
    if (i > start) text += ':';
    text += high === 0 ? HEX[group] : `${HEX[high]}${HEX_PADDED[group & 255]}`;
  }
  return text;
}

/**
 * Writes the address in the first `length` characters of `text` at `offset`, in network byte order. Returns its size, 4
 * or 16 bytes; 0 when it is not an address, and nothing is written then.
 */
export function writeIpAt(text: string, bytes: Uint8Array, offset: number, length: number = text.length): 0 | 4 | 16 {
  const word = parseIpv4Word(text, 0, length);
  if (word !== undefined) {
    bytes[offset] = word >>> 24;
    bytes[offset + 1] = word >>> 16;
    bytes[offset + 2] = word >>> 8;
    bytes[offset + 3] = word;
    return 4;
  }
  const groups = parseIpv6Groups(text, length);
  if (groups === undefined) return 0;
  let at = offset;
  for (const group of groups) {
    bytes[at++] = group >>> 8;
    bytes[at++] = group;
  }
  return 16;
}

/** The word of the dotted quad between `start` and `end` of `text`; undefined when it is not one. */
export function parseIpv4Word(text: string, start = 0, end: number = text.length): number | undefined {
  let word = 0;
  let octet = -1; // None of its digits seen yet.
  let dots = 0;
  for (let i = start; i < end; i++) {
    const code = text.charCodeAt(i);
    if (code === DOT) {
      if (octet < 0) return undefined;
      word = word * 256 + octet;
      octet = -1;
      dots++;
    } else {
      const digit = code - 48;
      if (digit < 0 || digit > 9 || octet === 0) return undefined;
      octet = octet < 0 ? digit : octet * 10 + digit;
      if (octet > 255) return undefined;
    }
  }
  return dots === 3 && octet >= 0 ? word * 256 + octet : undefined;
}

/** The eight groups of the IPv6 address in the first `end` characters of `text`; undefined when it is not one. */
export function parseIpv6Groups(text: string, end: number = text.length): number[] | undefined {
  const groups: number[] = [];
  /** Number of groups before `::`, -1 when there is none. */
  let gap = -1;
  let at = 0;
  if (text.charCodeAt(0) === COLON) {
    if (text.charCodeAt(1) !== COLON || end < 2) return undefined;
    gap = 0;
    at = 2;
  }
  while (at < end) {
    const start = at;
    let group = 0;
    for (; at < end; at++) {
      const digit = hexDigit(text.charCodeAt(at));
      if (digit < 0) break;
      group = group * 16 + digit;
    }
    if (at < end && text.charCodeAt(at) === DOT) {
      const word = parseIpv4Word(text, start, end);
      if (word === undefined) return undefined;
      groups.push(word >>> 16, word & 0xffff);
      break;
    }
    if (at === start || at - start > 4) return undefined;
    groups.push(group);
    if (at === end) break;
    if (text.charCodeAt(at++) !== COLON || at === end) return undefined;
    if (text.charCodeAt(at) === COLON) {
      if (gap >= 0) return undefined;
      gap = groups.length;
      at++;
    }
  }
  const shown = groups.length;
  if (gap < 0) return shown === 8 ? groups : undefined;
  if (shown > 7) return undefined;
  while (groups.length < 8) groups.push(0);
  return groups.copyWithin(8 - shown + gap, gap, shown).fill(0, gap, 8 - shown + gap);
}

function hexDigit(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  const letter = code | 32;
  return letter >= 97 && letter <= 102 ? letter - 87 : -1;
}
