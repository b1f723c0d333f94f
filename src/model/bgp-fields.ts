/**
 * The types of single values that only BGP has: communities, addresses of peers, passwords.
 */
import {z} from 'zod';
import {type Ip, parseIp} from '../lib/cidr.ts';
import {textThat} from './fields.ts';
import {kept} from './schema.ts';

export interface PeerAddress {
  readonly ip: Ip;
  /** Undefined: whatever the peer is configured to listen at. */
  readonly port: number | undefined;
}

/** `10.0.0.1`, `10.0.0.1:1790`, `fd00::1` or `[fd00::1]:1790`; undefined when it is none of them. */
export function parsePeerAddress(text: string): PeerAddress | undefined {
  const plain = parseIp(text);
  if (plain !== undefined) return {ip: plain, port: undefined};
  const match = /^(?:\[([0-9a-fA-F:.]{1,45})\]|([0-9.]{7,15})):([0-9]{1,5})$/.exec(text);
  const ip = parseIp(match?.[1] ?? match?.[2] ?? '');
  const port = Number(match?.[3]);
  if (ip === undefined) return undefined;
  return port >= 1 && port <= 65535 ? {ip, port} : undefined;
}

export const peerAddress = (): z.ZodString =>
  textThat(
    (text) => parsePeerAddress(text) !== undefined,
    'must be an IP address, alone or with a port: 10.0.0.1:179, [fd00::1]:179',
  );

/** `aa:nn` of 16 bits each, or `aa:nn:mm` of 32. */
export function isCommunity(text: string): boolean {
  const parts = text.length <= 32 && /^[0-9]+(?::[0-9]+){1,2}$/.test(text) ? text.split(':') : [];
  const largest = parts.length === 2 ? 65535 : 4294967295;
  return parts.length > 1 && parts.every((part) => Number(part) <= largest);
}

export const COMMUNITY_RULE = 'must be aa:nn of 16 bits each, or aa:nn:mm of 32';
export const community = (): z.ZodString => textThat(isCommunity, COMMUNITY_RULE);

/** Where a password is kept; it is never in the resource. */
export const passwordReference = () =>
  z.object({
    secretKeyRef: z
      .object({name: z.string().optional(), key: kept(z.string().default('')), optional: z.boolean().optional()})
      .optional(),
  });

/** A metric of routes, as in FelixConfiguration. */
export const ROUTE_PRIORITIES = [1, 2147483646] as const;
