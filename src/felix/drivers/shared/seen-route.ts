/**
 * A route of the kernel -> an entry, when it is ours.
 *
 * Ours in the main table is: what has a protocol number that nobody else uses (80, or the configured one); everything on
 * a tunnel device; on a workload interface everything, or only what has one of our protocol numbers, as configured. The
 * kernel's own link-local routes are nobody's business.
 */
import type {Family} from '../../../lib/cidr.ts';
import {RT_SCOPE} from '../../../netlink/constants.ts';
import type {Route} from '../../../netlink/route.ts';
import {
  BOOT_ROUTE_PROTOCOL,
  CALICO_ROUTE_PROTOCOL,
  isTunnelDevice,
  MAIN_TABLE,
  type RouteEntry,
} from '../../dataplane/entries.ts';
import type {Ownership} from './ownership.ts';

export function seenRoute(
  route: Route,
  nameOf: (index: number) => string | undefined,
  ownership: Ownership,
): RouteEntry | undefined {
  if (route.table !== MAIN_TABLE || route.tos !== 0 || route.from !== undefined) return undefined;
  const link = route.oif === undefined ? undefined : nameOf(route.oif);
  return isOurs(route, link, ownership) ? entryOf(route, link) : undefined;
}

function isOurs({dst, oif, protocol}: Route, link: string | undefined, ownership: Ownership): boolean {
  if (link !== undefined && oif !== undefined) {
    if (dst === 'fe80::/64') return false;
    if (isTunnelDevice(link)) return true;
    if (ownership.isWorkloadInterface(link))
      return isOursOnWorkload(protocol, ownership) && !ownership.holdsBack(link, oif);
  }
  return isOwnProtocol(protocol, ownership);
}

const isOursOnWorkload = (protocol: number, ownership: Ownership): boolean =>
  ownership.removesExternalRoutes() || protocol === BOOT_ROUTE_PROTOCOL || isOwnProtocol(protocol, ownership);

/** The number itself says that the route is ours. */
const isOwnProtocol = (protocol: number, ownership: Ownership): boolean =>
  protocol === CALICO_ROUTE_PROTOCOL ||
  (protocol !== BOOT_ROUTE_PROTOCOL && ownership.deviceRouteProtocols().has(protocol));

function entryOf(route: Route, link: string | undefined): RouteEntry {
  const {family, dst, table, metric, protocol, gateway, onlink, src, mtu, type} = route;
  const isBlackhole = type === 'blackhole';
  const isAlien =
    route.multipath !== undefined ||
    route.nextHopId !== undefined ||
    (type !== 'unicast' && !isBlackhole) ||
    (family === 4 && route.scope !== RT_SCOPE.UNIVERSE && route.scope !== RT_SCOPE.LINK);
  return {
    family,
    table,
    destination: dst,
    metric,
    type: isBlackhole ? 'blackhole' : 'unicast',
    scope: scopeOf(family, route.scope),
    protocol,
    // The kernel shows an IPv6 blackhole as one through the loopback device.
    link: isBlackhole ? undefined : link,
    gateway,
    isOnlink: onlink,
    source: src,
    mtu,
    ...(isAlien ? {isAlien} : {}),
  };
}

const scopeOf = (family: Family, scope: number): RouteEntry['scope'] =>
  family === 4 && scope === RT_SCOPE.LINK ? 'link' : 'global';
