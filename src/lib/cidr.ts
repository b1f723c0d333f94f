/**
 * Addresses and prefixes of both families as integers.
 *
 * An address is its family and one (IPv4) or four (IPv6) unsigned 32-bit words, most significant first: no BigInt on
 * the hot path, and one arithmetic for both families. Text from outside is parsed strictly, exactly once, at the edge;
 * inside, canonical text is the key of every map (RFC 5952 for IPv6).
 */
import {AgentError} from './errors.ts';
import {formatIpv4Word, formatIpv6Groups, parseIpv4Word, parseIpv6Groups} from './ip-text.ts';

export type Family = 4 | 6;

export interface Ip {
  readonly family: Family;
  /** One word for IPv4, four for IPv6; each 0..2^32-1, most significant first. */
  readonly words: readonly number[];
}

/** A network: host bits are zero. */
export interface Cidr {
  readonly ip: Ip;
  /** 0..32 or 0..128 */
  readonly length: number;
}

/** Values of one word. */
const WORD = 2 ** 32;

export const bitsOf = (family: Family): 32 | 128 => (family === 4 ? 32 : 128);

/** Parses an address; undefined when it is not one. Octal, hexadecimal, short forms and zone ids are refused. */
export function parseIp(text: string): Ip | undefined {
  const word = parseIpv4Word(text);
  if (word !== undefined) return {family: 4, words: [word]};
  const groups = parseIpv6Groups(text);
  if (groups === undefined) return undefined;
  const words: number[] = [];
  for (let i = 0; i < 8; i += 2) words.push((groups[i] ?? 0) * 65536 + (groups[i + 1] ?? 0));
  return {family: 6, words};
}

/** As `parseIp`, but throws E_BAD_ADDRESS. */
export function requireIp(text: string): Ip {
  const ip = parseIp(text);
  if (ip === undefined)
    throw new AgentError('E_BAD_ADDRESS', `"${clip(text)}" is not an IP address`, {value: clip(text)});
  return ip;
}

/** Canonical text: dotted quad, or RFC 5952. */
export function formatIp(ip: Ip): string {
  if (ip.family === 4) return formatIpv4Word(ip.words[0] ?? 0);
  const groups: number[] = [];
  for (const word of ip.words) groups.push(word >>> 16, word & 0xffff);
  return formatIpv6Groups(groups);
}

/** Network byte order: 4 or 16 bytes. */
export function ipToBytes(ip: Ip): Uint8Array {
  const bytes = new Uint8Array(ip.words.length * 4);
  ip.words.forEach((word, i) => {
    bytes[i * 4] = word >>> 24;
    bytes[i * 4 + 1] = word >>> 16;
    bytes[i * 4 + 2] = word >>> 8;
    bytes[i * 4 + 3] = word;
  });
  return bytes;
}

/** The address of 4 or 16 bytes in network byte order, starting at `offset`. */
export function ipFromBytes(bytes: Uint8Array, family: Family, offset = 0): Ip {
  const words: number[] = [];
  for (let i = 0; i < bitsOf(family) / 32; i++) {
    const at = offset + i * 4;
    words.push(
      (((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)) >>>
        0,
    );
  }
  return {family, words};
}

export function compareIp(a: Ip, b: Ip): number {
  if (a.family !== b.family) return a.family - b.family;
  for (let i = 0; i < a.words.length; i++) {
    const difference = (a.words[i] ?? 0) - (b.words[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** `ip + offset`; offset is a safe integer and may be negative. Wraps around at the end of the family. */
export function addToIp(ip: Ip, offset: number): Ip {
  const words = [...ip.words];
  let rest = offset;
  for (let i = words.length - 1; i >= 0 && rest !== 0; i--) {
    // The low word of the offset is added alone: word + offset could exceed 2^53 and lose its last bit.
    const low = rest - Math.floor(rest / WORD) * WORD;
    const sum = (words[i] ?? 0) + low;
    words[i] = sum % WORD;
    rest = Math.floor(rest / WORD) + (sum >= WORD ? 1 : 0);
  }
  return {family: ip.family, words};
}

/** `a - b` as a number; exact while it is below 2^53. Both must be of one family. */
export function distanceOf(a: Ip, b: Ip): number {
  let distance = 0;
  for (let i = 0; i < a.words.length; i++) distance = distance * WORD + ((a.words[i] ?? 0) - (b.words[i] ?? 0));
  return distance;
}

/** Bit `index` (0 is the most significant) of an address. */
export function bitAt(ip: Ip, index: number): 0 | 1 {
  return (((ip.words[index >>> 5] ?? 0) >>> (31 - (index & 31))) & 1) as 0 | 1;
}

/** `ip` with everything after the first `length` bits cleared. */
export function maskIp(ip: Ip, length: number): Ip {
  const words = ip.words.map((word, i) => {
    const keep = length - i * 32;
    if (keep >= 32) return word;
    return keep <= 0 ? 0 : (word & (0xffffffff << (32 - keep))) >>> 0;
  });
  return {family: ip.family, words};
}

/** The network of `length` bits that contains `ip`. */
export const cidrOf = (ip: Ip, length: number): Cidr => ({ip: maskIp(ip, length), length});

/** The network of one address: /32 or /128. */
export const hostCidr = (ip: Ip): Cidr => ({ip, length: bitsOf(ip.family)});

/** An address with the prefix length of its subnet, as in `10.0.0.1/24`: host bits are kept. */
export interface IpWithPrefix {
  readonly ip: Ip;
  readonly length: number;
}

/** Parses `address/length`, or a bare address (its length is then 32 or 128); undefined when it is neither. */
export function parseIpWithPrefix(text: string): IpWithPrefix | undefined {
  const slash = text.indexOf('/');
  const ip = parseIp(slash < 0 ? text : text.slice(0, slash));
  if (ip === undefined) return undefined;
  if (slash < 0) return {ip, length: bitsOf(ip.family)};
  const digits = text.slice(slash + 1);
  // Go takes zeros in front of the length (never in an address), so what is stored may have them.
  if (!/^0{0,16}[0-9]{1,3}$/.test(digits)) return undefined;
  const length = Number(digits);
  return length <= bitsOf(ip.family) ? {ip, length} : undefined;
}

/** Parses a network, or a bare address as one of full length; host bits are cleared. Undefined when it is neither. */
export function parseCidr(text: string): Cidr | undefined {
  const parsed = parseIpWithPrefix(text);
  return parsed && cidrOf(parsed.ip, parsed.length);
}

/** As `parseCidr`, but throws E_BAD_CIDR. */
export function requireCidr(text: string): Cidr {
  const cidr = parseCidr(text);
  if (cidr === undefined) throw new AgentError('E_BAD_CIDR', `"${clip(text)}" is not a CIDR`, {value: clip(text)});
  return cidr;
}

/** Canonical text with the length always written: `10.65.0.0/16`. The form of every key made of a network. */
export const formatCidr = (cidr: Cidr): string => `${formatIp(cidr.ip)}/${cidr.length}`;

export function cidrContainsIp(cidr: Cidr, ip: Ip): boolean {
  return compareIp(maskIp(ip, cidr.length), cidr.ip) === 0;
}

export function cidrContains(outer: Cidr, inner: Cidr): boolean {
  return inner.length >= outer.length && cidrContainsIp(outer, inner.ip);
}

export const cidrsOverlap = (a: Cidr, b: Cidr): boolean => cidrContains(a, b) || cidrContains(b, a);

/** Number of addresses; exact while it is below 2^53. */
export const cidrSize = (cidr: Cidr): number => 2 ** (bitsOf(cidr.ip.family) - cidr.length);

export const compareCidr = (a: Cidr, b: Cidr): number => compareIp(a.ip, b.ip) || a.length - b.length;

const clip = (text: string): string => (text.length > 64 ? `${text.slice(0, 61)}...` : text);
