/** The cluster that the fire suite works on: pools too small for eight nodes, so that all ways to an address are walked. */
import type {Random} from '../../../helpers/random.ts';

export const WORKLOAD_POOL = '10.0.0.0/25';
export const IPV4_ADDRESSES = 128;
/** Automatic assignment leaves these alone. */
export const RESERVED: readonly string[] = ['10.0.0.44', '10.0.0.45', '10.0.0.46', '10.0.0.47', 'fd00::11'];

export const ipv4At = (place: number): string => `10.0.0.${place}`;
/** One of the blocks of the workload pool. */
export const blockAt = (random: Random): string => `${ipv4At(8 * random.below(IPV4_ADDRESSES / 8))}/29`;

const resourceKey = (plural: string, name: string): string =>
  `/calico/resources/v3/projectcalico.org/${plural}/${name}`;
export const nodeKey = (name: string): string => resourceKey('nodes', name);

/** The endpoint of a container, which uses these addresses. */
export function endpointOf(node: string, container: string, ips: readonly string[]) {
  const name = `${node}-cni-${container}-eth0`;
  const ipNetworks = ips.map((ip) => `${ip}/${ip.includes(':') ? 128 : 32}`);
  const spec = {node, orchestrator: 'cni', containerID: container, endpoint: 'eth0', ipNetworks};
  const resource = {
    kind: 'WorkloadEndpoint',
    apiVersion: 'projectcalico.org/v3',
    metadata: {name, namespace: 'default'},
    spec,
  };
  return {key: resourceKey('workloadendpoints', `default/${name}`), value: JSON.stringify(resource)};
}

/** The resources there are at the start. */
export function worldOf(nodes: readonly string[]): readonly {readonly key: string; readonly value: string}[] {
  const entry = (plural: string, name: string, spec: object) => ({
    key: resourceKey(plural, name),
    value: JSON.stringify({apiVersion: 'projectcalico.org/v3', metadata: {name}, spec}),
  });
  return [
    entry('ippools', 'p4', {cidr: WORKLOAD_POOL, blockSize: 29, allowedUses: ['Workload']}),
    entry('ippools', 'p6', {cidr: 'fd00::/121', blockSize: 125, allowedUses: ['Workload']}),
    entry('ippools', 'tunnels', {
      cidr: '10.0.0.128/28',
      blockSize: 30,
      vxlanMode: 'Always',
      allowedUses: ['Tunnel'],
      nodeSelector: 'has(tunnel)',
    }),
    entry('ipreservations', 'r', {reservedCIDRs: ['10.0.0.44/30', 'fd00::11']}),
    ...nodes.map((name) => entry('nodes', name, {})),
  ];
}
