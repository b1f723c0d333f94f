/** Computed names against the documented vectors and against what Calico v3.32.1 stored. */
import t from 'tap';
import {decodeBlock} from '../../../src/model/ipam-records.ts';
import {parseKey} from '../../../src/model/keys.ts';
import {WorkloadEndpoint} from '../../../src/model/kinds/workload-endpoint.ts';
import {
  cidrResourceName,
  comparableHandleId,
  containerInterfaceName,
  endpointStatusFileName,
  firstInterfacePrefix,
  goTimestamp,
  nodeNameOf,
  parseTunnelAttributeType,
  parseWorkloadEndpointName,
  podInterfaceName,
  rfc3339Seconds,
  serviceHandleId,
  TUNNEL_TYPES,
  tunnelAttributeType,
  tunnelHandleId,
  vxlanMac,
  workloadEndpointName,
  workloadEndpointNamePrefix,
  workloadHandleId,
} from '../../../src/model/names.ts';
import {readStored} from './captured.ts';

void t.test('workload endpoints, by orchestrator', async (t) => {
  const base = {node: 'node-1', endpoint: 'eth0'};
  t.equal(workloadEndpointName({...base, orchestrator: 'k8s', pod: 'my-pod'}), 'node--1-k8s-my--pod-eth0');
  t.equal(
    workloadEndpointName({...base, node: 'node1', orchestrator: 'cni', containerID: '01ab'}),
    'node1-cni-01ab-eth0',
  );
  t.equal(workloadEndpointName({...base, orchestrator: 'libnetwork'}), 'node--1-libnetwork-libnetwork-eth0');
  t.equal(
    workloadEndpointName({node: 'host1', orchestrator: 'openstack', workload: 'vm1', endpoint: 'port1'}),
    'host1-openstack-vm1-port1',
  );
  t.equal(
    workloadEndpointName({...base, orchestrator: 'k8s', containerID: 'x'}),
    undefined,
    'a pod needs its pod name',
  );
  t.equal(workloadEndpointName({...base, orchestrator: 'k8s', pod: '-x'}), undefined);
  t.same(parseWorkloadEndpointName('node--1-k8s-my--pod-eth0'), {
    node: 'node-1',
    orchestrator: 'k8s',
    workload: 'my-pod',
    endpoint: 'eth0',
  });
});

void t.test('prefixes stop at the first part that is missing', async (t) => {
  t.equal(workloadEndpointNamePrefix({}), '');
  t.equal(workloadEndpointNamePrefix({node: 'node-1'}), 'node--1-');
  t.equal(workloadEndpointNamePrefix({node: 'n', orchestrator: 'k8s', pod: 'a'}), 'n-k8s-a-');
  t.equal(workloadEndpointNamePrefix({node: 'n', pod: 'a', endpoint: 'eth0'}), 'n-');
  t.equal(workloadEndpointNamePrefix({node: 'n', orchestrator: 'k8s', pod: 'a', endpoint: 'eth0'}), 'n-k8s-a-eth0');
});

void t.test('captured endpoints: name and interface name follow from the rest', async (t) => {
  let checked = 0;
  for (const {key, value} of readStored('stored.jsonl')) {
    const parsed = parseKey(key);
    if (parsed?.kind !== 'resource' || parsed.plural !== 'workloadendpoints') continue;
    const {spec} = WorkloadEndpoint.decode(value, key);
    t.equal(workloadEndpointName(spec), parsed.name);
    t.equal(parseWorkloadEndpointName(parsed.name)?.endpoint, spec.endpoint);
    if (spec.orchestrator === 'cni' && spec.containerID !== undefined) {
      t.equal(containerInterfaceName(spec.containerID), spec.interfaceName);
      checked++;
    }
  }
  t.ok(checked > 5);
});

void t.test('captured tunnel addresses: handle and type', async (t) => {
  const types = new Set<string>();
  for (const {key, value} of readStored('stored.jsonl')) {
    if (parseKey(key)?.kind !== 'block') continue;
    for (const {handleId, secondary} of decodeBlock(value).attributes) {
      const type = parseTunnelAttributeType(secondary.get('type') ?? '');
      if (type === undefined) continue;
      types.add(type);
      t.equal(tunnelHandleId(type, secondary.get('node') ?? ''), handleId);
    }
  }
  t.same([...types].sort(), ['vxlan', 'vxlan-v6']);
  for (const type of TUNNEL_TYPES) t.equal(parseTunnelAttributeType(tunnelAttributeType(type)), type);
});

void t.test('interface names, MACs, handles', async (t) => {
  t.equal(podInterfaceName('default', 'pod1'), 'calice0906292e2');
  t.equal(podInterfaceName('default', 'nginx-7bf8c77b5b-4qk9x'), 'cali4c441344a63');
  t.equal(podInterfaceName('default', 'pod1', 'tap'), 'tapce0906292e2');
  t.equal(firstInterfacePrefix('tap,cali'), 'tap');
  t.equal(firstInterfacePrefix(undefined), 'cali');
  t.equal(firstInterfacePrefix(''), 'cali');
  t.equal(vxlanMac('node1', 4), '66:f9:37:c3:7e:94');
  t.equal(vxlanMac('node1', 6), '66:0f:35:f2:60:df');
  t.equal(workloadHandleId('k8s-pod-network', '0a1b'), 'k8s-pod-network.0a1b');
  t.match(serviceHandleId({name: 'Web', namespace: 'default', uid: 'U'}), /^lb-[A-Za-z0-9]{38,43}$/);
  t.equal(
    serviceHandleId({name: 'Web', namespace: 'default', uid: 'U'}),
    serviceHandleId({name: 'web', namespace: 'default', uid: 'u'}),
  );
  t.equal(comparableHandleId('net.id\r\nfrom Windows'), 'net.id');
  t.equal(nodeNameOf(' Node-1\n'), 'node-1');
  t.equal(cidrResourceName('fd00:10::/122'), 'fd00-10---122');
  t.equal(
    endpointStatusFileName({orchestrator: 'k8s', workload: 'default/web-0', endpoint: 'eth0'}),
    'k8s default%2fweb-0 eth0',
  );
});

void t.test('timestamps', async (t) => {
  const second = 1714557600n * 1_000_000_000n;
  t.equal(goTimestamp(second + 123_456_789n), '2024-05-01 10:00:00.123456789 +0000 UTC');
  t.equal(goTimestamp(second + 120_000_000n), '2024-05-01 10:00:00.12 +0000 UTC');
  t.equal(goTimestamp(second + 7n), '2024-05-01 10:00:00.000000007 +0000 UTC');
  t.equal(goTimestamp(second), '2024-05-01 10:00:00 +0000 UTC');
  t.equal(rfc3339Seconds(1714557600999), '2024-05-01T10:00:00Z');
});
