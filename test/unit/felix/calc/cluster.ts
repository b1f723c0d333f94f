/** Builders of datastore content (Calico's etcd keys and JSON), and intents as lines one can read. */

import type {Intent} from '../../../../src/felix/calc/intent.ts';
import {formatCidr, requireCidr} from '../../../../src/lib/cidr.ts';
import {blockKey, resourceKey} from '../../../../src/model/keys.ts';

/** Key and stored text. */
export type Stored = readonly [key: string, value: string];
export type Datastore = ReadonlyMap<string, string>;

export const datastore = (...records: readonly Stored[]): Datastore => new Map(records);

interface Metadata {
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly creationTimestamp?: string;
}

export function resource(kind: string, name: string, spec: unknown, metadata: Metadata = {}): Stored {
  const plural = kind === 'ClusterInformation' ? 'clusterinformations' : `${kind.toLowerCase()}s`;
  const stored = {kind, apiVersion: 'projectcalico.org/v3', metadata: {name, ...metadata}, spec};
  return [resourceKey(plural, name, metadata.namespace), JSON.stringify(stored)];
}

export const ready = (spec: Readonly<Record<string, unknown>> = {}): Stored =>
  resource('ClusterInformation', 'default', {datastoreReady: true, ...spec});

export const pool = (name: string, cidr: string, spec: Readonly<Record<string, unknown>> = {}): Stored =>
  resource('IPPool', name, {cidr, ipipMode: 'Never', vxlanMode: 'Never', ...spec});

interface NodeFacts {
  readonly ip?: string;
  readonly ip6?: string;
  readonly vxlan?: string;
  readonly vxlan6?: string;
  readonly ipip?: string;
  readonly mac?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly addresses?: readonly {readonly address: string; readonly type?: string}[];
}

export function node(name: string, facts: NodeFacts): Stored {
  const {ip, ip6, ipip, vxlan, vxlan6, mac, addresses, labels = {}, annotations = {}} = facts;
  const bgp =
    ip === undefined && ip6 === undefined
      ? {}
      : {bgp: {...(ip && {ipv4Address: ip}), ...(ip6 && {ipv6Address: ip6}), ...(ipip && {ipv4IPIPTunnelAddr: ipip})}};
  const spec = {
    ...bgp,
    ...(vxlan && {ipv4VXLANTunnelAddr: vxlan}),
    ...(mac && {vxlanTunnelMACAddr: mac}),
    ...(vxlan6 && {ipv6VXLANTunnelAddr: vxlan6}),
    ...(addresses && {addresses}),
  };
  return resource('Node', name, spec, {labels, annotations});
}

/** A block of `owner`; `has` lists allocated ordinals by the node that has them. */
export function block(cidr: string, owner: string | undefined, has: Readonly<Record<number, string>> = {}): Stored {
  const {ip, length} = requireCidr(cidr);
  const size = 2 ** ((ip.family === 4 ? 32 : 128) - length);
  const nodes = [...new Set(Object.values(has))];
  const allocations = Array.from({length: size}, (_, i) => (has[i] === undefined ? null : nodes.indexOf(has[i])));
  const stored = {
    cidr,
    affinity: owner === undefined ? null : owner.includes(':') ? owner : `host:${owner}`,
    allocations,
    unallocated: allocations.flatMap((allocation, i) => (allocation === null ? [i] : [])),
    attributes: nodes.map((name) => ({handle_id: `handle-${name}`, secondary: {node: name}})),
    deleted: false,
  };
  return [blockKey(formatCidr({ip, length})), JSON.stringify(stored)];
}

export function workload(
  nodeName: string,
  pod: string,
  interfaceName: string,
  ipNetworks: readonly string[],
  spec: Readonly<Record<string, unknown>> = {},
): Stored {
  const name = [nodeName, 'k8s', pod, 'eth0'].map((part) => part.replaceAll('-', '--')).join('-');
  return resource(
    'WorkloadEndpoint',
    name,
    {
      orchestrator: 'k8s',
      node: nodeName,
      pod,
      endpoint: 'eth0',
      ipNetworks,
      interfaceName,
      profiles: ['kns.default'],
      ...spec,
    },
    {namespace: 'default'},
  );
}

/** One intent as one line. */
export function describe(intent: Intent): string {
  switch (intent.kind) {
    case 'config':
      return `config ${intent.layer}: ${[...intent.values]
        .map(([name, value]) => `${name}=${value}`)
        .toSorted()
        .join(' ')}`.trim();
    case 'encapsulation':
      return `encapsulation ${Object.entries(intent.value)
        .flatMap(([name, on]) => (on ? [name] : []))
        .join(' ')}`.trim();
    case 'local-tunnel':
      return intent.value === undefined
        ? `- local-tunnel ${intent.family}`
        : `local-tunnel ${intent.family} ${intent.value.mac} ${intent.value.tunnelIp ?? '?'} on ${intent.value.nodeIp ?? '?'}`;
    case 'vtep':
      return intent.value === undefined
        ? `- vtep ${intent.key}`
        : `vtep ${intent.key} ${intent.value.mac} ${intent.value.tunnelIp} on ${intent.value.nodeIp}`;
    case 'route': {
      if (intent.value === undefined) return `- route ${intent.key}`;
      const {type, encapsulation, node: owner, nodeIp, sameSubnet} = intent.value;
      return `route ${intent.key} ${type} ${encapsulation} ${owner} ${nodeIp ?? '?'}${sameSubnet ? ' same-subnet' : ''}`;
    }
    case 'workload-endpoint': {
      if (intent.value === undefined) return `- endpoint ${intent.key}`;
      const {interfaceName, mac, ipv4Nets, ipv6Nets, profileIds} = intent.value;
      return `endpoint ${intent.key} ${[interfaceName, mac ?? '?', ...ipv4Nets, ...ipv6Nets, ...profileIds].join(' ')}`;
    }
    case 'flush':
      return `flush${intent.inSync ? '' : ' (not in sync)'}`;
    default:
      return intent satisfies never;
  }
}
