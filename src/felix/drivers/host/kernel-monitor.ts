/**
 * The kernel's multicast messages -> news about what the data plane keeps. What is not ours is left out here, by the
 * same functions that tell it in a read-back.
 *
 * A change that makes an object foreign (a permanent neighbour that somebody made an ordinary one) is told as its end.
 */

import type {Link} from '../../../netlink/link.ts';
import {Monitor, type MonitorDependencies, type MonitorEvent} from '../../../netlink/monitor.ts';
import type {Netconf} from '../../../netlink/netconf.ts';
import type {Route} from '../../../netlink/route.ts';
import {fdbKey, isTunnelDevice, linkKey, MAIN_TABLE, neighbourKey, routeKey} from '../../dataplane/entries.ts';
import type {KernelMonitor, KernelNews} from '../../dataplane/kernel-view.ts';
import type {Ownership} from '../shared/ownership.ts';
import {seenAddress} from '../shared/seen-address.ts';
import {hostLink, seenTunnel} from '../shared/seen-link.ts';
import {fdbLink, neighbourLink, seenFdb, seenNeighbour} from '../shared/seen-neighbour.ts';
import {seenRoute} from '../shared/seen-route.ts';

export interface NetlinkMonitorDependencies extends MonitorDependencies {
  readonly ownership: Ownership;
}

interface Listener {
  onNews(news: KernelNews): void;
  readonly nameOf: (index: number) => string | undefined;
}

export class NetlinkMonitor implements KernelMonitor {
  readonly #netnsFd: number | undefined;
  readonly #dependencies: NetlinkMonitorDependencies;
  #monitor: Monitor | undefined;

  constructor(options: {readonly netnsFd?: number | undefined}, dependencies: NetlinkMonitorDependencies) {
    this.#netnsFd = options.netnsFd;
    this.#dependencies = dependencies;
  }

  start(listener: Listener): void {
    this.#monitor = new Monitor(
      {subjects: ['link', 'address', 'route', 'neighbour', 'netconf'], netnsFd: this.#netnsFd},
      (event) => {
        for (const news of newsOf(event, listener.nameOf, this.#dependencies.ownership)) listener.onNews(news);
      },
      this.#dependencies,
    );
  }

  stop(): void {
    this.#monitor?.close();
    this.#monitor = undefined;
  }
}

export function newsOf(
  event: MonitorEvent,
  nameOf: (index: number) => string | undefined,
  ownership: Ownership,
): readonly KernelNews[] {
  const {kind} = event;
  switch (kind) {
    case 'link':
      return linkNews(event.link, event.gone, nameOf);
    case 'address': {
      const {gone, address} = event;
      // Every interface with IPv6 has one, so each new pod brings one; no node is known by it.
      if (address.ip.startsWith('fe80:')) return [];
      const entry = seenAddress(address, nameOf);
      return [{kind, address: {linkIndex: address.index, ip: address.ip}, entry, isGone: gone}];
    }
    case 'route':
      return routeNews(event.route, event.gone, nameOf, ownership);
    case 'neighbour': {
      const {gone, neighbour} = event;
      const link = neighbourLink(neighbour, nameOf, ownership);
      if (link === undefined) return [];
      const entry = gone ? undefined : seenNeighbour(neighbour, nameOf, ownership);
      return [{kind, key: neighbourKey({link, ip: neighbour.ip}), entry}];
    }
    case 'fdb': {
      const link = fdbLink(event.entry, nameOf);
      if (link === undefined) return [];
      const entry = event.gone ? undefined : seenFdb(event.entry, nameOf);
      return [{kind, key: fdbKey({link, mac: event.entry.mac}), entry}];
    }
    case 'netconf':
      return event.gone ? [] : sysctlNews(event.netconf, nameOf);
    case 'rule':
      return [];
    case 'resync':
      return [{kind: 'lost', reason: event.reason}];
  }
}

function linkNews(link: Link, isGone: boolean, nameOf: (index: number) => string | undefined): KernelNews[] {
  const news: KernelNews[] = [{kind: 'link', link: hostLink(link), isGone}];
  if (isTunnelDevice(link.name))
    news.push({kind: 'tunnel', key: linkKey(link), entry: isGone ? undefined : seenTunnel(link, nameOf)});
  return news;
}

/** A route that is gone tells its end by its key, whatever it was like. */
function routeNews(
  route: Route,
  isGone: boolean,
  nameOf: (index: number) => string | undefined,
  ownership: Ownership,
): KernelNews[] {
  if (route.table !== MAIN_TABLE || route.tos !== 0 || route.from !== undefined) return [];
  const {dst, family, metric, table} = route;
  const key = routeKey({table, destination: dst, metric});
  return [{kind: 'route', family, key, entry: isGone ? undefined : seenRoute(route, nameOf, ownership)}];
}

function sysctlNews(netconf: Netconf, nameOf: (index: number) => string | undefined): KernelNews[] {
  const {family, index, forwarding, proxyNeighbours, rpFilter} = netconf;
  const link = typeof index === 'number' ? nameOf(index) : index;
  if (link === undefined) return [];
  const base = `net/ipv${family}/conf/${link}`;
  const news: KernelNews[] = [];
  const tell = (path: string, value: boolean | number | undefined) => {
    if (value !== undefined) news.push({kind: 'sysctl', path, value: String(Number(value))});
  };
  tell(family === 4 && link === 'all' ? 'net/ipv4/ip_forward' : `${base}/forwarding`, forwarding);
  tell(`${base}/${family === 4 ? 'proxy_arp' : 'proxy_ndp'}`, proxyNeighbours);
  tell(`${base}/rp_filter`, rpFilter);
  return news;
}
