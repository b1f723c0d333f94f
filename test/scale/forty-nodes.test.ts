/** 40 nodes with 25 pods each: every pod is reached from a sample of nodes. Times are printed, not judged. */
import {readFileSync} from 'node:fs';
import t from 'tap';
import {Cluster, POOL4, POOL6} from '../cluster/support/cluster.ts';
import {eventually} from '../cluster/support/eventually.ts';
import {kernelPicture} from '../cluster/support/kernel-picture.ts';
import {podOptions} from '../cluster/support/pods.ts';
import type {LabNodeOptions} from '../lab/lab.ts';
import type {LabNode} from '../lab/lab-node.ts';
import type {LabPod} from '../lab/lab-pod.ts';

const NODES = 40;
const PODS_PER_NODE = 25;
const SUBNETS = 4;
const POOLS = {ipv4: [POOL4.cidr], ipv6: [POOL6.cidr]};

const nodes: LabNodeOptions[] = Array.from({length: NODES}, (_, index) => ({
  name: `node${index + 1}`,
  subnet: 1 + (index % SUBNETS),
  host: 11 + index,
}));
const startMs = performance.now();
const took = (what: string, sinceMs: number) =>
  t.comment(`${what}: ${((performance.now() - sinceMs) / 1000).toFixed(1)} s`);

const cluster = await Cluster.start(t, {nodes, pools: [POOL4, POOL6]});
took(`${NODES} nodes with an agent each`, startMs);

const addMs = performance.now();
const pods: LabPod[] = [];
await Promise.all(
  cluster.lab.nodes.map(async (node) => {
    for (let n = 1; n <= PODS_PER_NODE; n++) pods.push(await node.addPod(podOptions(`${node.name}-${n}`, POOLS)));
  }),
);
took(`${pods.length} pods`, addMs);

await t.test('every pod has addresses of its own', (t) => {
  for (const family of [4, 6] as const) {
    const addresses = pods.map((pod) => pod.address(family));
    t.equal(new Set(addresses).size, NODES * PODS_PER_NODE, `IPv${family}`);
    t.notOk(addresses.includes(undefined));
  }
  t.end();
});

await t.test('every node knows the way to every other', async (t) => {
  const settleMs = performance.now();
  for (const node of cluster.lab.nodes) {
    const isComplete = async () => {
      const picture = await kernelPicture(node);
      const count = (pattern: RegExp) => picture.filter((line) => pattern.test(line)).length;
      return (
        count(/^fdb vxlan\.calico /) === NODES - 1 &&
        count(/^fdb vxlan-v6\.calico /) === NODES - 1 &&
        count(/^route4 \S+\/26 via /) >= NODES - 1 &&
        count(/^route6 \S+\/122 via /) >= NODES - 1 &&
        count(/^route4 \S+ dev cali/) === PODS_PER_NODE
      );
    };
    await eventually(`${node.name} is complete`, isComplete, () => kernelPicture(node));
  }
  took('routes, forwarding entries and neighbours complete everywhere', settleMs);
  t.pass('complete');
});

/**
 * All namespaces of a machine share the room of its neighbour tables (gc_thresh3: 1024 entries a family); here three
 * thousand would be needed. So a node and its pods forget whom they have learnt of once they have been asked.
 */
const FORGET = `
ip neigh flush all
for pod in $(ip netns list | cut -d' ' -f1); do nsenter --net=/run/netns/$pod ip neigh flush all; done`;

await t.test('every pod is reached from a sample', async (t) => {
  const forget = (node: LabNode) => node.must(['sh', '-c', FORGET]);
  await Promise.all(cluster.lab.nodes.map(forget));
  const pingMs = performance.now();
  const sample = cluster.lab.nodes.slice(0, 2).flatMap((node) => node.pods.slice(0, 1));
  t.equal(sample.length, 2, 'two nodes of different subnets');
  for (const node of cluster.lab.nodes) {
    const addresses = node.pods.flatMap((pod) => [pod.address(4), pod.address(6)]);
    for (const from of sample) {
      const ping = ['xargs', '-P', '4', '-I', '{}', 'sh', '-c', 'ping -qnc1 -W5 {} >/dev/null || echo {}'];
      const unanswered = await from.run(ping, {stdin: `${addresses.join('\n')}\n`});
      t.equal(unanswered.stdout, '', `${from.name} reaches ${addresses.length} addresses of ${node.name}`);
    }
    await forget(node);
  }
  took(`${2 * 2 * pods.length} pings`, pingMs);
});

await t.test('memory', (t) => {
  const sizes = cluster.lab.nodes
    .map(({agent}) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${agent?.pid}/status`, 'utf8'))?.[1]) / 1024)
    .sort((a, b) => a - b);
  t.comment(`resident MB of an agent: median ${sizes[NODES / 2]?.toFixed(0)}, largest ${sizes.at(-1)?.toFixed(0)}`);
  t.ok(sizes.every((size) => size > 0));
  t.end();
});
took('all', startMs);
