/**
 * Links: their codec.
 *
 * What surprised us: a bridge announces its ports with the same message types under family AF_BRIDGE, where "deleted"
 * means "left the bridge"; `decodeLink` leaves those out. A link that has just been made may show its old name in a
 * notification that was queued before it was renamed.
 */
import {AF, IFF, IFLA, IFLA_INFO, NLM_F, RTEXT_FILTER_SKIP_STATS, RTM} from './constants.ts';
import {IFINFOMSG_BYTES, type LinkAttributes, writeIfinfomsg, writeLinkAttributes} from './link-attributes.ts';
import {decodeLinkInfo, type LinkInfo, type LinkKindSpec, writeLinkInfo} from './link-kinds/link-kinds.ts';
import type {AttributeCursor, MessageCursor} from './message-reader.ts';
import {LITTLE_ENDIAN, type MessageWriter} from './message-writer.ts';

/** IFLA_OPERSTATE: index is the number. */
const OPER_STATES = ['unknown', 'not-present', 'down', 'lower-layer-down', 'testing', 'dormant', 'up'] as const;
export type OperState = (typeof OPER_STATES)[number];

/** A link as the kernel shows it. */
export interface Link {
  readonly index: number;
  readonly name: string;
  /** Hardware address; undefined for links without an Ethernet address. */
  readonly mac: string | undefined;
  readonly mtu: number;
  /** IFF bits. */
  readonly flags: number;
  /** Administratively up (IFF_UP). */
  readonly up: boolean;
  /** Up and able to carry packets (IFF_RUNNING). */
  readonly running: boolean;
  readonly loopback: boolean;
  readonly operState: OperState;
  readonly group: number;
  /** Index of the bridge or other master. */
  readonly master: number | undefined;
  /** Index of the other end of a veth, or of the link underneath a tunnel. */
  readonly parentIndex: number | undefined;
  /** The namespace `parentIndex` is of, by this namespace's own numbering; undefined when it is this one. */
  readonly parentNetnsId: number | undefined;
  readonly txQueueLength: number;
  readonly numTxQueues: number;
  readonly numRxQueues: number;
  readonly alias: string | undefined;
  readonly info: LinkInfo;
}

/** A link to make. */
export interface LinkSpec extends LinkAttributes {
  readonly name: string;
  readonly info: LinkKindSpec;
}

export type LinkRef = {readonly index: number} | {readonly name: string};

/** NEWLINK; EEXIST when the name is taken. */
export function writeLinkCreate(writer: MessageWriter, spec: LinkSpec): void {
  writer.begin(RTM.NEWLINK, NLM_F.CREATE | NLM_F.EXCL);
  writeIfinfomsg(writer, 0, spec);
  writeLinkAttributes(writer, spec);
  const info = writer.openNested(IFLA.LINKINFO);
  writer.attributeText(IFLA_INFO.KIND, spec.info.kind);
  const data = writer.openNested(IFLA_INFO.DATA);
  writeLinkInfo(writer, spec.info);
  writer.closeNested(data);
  writer.closeNested(info);
  writer.end();
}

/** NEWLINK of an existing link: changes what is given, by index, so that `name` renames. */
export function writeLinkChange(writer: MessageWriter, change: LinkAttributes & {readonly index: number}): void {
  writer.begin(RTM.NEWLINK, 0);
  writeIfinfomsg(writer, change.index, change);
  writeLinkAttributes(writer, change);
  writer.end();
}

/** SETLINK of a name: puts it into a group. */
export function writeLinkGroup(writer: MessageWriter, name: string, group: number): void {
  writer.begin(RTM.SETLINK, 0);
  writeIfinfomsg(writer, 0, {});
  writer.attributeText(IFLA.IFNAME, name);
  writer.attributeU32(IFLA.GROUP, group);
  writer.end();
}

/** DELLINK. */
export function writeLinkDelete(writer: MessageWriter, ref: LinkRef): void {
  writeLinkQuestion(writer, RTM.DELLINK, 0, ref);
  writer.end();
}

/** DELLINK of every link of a group. */
export function writeLinkGroupDelete(writer: MessageWriter, group: number): void {
  writer.begin(RTM.DELLINK, 0);
  writeIfinfomsg(writer, 0, {});
  writer.attributeU32(IFLA.GROUP, group);
  writer.end();
}

/** GETLINK of one link. */
export function writeLinkGet(writer: MessageWriter, ref: LinkRef): void {
  writeLinkQuestion(writer, RTM.GETLINK, 0, ref);
  writer.attributeU32(IFLA.EXT_MASK, RTEXT_FILTER_SKIP_STATS);
  writer.end();
}

/** GETLINK dump; `type` has the kernel show links of one kind only. */
export function writeLinkDump(writer: MessageWriter, type?: string): void {
  writer.begin(RTM.GETLINK, NLM_F.DUMP);
  writeIfinfomsg(writer, 0, {});
  writer.attributeU32(IFLA.EXT_MASK, RTEXT_FILTER_SKIP_STATS);
  if (type !== undefined) {
    const info = writer.openNested(IFLA.LINKINFO);
    writer.attributeText(IFLA_INFO.KIND, type);
    writer.closeNested(info);
  }
  writer.end();
}

function writeLinkQuestion(writer: MessageWriter, type: number, flags: number, ref: LinkRef): void {
  writer.begin(type, flags);
  writeIfinfomsg(writer, 'index' in ref ? ref.index : 0, {});
  if ('name' in ref) writer.attributeText(IFLA.IFNAME, ref.name);
}

/** Decodes RTM_NEWLINK and RTM_DELLINK; undefined for a bridge's view of its ports. */
export function decodeLink(message: MessageCursor): Link | undefined {
  const {bytes, view} = message;
  const at = message.structure(IFINFOMSG_BYTES);
  if (bytes[at] === AF.BRIDGE) return undefined;
  const flags = view.getUint32(at + 8, LITTLE_ENDIAN);
  const attributes = message.attributes(IFINFOMSG_BYTES);
  let name = '';
  let mac: string | undefined;
  let mtu = 0;
  let operState = 0;
  let group = 0;
  let master: number | undefined;
  let parentIndex: number | undefined;
  let parentNetnsId: number | undefined;
  let txQueueLength = 0;
  let numTxQueues = 0;
  let numRxQueues = 0;
  let alias: string | undefined;
  let info: LinkInfo = {kind: 'other', type: ''};
  while (attributes.next()) {
    switch (attributes.type) {
      case IFLA.IFNAME:
        name = attributes.text();
        break;
      case IFLA.ADDRESS:
        mac = attributes.mac();
        break;
      case IFLA.MTU:
        mtu = attributes.u32();
        break;
      case IFLA.OPERSTATE:
        operState = attributes.u8();
        break;
      case IFLA.GROUP:
        group = attributes.u32();
        break;
      case IFLA.MASTER:
        master = attributes.u32();
        break;
      case IFLA.LINK:
        parentIndex = attributes.u32();
        break;
      case IFLA.LINK_NETNSID:
        parentNetnsId = attributes.i32();
        break;
      case IFLA.TXQLEN:
        txQueueLength = attributes.u32();
        break;
      case IFLA.NUM_TX_QUEUES:
        numTxQueues = attributes.u32();
        break;
      case IFLA.NUM_RX_QUEUES:
        numRxQueues = attributes.u32();
        break;
      case IFLA.IFALIAS:
        alias = attributes.text();
        break;
      case IFLA.LINKINFO:
        info = decodeInfo(attributes.nested());
        break;
    }
  }
  return {
    index: view.getInt32(at + 4, LITTLE_ENDIAN),
    name,
    mac,
    mtu,
    flags,
    up: (flags & IFF.UP) !== 0,
    running: (flags & IFF.RUNNING) !== 0,
    loopback: (flags & IFF.LOOPBACK) !== 0,
    operState: OPER_STATES[operState] ?? 'unknown',
    group,
    master,
    parentIndex,
    parentNetnsId,
    txQueueLength,
    numTxQueues,
    numRxQueues,
    alias,
    info,
  };
}

function decodeInfo(attributes: AttributeCursor): LinkInfo {
  let type = '';
  let data: AttributeCursor | undefined;
  while (attributes.next()) {
    if (attributes.type === IFLA_INFO.KIND) type = attributes.text();
    else if (attributes.type === IFLA_INFO.DATA) data = attributes.nested();
  }
  return decodeLinkInfo(type, data);
}
