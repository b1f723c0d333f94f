/**
 * Forwarding databases: which hardware address is behind which port of a bridge, or at which remote end of a VXLAN.
 * Neighbour messages under family AF_BRIDGE.
 *
 * `self` addresses the device's own table (VXLAN, and every Ethernet link's list of addresses it listens to), `master`
 * the table of the bridge it is a port of. Both may hold an entry for the same address.
 */
import {AF, NDA, NLM_F, NTF, NUD, RTM} from './constants.ts';
import {ENODEV, ENOENT, hasErrno, type Outcome, tolerate} from './kernel-answer.ts';
import type {MessageCursor} from './message-reader.ts';
import {LITTLE_ENDIAN, type MessageWriter} from './message-writer.ts';
import {NDMSG_BYTES, writeNdmsg} from './neighbours.ts';
import type {RouteSocket} from './route-socket.ts';

export type FdbTable = 'self' | 'master';

export interface FdbEntry {
  readonly index: number;
  readonly mac: string;
  readonly table: FdbTable;
  /** Remote end, for VXLAN; of either family. */
  readonly dst: string | undefined;
  /** Neither aged nor learned. */
  readonly permanent: boolean;
  readonly vlan: number | undefined;
  /** When it differs from the device's own. */
  readonly vni: number | undefined;
  readonly port: number | undefined;
  /** Index of the bridge. */
  readonly master: number | undefined;
  readonly externallyLearned: boolean;
  readonly sticky: boolean;
}

/** A permanent entry of a device's own table. */
export interface FdbSpec {
  readonly index: number;
  readonly mac: string;
  /** Remote end, for VXLAN. */
  readonly dst?: string | undefined;
}

const COST_US = 6;
const GONE: ReadonlySet<number> = new Set([ENOENT, ENODEV]);

/** NEWNEIGH; replaces the remote end of an entry that is there. */
export function writeFdbReplace(writer: MessageWriter, {index, mac, dst}: FdbSpec): void {
  writer.begin(RTM.NEWNEIGH, NLM_F.CREATE | NLM_F.REPLACE);
  writeNdmsg(writer, AF.BRIDGE, index, NUD.PERMANENT | NUD.NOARP, NTF.SELF);
  writer.attributeMac(NDA.LLADDR, mac);
  if (dst !== undefined) writer.attributeIp(NDA.DST, dst);
  writer.end();
}

/** DELNEIGH; of one remote end when `dst` is given, else of the address with all its ends. */
export function writeFdbDelete(writer: MessageWriter, {index, mac, dst}: FdbSpec): void {
  writer.begin(RTM.DELNEIGH, 0);
  writeNdmsg(writer, AF.BRIDGE, index, NUD.NONE, NTF.SELF);
  writer.attributeMac(NDA.LLADDR, mac);
  if (dst !== undefined) writer.attributeIp(NDA.DST, dst);
  writer.end();
}

/** GETNEIGH dump of one device, or of all. */
export function writeFdbDump(writer: MessageWriter, index?: number): void {
  writer.begin(RTM.GETNEIGH, NLM_F.DUMP);
  writeNdmsg(writer, AF.BRIDGE, index ?? 0, 0, 0);
  writer.end();
}

/** Decodes RTM_NEWNEIGH and RTM_DELNEIGH; undefined for entries that are not of a forwarding database. */
export function decodeFdbEntry(message: MessageCursor): FdbEntry | undefined {
  const {bytes, view} = message;
  const at = message.structure(NDMSG_BYTES);
  if (bytes[at] !== AF.BRIDGE) return undefined;
  const attributes = message.attributes(NDMSG_BYTES);
  let mac: string | undefined;
  let dst: string | undefined;
  let vlan: number | undefined;
  let vni: number | undefined;
  let port: number | undefined;
  let master: number | undefined;
  while (attributes.next()) {
    switch (attributes.type) {
      case NDA.LLADDR:
        mac = attributes.mac();
        break;
      case NDA.DST:
        dst = attributes.ip();
        break;
      case NDA.VLAN:
        vlan = attributes.u16();
        break;
      case NDA.VNI:
        vni = attributes.u32();
        break;
      case NDA.PORT:
        port = attributes.u16Big();
        break;
      case NDA.MASTER:
        master = attributes.u32();
        break;
    }
  }
  if (mac === undefined) return undefined;
  const flags = bytes[at + 10] ?? 0;
  return {
    index: view.getUint32(at + 4, LITTLE_ENDIAN),
    mac,
    table: (flags & NTF.SELF) !== 0 ? 'self' : 'master',
    dst,
    permanent: (view.getUint16(at + 8, LITTLE_ENDIAN) & NUD.PERMANENT) !== 0,
    vlan,
    vni,
    port,
    master,
    externallyLearned: (flags & NTF.EXT_LEARNED) !== 0,
    sticky: (flags & NTF.STICKY) !== 0,
  };
}

/** The entries of every device, or of one. A device that is gone has none. */
export async function dumpFdb(
  socket: RouteSocket,
  filter: {readonly index?: number} = {},
  signal?: AbortSignal,
): Promise<FdbEntry[]> {
  try {
    return await socket.dump(
      'forwarding entries',
      (writer) => writeFdbDump(writer, filter.index),
      decodeFdbEntry,
      signal,
    );
  } catch (error) {
    if (filter.index !== undefined && hasErrno(error, ENODEV)) return [];
    throw error;
  }
}

/** Writes permanent entries of the devices' own tables, replacing what is there. */
export function replaceFdb(
  socket: RouteSocket,
  entries: readonly FdbSpec[],
  signal?: AbortSignal,
): Promise<readonly Outcome[]> {
  return socket.execute(entries, writeFdbReplace, {costUs: COST_US, signal});
}

/** Deletes entries of the devices' own tables; what is gone already is done. */
export async function deleteFdb(
  socket: RouteSocket,
  entries: readonly FdbSpec[],
  signal?: AbortSignal,
): Promise<readonly Outcome[]> {
  return tolerate(await socket.execute(entries, writeFdbDelete, {costUs: COST_US, signal}), GONE);
}
