/**
 * Per-link settings the kernel announces when they change (a few of /proc/sys/net/ipv4|6/conf): read only, the way to
 * notice that somebody switched forwarding off. Settings are written through sysctls; those without an announcement
 * (proxy_arp's delay, accept_ra, route_localnet) have to be read again now and then.
 */
import type {Family} from '../lib/cidr.ts';
import {afOf, familyOfAf} from './address-family.ts';
import {NETCONFA, NLM_F, RTM} from './constants.ts';
import type {MessageCursor} from './message-reader.ts';
import type {MessageWriter} from './message-writer.ts';
import type {RouteSocket} from './route-socket.ts';

/** Undefined where the kernel does not say: `rpFilter` is IPv4 only. */
export interface Netconf {
  readonly family: Family;
  /** Index of the link, or the settings of all links, or of links to come. */
  readonly index: number | 'all' | 'default';
  readonly forwarding: boolean | undefined;
  /** 0 off, 1 strict, 2 loose. */
  readonly rpFilter: number | undefined;
  /** proxy_arp or proxy_ndp. */
  readonly proxyNeighbours: boolean | undefined;
  readonly ignoreRoutesWithLinkdown: boolean | undefined;
}

/** struct netconfmsg is one byte; attributes begin at the next multiple of four. */
const NETCONFMSG_BYTES = 1;
const INDEX_ALL = -1;
const INDEX_DEFAULT = -2;

/** GETNETCONF dump. */
export function writeNetconfDump(writer: MessageWriter, family: Family): void {
  writer.begin(RTM.GETNETCONF, NLM_F.DUMP);
  writer.u8(afOf(family));
  for (let i = 1; i < 4; i++) writer.u8(0);
  writer.end();
}

/** Decodes RTM_NEWNETCONF and RTM_DELNETCONF; undefined for families other than ours. */
export function decodeNetconf(message: MessageCursor): Netconf | undefined {
  const family = familyOfAf(message.bytes[message.structure(NETCONFMSG_BYTES)] ?? 0);
  if (family === undefined) return undefined;
  const attributes = message.attributes(NETCONFMSG_BYTES);
  let index = 0;
  let forwarding: boolean | undefined;
  let rpFilter: number | undefined;
  let proxyNeighbours: boolean | undefined;
  let ignoreRoutesWithLinkdown: boolean | undefined;
  while (attributes.next()) {
    switch (attributes.type) {
      case NETCONFA.IFINDEX:
        index = attributes.i32();
        break;
      case NETCONFA.FORWARDING:
        forwarding = attributes.u32() !== 0;
        break;
      case NETCONFA.RP_FILTER:
        rpFilter = attributes.u32();
        break;
      case NETCONFA.PROXY_NEIGH:
        proxyNeighbours = attributes.u32() !== 0;
        break;
      case NETCONFA.IGNORE_ROUTES_WITH_LINKDOWN:
        ignoreRoutesWithLinkdown = attributes.u32() !== 0;
        break;
    }
  }
  const scope = index === INDEX_ALL ? 'all' : index === INDEX_DEFAULT ? 'default' : index;
  return {family, index: scope, forwarding, rpFilter, proxyNeighbours, ignoreRoutesWithLinkdown};
}

/** The settings of every link, of 'all' and of 'default', one family. */
export function dumpNetconf(socket: RouteSocket, family: Family, signal?: AbortSignal): Promise<Netconf[]> {
  return socket.dump('network settings', (writer) => writeNetconfDump(writer, family), decodeNetconf, signal);
}
