/**
 * Addresses of links: codec, reading and writing.
 *
 * What surprised us:
 * - On a point-to-point link IFA_ADDRESS is the peer's and IFA_LOCAL ours; IPv6 sends only IFA_ADDRESS otherwise.
 * - A new IPv6 address is unusable ("tentative") while the kernel looks for a duplicate, unless `nodad` is given.
 * - Removing an IPv4 address takes the routes with that `src` away, on older kernels silently, and the secondaries of
 *   its subnet.
 */
import type {Family} from '../lib/cidr.ts';
import {afOf, afOfText, familyOfAf} from './address-family.ts';
import {IFA, IFA_F, NLM_F, RT_SCOPE, RTM} from './constants.ts';
import {EADDRNOTAVAIL, ENODEV, hasErrno, type Outcome, tolerate} from './kernel-answer.ts';
import type {MessageCursor} from './message-reader.ts';
import {LITTLE_ENDIAN, type MessageWriter} from './message-writer.ts';
import type {RouteSocket} from './route-socket.ts';

export interface Address {
  readonly family: Family;
  readonly index: number;
  /** Our address, canonical text without length. */
  readonly ip: string;
  readonly prefixLength: number;
  /** The other end of a point-to-point link, when it is not our own address. */
  readonly peer: string | undefined;
  /** RT_SCOPE */
  readonly scope: number;
  readonly label: string | undefined;
  readonly broadcast: string | undefined;
  readonly permanent: boolean;
  readonly secondary: boolean;
  readonly tentative: boolean;
  readonly dadFailed: boolean;
  readonly deprecated: boolean;
  readonly nodad: boolean;
  readonly noPrefixRoute: boolean;
}

export interface AddressSpec {
  readonly index: number;
  readonly ip: string;
  readonly prefixLength: number;
  /** Universe, when absent. */
  readonly scope?: number | undefined;
  /** IPv6: use it at once, without looking for a duplicate. */
  readonly nodad?: boolean | undefined;
  /** Do not make the route to the subnet. */
  readonly noPrefixRoute?: boolean | undefined;
}

const IFADDRMSG_BYTES = 8;
const COST_US = 25;
const GONE: ReadonlySet<number> = new Set([EADDRNOTAVAIL, ENODEV]);

/** NEWADDR; replaces the flags and lifetimes of an address that is there. */
export function writeAddressReplace(writer: MessageWriter, address: AddressSpec): void {
  const flags = (address.nodad === true ? IFA_F.NODAD : 0) | (address.noPrefixRoute === true ? IFA_F.NOPREFIXROUTE : 0);
  writer.begin(RTM.NEWADDR, NLM_F.CREATE | NLM_F.REPLACE);
  writeAddress(writer, address);
  if (flags !== 0) writer.attributeU32(IFA.FLAGS, flags);
  writer.end();
}

/** DELADDR. */
export function writeAddressDelete(writer: MessageWriter, address: AddressSpec): void {
  writer.begin(RTM.DELADDR, 0);
  writeAddress(writer, address);
  writer.end();
}

function writeAddress(writer: MessageWriter, {index, ip, prefixLength, scope}: AddressSpec): void {
  writer.u8(afOfText(ip));
  writer.u8(prefixLength);
  writer.u8(0);
  writer.u8(scope ?? RT_SCOPE.UNIVERSE);
  writer.u32(index);
  writer.attributeIp(IFA.LOCAL, ip);
  writer.attributeIp(IFA.ADDRESS, ip);
}

/** GETADDR dump, of one link when an index is given. */
export function writeAddressDump(writer: MessageWriter, filter: {family?: Family; index?: number}): void {
  writer.begin(RTM.GETADDR, NLM_F.DUMP);
  writer.u8(filter.family === undefined ? 0 : afOf(filter.family));
  writer.u8(0);
  writer.u8(0);
  writer.u8(0);
  writer.u32(filter.index ?? 0);
  writer.end();
}

/** Decodes RTM_NEWADDR and RTM_DELADDR; undefined for families other than ours. */
export function decodeAddress(message: MessageCursor): Address | undefined {
  const {bytes, view} = message;
  const at = message.structure(IFADDRMSG_BYTES);
  const family = familyOfAf(bytes[at] ?? 0);
  if (family === undefined) return undefined;
  const attributes = message.attributes(IFADDRMSG_BYTES);
  let flags = bytes[at + 2] ?? 0;
  let address: string | undefined;
  let local: string | undefined;
  let label: string | undefined;
  let broadcast: string | undefined;
  while (attributes.next()) {
    switch (attributes.type) {
      case IFA.ADDRESS:
        address = attributes.ip();
        break;
      case IFA.LOCAL:
        local = attributes.ip();
        break;
      case IFA.LABEL:
        label = attributes.text();
        break;
      case IFA.BROADCAST:
        broadcast = attributes.ip();
        break;
      case IFA.FLAGS:
        flags = attributes.u32();
        break;
    }
  }
  const ip = local ?? address;
  if (ip === undefined) return undefined;
  return {
    family,
    index: view.getUint32(at + 4, LITTLE_ENDIAN),
    ip,
    prefixLength: bytes[at + 1] ?? 0,
    peer: address === undefined || address === ip ? undefined : address,
    scope: bytes[at + 3] ?? 0,
    label,
    broadcast,
    permanent: (flags & IFA_F.PERMANENT) !== 0,
    secondary: (flags & IFA_F.SECONDARY) !== 0,
    tentative: (flags & IFA_F.TENTATIVE) !== 0,
    dadFailed: (flags & IFA_F.DADFAILED) !== 0,
    deprecated: (flags & IFA_F.DEPRECATED) !== 0,
    nodad: (flags & IFA_F.NODAD) !== 0,
    noPrefixRoute: (flags & IFA_F.NOPREFIXROUTE) !== 0,
  };
}

/** The addresses of every link, or of one. A link that is gone has none. */
export async function dumpAddresses(
  socket: RouteSocket,
  filter: {readonly family?: Family; readonly index?: number} = {},
  signal?: AbortSignal,
): Promise<Address[]> {
  try {
    return await socket.dump('addresses', (writer) => writeAddressDump(writer, filter), decodeAddress, signal);
  } catch (error) {
    if (filter.index !== undefined && hasErrno(error, ENODEV)) return [];
    throw error;
  }
}

/** Adds addresses; one that is there already keeps its place and takes the flags given. */
export function replaceAddresses(
  socket: RouteSocket,
  addresses: readonly AddressSpec[],
  signal?: AbortSignal,
): Promise<readonly Outcome[]> {
  return socket.execute(addresses, writeAddressReplace, {costUs: COST_US, signal});
}

/** Removes addresses; what is gone already is done. */
export async function deleteAddresses(
  socket: RouteSocket,
  addresses: readonly AddressSpec[],
  signal?: AbortSignal,
): Promise<readonly Outcome[]> {
  return tolerate(await socket.execute(addresses, writeAddressDelete, {costUs: COST_US, signal}), GONE);
}
