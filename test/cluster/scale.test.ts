/** 40 nodes with 25 pods each: every pod is reached from a sample of nodes. Times are printed, not judged. */
import {readFileSync} from 'node:fs';
import t from 'tap';
import type {LabNodeOptions} from '../lab/lab.ts';
import type {LabPod} from '../lab/lab-pod.ts';
import {Cluster, POOL4, POOL6} from './support/cluster.ts';
import {eventually} from './support/eventually.ts';
import {kernelPicture} from './support/kernel-picture.ts';
import {podOptions} from './support/pods.ts';

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

await t.test('every pod is reached from a pod of each subnet', async (t) => {
  for (const node of cluster.lab.nodes.slice(0, SUBNETS)) {
    const [from] = node.pods;
    if (from === undefined) throw new Error(`${node.name} has no pod`);
    const pingMs = performance.now();
    for (const family of [4, 6] as const) {
      const addresses = pods.map((pod) => pod.address(family)).join('\n');
      const unanswered = await from.run(
        ['xargs', '-P', '8', '-I', '{}', 'sh', '-c', 'ping -qnc1 -W5 {} >/dev/null || echo {}'],
        {
          stdin: `${addresses}\n`,
        },
      );
      t.equal(unanswered.stdout, '', `${from.name} reaches all ${pods.length} IPv${family} addresses`);
    }
    took(`${2 * pods.length} pings from ${from.name}`, pingMs);
  }
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
