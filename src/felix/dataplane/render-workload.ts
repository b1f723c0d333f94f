/**
 * A workload of this node -> the host side of its veth, its routes and its neighbours.
 *
 * The pod sends everything to a link-local gateway that nobody has; the host answers for it (proxy ARP, proxy NDP) and
 * routes. So the interface needs no address, only settings, and each address of the pod a route of full length.
 *
 * IPv4 gets a permanent neighbour per address: the host never has to ask, and a pod cannot answer for another's address.
 * IPv6 has none, as in Calico: neighbour discovery of link-local origin works without.
 */
import {bitsOf, type Family, formatIp, parseCidr} from '../../lib/cidr.ts';
import type {WorkloadEndpointIntent} from '../calc/intent.ts';
import {type InterfaceEntry, MAIN_TABLE, type NeighbourEntry, type RouteEntry, type Sysctl} from './entries.ts';
import type {DataPlaneSettings} from './settings.ts';

export interface RenderedWorkload {
  readonly interfaceEntry: InterfaceEntry;
  readonly routes: readonly RouteEntry[];
  readonly neighbours: readonly NeighbourEntry[];
}

export interface WorkloadContext {
  readonly settings: DataPlaneSettings;
  /** `net.ipv4.conf.default.rp_filter` of the host. */
  readonly defaultRpFilter: string;
}

export function renderWorkload(endpoint: WorkloadEndpointIntent, context: WorkloadContext): RenderedWorkload {
  const {settings} = context;
  const link = endpoint.interfaceName;
  const ipv6Nets = settings.isIpv6Enabled ? endpoint.ipv6Nets : [];
  return {
    interfaceEntry: {
      link,
      sysctls: workloadSysctls(link, {hasIpv4: endpoint.ipv4Nets.length > 0, hasIpv6: ipv6Nets.length > 0}, context),
      isUp: true,
    },
    routes: [
      ...endpoint.ipv4Nets.map((net) => workloadRoute(link, 4, net, settings)),
      ...ipv6Nets.map((net) => workloadRoute(link, 6, net, settings)),
    ],
    neighbours: endpoint.mac === undefined ? [] : workloadNeighbours(link, endpoint.mac, endpoint.ipv4Nets),
  };
}

/** In the order in which they are written: nothing that opens the interface comes before what restricts it. */
export function workloadSysctls(
  link: string,
  {hasIpv4, hasIpv6}: {readonly hasIpv4: boolean; readonly hasIpv6: boolean},
  {defaultRpFilter}: Pick<WorkloadContext, 'defaultRpFilter'>,
): Sysctl[] {
  const ipv4 = `net/ipv4/conf/${link}`;
  const ipv6 = `net/ipv6/conf/${link}`;
  const sysctls: Sysctl[] = [
    // A pod must not become the host's router. A host without IPv6 has no such file.
    {path: `${ipv6}/accept_ra`, value: '0', isOptional: true},
  ];
  if (hasIpv4)
    sysctls.push(
      {path: `${ipv4}/rp_filter`, value: defaultRpFilter, isOptional: false},
      // Lets 127.0.0.0/8 be a destination behind the interface, for services on the host's loopback.
      {path: `${ipv4}/route_localnet`, value: '1', isOptional: false},
      // The default is a random delay of up to 0.8 s before the host answers for the gateway.
      {path: `net/ipv4/neigh/${link}/proxy_delay`, value: '0', isOptional: true},
      {path: `${ipv4}/proxy_arp`, value: '1', isOptional: false},
      {path: `${ipv4}/forwarding`, value: '1', isOptional: false},
    );
  if (hasIpv6)
    sysctls.push(
      // Every host side has the same MAC and so the same link-local address: looking for duplicates only delays it.
      {path: `${ipv6}/accept_dad`, value: '0', isOptional: false},
      {path: `${ipv6}/disable_ipv6`, value: '0', isOptional: false},
      {path: `${ipv6}/proxy_ndp`, value: '1', isOptional: false},
      {path: `${ipv6}/forwarding`, value: '1', isOptional: false},
    );
  return sysctls;
}

function workloadRoute(link: string, family: Family, destination: string, settings: DataPlaneSettings): RouteEntry {
  return {
    family,
    table: MAIN_TABLE,
    destination,
    metric: settings.workloadMetric[family],
    type: 'unicast',
    scope: family === 4 ? 'link' : 'global',
    protocol: settings.deviceRouteProtocol,
    link,
    isOnlink: false,
    source: settings.deviceRouteSource[family],
  };
}

function workloadNeighbours(link: string, mac: string, nets: readonly string[]): NeighbourEntry[] {
  const neighbours: NeighbourEntry[] = [];
  for (const net of nets) {
    const cidr = parseCidr(net);
    if (cidr?.length === bitsOf(4)) neighbours.push({link, ip: formatIp(cidr.ip), mac});
  }
  return neighbours;
}
