/**
 * The VXLAN device of one family, its address, and what it must know of each remote device.
 *
 * Nothing is learnt from the wire: which MAC is behind which node, and which tunnel address has which MAC, is written
 * down as permanent entries, so a forged packet changes nothing and no packet waits for an answer.
 */
import {bitsOf, type Family} from '../../lib/cidr.ts';
import type {LocalTunnelIntent, VtepIntent} from '../calc/intent.ts';
import {type AddressEntry, type FdbEntry, type LinkEntry, type NeighbourEntry, VXLAN_DEVICE} from './entries.ts';
import type {DataPlaneSettings} from './settings.ts';

export interface TunnelContext {
  readonly settings: DataPlaneSettings;
  /** Link that holds the node's own address of this family. */
  readonly parent: string;
  readonly mtu: number;
}

/** The device; undefined while it is not known which address it sends from. */
export function renderTunnelLink(tunnel: LocalTunnelIntent, context: TunnelContext): LinkEntry | undefined {
  const {settings, parent, mtu} = context;
  if (tunnel.nodeIp === undefined) return undefined;
  return {
    name: VXLAN_DEVICE[tunnel.family],
    vni: settings.vxlanVni,
    port: settings.vxlanPort,
    mac: tunnel.mac,
    parent,
    local: tunnel.nodeIp,
    mtu,
    isUp: true,
  };
}

/** Of full length: the device has no subnet, all that is behind it is reached by routes. */
export function renderTunnelAddress(tunnel: LocalTunnelIntent): AddressEntry | undefined {
  if (tunnel.tunnelIp === undefined) return undefined;
  return {link: VXLAN_DEVICE[tunnel.family], address: `${tunnel.tunnelIp}/${bitsOf(tunnel.family)}`};
}

export interface RenderedVtep {
  readonly fdb: FdbEntry;
  readonly neighbour: NeighbourEntry;
}

export function renderVtep({family, mac, nodeIp, tunnelIp}: VtepIntent): RenderedVtep {
  const link = VXLAN_DEVICE[family];
  return {fdb: {link, mac, destination: nodeIp}, neighbour: {link, ip: tunnelIp, mac}};
}

/** True when the tunnel of `family` is to exist: a pool asks for it, or the parameter says so. */
export function isTunnelWanted(
  family: Family,
  settings: Pick<DataPlaneSettings, 'isVxlanEnabled' | 'isIpv6Enabled'>,
  encapsulation: {readonly vxlan: boolean; readonly vxlanV6: boolean} | undefined,
): boolean {
  if (family === 6 && !settings.isIpv6Enabled) return false;
  // The parameter is older than VXLAN for IPv6 and speaks of IPv4 when it says yes; when it says no it means both.
  if (settings.isVxlanEnabled === false) return false;
  if (family === 4) return settings.isVxlanEnabled ?? encapsulation?.vxlan ?? false;
  return encapsulation?.vxlanV6 ?? false;
}
