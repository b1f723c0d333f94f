/**
 * IP protocols and their ports as policies and endpoints write them: by name or by number, ports also as ranges and by
 * name. A number in quotes becomes a number, and a range of one port that port, whenever they are read: so does Calico.
 */
import {z} from 'zod';
import {unquoteNumber} from './fields.ts';
import {isPortName} from './name-rules.ts';
import {narrow, normalised} from './schema.ts';

const NUMBERS: ReadonlyMap<string, number> = new Map([
  ['ICMP', 1],
  ['TCP', 6],
  ['UDP', 17],
  ['ICMPv6', 58],
  ['SCTP', 132],
  ['UDPLite', 136],
]);

/** A protocol by one of its two spellings; a port by one of its three. */
export type Protocol = string | number;
export type RulePort = string | number;

/** The number of a protocol; undefined when the name is not one of Calico's. */
export const protocolNumber = (protocol: Protocol): number | undefined =>
  typeof protocol === 'number' ? protocol : NUMBERS.get(protocol);

/** TCP, UDP and SCTP; UDPLite has ports too, but Calico matches none there. */
export function hasPorts(protocol: Protocol): boolean {
  const number = protocolNumber(protocol);
  return number === 6 || number === 17 || number === 132;
}

const PROTOCOL_RULE = `must be a number 1 to 255 or one of ${[...NUMBERS.keys()].join(', ')}`;
export const protocol = (): z.ZodType<Protocol> =>
  narrow(
    'Protocol',
    normalised(
      z
        .union([z.string(), z.int()])
        .overwrite(unquoteNumber)
        .refine((value) => {
          const number = protocolNumber(value);
          return number !== undefined && number >= 1 && number <= 255;
        }, PROTOCOL_RULE)
        .describe(PROTOCOL_RULE),
    ),
  );

const PORT_PROTOCOL_RULE = 'must be TCP, UDP or SCTP (6, 17, 132): only they have ports';
/** The protocol of a port of an endpoint. */
export const portProtocol = (): z.ZodType<Protocol> =>
  narrow(
    'Protocol',
    normalised(
      z
        .union([z.string(), z.int()])
        .overwrite(unquoteNumber)
        .refine(hasPorts, PORT_PROTOCOL_RULE)
        .describe(PORT_PROTOCOL_RULE),
    ),
  );

const RULE_PORT_RULE = 'must be a port 1 to 65535, a range min:max or the name of a port';
/** A port of a policy rule. */
export const rulePort = (): z.ZodType<RulePort> =>
  narrow(
    'Port',
    normalised(
      z.union([z.string(), z.int()]).overwrite(usualPort).refine(isRulePort, RULE_PORT_RULE).describe(RULE_PORT_RULE),
    ),
  );

/** Not a number and not a range. */
export const isNamedPort = (port: RulePort): boolean => typeof port === 'string' && !/^[0-9]+:[0-9]+$/.test(port);

function usualPort(port: RulePort): RulePort {
  const value = unquoteNumber(port);
  const range = typeof value === 'string' ? parseRange(value) : undefined;
  return range !== undefined && range.min === range.max ? range.min : value;
}

function isRulePort(port: RulePort): boolean {
  if (typeof port === 'number') return isPortNumber(port);
  const range = parseRange(port);
  if (range === undefined) return isPortName(port);
  return isPortNumber(range.min) && isPortNumber(range.max) && range.min <= range.max;
}

function parseRange(text: string): {readonly min: number; readonly max: number} | undefined {
  const match = /^([0-9]{1,5}):([0-9]{1,5})$/.exec(text);
  return match === null ? undefined : {min: Number(match[1]), max: Number(match[2])};
}

const isPortNumber = (port: number): boolean => port >= 1 && port <= 65535;
