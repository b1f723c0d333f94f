/**
 * The types of single values that resources are made of: addresses, networks, names, durations, numbers with a range.
 * Each is a zod schema whose messages continue "this value ...".
 */
import {z} from 'zod';
import {type Family, formatCidr, formatIp, parseCidr, parseIp, parseIpWithPrefix} from '../lib/cidr.ts';
import {formatDuration, parseDuration} from '../lib/duration.ts';
import {messageOf} from '../lib/errors.ts';
import {DSCP_RULE, usualDscp} from './dscp.ts';
import {isPortName, PORT_NAME_RULE, subdomainName} from './name-rules.ts';
import {narrow, normalised} from './schema.ts';
import {parseSelector} from './selector/parser.ts';

/** Text for which `isRight` holds; the rule is also what documentation says of the field. */
export const textThat = (isRight: (text: string) => boolean, rule: string): z.ZodString =>
  z.string().refine(isRight, rule).describe(rule);

/** A whole number, with an inclusive range if one is given. */
export function integer(min?: number, max?: number): z.ZodInt {
  if (min !== undefined && max !== undefined) {
    const rule = `must be between ${min} and ${max}`;
    return z.int().min(min, rule).max(max, rule);
  }
  return min === undefined ? z.int() : z.int().min(min, `must be at least ${min}`);
}

/** A number of Go's float64; one that JSON writes as an integer beyond 2^53 is one too. */
export const float = (): z.ZodType<number> =>
  normalised(
    z
      .union([z.number(), z.bigint()])
      .overwrite(Number)
      .refine((value): value is number => Number.isFinite(Number(value)), 'must be a number'),
  ) as z.ZodType<unknown> as z.ZodType<number>;

/** Go's bool with omitempty: false unless set. */
export const flag = (): z.ZodDefault<z.ZodBoolean> => z.boolean().default(false);

const familyOf = (text: string): Family | undefined => parseIp(text)?.family;

export const ipAddress = (): z.ZodString => textThat((text) => familyOf(text) !== undefined, 'must be an IP address');
export const ipv4Address = (): z.ZodString => textThat((text) => familyOf(text) === 4, 'must be an IPv4 address');
export const ipv6Address = (): z.ZodString => textThat((text) => familyOf(text) === 6, 'must be an IPv6 address');

/** An address, or a network whose host bits may be set. Text without characters is one of no addresses, as in Calico. */
export const cidrOrIp = (): z.ZodString =>
  textThat((text) => text === '' || parseIpWithPrefix(text) !== undefined, 'must be an IP address or a CIDR');

/** An address of a family with the length of its subnet; Calico takes a bare address too. */
export const interfaceAddress = (family: Family): z.ZodString =>
  textThat(
    (text) => parseIpWithPrefix(text)?.ip.family === family,
    `must be an IPv${family} address with its prefix length`,
  );

/** True when no host bit is set. Other spellings of the same network (`fd00:0::/64`) are fine. */
export function isMasked(text: string): boolean {
  const address = parseIpWithPrefix(text);
  const cidr = parseCidr(text);
  return address !== undefined && cidr !== undefined && formatIp(address.ip) === formatIp(cidr.ip);
}

/** A network without host bits, written with its length. */
export const maskedNetwork = (family?: Family): z.ZodString =>
  textThat(
    (text) => text.includes('/') && isMasked(text) && (family === undefined || parseCidr(text)?.ip.family === family),
    `must be a strictly masked ${family === undefined ? '' : `IPv${family} `}CIDR`,
  );

/** One address as a network: `10.65.0.1/32`, or without its length. */
export const singleAddressNetwork = (): z.ZodString =>
  textThat((text) => {
    const cidr = parseCidr(text);
    return cidr !== undefined && isMasked(text) && formatCidr(cidr).endsWith(cidr.ip.family === 4 ? '/32' : '/128');
  }, 'must be a single IP address: /32 or /128');

const MAC =
  /^[0-9a-f]{2}(?:(?::[0-9a-f]{2}){5}|(?:-[0-9a-f]{2}){5}|(?::[0-9a-f]{2}){7}|(?:-[0-9a-f]{2}){7})$|^[0-9a-f]{4}(?:\.[0-9a-f]{4}){2,3}$/i;
export const macAddress = (): z.ZodString =>
  textThat((text) => text.length < 64 && MAC.test(text), 'must be a MAC address, for example 66:f9:37:c3:7e:94');

const INTERFACE = /^[a-zA-Z0-9_.-]{1,15}$/;
export const isInterfaceName = (text: string): boolean => INTERFACE.test(text);
/** A network interface, or `*` for all. */
export const interfaceName = (): z.ZodString =>
  textThat((text) => text === '*' || isInterfaceName(text), "must be 1 to 15 letters, digits, '_', '.' or '-'");

/** A reference to another resource by its name. */
export const nameReference = (): z.ZodString =>
  textThat((text) => subdomainName(text) === undefined, 'must be the name of a resource');

const CONTAINER_ID = /^[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?$/;
export const containerId = (): z.ZodString =>
  textThat((text) => text.length <= 253 && CONTAINER_ID.test(text), "must consist of letters, digits and '-'");

/** A 32-byte key in base64. */
export const base64Key = (): z.ZodString =>
  textThat((text) => /^[A-Za-z0-9+/]{43}=$/.test(text), 'must be a key of 32 bytes in base64');

/** A selector of at most `maxLength` characters. */
export const selector = (maxLength = 65_536): z.ZodString =>
  z
    .string()
    .superRefine((text, context) => {
      if (text.length > maxLength) context.addIssue(`must have at most ${maxLength} characters`);
      else
        try {
          parseSelector(text);
        } catch (error) {
          context.addIssue(`must be a selector: ${messageOf(error).replace(/^selector: /, '')}`);
        }
    })
    .describe('must be a selector');

const DURATION_RULE = 'must be a duration such as 30s, 1m30s or 500ms';
/** A Go duration; written in Go's usual form (`90s` becomes `1m30s`). */
export const duration = (): z.ZodString =>
  narrow(
    'Duration',
    z
      .string()
      .refine((text) => parseDuration(text) !== undefined, DURATION_RULE)
      .overwrite(usualDuration)
      .describe(DURATION_RULE),
  );

export function usualDuration(text: string): string {
  const durationMs = parseDuration(text);
  return durationMs === undefined ? text : formatDuration(durationMs);
}

/** A number, or text; a number in quotes becomes a number. */
export function unquoteNumber(value: string | number): string | number {
  return typeof value === 'string' && /^[0-9]{1,10}$/.test(value) ? Number(value) : value;
}

const PORT_RANGE_RULE = 'must be a port 1 to 65535 or a range min:max';
/** A number, or `min:max`; ports. */
export const portRange = (): z.ZodType<string | number> => portsThat(isPortRange, PORT_RANGE_RULE);

/** The same, or a name, which means nothing here but is taken by Calico. */
export const portRangeOrName = (): z.ZodType<string | number> =>
  portsThat(
    (value) => isPortRange(value) || /^[a-zA-Z0-9_.-]*[a-zA-Z_.-][a-zA-Z0-9_.-]*$/.test(String(value)),
    `${PORT_RANGE_RULE}, or the name of a port`,
  );

const portsThat = (isRight: (value: string | number) => boolean, rule: string): z.ZodType<string | number> =>
  narrow(
    'Port',
    normalised(z.union([z.string(), z.int()]).overwrite(unquoteNumber).refine(isRight, rule).describe(rule)),
  );

function isPortRange(value: string | number): boolean {
  const match = /^([0-9]+)(?::([0-9]+))?$/.exec(String(value));
  if (match === null) return false;
  const [min, max] = [Number(match[1]), Number(match[2] ?? match[1])];
  return min >= 1 && min <= max && max <= 65535;
}

/** A code point of differentiated services. Calico takes any text, and what it does not know marks nothing. */
export const dscp = (): z.ZodType<string | number> =>
  narrow('DSCP', normalised(z.union([z.string(), z.int()]).overwrite(usualDscp).describe(DSCP_RULE)));

/** The name of a port, or nothing. */
export const endpointPortName = (): z.ZodString => textThat((text) => text === '' || isPortName(text), PORT_NAME_RULE);

const AS_NUMBER_RULE = 'must be an AS number: 0 to 4294967295, or "high.low"';
/** An AS number: an integer, or text that is decimal or `high.low`; read and written as an integer. */
export const asNumber = (): z.ZodType<string | number> =>
  narrow(
    'ASNumber',
    normalised(
      z
        .union([z.string(), z.int()])
        .overwrite((value) => (typeof value === 'number' ? value : (parseAsNumber(value) ?? value)))
        .refine((value) => typeof value === 'number' && value >= 0 && value <= 4294967295, AS_NUMBER_RULE)
        .describe(AS_NUMBER_RULE),
    ),
  );

function parseAsNumber(text: string): number | undefined {
  const match = /^([0-9]{1,10})(?:\.([0-9]{1,5}))?$/.exec(text);
  if (match === null) return undefined;
  const [, high, low] = match;
  if (low === undefined) return Number(high);
  return Number(high) <= 65535 && Number(low) <= 65535 ? Number(high) * 65536 + Number(low) : undefined;
}
