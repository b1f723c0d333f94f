/** A node's namespace with an uplink of both families, and what a cluster wants of it, as intents. */
import type {Test} from 'tap';
import type {Intent, RouteIntent, VtepIntent} from '../../../../src/felix/calc/intent.ts';
import {makeNamespace, type TestNamespace} from './namespace.ts';

export function makeHost(t: Test): TestNamespace {
  const host = makeNamespace(t, 'host');
  host.setSysctl('net/ipv6/conf/default/accept_dad', '0');
  host.ip('link add eth0 type veth peer name wire0');
  host.ip('link set eth0 up');
  host.ip('link set wire0 up');
  host.ip('addr add 10.95.1.11/24 dev eth0');
  host.ip('addr add fd00:95:1::11/64 dev eth0 nodad');
  return host;
}

/** The veth of pod number `n`, as the CNI server makes it; both ends here, which is enough for the host side. */
export function addVeth(host: TestNamespace, n: number): void {
  host.ip(`link add cali${n} address ee:ee:ee:ee:ee:ee mtu 1430 type veth peer name pod${n}`);
}

export const endpointId = (n: number): string => `k8s/default/pod-${n}/eth0`;

export const endpoint = (n: number): Intent => ({
  kind: 'workload-endpoint',
  key: endpointId(n),
  value: {
    id: endpointId(n),
    interfaceName: `cali${n}`,
    mac: `02:00:00:00:00:${n.toString(16).padStart(2, '0')}`,
    ipv4Nets: [`10.244.0.${n}/32`],
    ipv6Nets: [`fd00:244::${n.toString(16)}/128`],
    profileIds: [],
  },
});

/** VXLAN in both families. */
export const BASE: readonly Intent[] = [
  {kind: 'encapsulation', value: {ipip: false, vxlan: true, vxlanV6: true}},
  {
    kind: 'local-tunnel',
    family: 4,
    value: {family: 4, mac: '66:00:00:00:00:01', tunnelIp: '10.244.0.0', nodeIp: '10.95.1.11'},
  },
  {
    kind: 'local-tunnel',
    family: 6,
    value: {family: 6, mac: '66:00:00:00:06:01', tunnelIp: 'fd00:244::', nodeIp: 'fd00:95:1::11'},
  },
  route({cidr: '10.244.0.0/26', family: 4, type: 'local-block', node: 'node1', nodeIp: '10.95.1.11'}),
  route({cidr: 'fd00:244::/122', family: 6, type: 'local-block', node: 'node1', nodeIp: 'fd00:95:1::11'}),
];

/** Node number `n` (2 and up): its VTEPs and one block of each family. */
export function remoteNode(n: number): readonly Intent[] {
  const node = `node${n}`;
  const hex = n.toString(16);
  const byte = (value: number) => value.toString(16).padStart(2, '0');
  const mac = (family: number) => `66:00:00:0${family}:${byte(Math.floor(n / 256))}:${byte(n % 256)}`;
  const second = Math.floor(n / 256);
  const third = n % 256;
  const nodeIp = `10.96.${second}.${third}`;
  const nodeIp6 = `fd00:96::${hex}`;
  return [
    vtep({node, family: 4, mac: mac(4), tunnelIp: `10.${128 + second}.${third}.0`, nodeIp}),
    vtep({node, family: 6, mac: mac(6), tunnelIp: `fd00:244:${hex}::`, nodeIp: nodeIp6}),
    route({cidr: `10.${128 + second}.${third}.0/26`, family: 4, type: 'remote-workload', node, nodeIp}),
    route({cidr: `fd00:244:${hex}::/122`, family: 6, type: 'remote-workload', node, nodeIp: nodeIp6}),
  ];
}

function vtep(value: VtepIntent): Intent {
  return {kind: 'vtep', key: `${value.node} ${value.family}`, value};
}

export function route(value: Omit<RouteIntent, 'encapsulation' | 'sameSubnet'> & Partial<RouteIntent>): Intent {
  return {kind: 'route', key: value.cidr, value: {encapsulation: 'vxlan', sameSubnet: false, ...value}};
}
