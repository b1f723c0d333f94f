/**
 * Addresses between canonical text and network-order bytes, without an object in between: what a dump of ten thousand
 * routes costs is decided here. Same language as `parseIp` and `formatIp` of cidr.ts (strict in, RFC 5952 out); a test
 * holds the two against each other.
 */
import {type Family, formatIp, ipFromBytes, ipToBytes, parseIp} from './cidr.ts';

const DOT = 46;
const COLON = 58;
const ZERO = 48;

/**
 * Writes the address in the first `length` characters of `text` to `bytes` at `at`, and returns its size: 4 or 16, or 0
 * when it is not an address. `bytes` needs room for 16.
 */
export function parseIpInto(text: string, length: number, bytes: Uint8Array, at: number): 0 | 4 | 16 {
  for (let i = 0; i < length && i < 5; i++) {
    const code = text.charCodeAt(i);
    if (code === DOT) return parseIpv4Into(text, length, bytes, at);
    if (code === COLON) break;
  }
  return parseIpv6Into(text, length, bytes, at);
}

function parseIpv4Into(text: string, length: number, bytes: Uint8Array, at: number): 0 | 4 {
  let octet = 0;
  let digits = 0;
  let octets = 0;
  for (let i = 0; i <= length; i++) {
    const code = i < length ? text.charCodeAt(i) : DOT;
    if (code === DOT) {
      if (digits === 0 || octets === 4) return 0;
      bytes[at + octets++] = octet;
      octet = 0;
      digits = 0;
    } else {
      const digit = code - ZERO;
      // A leading zero would be octal to others: refused, like everything out of range.
      if (digit < 0 || digit > 9 || (digits > 0 && octet === 0)) return 0;
      octet = octet * 10 + digit;
      digits++;
      if (octet > 255) return 0;
    }
  }
  return octets === 4 ? 4 : 0;
}

function parseIpv6Into(text: string, length: number, bytes: Uint8Array, at: number): 0 | 16 {
  let written = 0;
  /** Bytes before the `::`, or -1. */
  let gapAt = -1;
  let i = 0;
  if (length >= 2 && text.charCodeAt(0) === COLON) {
    if (text.charCodeAt(1) !== COLON) return 0;
    gapAt = 0;
    i = 2;
  }
  while (i < length) {
    let group = 0;
    let digits = 0;
    for (; i < length; i++, digits++) {
      const digit = hexDigit(text.charCodeAt(i));
      if (digit < 0) break;
      group = group * 16 + digit;
    }
    // A dotted tail is rare: leave it to the general parser.
    if (i < length && text.charCodeAt(i) === DOT) return parseMixedInto(text.slice(0, length), bytes, at);
    if (digits === 0 || digits > 4 || written === 16) return 0;
    bytes[at + written] = group >>> 8;
    bytes[at + written + 1] = group;
    written += 2;
    if (i === length) break;
    if (text.charCodeAt(i) !== COLON) return 0;
    i++;
    if (i === length) return 0;
    if (text.charCodeAt(i) === COLON) {
      if (gapAt >= 0) return 0;
      gapAt = written;
      i++;
    }
  }
  if (gapAt < 0) return written === 16 ? 16 : 0;
  if (written === 16) return 0;
  bytes.copyWithin(at + 16 - (written - gapAt), at + gapAt, at + written);
  bytes.fill(0, at + gapAt, at + 16 - (written - gapAt));
  return 16;
}

function parseMixedInto(text: string, bytes: Uint8Array, at: number): 0 | 16 {
  const ip = parseIp(text);
  if (ip?.family !== 6) return 0;
  bytes.set(ipToBytes(ip), at);
  return 16;
}

function hexDigit(code: number): number {
  if (code >= ZERO && code <= 57) return code - ZERO;
  const lower = code | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}

/** Canonical text of the address in `length` (4 or 16) bytes at `at`. */
export function formatIpBytes(bytes: Uint8Array, at: number, length: number): string {
  if (length === 4) return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`;
  return formatIp(ipFromBytes(bytes, 6 satisfies Family, at));
}
