/**
 * The attributes every kind of link has, for creating and changing: used for the link itself and for the peer that a
 * veth is created with.
 */
import {AF, IFF, IFLA} from './constants.ts';
import type {MessageWriter} from './message-writer.ts';

export interface LinkAttributes {
  readonly name?: string | undefined;
  readonly mtu?: number | undefined;
  /** `aa:bb:cc:dd:ee:ff` */
  readonly mac?: string | undefined;
  /** Administratively up or down; unchanged when absent. */
  readonly up?: boolean | undefined;
  /** Descriptor of the network namespace the link goes to. */
  readonly netnsFd?: number | undefined;
  /** Index of the bridge (or other master) it belongs to; 0 takes it out. */
  readonly master?: number | undefined;
  readonly group?: number | undefined;
  readonly alias?: string | undefined;
  readonly txQueueLength?: number | undefined;
  /** Only when the link is created. */
  readonly numTxQueues?: number | undefined;
  readonly numRxQueues?: number | undefined;
}

export const IFINFOMSG_BYTES = 16;

/** struct ifinfomsg. */
export function writeIfinfomsg(writer: MessageWriter, index: number, attributes: LinkAttributes): void {
  writer.u8(AF.UNSPEC);
  writer.u8(0);
  writer.u16(0);
  writer.u32(index);
  writer.u32(attributes.up === true ? IFF.UP : 0);
  writer.u32(attributes.up === undefined ? 0 : IFF.UP);
}

export function writeLinkAttributes(writer: MessageWriter, attributes: LinkAttributes): void {
  const {name, mtu, mac, netnsFd, master, group, alias, txQueueLength, numTxQueues, numRxQueues} = attributes;
  if (name !== undefined) writer.attributeText(IFLA.IFNAME, name);
  if (mtu !== undefined) writer.attributeU32(IFLA.MTU, mtu);
  if (mac !== undefined) writer.attributeMac(IFLA.ADDRESS, mac);
  if (netnsFd !== undefined) writer.attributeU32(IFLA.NET_NS_FD, netnsFd);
  if (master !== undefined) writer.attributeU32(IFLA.MASTER, master);
  if (group !== undefined) writer.attributeU32(IFLA.GROUP, group);
  if (alias !== undefined) writer.attributeText(IFLA.IFALIAS, alias);
  if (txQueueLength !== undefined) writer.attributeU32(IFLA.TXQLEN, txQueueLength);
  if (numTxQueues !== undefined) writer.attributeU32(IFLA.NUM_TX_QUEUES, numTxQueues);
  if (numRxQueues !== undefined) writer.attributeU32(IFLA.NUM_RX_QUEUES, numRxQueues);
}
