/**
 * A pair of virtual Ethernet links. Both ends are made in one request, the peer straight in its own namespace, so that
 * neither is ever seen half made.
 *
 * Without given queue counts the kernel makes one queue per possible CPU on each side, which costs memory and time for
 * every pod.
 */
import {VETH_INFO_PEER} from '../constants.ts';
import {type LinkAttributes, writeIfinfomsg, writeLinkAttributes} from '../link-attributes.ts';
import type {LinkKind} from './link-kind.ts';

/** The other end is told by the link's `parentIndex` and `parentNetnsId`. */
export interface VethInfo {
  readonly kind: 'veth';
}

export interface VethSpec {
  readonly kind: 'veth';
  /**
   * The other end; its `netnsFd` puts it into another namespace. It cannot be made up: at that moment it has no other
   * end yet, and the kernel answers ENOTCONN.
   */
  readonly peer: Omit<LinkAttributes, 'up'> & {readonly name: string};
}

export const veth: LinkKind<'veth', VethInfo, VethSpec> = {
  name: 'veth',
  decode: () => ({kind: 'veth'}),
  encode(writer, {peer}) {
    const nested = writer.openNested(VETH_INFO_PEER);
    writeIfinfomsg(writer, 0, peer);
    writeLinkAttributes(writer, peer);
    writer.closeNested(nested);
  },
};
