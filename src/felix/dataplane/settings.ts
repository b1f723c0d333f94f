/**
 * What the data plane can be told to do differently: the Felix parameters it honours, parsed, with Calico's defaults.
 * A new value is taken in place: it marks everything for rendering again, and the reconcilers write what differs.
 */
import type {MtuSettings} from './mtu.ts';

export interface DataPlaneSettings {
  /** InterfacePrefix: names of workload interfaces begin with one of these. */
  readonly interfacePrefixes: readonly string[];
  /** Ipv6Support. */
  readonly isIpv6Enabled: boolean;
  /** IPForwarding. */
  readonly isForwardingWanted: boolean;
  /** DeviceRouteProtocol. */
  readonly deviceRouteProtocol: number;
  /** DeviceRouteSourceAddress, DeviceRouteSourceAddressIPv6. */
  readonly deviceRouteSource: {readonly 4?: string | undefined; readonly 6?: string | undefined};
  /** IPv4NormalRoutePriority, IPv6NormalRoutePriority. */
  readonly workloadMetric: {readonly 4: number; readonly 6: number};
  /** RemoveExternalRoutes: a route on a workload interface that we did not write goes. */
  readonly removesExternalRoutes: boolean;
  /** RouteSyncDisabled: routes and tunnel addresses are left to somebody else. */
  readonly isRouteSyncDisabled: boolean;
  /** ProgramClusterRoutes, for pools without encapsulation: false leaves their routes to BIRD. */
  readonly programsPlainRoutes: boolean;
  /** VXLANEnabled, when set, overrides what the pools ask for. */
  readonly isVxlanEnabled: boolean | undefined;
  readonly vxlanVni: number;
  readonly vxlanPort: number;
  readonly mtu: MtuSettings;
  /** MTUIfacePattern. */
  readonly mtuInterfacePattern: RegExp;
  /** RouteRefreshInterval: routes, addresses and neighbours are read back this often; 0 never. */
  readonly routeRefreshMs: number;
  /** InterfaceRefreshInterval: the same for links and sysctls. */
  readonly interfaceRefreshMs: number;
}

export const DEFAULT_SETTINGS: DataPlaneSettings = {
  interfacePrefixes: ['cali'],
  isIpv6Enabled: true,
  isForwardingWanted: true,
  deviceRouteProtocol: 3,
  deviceRouteSource: {},
  workloadMetric: {4: 1024, 6: 1024},
  removesExternalRoutes: true,
  isRouteSyncDisabled: false,
  programsPlainRoutes: false,
  isVxlanEnabled: undefined,
  vxlanVni: 4096,
  vxlanPort: 4789,
  mtu: {vxlan: 0, vxlanV6: 0, ipip: 0},
  mtuInterfacePattern: /^((en|wl|ww|sl|ib)[Pcopsvx].*|(eth|wlan|wwan).*)/,
  routeRefreshMs: 90_000,
  interfaceRefreshMs: 90_000,
};

export const isWorkloadInterface = (settings: Pick<DataPlaneSettings, 'interfacePrefixes'>, name: string): boolean =>
  settings.interfacePrefixes.some((prefix) => name.startsWith(prefix));
