/**
 * The state of a fake kernel's network namespace, with the kernel's own rules: what it refuses, what it replaces, what
 * goes together. Every change is told to `notify`, except those that the real kernel keeps to itself.
 *
 * The contract suite of the drivers runs on this and on a real kernel; that keeps it honest.
 */
import {constants} from 'node:os';
import {cidrContainsIp, type Family, formatCidr, parseIp, requireCidr} from '../../../src/lib/cidr.ts';
import {RT_SCOPE, RT_TABLE, RTPROT} from '../../../src/netlink/constants.ts';
import type {RouteType} from '../../../src/netlink/route.ts';

const {EADDRNOTAVAIL, EEXIST, EINVAL, ENETDOWN, ENETUNREACH, ENODEV, ENOENT, EOPNOTSUPP, ERANGE, ESRCH} =
  constants.errno;

/** What the kernel answers; thrown by every verb that refuses. */
export class Refusal extends Error {
  readonly errno: number;
  constructor(errno: number, message: string) {
    super(message);
    this.errno = errno;
  }
}

export interface FakeVxlan {
  readonly id: number;
  readonly port: number;
  readonly local: string | undefined;
  readonly parentIndex: number | undefined;
  readonly learning: boolean;
}

export interface FakeLink {
  readonly index: number;
  readonly name: string;
  readonly mac: string;
  readonly mtu: number;
  readonly up: boolean;
  readonly type: string;
  readonly vxlan: FakeVxlan | undefined;
  readonly group: number;
}

export interface FakeAddress {
  readonly index: number;
  readonly family: Family;
  readonly ip: string;
  readonly prefixLength: number;
}

export interface FakeRoute {
  readonly family: Family;
  readonly dst: string;
  readonly table: number;
  readonly metric: number;
  readonly type: RouteType;
  readonly scope: number;
  readonly protocol: number;
  readonly oif: number | undefined;
  readonly gateway: string | undefined;
  readonly onlink: boolean;
  readonly src: string | undefined;
  readonly mtu: number | undefined;
}

export interface FakeNeighbour {
  readonly index: number;
  readonly family: Family;
  readonly ip: string;
  readonly mac: string;
  readonly permanent: boolean;
}

export interface FakeFdbEntry {
  readonly index: number;
  readonly mac: string;
  readonly dst: string | undefined;
  readonly permanent: boolean;
}

export type Change =
  | {readonly kind: 'link'; readonly gone: boolean; readonly link: FakeLink}
  | {readonly kind: 'address'; readonly gone: boolean; readonly address: FakeAddress}
  | {readonly kind: 'route'; readonly gone: boolean; readonly route: FakeRoute}
  | {readonly kind: 'neighbour'; readonly gone: boolean; readonly neighbour: FakeNeighbour}
  | {readonly kind: 'fdb'; readonly gone: boolean; readonly entry: FakeFdbEntry};

const HOST_SYSCTLS: Readonly<Record<string, string>> = {
  'net/ipv4/ip_forward': '0',
  'net/ipv6/conf/all/forwarding': '0',
  'net/ipv4/conf/default/rp_filter': '0',
};

const LINK_SYSCTLS: readonly (readonly [string, string])[] = [
  ['ipv4/conf/%/rp_filter', '0'],
  ['ipv4/conf/%/route_localnet', '0'],
  ['ipv4/conf/%/proxy_arp', '0'],
  ['ipv4/conf/%/forwarding', '0'],
  ['ipv4/neigh/%/proxy_delay', '80'],
  ['ipv6/conf/%/accept_ra', '1'],
  ['ipv6/conf/%/accept_dad', '1'],
  ['ipv6/conf/%/disable_ipv6', '0'],
  ['ipv6/conf/%/proxy_ndp', '0'],
  ['ipv6/conf/%/forwarding', '0'],
];

export class FakeTables {
  readonly links = new Map<number, FakeLink>();
  readonly addresses = new Map<string, FakeAddress>();
  readonly routes = new Map<string, FakeRoute>();
  readonly neighbours = new Map<string, FakeNeighbour>();
  readonly fdb = new Map<string, FakeFdbEntry>();
  readonly sysctls = new Map(Object.entries(HOST_SYSCTLS));
  readonly #notify: (change: Change) => void;
  #nextIndex = 1;

  constructor(notify: (change: Change) => void) {
    this.#notify = notify;
  }

  linkNamed(name: string): FakeLink | undefined {
    return this.links.values().find((link) => link.name === name);
  }

  requireLink(ref: {readonly index?: number | undefined; readonly name?: string | undefined}): FakeLink {
    const link = ref.index ? this.links.get(ref.index) : this.linkNamed(ref.name ?? '');
    if (link === undefined) throw new Refusal(ENODEV, 'no such device');
    return link;
  }

  inGroup(group: number): readonly FakeLink[] {
    return [...this.links.values()].filter((link) => link.group === group);
  }

  createLink(spec: Omit<FakeLink, 'index'>): FakeLink {
    if (spec.name.length > 15) throw new Refusal(ERANGE, 'name too long');
    if (this.linkNamed(spec.name) !== undefined) throw new Refusal(EEXIST, 'name taken');
    const {vxlan} = spec;
    if (vxlan?.parentIndex !== undefined) this.requireLink({index: vxlan.parentIndex});
    if (vxlan !== undefined && [...this.links.values()].some((other) => clash(vxlan, other.vxlan)))
      throw new Refusal(EEXIST, 'A VXLAN device with the specified VNI already exists');
    const link = {...spec, index: this.#nextIndex++};
    this.links.set(link.index, link);
    for (const [path, value] of LINK_SYSCTLS) this.sysctls.set(`net/${path.replace('%', link.name)}`, value);
    this.#notify({kind: 'link', gone: false, link});
    return link;
  }

  changeLink(index: number, change: Partial<Pick<FakeLink, 'mtu' | 'mac' | 'up' | 'group'>>): void {
    const before = this.requireLink({index});
    const link = {...before, ...change};
    this.links.set(index, link);
    if (before.up && !link.up) this.#goDown(link);
    this.#notify({kind: 'link', gone: false, link});
  }

  deleteLink(index: number): void {
    const link = this.requireLink({index});
    this.#goDown(link);
    for (const [key, entry] of this.fdb) if (entry.index === index) this.fdb.delete(key);
    for (const [key, address] of this.addresses)
      if (address.index === index) {
        this.addresses.delete(key);
        this.#notify({kind: 'address', gone: true, address});
      }
    for (const [path] of LINK_SYSCTLS) this.sysctls.delete(`net/${path.replace('%', link.name)}`);
    this.links.delete(index);
    this.#notify({kind: 'link', gone: true, link});
    for (const other of this.links.values()) if (other.vxlan?.parentIndex === index) this.deleteLink(other.index);
  }

  /** IPv4 routes go without a word; IPv6 routes and neighbours are announced. */
  #goDown({index}: FakeLink): void {
    for (const [key, route] of this.routes) {
      if (route.oif !== index) continue;
      this.routes.delete(key);
      if (route.family === 6) this.#notify({kind: 'route', gone: true, route});
    }
    for (const [key, neighbour] of this.neighbours) {
      if (neighbour.index !== index) continue;
      this.neighbours.delete(key);
      this.#notify({kind: 'neighbour', gone: true, neighbour});
    }
  }

  putAddress(address: FakeAddress, replace: boolean): void {
    this.requireLink(address);
    const key = addressId(address);
    if (!replace && this.addresses.has(key)) throw new Refusal(EEXIST, 'address already assigned');
    this.addresses.set(key, address);
    this.#notify({kind: 'address', gone: false, address});
  }

  deleteAddress(address: FakeAddress): void {
    this.requireLink(address);
    const found = this.addresses.get(addressId(address));
    if (found === undefined) throw new Refusal(EADDRNOTAVAIL, 'address not found');
    this.addresses.delete(addressId(address));
    this.#notify({kind: 'address', gone: true, address: found});
  }

  putRoute(spec: FakeRoute, exclusive: boolean): void {
    const route = normalise(spec);
    if (route.type === 'unicast') this.#requireReachable(route);
    const key = routeId(route);
    if (exclusive && this.routes.has(key)) throw new Refusal(EEXIST, 'route exists');
    this.routes.set(key, route);
    this.#notify({kind: 'route', gone: false, route});
  }

  #requireReachable({oif, gateway, onlink, family}: FakeRoute): void {
    if (oif === undefined) throw new Refusal(gateway === undefined ? ENODEV : ENETUNREACH, 'no device');
    if (!this.requireLink({index: oif}).up) throw new Refusal(ENETDOWN, 'device is down');
    if (gateway === undefined || onlink) return;
    const ip = parseIp(gateway);
    const isNear = [...this.addresses.values()].some(
      (address) =>
        address.index === oif &&
        address.family === family &&
        ip !== undefined &&
        cidrContainsIp(requireCidr(`${address.ip}/${address.prefixLength}`), ip),
    );
    if (!isNear) throw new Refusal(ENETUNREACH, 'Nexthop has invalid gateway');
  }

  /** The first that matches, lowest metric first; a metric of 0, a protocol of 0 and what is undefined match any. */
  deleteRoute(selector: Omit<FakeRoute, 'type'> & {readonly type: RouteType}): void {
    const dst = formatCidr(requireCidr(selector.dst));
    const matches = [...this.routes].filter(
      ([, route]) =>
        route.family === selector.family &&
        route.dst === dst &&
        route.table === selector.table &&
        (selector.metric === 0 || route.metric === selector.metric) &&
        (selector.protocol === RTPROT.UNSPEC || route.protocol === selector.protocol) &&
        (selector.type === 'unspec' || route.type === selector.type) &&
        (selector.scope === RT_SCOPE.NOWHERE || selector.family === 6 || route.scope === selector.scope) &&
        (selector.oif === undefined || route.oif === selector.oif) &&
        (selector.gateway === undefined || route.gateway === selector.gateway),
    );
    const [first] = matches.sort(([, a], [, b]) => a.metric - b.metric);
    if (first === undefined) throw new Refusal(ESRCH, 'no such route');
    this.routes.delete(first[0]);
    this.#notify({kind: 'route', gone: true, route: first[1]});
  }

  putNeighbour(neighbour: FakeNeighbour): void {
    this.requireLink(neighbour);
    this.neighbours.set(`${neighbour.index} ${neighbour.ip}`, neighbour);
    this.#notify({kind: 'neighbour', gone: false, neighbour});
  }

  deleteNeighbour({index, ip}: {readonly index: number; readonly ip: string}): void {
    this.requireLink({index});
    const neighbour = this.neighbours.get(`${index} ${ip}`);
    if (neighbour === undefined) throw new Refusal(ENOENT, 'no such neighbour');
    this.neighbours.delete(`${index} ${ip}`);
    this.#notify({kind: 'neighbour', gone: true, neighbour});
  }

  putFdb(entry: FakeFdbEntry): void {
    const {vxlan} = this.requireLink(entry);
    if (vxlan === undefined) throw new Refusal(EOPNOTSUPP, 'no forwarding table of its own');
    if (entry.dst === undefined) throw new Refusal(EINVAL, 'no destination');
    this.fdb.set(`${entry.index} ${entry.mac}`, entry);
    this.#notify({kind: 'fdb', gone: false, entry});
  }

  deleteFdb({index, mac}: {readonly index: number; readonly mac: string}): void {
    this.requireLink({index});
    const entry = this.fdb.get(`${index} ${mac}`);
    if (entry === undefined) throw new Refusal(ENOENT, 'no such entry');
    this.fdb.delete(`${index} ${mac}`);
    this.#notify({kind: 'fdb', gone: true, entry});
  }

  writeSysctl(path: string, value: string): void {
    if (!this.sysctls.has(path)) throw new Refusal(ENOENT, 'no such setting');
    if (!/^-?[0-9]+$/.test(value)) throw new Refusal(EINVAL, 'not a number');
    this.sysctls.set(path, value);
    if (path === 'net/ipv4/ip_forward') this.#setForwarding('ipv4', value);
    if (path === 'net/ipv6/conf/all/forwarding') this.#setForwarding('ipv6', value);
  }

  /** Switching the host's forwarding rewrites that of every link. */
  #setForwarding(family: string, value: string): void {
    for (const path of this.sysctls.keys())
      if (path.startsWith(`net/${family}/conf/`) && path.endsWith('/forwarding')) this.sysctls.set(path, value);
  }
}

/** Two VXLAN devices may not hear the same VNI on the same port. */
const clash = (a: FakeVxlan, b: FakeVxlan | undefined): boolean =>
  b !== undefined && a.id === b.id && a.port === b.port && a.local?.includes(':') === b.local?.includes(':');

/** IPv6 has no metric 0 and no scopes. */
const normalise = (route: FakeRoute): FakeRoute => ({
  ...route,
  dst: formatCidr(requireCidr(route.dst)),
  table: route.table === RT_TABLE.UNSPEC ? RT_TABLE.MAIN : route.table,
  ...(route.family === 6 ? {metric: route.metric || 1024, scope: RT_SCOPE.UNIVERSE} : {}),
});

const routeId = ({dst, family, metric, table}: FakeRoute): string => `${family} ${table} ${dst} ${metric}`;
const addressId = ({index, ip, prefixLength}: FakeAddress): string => `${index} ${ip}/${prefixLength}`;
