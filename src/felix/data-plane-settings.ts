/** The parameters that concern the data plane -> its settings. */
import type {FelixParameterName} from '../model/felix-parameters.ts';
import type {Config} from './config.ts';
import {type DataPlaneSettings, DEFAULT_SETTINGS} from './dataplane/settings.ts';

/** A change of one of these is a change of settings. */
export const DATA_PLANE_PARAMETERS = [
  'InterfacePrefix',
  'Ipv6Support',
  'IPForwarding',
  'DeviceRouteProtocol',
  'DeviceRouteSourceAddress',
  'DeviceRouteSourceAddressIPv6',
  'IPv4NormalRoutePriority',
  'IPv6NormalRoutePriority',
  'RemoveExternalRoutes',
  'RouteSyncDisabled',
  'ProgramClusterRoutes',
  'VXLANEnabled',
  'VXLANVNI',
  'VXLANPort',
  'VXLANMTU',
  'VXLANMTUV6',
  'IpInIpMtu',
  'MTUIfacePattern',
  'RouteRefreshInterval',
  'InterfaceRefreshInterval',
] as const satisfies readonly FelixParameterName[];

export function dataPlaneSettings(config: Pick<Config, 'get'>): DataPlaneSettings {
  return {
    interfacePrefixes: config.get('InterfacePrefix'),
    isIpv6Enabled: config.get('Ipv6Support'),
    isForwardingWanted: config.get('IPForwarding') === 'Enabled',
    deviceRouteProtocol: config.get('DeviceRouteProtocol'),
    deviceRouteSource: {
      4: config.get('DeviceRouteSourceAddress') || undefined,
      6: config.get('DeviceRouteSourceAddressIPv6') || undefined,
    },
    workloadMetric: {4: config.get('IPv4NormalRoutePriority'), 6: config.get('IPv6NormalRoutePriority')},
    removesExternalRoutes: config.get('RemoveExternalRoutes'),
    isRouteSyncDisabled: config.get('RouteSyncDisabled'),
    programsPlainRoutes: ['Enabled', 'EnabledNoEncapOnly'].includes(config.get('ProgramClusterRoutes')),
    isVxlanEnabled: config.get('VXLANEnabled'),
    vxlanVni: config.get('VXLANVNI'),
    vxlanPort: config.get('VXLANPort'),
    mtu: {vxlan: config.get('VXLANMTU'), vxlanV6: config.get('VXLANMTUV6'), ipip: config.get('IpInIpMtu')},
    mtuInterfacePattern: config.get('MTUIfacePattern') ?? DEFAULT_SETTINGS.mtuInterfacePattern,
    routeRefreshMs: config.get('RouteRefreshInterval'),
    interfaceRefreshMs: config.get('InterfaceRefreshInterval'),
  };
}
