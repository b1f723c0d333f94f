/**
 * Changes of a namespace's network configuration as they happen.
 *
 * Promise: whoever applies every event, and reads the state again at each `resync`, ends up with the kernel's state -
 * except for what the kernel does without saying so:
 * - setting a link down takes its IPv4 routes away without a notification, and so does deleting a link
 *   (`silentlyLosesRoutes` of link-table.ts tells such a change of link);
 * - removing an IPv4 address takes the routes with that `src` away, on older kernels without a notification.
 *
 * Events lag behind requests: state read after an event may already be newer than the event.
 */
import {messageOf} from '../lib/errors.ts';
import {type Addon, addon, type NetlinkSocket} from '../native/addon.ts';
import {type Address, decodeAddress} from './addresses.ts';
import {AF, RTM, RTNLGRP} from './constants.ts';
import {decodeFdbEntry, type FdbEntry} from './fdb.ts';
import {decodeLink, type Link} from './link.ts';
import {MessageCursor} from './message-reader.ts';
import {decodeNeighbour, type Neighbour} from './neighbours.ts';
import {decodeNetconf, type Netconf} from './netconf.ts';
import {openRouteNetlink} from './open-route-netlink.ts';
import {decodeRoute, type Route} from './route.ts';
import {decodeRule, type Rule} from './rules.ts';

/** What to hear of; 'neighbour' brings forwarding entries too. Both families. */
export type MonitorSubject = 'link' | 'address' | 'route' | 'rule' | 'neighbour' | 'netconf';

const GROUPS: Readonly<Record<MonitorSubject, readonly number[]>> = {
  link: [RTNLGRP.LINK],
  address: [RTNLGRP.IPV4_IFADDR, RTNLGRP.IPV6_IFADDR],
  route: [RTNLGRP.IPV4_ROUTE, RTNLGRP.IPV6_ROUTE],
  rule: [RTNLGRP.IPV4_RULE, RTNLGRP.IPV6_RULE],
  neighbour: [RTNLGRP.NEIGH],
  netconf: [RTNLGRP.IPV4_NETCONF, RTNLGRP.IPV6_NETCONF],
};

/** `gone` tells a removal, with what the kernel last knew, from a new or changed object. */
export type MonitorEvent =
  | {readonly kind: 'link'; readonly gone: boolean; readonly link: Link}
  | {readonly kind: 'address'; readonly gone: boolean; readonly address: Address}
  | {readonly kind: 'route'; readonly gone: boolean; readonly route: Route}
  | {readonly kind: 'rule'; readonly gone: boolean; readonly rule: Rule}
  | {readonly kind: 'neighbour'; readonly gone: boolean; readonly neighbour: Neighbour}
  | {readonly kind: 'fdb'; readonly gone: boolean; readonly entry: FdbEntry}
  | {readonly kind: 'netconf'; readonly gone: boolean; readonly netconf: Netconf}
  /** Events are missing before this point: read everything subscribed to again. */
  | {readonly kind: 'resync'; readonly reason: string};

export interface MonitorOptions {
  readonly subjects: readonly MonitorSubject[];
  /** Descriptor of the namespace, needed only while the constructor runs; the process's own when absent. */
  readonly netnsFd?: number | undefined;
  /** Bytes the kernel may queue for us before it drops; the addon's default when absent. */
  readonly receiveBuffer?: number | undefined;
}

export interface MonitorDependencies {
  readonly addon?: Pick<Addon, 'openNetlink'>;
}

export class Monitor implements Disposable {
  readonly #socket: NetlinkSocket;

  /**
   * Subscribed when the constructor returns: state read afterwards misses nothing. `onEvent` runs on the main thread,
   * never inside the constructor; it must not throw.
   */
  constructor(options: MonitorOptions, onEvent: (event: MonitorEvent) => void, dependencies: MonitorDependencies = {}) {
    this.#socket = openRouteNetlink(dependencies.addon ?? addon(), {
      netnsFd: options.netnsFd,
      groups: options.subjects.flatMap((subject) => GROUPS[subject]),
      receiveBuffer: options.receiveBuffer,
    });
    this.#socket.listen((data, lost) => {
      if (lost) onEvent({kind: 'resync', reason: 'the kernel dropped events'});
      decodeEvents(data, onEvent);
    });
  }

  /** Idempotent; no event comes after it. */
  close(): void {
    this.#socket.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Hands on the events of one piece of data; what cannot be read becomes a resync. */
export function decodeEvents(data: Uint8Array, onEvent: (event: MonitorEvent) => void): void {
  const message = new MessageCursor(data);
  for (;;) {
    let event: MonitorEvent | undefined;
    try {
      if (!message.next()) return;
      event = decodeEvent(message);
    } catch (error) {
      event = {kind: 'resync', reason: messageOf(error)};
      onEvent(event);
      return;
    }
    if (event !== undefined) onEvent(event);
  }
}

/** Undefined for messages that are not about what we know. */
export function decodeEvent(message: MessageCursor): MonitorEvent | undefined {
  switch (message.type) {
    case RTM.NEWLINK:
    case RTM.DELLINK: {
      const link = decodeLink(message);
      return link && {kind: 'link', gone: message.type === RTM.DELLINK, link};
    }
    case RTM.NEWADDR:
    case RTM.DELADDR: {
      const address = decodeAddress(message);
      return address && {kind: 'address', gone: message.type === RTM.DELADDR, address};
    }
    case RTM.NEWROUTE:
    case RTM.DELROUTE: {
      const route = decodeRoute(message);
      return route && {kind: 'route', gone: message.type === RTM.DELROUTE, route};
    }
    case RTM.NEWRULE:
    case RTM.DELRULE: {
      const rule = decodeRule(message);
      return rule && {kind: 'rule', gone: message.type === RTM.DELRULE, rule};
    }
    case RTM.NEWNEIGH:
    case RTM.DELNEIGH:
      return decodeNeighbourEvent(message, message.type === RTM.DELNEIGH);
    case RTM.NEWNETCONF:
    case RTM.DELNETCONF: {
      const netconf = decodeNetconf(message);
      return netconf && {kind: 'netconf', gone: message.type === RTM.DELNETCONF, netconf};
    }
    default:
      return undefined;
  }
}

function decodeNeighbourEvent(message: MessageCursor, gone: boolean): MonitorEvent | undefined {
  if (message.bytes[message.bodyStart] === AF.BRIDGE) {
    const entry = decodeFdbEntry(message);
    return entry && {kind: 'fdb', gone, entry};
  }
  const neighbour = decodeNeighbour(message);
  return neighbour && {kind: 'neighbour', gone, neighbour};
}
