/**
 * Names that are computed, not chosen: workload endpoints, host-side interfaces, IPAM handles, tunnel MACs, Go's
 * timestamps. Two programs that share a datastore or a kernel meet in these names, so each rule is Calico's, bit for bit.
 *
 * `node:crypto` is used for pure hashing only; nothing here does I/O.
 */
import {createHash} from 'node:crypto';
import type {Family} from '../lib/cidr.ts';
import {escapeElement} from './keys.ts';

/** What identifies a workload endpoint inside its namespace. Which of the fields count depends on the orchestrator. */
export interface WorkloadEndpointIdentity {
  readonly node?: string | undefined;
  readonly orchestrator?: string | undefined;
  /** Kubernetes. */
  readonly pod?: string | undefined;
  /** Orchestrator `cni`: pods of a container runtime without Kubernetes. */
  readonly containerID?: string | undefined;
  /** Any other orchestrator. */
  readonly workload?: string | undefined;
  readonly endpoint?: string | undefined;
}

/** The four parts of a workload endpoint's name. */
export interface WorkloadEndpointNameParts {
  readonly node: string;
  readonly orchestrator: string;
  /** Pod, container id or workload, by orchestrator. */
  readonly workload: string;
  readonly endpoint: string;
}

/** `node1-k8s-web--0-eth0`; undefined when a part is missing or begins or ends with a dash. */
export function workloadEndpointName(identity: WorkloadEndpointIdentity): string | undefined {
  const segments = nameSegments(identity);
  return segments.length === 4 ? segments.join('-') : undefined;
}

/**
 * What the names of all endpoints with these leading parts begin with; parts after the first missing one do not count.
 * A prefix for pod `a` also fits pod `a-b`: parse each name found and compare.
 */
export function workloadEndpointNamePrefix(identity: WorkloadEndpointIdentity): string {
  const segments = nameSegments(identity);
  return segments.length === 4 ? segments.join('-') : segments.map((segment) => `${segment}-`).join('');
}

/** Escaped segments up to the first that is missing or not allowed. */
function nameSegments(identity: WorkloadEndpointIdentity): string[] {
  const {node, orchestrator, endpoint} = identity;
  const segments: string[] = [];
  for (const part of [node, orchestrator, workloadPart(identity), endpoint]) {
    if (part === undefined || part === '' || part.startsWith('-') || part.endsWith('-')) break;
    segments.push(part.replaceAll('-', '--'));
  }
  return segments;
}

/** The third part of the name. */
export function workloadPart(identity: WorkloadEndpointIdentity): string | undefined {
  switch (identity.orchestrator ?? '') {
    case 'k8s':
      return identity.pod;
    case 'cni':
      return identity.containerID;
    case 'libnetwork':
      return 'libnetwork';
    default:
      return identity.workload;
  }
}

/** The parts of a workload endpoint's name; undefined when it has not exactly four. */
export function parseWorkloadEndpointName(name: string): WorkloadEndpointNameParts | undefined {
  const parts: string[] = [];
  let part = name.slice(0, 1);
  // A name cannot begin with a separator, so the scan begins behind its first character.
  for (let i = 1; i < name.length; i++) {
    const character = name.charAt(i);
    if (character !== '-') part += character;
    else if (name.charAt(i + 1) === '-') {
      part += '-';
      i++;
    } else {
      parts.push(part);
      part = '';
    }
  }
  parts.push(part);
  const [node, orchestrator, workload, endpoint] = parts;
  if (parts.length !== 4 || parts.includes('')) return undefined;
  if (node === undefined || orchestrator === undefined || workload === undefined || endpoint === undefined)
    return undefined;
  return {node, orchestrator, workload, endpoint};
}

/**
 * Host side of a Kubernetes pod's veth: prefix and 11 hex digits of a hash, so the same pod name has the same interface
 * on every node and after every restart.
 */
export function podInterfaceName(namespace: string, pod: string, prefix = 'cali'): string {
  return `${prefix}${sha1(`${namespace}.${pod}`).toString('hex').slice(0, 11)}`;
}

/** Host side of the veth of a container without Kubernetes. Calico's prefix is fixed here. */
export const containerInterfaceName = (containerId: string): string => `cali${containerId.slice(0, 11)}`;

/** The first of the comma-separated prefixes of parameter InterfacePrefix: the one new interfaces get. */
export const firstInterfacePrefix = (parameter: string | undefined): string =>
  parameter?.split(',')[0]?.trim() || 'cali';

/** Handle of a pod's addresses. */
export const workloadHandleId = (networkName: string, containerId: string): string => `${networkName}.${containerId}`;

export type TunnelType = 'ipip' | 'vxlan' | 'vxlan-v6' | 'wireguard' | 'wireguard-v6';

const TUNNEL_ATTRIBUTES: Readonly<Record<TunnelType, string>> = {
  ipip: 'ipipTunnelAddress',
  vxlan: 'vxlanTunnelAddress',
  'vxlan-v6': 'vxlanV6TunnelAddress',
  wireguard: 'wireguardTunnelAddress',
  'wireguard-v6': 'wireguardV6TunnelAddress',
};

export const TUNNEL_TYPES: readonly TunnelType[] = ['ipip', 'vxlan', 'vxlan-v6', 'wireguard', 'wireguard-v6'];

/** Handle of a node's tunnel address. */
export const tunnelHandleId = (type: TunnelType, node: string): string => `${type}-tunnel-addr-${node}`;

/** Value of the allocation attribute `type` of a tunnel address. */
export const tunnelAttributeType = (type: TunnelType): string => TUNNEL_ATTRIBUTES[type];

/** Which tunnel an allocation attribute `type` speaks of. */
export const parseTunnelAttributeType = (text: string): TunnelType | undefined =>
  TUNNEL_TYPES.find((type) => TUNNEL_ATTRIBUTES[type] === text);

/** Handle of the addresses of a Service of type LoadBalancer. */
export function serviceHandleId(service: {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
}): string {
  const text = `${service.name}-${service.namespace}-${service.uid}`.toLowerCase();
  const digest = createHash('sha256').update(text).digest('base64url');
  return `lb-${digest.replaceAll(/[-_.]/g, '')}`;
}

/** Owner of the ordinals that Windows keeps for itself in each block. */
export const WINDOWS_RESERVED_HANDLE = 'windows-reserved-ipam-handle';

/** Handles as they compare: old Windows nodes stored trailing text behind a carriage return. */
export function comparableHandleId(handleId: string): string {
  const end = handleId.indexOf('\r');
  return end < 0 ? handleId : handleId.slice(0, end);
}

/** MAC of a node's VXLAN device where its Node resource names none: 66 and five bytes of a hash of the node's name. */
export function vxlanMac(node: string, family: Family): string {
  const digest = sha1(family === 4 ? node : `${node}-v6`);
  return ['66', ...(digest.subarray(0, 5).toString('hex').match(/../g) ?? [])].join(':');
}

/** A host name as the name of its Node: trimmed, lower case. */
export const nodeNameOf = (hostname: string): string => hostname.trim().toLowerCase();

/** Name of the file by which Felix tells the CNI side that an endpoint is in place. */
export function endpointStatusFileName(endpoint: {
  readonly orchestrator: string;
  readonly workload: string;
  readonly endpoint: string;
}): string {
  return [endpoint.orchestrator, endpoint.workload, endpoint.endpoint].map(escapeElement).join(' ');
}

/** A CIDR as part of a resource name: `10-65-0-0-26`, `fd00-10---122`. */
export const cidrResourceName = (cidr: string): string => cidr.replaceAll(/[.:/]/g, '-');

/** The instant in Go's default form, UTC: `2024-05-01 10:00:00.123456789 +0000 UTC`, no zeros at the end. */
export function goTimestamp(unixNs: bigint): string {
  const seconds = new Date(Number(unixNs / 1_000_000_000n) * 1000).toISOString();
  const fraction = String(unixNs % 1_000_000_000n)
    .padStart(9, '0')
    .replace(/0+$/, '');
  return `${seconds.slice(0, 10)} ${seconds.slice(11, 19)}${fraction === '' ? '' : `.${fraction}`} +0000 UTC`;
}

/** The instant as Kubernetes and IPAM write it: `2024-05-01T10:00:00Z`, whole seconds. */
export const rfc3339Seconds = (unixMs: number): string => `${new Date(unixMs).toISOString().slice(0, 19)}Z`;

const sha1 = (text: string): Buffer => createHash('sha1').update(text).digest();
