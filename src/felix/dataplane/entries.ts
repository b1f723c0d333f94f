/**
 * The vocabulary between render and the drivers: what a kernel object of each kind looks like, and its key.
 *
 * An entry names links by name, never by index: an index belongs to one life of a link and is looked up when something
 * is written. The last column is all a driver has to tell ours from foreign after a restart:
 *
 *   kind                 key                          ours
 *   link                 name                         the names of our tunnel devices
 *   address              link, address                on a tunnel device, of the device's family
 *   fdb                  link, MAC                    permanent, on a tunnel device
 *   neighbour            link, address                permanent, on a tunnel device or (IPv4) a workload interface
 *   workload interface   name                         name prefix
 *   route                table, prefix, tos, metric   own protocol number, tunnel device, workload interface
 *   sysctl               path                         a fixed list of paths
 *   file                 path                         a fixed name, or a folder of its own
 */
import type {Family} from '../../lib/cidr.ts';

export type LinkKey = string & {readonly __link: unique symbol};
export type AddressKey = string & {readonly __address: unique symbol};
export type FdbKey = string & {readonly __fdb: unique symbol};
export type NeighbourKey = string & {readonly __neighbour: unique symbol};
export type InterfaceKey = string & {readonly __interface: unique symbol};
export type RouteKey = string & {readonly __route: unique symbol};
export type SysctlKey = string & {readonly __sysctl: unique symbol};
export type FileKey = string & {readonly __file: unique symbol};

/** Names of our tunnel devices, by the family of the packets that go in and of the nodes underneath. */
export const VXLAN_DEVICE = {4: 'vxlan.calico', 6: 'vxlan-v6.calico'} as const;

export const TUNNEL_DEVICES: readonly string[] = Object.values(VXLAN_DEVICE);
export const isTunnelDevice = (link: string): boolean => link === VXLAN_DEVICE[4] || link === VXLAN_DEVICE[6];

/** Routes that are nobody's default carry this protocol number, so that we know them again. */
export const CALICO_ROUTE_PROTOCOL = 80;
/** RTPROT_BOOT, the default of DeviceRouteProtocol: too common to be a mark of ours. */
export const BOOT_ROUTE_PROTOCOL = 3;
export const MAIN_TABLE = 254;

/** A VXLAN device, as wanted or as seen. */
export interface LinkEntry {
  readonly name: string;
  readonly vni: number;
  readonly port: number;
  readonly mac: string;
  /** Device that carries the encapsulated packets. */
  readonly parent: string;
  /** Source address of the encapsulated packets. */
  readonly local: string;
  readonly mtu: number;
  readonly isUp: boolean;
  /** Only on what was seen: why the device cannot be changed into one of ours and has to be made anew. */
  readonly flaw?: string | undefined;
}

export interface AddressEntry {
  readonly link: string;
  /** `address/length` */
  readonly address: string;
}

/** Where frames to a remote MAC are sent. */
export interface FdbEntry {
  readonly link: string;
  readonly mac: string;
  /** Address of the node underneath. */
  readonly destination: string;
}

/** A permanent neighbour. */
export interface NeighbourEntry {
  readonly link: string;
  readonly ip: string;
  readonly mac: string;
}

/** One setting below /proc/sys. */
export interface Sysctl {
  /** With slashes: `net/ipv4/ip_forward`. */
  readonly path: string;
  readonly value: string;
  /** A kernel without this setting is fine. */
  readonly isOptional: boolean;
  /** Only on what was seen: the kernel has no such setting. */
  readonly isAbsent?: boolean | undefined;
}

/** The host side of a workload's veth. */
export interface InterfaceEntry {
  readonly link: string;
  /** Written before the link comes up. */
  readonly sysctls: readonly Sysctl[];
  readonly isUp: boolean;
}

export interface RouteEntry {
  readonly family: Family;
  readonly table: number;
  /** Canonical CIDR. */
  readonly destination: string;
  /** Smaller is preferred. IPv6 has no 0: the kernel makes it 1024. */
  readonly metric: number;
  readonly type: 'unicast' | 'blackhole';
  /** `link` says that the destination is directly behind the link. IPv6 knows only `global`. */
  readonly scope: 'link' | 'global';
  readonly protocol: number;
  readonly link?: string | undefined;
  readonly gateway?: string | undefined;
  /** The gateway need not lie in a subnet of the link. */
  readonly isOnlink: boolean;
  /** Preferred source address. */
  readonly source?: string | undefined;
  readonly mtu?: number | undefined;
  /** Only on what was seen: something of it has no place here (several next hops, say), so it equals no wanted one. */
  readonly isAlien?: boolean | undefined;
}

export interface FileEntry {
  readonly path: string;
  readonly text: string;
}

export const linkKey = (entry: Pick<LinkEntry, 'name'>): LinkKey => entry.name as LinkKey;
export const addressKey = (entry: AddressEntry): AddressKey => `${entry.link} ${entry.address}` as AddressKey;
export const fdbKey = (entry: Pick<FdbEntry, 'link' | 'mac'>): FdbKey => `${entry.link} ${entry.mac}` as FdbKey;
export const neighbourKey = (entry: Pick<NeighbourEntry, 'link' | 'ip'>): NeighbourKey =>
  `${entry.link} ${entry.ip}` as NeighbourKey;
export const interfaceKey = (name: string): InterfaceKey => name as InterfaceKey;
/** Type of service is always 0 with us; a route with another one is not ours. */
export const routeKey = (entry: Pick<RouteEntry, 'table' | 'destination' | 'metric'>): RouteKey =>
  `${entry.table} ${entry.destination} ${entry.metric}` as RouteKey;
export const sysctlKey = (path: string): SysctlKey => path as SysctlKey;
export const fileKey = (path: string): FileKey => path as FileKey;

/** Every setting of a workload interface that may ever be wanted: what a read-back looks at. */
export function workloadSysctlPaths(link: string): readonly string[] {
  const ipv4 = `net/ipv4/conf/${link}`;
  const ipv6 = `net/ipv6/conf/${link}`;
  return [
    `${ipv6}/accept_ra`,
    `${ipv4}/rp_filter`,
    `${ipv4}/route_localnet`,
    `net/ipv4/neigh/${link}/proxy_delay`,
    `${ipv4}/proxy_arp`,
    `${ipv4}/forwarding`,
    `${ipv6}/accept_dad`,
    `${ipv6}/disable_ipv6`,
    `${ipv6}/proxy_ndp`,
    `${ipv6}/forwarding`,
  ];
}
