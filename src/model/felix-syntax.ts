/**
 * How the values of Felix's parameters are written as text, whichever source they come from (environment, file,
 * datastore), and what they mean. One syntax per type of value; durations become milliseconds.
 *
 * A text that is not of the syntax gives a rule, not an exception: whether that aborts or falls back to the default is
 * decided per parameter. Regular expressions come from operators and are compiled as JavaScript's, which differ from
 * Go's in rare constructs only.
 */
import {formatCidr, formatIp, parseCidr, parseIp} from '../lib/cidr.ts';
import {parseDuration} from '../lib/duration.ts';
import {messageOf} from '../lib/errors.ts';
import {DSCP_RULE, parseDscp} from './dscp.ts';
import {labelName} from './name-rules.ts';

export type Parsed<T> = {readonly value: T} | {readonly rule: string};

export interface Syntax<T> {
  /** What `none` means, and what an unset parameter without default has. */
  readonly zero: T;
  parse(text: string): Parsed<T>;
}

export interface NumberRange {
  readonly min: number;
  readonly max: number;
}

export interface FailsafePort {
  readonly protocol: 'tcp' | 'udp';
  /** Canonical CIDR the port is open for; undefined for all. */
  readonly net: string | undefined;
  readonly port: number;
}

const ok = <T>(value: T): Parsed<T> => ({value});
const broken = (rule: string): {readonly rule: string} => ({rule});

const TRUE = new Set(['true', '1', 'yes', 'y', 't']);
const FALSE = new Set(['false', '0', 'no', 'n', 'f']);

function parseBoolean(text: string): Parsed<boolean> {
  const word = text.toLowerCase();
  if (TRUE.has(word)) return ok(true);
  return FALSE.has(word) ? ok(false) : broken('must be true, 1, yes, y, t or false, 0, no, n, f');
}

export const bool: Syntax<boolean> = {zero: false, parse: parseBoolean};
/** Unset is a third value. */
export const optionalBool: Syntax<boolean | undefined> = {zero: undefined, parse: parseBoolean};

/** As Go reads integers: decimal, 0x, 0o or 0 for octal, 0b, with a sign. */
function parseInteger(text: string): number | undefined {
  const match = /^([+-]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]*))$/.exec(text);
  if (match === null || text.length > 40) return undefined;
  const [, sign, hex, binary, octal, decimal] = match;
  const size = hex !== undefined ? Number.parseInt(hex, 16) : binary !== undefined ? Number.parseInt(binary, 2) : NaN;
  const value = Number.isNaN(size) ? (octal !== undefined ? Number.parseInt(octal, 8) : Number(decimal)) : size;
  return Number.isSafeInteger(value) ? (sign === '-' ? 0 - value : value) : undefined;
}

export function int(min: number = Number.MIN_SAFE_INTEGER, max: number = Number.MAX_SAFE_INTEGER): Syntax<number> {
  const isRange = min !== Number.MIN_SAFE_INTEGER || max !== Number.MAX_SAFE_INTEGER;
  const rule = !isRange
    ? 'must be a whole number'
    : max === Number.MAX_SAFE_INTEGER
      ? `must be a whole number of at least ${min}`
      : `must be a whole number between ${min} and ${max}`;
  return {
    zero: 0,
    parse(text) {
      const value = parseInteger(text);
      return value !== undefined && value >= min && value <= max ? ok(value) : broken(rule);
    },
  };
}

const FLOAT = /^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$/;

const scaled = (unitMs: number, unit: string): Syntax<number> => ({
  zero: 0,
  parse(text) {
    const durationMs = FLOAT.test(text) ? Number(text) * unitMs : Number.NaN;
    return Number.isFinite(durationMs) ? ok(durationMs) : broken(`must be a number of ${unit}`);
  },
});

/** Seconds, with fractions; the value is in milliseconds. */
export const seconds: Syntax<number> = scaled(1000, 'seconds');
/** Milliseconds, with fractions. */
export const milliseconds: Syntax<number> = scaled(1, 'milliseconds');

const matching = (pattern: RegExp, rule: string): Syntax<string> => ({
  zero: '',
  parse: (text) => (pattern.test(text) ? ok(text) : broken(rule)),
});

export const text: Syntax<string> = matching(/^.*$/, 'must be one line');
/** A path; whether it exists is asked by whoever opens it. */
export const path: Syntax<string> = matching(/^[^\0]*$/, 'must be a path');
export const hostname: Syntax<string> = matching(/^[a-zA-Z0-9_.-]+$/, "must consist of letters, digits, '_', '.', '-'");
export const hostAddress: Syntax<string> = matching(/^[a-zA-Z0-9:._+-]{1,64}$/, 'must be a host name or an address');
export const authority: Syntax<string> = matching(/^[^:/]+:[0-9]+$/, 'must be host:port');
export const interfaceParam: Syntax<string> = matching(
  /^[a-zA-Z0-9:._+-]{1,15}$/,
  "must be 1 to 15 letters, digits or any of ':', '.', '_', '+', '-'",
);
export const logRate: Syntax<string> = matching(
  /^(?:[1-9][0-9]{0,3}\/(?:second|minute|hour|day))?$/,
  'must be a rate such as 10/minute',
);
export const region: Syntax<string> = {
  zero: '',
  parse: (name) =>
    name.length <= 46 && labelName(name) === undefined
      ? ok(name)
      : broken('must be a DNS label of at most 46 characters'),
};

/** One of the words, in any case; the value has the spelling given here. */
export function oneOf<const W extends string>(...words: readonly W[]): Syntax<W | ''> {
  return {
    zero: '',
    parse(raw) {
      const found = words.find((word) => word.toLowerCase() === raw.toLowerCase());
      return found === undefined ? broken(`must be one of ${words.join(', ')}`) : ok(found);
    },
  };
}

const address = (family: 4 | 6): Syntax<string | undefined> => ({
  zero: undefined,
  parse(raw) {
    const ip = parseIp(raw);
    return ip?.family === family ? ok(formatIp(ip)) : broken(`must be an IPv${family} address`);
  },
});
/** Canonical text. */
export const ipv4: Syntax<string | undefined> = address(4);
export const ipv6: Syntax<string | undefined> = address(6);

function compile(pattern: string): RegExp | undefined {
  try {
    return new RegExp(pattern, 'u');
  } catch {
    return undefined;
  }
}

/** Undefined when empty. */
export const regularExpression: Syntax<RegExp | undefined> = {
  zero: undefined,
  parse(raw) {
    const pattern = compile(raw);
    return pattern === undefined ? broken('must be a regular expression') : ok(pattern);
  },
};

/** Entries between commas, without the space around them; empty ones do not count. */
const entries = (raw: string): string[] =>
  raw
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');

/** A list, each entry read by `parseEntry`, which gives undefined for what breaks `rule`. */
const list = <T>(parseEntry: (entry: string) => T | undefined, rule: string): Syntax<readonly T[]> => ({
  zero: [],
  parse(raw) {
    const values: T[] = [];
    for (const entry of entries(raw)) {
      const value = parseEntry(entry);
      if (value === undefined) return broken(rule);
      values.push(value);
    }
    return ok(values);
  },
});

/** Canonical CIDRs. */
export const cidrList: Syntax<readonly string[]> = list((entry) => {
  const cidr = parseCidr(entry);
  return cidr && formatCidr(cidr);
}, 'must be a list of CIDRs');

export const interfaceFilters: Syntax<readonly string[]> = list(
  (entry) => (/^[a-zA-Z0-9:._+-]{1,15}$/.test(entry) ? entry : undefined),
  'must be a list of interface names, each with a + at its end for any continuation',
);

/** Prefixes of interface names. */
export const interfaceList: Syntax<readonly string[]> = {
  zero: [],
  parse: (raw) =>
    /^[a-zA-Z0-9_-]{1,15}(?:,[a-zA-Z0-9_-]{1,15})*$/.test(raw)
      ? ok(raw.split(','))
      : broken("must be a list of 1 to 15 letters, digits, '_' or '-', without spaces"),
};

/** Names, or /patterns/ between slashes; each value matches the whole name or what the pattern asks for. */
export const interfacePatterns: Syntax<readonly RegExp[]> = {
  zero: [],
  parse(raw) {
    const patterns: RegExp[] = [];
    for (const entry of raw.split(',')) {
      const isName = /^[a-zA-Z0-9_-]{1,15}$/.test(entry);
      const isPattern = /^\/\S+\/$/.test(entry);
      const pattern = isName ? compile(`^${entry}$`) : isPattern ? compile(entry.slice(1, -1)) : undefined;
      if (pattern === undefined) return broken('must be a list of interface names or /regular expressions/');
      patterns.push(pattern);
    }
    return ok(patterns);
  },
};

/** URLs of one scheme, without path, user or query. */
export const endpointList: Syntax<readonly string[]> = {
  zero: [],
  parse(raw) {
    const urls = entries(raw);
    const parsed = urls.map((url) => (URL.canParse(url) ? new URL(url) : undefined));
    const isPlain = parsed.every(
      (url) => url !== undefined && url.pathname === '/' && url.username === '' && url.search === '' && url.hash === '',
    );
    if (!isPlain) return broken('must be a list of http(s)://host:port');
    const isOneScheme = parsed.every((url) => url?.protocol === parsed[0]?.protocol);
    return isOneScheme ? ok(urls) : broken('must be URLs of one scheme');
  },
};

/** `[protocol:][cidr:]port`, an IPv6 CIDR in brackets. Only TCP and UDP, as in Felix. */
export const portList: Syntax<readonly FailsafePort[]> = list(
  parseFailsafePort,
  'must be a list of [tcp:|udp:][cidr:]port, an IPv6 CIDR in [ ]',
);

function parseFailsafePort(entry: string): FailsafePort | undefined {
  const match = /^(?:(tcp|udp):)?(?:(?:\[([^\]]+)\]|([0-9][^:[\]]*)):)?([0-9]{1,5})$/i.exec(entry);
  if (match === null) return undefined;
  const [, protocol = 'tcp', net6, net4, digits] = match;
  const netText = net6 ?? net4;
  const net = netText === undefined ? undefined : parseCidr(netText);
  const port = Number(digits);
  if (port > 65535 || (netText !== undefined && net === undefined)) return undefined;
  return {protocol: protocol.toLowerCase() === 'udp' ? 'udp' : 'tcp', net: net && formatCidr(net), port};
}

function parsePortRange(raw: string): NumberRange | undefined {
  const match = /^([0-9]{1,5})(?::([0-9]{1,5}))?$/.exec(raw);
  if (match === null) return undefined;
  const range = {min: Number(match[1]), max: Number(match[2] ?? match[1])};
  return range.min <= range.max && range.max <= 65535 ? range : undefined;
}

export const portRange: Syntax<NumberRange | undefined> = {
  zero: undefined,
  parse(raw) {
    const range = parsePortRange(raw);
    return range === undefined ? broken('must be a port or a range min:max') : ok(range);
  },
};
export const portRangeList: Syntax<readonly NumberRange[]> = list(parsePortRange, 'must be a list of ports or ranges');

/** 32 bits, at least two of them set. */
export const markMask: Syntax<number> = {
  zero: 0,
  parse(raw) {
    const mask = parseInteger(raw);
    const isMask =
      mask !== undefined && mask >= 0 && mask <= 0xffffffff && mask.toString(2).replaceAll('0', '').length >= 2;
    return isMask ? ok(mask) : broken('must be 32 bits, at least 2 of them set, for example 0xffff0000');
  },
};

const MOST_ROUTE_TABLES = 0xffff;

function parseTables(raw: string): NumberRange | undefined {
  const match = /^([0-9]{1,10})-([0-9]{1,10})$/.exec(raw);
  if (match === null) return undefined;
  const range = {min: Number(match[1]), max: Number(match[2])};
  return range.min >= 1 && range.min <= range.max && range.max <= 0xffffffff ? range : undefined;
}

export const routeTableRange: Syntax<NumberRange | undefined> = {
  zero: undefined,
  parse(raw) {
    const range = parseTables(raw);
    return range !== undefined && range.max <= 250 ? ok(range) : broken('must be a range min-max within 1-250');
  },
};

export const routeTableRanges: Syntax<readonly NumberRange[]> = {
  zero: [],
  parse(raw) {
    const ranges: NumberRange[] = [];
    for (const entry of raw.split(/[,\s]+/).filter((part) => part !== '')) {
      const range = parseTables(entry);
      if (range === undefined) return broken('must be a list of ranges min-max');
      ranges.push(range);
    }
    const tables = ranges.reduce((sum, {min, max}) => sum + max - min + 1, 0);
    if (ranges.length === 0) return broken('must be a list of ranges min-max');
    return tables <= MOST_ROUTE_TABLES ? ok(ranges) : broken(`must have at most ${MOST_ROUTE_TABLES} tables together`);
  },
};

const keyed = <T>(parseValue: (text: string) => T | undefined, rule: string): Syntax<ReadonlyMap<string, T>> => ({
  zero: new Map(),
  parse(raw) {
    const values = new Map<string, T>();
    for (const entry of entries(raw)) {
      const equals = entry.indexOf('=');
      const value = equals < 1 ? undefined : parseValue(entry.slice(equals + 1));
      if (value === undefined) return broken(rule);
      values.set(entry.slice(0, equals).trim(), value);
    }
    return ok(values);
  },
});

export const keyValueList: Syntax<ReadonlyMap<string, string>> = keyed((value) => value, 'must be a list of key=value');
/** Milliseconds by key. */
export const keyDurationList: Syntax<ReadonlyMap<string, number>> = keyed(
  parseDuration,
  'must be a list of key=duration, for example InternalDataplaneMainLoop=5m',
);

export const dscp: Syntax<number> = {
  zero: 0,
  parse(raw) {
    const codePoint = parseDscp(raw);
    return codePoint === undefined ? broken(DSCP_RULE) : ok(codePoint);
  },
};

/** The rule `text` breaks as a regular expression, or undefined. */
export function regularExpressionProblem(pattern: string): string | undefined {
  try {
    new RegExp(pattern, 'u');
    return undefined;
  } catch (error) {
    return `must be a regular expression: ${messageOf(error)}`;
  }
}
