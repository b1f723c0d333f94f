/**
 * Packets between pods of all nodes, measured by processes inside the pods, in both families; by which way they travel,
 * counted at the router and on the wires; and that both follow when pools and nodes change while everything runs.
 */
import t, {type Test} from 'tap';
import {IPPool} from '../../src/model/kinds/ip-pool.ts';
import {Node} from '../../src/model/kinds/node.ts';
import type {LabNode} from '../lab/lab-node.ts';
import type {LabPod} from '../lab/lab-pod.ts';
import {VxlanCounters} from '../lab/vxlan-counters.ts';
import {Cluster, POOL4, POOL6, THREE_NODES} from './support/cluster.ts';
import {eventually} from './support/eventually.ts';
import {kernelPicture, pictured} from './support/kernel-picture.ts';
import {addPod, unreachable} from './support/pods.ts';

const cluster = await Cluster.start(t, {nodes: THREE_NODES, pools: [POOL4, POOL6]});
const {lab} = cluster;
const [node1, node2, node3] = [cluster.node('node1'), cluster.node('node2'), cluster.node('node3')];
const POOLS = {ipv4: [POOL4.cidr], ipv6: [POOL6.cidr]};

const pods: LabPod[] = [];
for (const node of lab.nodes)
  for (const letter of ['a', 'b']) pods.push(await addPod(node, `${node.name}${letter}`, POOLS));
/** One of each node. */
const ambassadors = () => pods.filter(({name}) => name.endsWith('a'));

await t.test('six pods, every one to every other, both families', async (t) => {
  for (const pod of pods) {
    t.match(pod.address(4), /^10\.244\./, `${pod.name} has an IPv4 address`);
    t.match(pod.address(6), /^fd00:244:/, `${pod.name} has an IPv6 address`);
  }
  const counters = await VxlanCounters.install(lab);
  t.same(await unreachable(pods), [], 'ICMP, 1 MB of TCP there and back, a datagram in fragments');
  await travels(t, counters, 4, {sameSubnet: 'plain', acrossSubnets: 'vxlan'});
  await travels(t, counters, 6, {sameSubnet: 'vxlan', acrossSubnets: 'vxlan'});
  await counters.remove();
});

await t.test('an address nobody has is refused by the node of its block, not sent back and forth', async (t) => {
  const [pod] = pods;
  const [line = ''] = await pictured(node3, /^route4 blackhole /);
  const block = line.split(' ')[2] ?? '';
  const last = block.replace(/(\d+)\/26$/, (_, first: string) => String(Number(first) + 63));
  const answer = await pod?.run(['ping', '-n', '-c', '1', '-W', '2', last]);
  t.match(answer?.stdout, /Destination Host Unreachable|100% packet loss/);
  t.notMatch(answer?.stdout, /Time to live exceeded/);
});

await t.test('a pool is edited', async (t) => {
  const counters = await VxlanCounters.install(lab);
  const tunnelAddress = async () => (await nodeSpec('node1')).ipv4VXLANTunnelAddr;
  const before = await tunnelAddress();
  t.type(before, 'string');

  await node1.killAgent();
  await cluster.applyPool({...POOL4, vxlanMode: 'Always'});
  await routesAre(node2, /^route4 10\.244\..* dev eth0 proto 80/, 0);
  cluster.startAgent(node1);
  await node1.waitUntilReady();
  for (const node of [node1, node2]) await routesAre(node, /^route4 10\.244\..* dev eth0 proto 80/, 0);
  t.same(await unreachable(ambassadors(), [4]), [], 'Always: everybody reaches everybody');
  await travels(t, counters, 4, {sameSubnet: 'vxlan', acrossSubnets: 'vxlan'});

  await cluster.applyPool({...POOL4, vxlanMode: 'Never'});
  for (const node of lab.nodes) await routesAre(node, /^(route4|link|address|fdb|neighbour) .*\bvxlan\.calico/, 0);
  for (const node of [node1, node2]) await routesAre(node, /^route4 10\.244\..* dev eth0 proto 80/, 2);
  await counters.reset();
  t.same(
    await unreachable(
      pods.filter(({node}) => node !== node3),
      [4],
    ),
    [],
    'Never: on the shared subnet',
  );
  await travels(t, counters, 4, {sameSubnet: 'plain', acrossSubnets: 'nothing'});
  t.equal(
    await eventually('the tunnel address is given back', async () => (await tunnelAddress()) === undefined),
    true,
  );

  await cluster.applyPool({...POOL6, vxlanMode: 'CrossSubnet'});
  await cluster.applyPool(POOL4);
  for (const node of [node1, node2]) {
    await routesAre(node, /^route4 10\.244\..* dev vxlan\.calico/, 1);
    await routesAre(node, /^route6 fd00:244:.* dev eth0/, 1);
  }
  await routesAre(node3, /^route4 10\.244\..* dev vxlan\.calico/, 2);
  await counters.reset();
  t.same(await unreachable(ambassadors()), [], 'CrossSubnet again, now in both families');
  await travels(t, counters, 4, {sameSubnet: 'plain', acrossSubnets: 'vxlan'});
  await travels(t, counters, 6, {sameSubnet: 'plain', acrossSubnets: 'vxlan'});
  await counters.remove();
});

await t.test('pools of different modes side by side', async (t) => {
  const PLAIN = {name: 'plain', cidr: '10.245.0.0/16', vxlanMode: 'Never'} as const;
  const ALWAYS = {name: 'always', cidr: '10.246.0.0/16', vxlanMode: 'Always'} as const;
  await cluster.applyPool(PLAIN);
  await cluster.applyPool(ALWAYS);
  const plain: LabPod[] = [];
  const tunnelled: LabPod[] = [];
  for (const node of [node1, node2]) {
    plain.push(await addPod(node, `${node.name}-plain`, {ipv4: [PLAIN.cidr]}));
    tunnelled.push(await addPod(node, `${node.name}-always`, {ipv4: [ALWAYS.name]}));
  }
  for (const pod of plain) t.match(pod.address(4), /^10\.245\./);
  for (const pod of tunnelled) t.match(pod.address(4), /^10\.246\./, 'a pool can be given by name');
  await routesAre(node1, /^route4 10\.245\..* via 10\.99\.1\.12 dev eth0 proto 80/, 1);
  await routesAre(node1, /^route4 10\.246\..* dev vxlan\.calico/, 1);

  const counters = await VxlanCounters.install(lab);
  t.same(await unreachable(plain, [4]), []);
  await travels(t, counters, 4, {sameSubnet: 'plain', acrossSubnets: 'nothing'});
  await counters.reset();
  t.same(await unreachable(tunnelled, [4]), []);
  await travels(t, counters, 4, {sameSubnet: 'vxlan', acrossSubnets: 'nothing'});
  await counters.remove();
  t.same(
    await unreachable(
      [...plain, ...tunnelled, ...ambassadors()].filter(({node}) => node !== node3),
      [4],
    ),
    [],
    'and mixed',
  );

  await t.test('disabled: no new addresses from it, its pods go on', async (t) => {
    await cluster.applyPool({...ALWAYS, disabled: true});
    const refused = await eventually('an ADD is refused', async () => {
      const extra = await addPod(node1, 'node1-extra', {ipv4: [ALWAYS.cidr]}).catch((error: Error) => error);
      if (extra instanceof Error) return extra;
      await extra.remove();
      return undefined;
    });
    t.match(refused.message, /"code": *999/, 'with a CNI error');
    t.match(refused.message, /10\.246\.0\.0\/16|pool/i, 'that names the pool');
    t.same(await unreachable(tunnelled, [4]), []);
    await node1.must(['ip', 'netns', 'del', 'node1-extra']);
  });

  await t.test('deleted: its routes go; made again: they come back', async (t) => {
    await cluster.resources.delete(IPPool, {name: ALWAYS.name});
    for (const node of lab.nodes) await routesAre(node, /^route4 (blackhole )?10\.246\.\d+\.\d+\/26/, 0);
    t.same(
      await unreachable([...plain, ...pods.filter(({node}) => node !== node3)], [4]),
      [],
      'the others are not touched',
    );
    await cluster.applyPool(ALWAYS);
    await routesAre(node1, /^route4 10\.246\..*\/26 via .* dev vxlan\.calico/, 1);
    await routesAre(node2, /^route4 10\.246\..*\/26 via .* dev vxlan\.calico/, 1);
    t.same(await unreachable(tunnelled, [4]), []);
  });

  for (const pod of [...plain, ...tunnelled]) await pod.remove();
  for (const {name} of [PLAIN, ALWAYS]) await cluster.resources.delete(IPPool, {name});
});

await t.test('a node is added', async (t) => {
  const node4 = await lab.addNode({name: 'node4', subnet: 2, host: 14});
  cluster.startAgent(node4);
  await node4.waitUntilReady();
  for (const letter of ['a', 'b']) pods.push(await addPod(node4, `node4${letter}`, POOLS));
  for (const node of lab.nodes) await knows(node, 'node4');
  t.same(await unreachable(ambassadors()), [], 'everybody reaches it');
});

await t.test('a node gets another address', async (t) => {
  await readdress(
    node2,
    {from: '10.99.1.12/24', to: '10.99.1.22/24'},
    {from: 'fd00:99:1::c/64', to: 'fd00:99:1::16/64'},
  );
  for (const node of lab.nodes) {
    await routesAre(node, /10\.99\.1\.12\b|fd00:99:1::c\b/, 0);
    await knows(node, 'node2');
  }
  t.same(await unreachable(ambassadors()), [], 'on the same subnet');

  await readdress(
    node3,
    {from: '10.99.2.13/24', to: '10.99.2.23/24'},
    {from: 'fd00:99:2::d/64', to: 'fd00:99:2::17/64'},
  );
  for (const node of lab.nodes) {
    await routesAre(node, /10\.99\.2\.13\b|fd00:99:2::d\b/, 0);
    await knows(node, 'node3');
  }
  t.same(await unreachable(ambassadors()), [], 'behind the router');
});

await t.test('a node is deleted', async (t) => {
  const node4 = cluster.node('node4');
  const {ipv4VXLANTunnelAddr: tunnel4, ipv6VXLANTunnelAddr: tunnel6} = await nodeSpec('node4');
  await node4.stopAgent();
  const deleted = await node1.calicoctl(['delete', 'node', 'node4']);
  t.match(deleted, {code: 0, stderr: ''}, deleted.stderr);
  for (const node of [node1, node2, node3]) {
    await routesAre(node, new RegExp(`10\\.99\\.2\\.14\\b|fd00:99:2::e\\b|\\b${tunnel4}\\b|${tunnel6}\\b`), 0);
  }
  t.same(await unreachable(ambassadors().filter(({node}) => node !== node4)), [], 'the others are not touched');
});

/** How packets between pods went since the counters began, for every ordered pair of nodes. */
async function travels(
  t: Test,
  counters: VxlanCounters,
  family: 4 | 6,
  expected: {sameSubnet: 'plain' | 'vxlan'; acrossSubnets: 'vxlan' | 'nothing'},
): Promise<void> {
  const subnetOf = new Map(THREE_NODES.map(({name, subnet}) => [name, subnet]));
  for (const [pair, {atRouter, onWire}] of await counters.read(family)) {
    const [from = '', to = ''] = pair.split('>');
    const isSame = subnetOf.get(from) === subnetOf.get(to);
    const way = isSame ? expected.sameSubnet : expected.acrossSubnets;
    const text = `IPv${family} ${pair}: ${onWire} encapsulated on the wire, ${atRouter} at the router: ${way}`;
    if (way === 'vxlan') t.ok(onWire > 0 && (isSame ? atRouter === 0 : atRouter > 0), text);
    else t.ok(onWire === 0 && atRouter === 0, text);
  }
}

/** Waits until so many lines of the node's picture match. */
async function routesAre(node: LabNode, pattern: RegExp, count: number): Promise<void> {
  await eventually(
    `${node.name} has ${count} of ${pattern}`,
    async () => (await pictured(node, pattern)).length === count,
    () => kernelPicture(node),
  );
}

/** Waits until a node has forwarding entry, neighbour and routes for another as the other's Node resource says. */
async function knows(node: LabNode, other: string): Promise<void> {
  if (node.name === other) return;
  const {bgp, ipv4VXLANTunnelAddr, ipv6VXLANTunnelAddr} = await nodeSpec(other);
  const [ipv4, ipv6] = [bgp?.ipv4Address, bgp?.ipv6Address].map((address) => address?.split('/')[0]);
  await routesAre(node, new RegExp(`^fdb vxlan\\.calico .* dst ${ipv4} `), 1);
  await routesAre(node, new RegExp(`^fdb vxlan-v6\\.calico .* dst ${ipv6} `), 1);
  await routesAre(node, new RegExp(`^neighbour ${ipv4VXLANTunnelAddr} dev vxlan\\.calico`), 1);
  await routesAre(node, new RegExp(`^neighbour ${ipv6VXLANTunnelAddr} dev vxlan-v6\\.calico`), 1);
  await routesAre(node, new RegExp(`^route4 10\\.244\\..*/26 via (${ipv4}|${ipv4VXLANTunnelAddr}) `), 1);
  await routesAre(node, new RegExp(`^route6 fd00:244:.*/122 via (${ipv6}|${ipv6VXLANTunnelAddr}) `), 1);
}

/** Stops the agent, changes the node's addresses, starts the agent: what an operator does who renumbers a node. */
async function readdress(node: LabNode, ...changes: {from: string; to: string}[]): Promise<void> {
  await node.stopAgent();
  for (const {from, to} of changes) {
    const nodad = to.includes(':') ? ['nodad'] : [];
    // First: of two addresses in one subnet the second goes with the first.
    await node.must(['ip', 'addr', 'del', from, 'dev', 'eth0']);
    await node.must(['ip', 'addr', 'add', to, 'dev', 'eth0', ...nodad]);
  }
  const router = node.facts.ipv4.replace(/\d+$/, '254');
  await node.must(['ip', 'route', 'replace', 'default', 'via', router]);
  cluster.startAgent(node);
  await node.waitUntilReady();
}

async function nodeSpec(name: string): Promise<Node['spec']> {
  const node = await cluster.resources.get(Node, {name});
  if (node === undefined) throw new Error(`there is no Node ${name}`);
  return node.spec;
}
