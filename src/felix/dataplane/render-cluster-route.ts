/**
 * How a block, a borrowed address or a tunnel address of the cluster is reached -> one route.
 *
 *   block of this node             blackhole: an address nobody has is dropped here, not sent back to where it came from
 *   same subnet, or no tunnel      via the other node, on the link that holds our own address
 *   VXLAN                          via the other node's tunnel address, on the tunnel device
 *   VXLAN, a tunnel address        directly on the tunnel device
 *
 * Undefined means that it cannot be reached for now (something is not known yet) or is not ours to program.
 */
import type {RouteIntent} from '../calc/intent.ts';
import {BOOT_ROUTE_PROTOCOL, CALICO_ROUTE_PROTOCOL, MAIN_TABLE, type RouteEntry, VXLAN_DEVICE} from './entries.ts';
import type {DataPlaneSettings} from './settings.ts';

export interface ClusterRouteContext {
  readonly settings: DataPlaneSettings;
  /** Link that holds the node's own address of the route's family. */
  readonly parent: string | undefined;
  /** The tunnel of the route's family is to exist. */
  readonly isTunnelWanted: boolean;
  readonly tunnelMtu: number;
  /** Tunnel address of the route's node, of the route's family. */
  readonly remoteTunnelIp: string | undefined;
}

/** Lower wins where two ask for the same destination. The order is Calico's. */
export const ROUTE_CLASS = {
  workload: 0,
  vxlanSameSubnet: 3,
  vxlanTunnel: 4,
  plain: 7,
  vxlanBlackhole: 8,
  plainBlackhole: 10,
} as const;

export interface RenderedRoute {
  readonly rank: number;
  readonly entry: RouteEntry;
}

export function renderClusterRoute(intent: RouteIntent, context: ClusterRouteContext): RenderedRoute | undefined {
  switch (intent.encapsulation) {
    case 'ipip':
      // Needs tunl0, which comes with its own driver.
      return undefined;
    case 'none':
      if (!context.settings.programsPlainRoutes) return undefined;
      if (intent.type === 'local-block') return blackhole(intent, ROUTE_CLASS.plainBlackhole, context);
      return viaNode(intent, ROUTE_CLASS.plain, context);
    case 'vxlan':
      if (!context.isTunnelWanted) return undefined;
      if (intent.type === 'local-block') return blackhole(intent, ROUTE_CLASS.vxlanBlackhole, context);
      // Falls back to the tunnel when the link towards the other node is not known.
      return (
        (intent.sameSubnet ? viaNode(intent, ROUTE_CLASS.vxlanSameSubnet, context) : undefined) ??
        throughTunnel(intent, context)
      );
  }
}

function blackhole(intent: RouteIntent, rank: number, {settings}: ClusterRouteContext): RenderedRoute {
  const entry: RouteEntry = {...base(intent), type: 'blackhole', scope: 'global', protocol: ownProtocol(settings)};
  return {rank, entry};
}

function viaNode(intent: RouteIntent, rank: number, context: ClusterRouteContext): RenderedRoute | undefined {
  if (intent.nodeIp === undefined || context.parent === undefined) return undefined;
  const entry: RouteEntry = {
    ...base(intent),
    type: 'unicast',
    scope: 'global',
    protocol: ownProtocol(context.settings),
    link: context.parent,
    gateway: intent.nodeIp,
    isOnlink: true,
  };
  return {rank, entry};
}

function throughTunnel(intent: RouteIntent, context: ClusterRouteContext): RenderedRoute | undefined {
  const isDirect = intent.type === 'remote-tunnel';
  if (!isDirect && context.remoteTunnelIp === undefined) return undefined;
  const entry: RouteEntry = {
    ...base(intent),
    type: 'unicast',
    scope: isDirect && intent.family === 4 ? 'link' : 'global',
    // Known as ours by the device, so it needs no protocol number of its own; v3.32 writes the default one too.
    protocol: context.settings.deviceRouteProtocol,
    link: VXLAN_DEVICE[intent.family],
    gateway: isDirect ? undefined : context.remoteTunnelIp,
    isOnlink: !isDirect,
    mtu: context.tunnelMtu,
  };
  return {rank: ROUTE_CLASS.vxlanTunnel, entry};
}

const base = ({family, cidr}: RouteIntent) => ({
  family,
  table: MAIN_TABLE,
  destination: cidr,
  // IPv6 has no metric 0; the kernel would make it 1024 and we would never find our route again.
  metric: family === 4 ? 0 : 1024,
  isOnlink: false,
});

const ownProtocol = ({deviceRouteProtocol}: DataPlaneSettings): number =>
  deviceRouteProtocol === BOOT_ROUTE_PROTOCOL ? CALICO_ROUTE_PROTOCOL : deviceRouteProtocol;
