import t from 'tap';
import {Allocator} from '../../../src/ipam/allocator.ts';
import {endpointContainerIds, type ReclaimCandidate, reclaim} from '../../../src/ipam/reclaim.ts';
import {silentLogger} from '../../../src/lib/log.ts';
import {WorkloadEndpoint} from '../../../src/model/kinds/workload-endpoint.ts';
import {goTimestamp} from '../../../src/model/names.ts';
import {FakeClock} from '../../helpers/fake-clock.ts';
import {putNode, putPool, readIpamState} from './support/cluster.ts';
import {MemoryStore} from './support/memory-store.ts';

const STARTED_MS = Date.UTC(2026, 0, 1, 12);
const at = (offsetMs: number): string => goTimestamp(BigInt(STARTED_MS + offsetMs) * 1_000_000n);

async function rig() {
  const store = new MemoryStore();
  const clock = new FakeClock();
  const allocator = new Allocator({store, clock, log: silentLogger});
  await putPool(store, 'p', {cidr: '10.0.0.0/26', blockSize: 28});
  for (const node of ['n1', 'n2']) await putNode(store, node);
  const assign = async (handleId: string | undefined, attributes: Readonly<Record<string, string>>, node = 'n1') => {
    const owner = {handleId, attributes: new Map(Object.entries(attributes))};
    const {ipv4} = await allocator.autoAssign(node, {owner, use: 'Workload', ipv4: {count: 1}});
    return ipv4.allocations[0]?.ip ?? '';
  };
  const run = (isDead: (candidate: ReclaimCandidate) => boolean | Promise<boolean> = () => true) =>
    reclaim({node: 'n1', startedMs: STARTED_MS}, {store, allocator, clock, log: silentLogger, isDead});
  return {store, allocator, assign, run};
}

void t.test('only what a CNI call of this node made before the start is looked at', async (t) => {
  const {store, assign, run} = await rig();
  const old = {node: 'n1', timestamp: at(-1)};
  const dead = await assign('k8s-pod-network.0a1b', old);
  const dotted = await assign('my.network.0a1b', {node: 'n1', pod: 'p', namespace: 'ns'});
  for (const [handle, attributes] of [
    ['k8s-pod-network.young', {node: 'n1', timestamp: at(0)}],
    ['k8s-pod-network.odd', {node: 'n1', timestamp: 'yesterday'}],
    ['k8s-pod-network.other', {...old, node: 'n2'}],
    ['k8s-pod-network.nobody', {timestamp: at(-1)}],
    ['vxlan-tunnel-addr-n1', {node: 'n1', type: 'vxlanTunnelAddress'}],
    ['vxlan-tunnel-addr-n1.example', {node: 'n1', type: 'vxlanTunnelAddress'}],
    ['ipip-tunnel-addr-n1', {node: 'n1'}],
    ['net.vmi.ns.vm', {...old, 'vmi-name': 'vm'}],
    ['net.vmi.ns.vm2', old],
    ['no-dot', old],
    ['windows-reserved-ipam-handle', {note: 'windows host rsvd', node: 'n1'}],
    [undefined, old],
    [undefined, {}],
  ] as const)
    await assign(handle, attributes);
  const seen: string[] = [];
  const result = await run((candidate) => {
    seen.push(`${candidate.networkName} ${candidate.containerId}`);
    return true;
  });
  t.same(seen.sort(), ['k8s-pod-network 0a1b', 'my.network 0a1b']);
  t.same(result.released.map(({ip}) => ip).sort(), [dead, dotted].sort());
  t.equal((await readIpamState(store)).handles.size, 11);
  t.match(await run(), {released: [], kept: 0}, 'the second time there is nothing');
});

void t.test('the living keep their addresses, and doubt is life', async (t) => {
  const {store, assign, run} = await rig();
  const owner = (timestamp = at(-1000)) => ({node: 'n1', timestamp});
  for (const container of ['alive', 'dead', 'doubt']) await assign(`net.${container}`, owner());
  const endpoint = (node: string, container: string) => ({
    kind: 'WorkloadEndpoint',
    apiVersion: 'projectcalico.org/v3',
    metadata: {name: `${node}-cni-${container}-eth0`, namespace: 'default'},
    spec: {node, orchestrator: 'cni', containerID: container, endpoint: 'eth0'},
  });
  for (const [node, container] of [
    ['n1', 'alive'],
    ['n2', 'dead'],
  ] as const) {
    const value = endpoint(node, container);
    await store.commit([{kind: 'put', key: WorkloadEndpoint.key(value.metadata), value: JSON.stringify(value)}]);
  }
  const alive = await endpointContainerIds(store, 'n1');
  t.same([...alive], ['alive'], 'an endpoint of another node proves nothing here');
  await store.commit([{kind: 'put', key: WorkloadEndpoint.key({namespace: 'x', name: 'n2-cni-z-eth0'}), value: '{'}]);
  t.same(
    [...(await endpointContainerIds(store, 'n1'))],
    ['alive'],
    'what cannot be read on another node does not matter',
  );
  await store
    .another()
    .commit([{kind: 'put', key: WorkloadEndpoint.key({namespace: 'x', name: 'n1-cni-z-eth0'}), value: '{'}]);
  await t.rejects(endpointContainerIds(store, 'n1'), {code: 'E_BAD_JSON'});
  const result = await run(async ({containerId}) => {
    if (containerId === 'doubt') throw new Error('the runtime does not answer');
    return !alive.has(containerId);
  });
  t.match(result, {released: [{handleId: 'net.dead'}], kept: 2, conflicts: 0});
});

void t.test('borrowed addresses are found, and an address that changed hands stays', async (t) => {
  const {store, allocator, assign, run} = await rig();
  for (let i = 0; i < 64; i++) await assign(`net.n2c${i}`, {node: 'n2'}, 'n2');
  await allocator.releaseByHandle('net.n2c7');
  const ip = await assign('net.borrower', {node: 'n1', timestamp: at(-5)});
  const {blocks} = await readIpamState(store);
  t.ok([...blocks.values()].every(({affinity}) => affinity === 'host:n2'));
  const result = await run(async () => {
    // While it is being judged, the address goes to a new pod with the same handle.
    await allocator.releaseByHandle('net.borrower');
    await assign('net.borrower', {node: 'n1', timestamp: at(5)});
    return true;
  });
  t.match(result, {released: [], conflicts: 1});
  t.same(
    (await allocator.ipsByHandle('net.borrower')).map((allocation) => allocation.ip),
    [ip],
  );
});
