/**
 * The ARP and NDP tables: codec, reading and writing. The forwarding databases of bridges and VXLAN devices use the
 * same messages under another family and have their own file, fdb.ts.
 *
 * Entries we write are permanent: the kernel neither ages nor resolves them.
 */
import type {Family} from '../lib/cidr.ts';
import {afOf, afOfText, familyOfAf} from './address-family.ts';
import {NDA, NLM_F, NTF, NUD, RTM} from './constants.ts';
import {ENODEV, ENOENT, hasErrno, type Outcome, tolerate} from './kernel-answer.ts';
import type {MessageCursor} from './message-reader.ts';
import {LITTLE_ENDIAN, type MessageWriter} from './message-writer.ts';
import type {RouteSocket} from './route-socket.ts';

export type NeighbourState =
  | 'none'
  | 'incomplete'
  | 'reachable'
  | 'stale'
  | 'delay'
  | 'probe'
  | 'failed'
  | 'noarp'
  | 'permanent';

export interface Neighbour {
  readonly family: Family;
  readonly index: number;
  readonly ip: string;
  /** Undefined while unresolved, and for proxy entries. */
  readonly mac: string | undefined;
  readonly state: NeighbourState;
  /** We answer for this address (`ip neigh add proxy`). */
  readonly proxy: boolean;
  readonly router: boolean;
}

/** A permanent entry with `mac`, or a proxy entry without. */
export type NeighbourSpec =
  | {readonly index: number; readonly ip: string; readonly mac: string}
  | {readonly index: number; readonly ip: string; readonly proxy: true};

export interface NeighbourFilter {
  readonly family: Family;
  /** Of one link. */
  readonly index?: number;
  /** The entries we answer for, instead of the others. */
  readonly proxy?: boolean;
}

export const NDMSG_BYTES = 12;
const COST_US = 6;
const GONE: ReadonlySet<number> = new Set([ENOENT, ENODEV]);

const STATES: ReadonlyMap<number, NeighbourState> = new Map([
  [NUD.NONE, 'none'],
  [NUD.INCOMPLETE, 'incomplete'],
  [NUD.REACHABLE, 'reachable'],
  [NUD.STALE, 'stale'],
  [NUD.DELAY, 'delay'],
  [NUD.PROBE, 'probe'],
  [NUD.FAILED, 'failed'],
  [NUD.NOARP, 'noarp'],
  [NUD.PERMANENT, 'permanent'],
]);

/** struct ndmsg. */
export function writeNdmsg(writer: MessageWriter, af: number, index: number, state: number, flags: number): void {
  writer.u8(af);
  writer.u8(0);
  writer.u16(0);
  writer.u32(index);
  writer.u16(state);
  writer.u8(flags);
  writer.u8(0);
}

/** NEWNEIGH; replaces the hardware address of an entry that is there. */
export function writeNeighbourReplace(writer: MessageWriter, neighbour: NeighbourSpec): void {
  const {ip, index} = neighbour;
  writer.begin(RTM.NEWNEIGH, NLM_F.CREATE | NLM_F.REPLACE);
  writeNdmsg(writer, afOfText(ip), index, NUD.PERMANENT, 'proxy' in neighbour ? NTF.PROXY : 0);
  writer.attributeIp(NDA.DST, ip);
  if ('mac' in neighbour) writer.attributeMac(NDA.LLADDR, neighbour.mac);
  writer.end();
}

export interface NeighbourSelector {
  readonly index: number;
  readonly ip: string;
  readonly proxy?: boolean | undefined;
}

/** DELNEIGH. */
export function writeNeighbourDelete(writer: MessageWriter, {index, ip, proxy}: NeighbourSelector): void {
  writer.begin(RTM.DELNEIGH, 0);
  writeNdmsg(writer, afOfText(ip), index, NUD.NONE, proxy === true ? NTF.PROXY : 0);
  writer.attributeIp(NDA.DST, ip);
  writer.end();
}

/** GETNEIGH dump. */
export function writeNeighbourDump(writer: MessageWriter, {family, index, proxy}: NeighbourFilter): void {
  writer.begin(RTM.GETNEIGH, NLM_F.DUMP);
  writeNdmsg(writer, afOf(family), 0, 0, proxy === true ? NTF.PROXY : 0);
  if (index !== undefined) writer.attributeU32(NDA.IFINDEX, index);
  writer.end();
}

/** Decodes RTM_NEWNEIGH and RTM_DELNEIGH; undefined for families other than ours. */
export function decodeNeighbour(message: MessageCursor): Neighbour | undefined {
  const {bytes, view} = message;
  const at = message.structure(NDMSG_BYTES);
  const family = familyOfAf(bytes[at] ?? 0);
  if (family === undefined) return undefined;
  const attributes = message.attributes(NDMSG_BYTES);
  let ip: string | undefined;
  let mac: string | undefined;
  while (attributes.next()) {
    if (attributes.type === NDA.DST) ip = attributes.ip();
    else if (attributes.type === NDA.LLADDR) mac = attributes.mac();
  }
  if (ip === undefined) return undefined;
  const flags = bytes[at + 10] ?? 0;
  return {
    family,
    index: view.getUint32(at + 4, LITTLE_ENDIAN),
    ip,
    mac,
    state: STATES.get(view.getUint16(at + 8, LITTLE_ENDIAN)) ?? 'none',
    proxy: (flags & NTF.PROXY) !== 0,
    router: (flags & NTF.ROUTER) !== 0,
  };
}

/** The neighbours of one family; a link that is gone has none. */
export async function dumpNeighbours(
  socket: RouteSocket,
  filter: NeighbourFilter,
  signal?: AbortSignal,
): Promise<Neighbour[]> {
  const wanted = (message: MessageCursor) => {
    const neighbour = decodeNeighbour(message);
    // The kernel does not filter proxy entries by link.
    return filter.index === undefined || neighbour?.index === filter.index ? neighbour : undefined;
  };
  try {
    return await socket.dump('neighbours', (writer) => writeNeighbourDump(writer, filter), wanted, signal);
  } catch (error) {
    if (filter.index !== undefined && hasErrno(error, ENODEV)) return [];
    throw error;
  }
}

/** Writes permanent (or proxy) entries, replacing what is there. */
export function replaceNeighbours(
  socket: RouteSocket,
  neighbours: readonly NeighbourSpec[],
  signal?: AbortSignal,
): Promise<readonly Outcome[]> {
  return socket.execute(neighbours, writeNeighbourReplace, {costUs: COST_US, signal});
}

/** Deletes entries; what is gone already is done. */
export async function deleteNeighbours(
  socket: RouteSocket,
  neighbours: readonly NeighbourSelector[],
  signal?: AbortSignal,
): Promise<readonly Outcome[]> {
  return tolerate(await socket.execute(neighbours, writeNeighbourDelete, {costUs: COST_US, signal}), GONE);
}
