/**
 * Pods that come, go and move, also when the agent is away or is killed in the middle of it: who has which address is
 * never in doubt, and nothing is left of what has gone.
 */
import t from 'tap';
import {IPPool} from '../../src/model/kinds/ip-pool.ts';
import {createRandom} from '../helpers/random.ts';
import type {LabNode} from '../lab/lab-node.ts';
import {type CniResult, LabPod} from '../lab/lab-pod.ts';
import {Cluster, POOL4, POOL6, THREE_NODES} from './support/cluster.ts';
import {eventually} from './support/eventually.ts';
import {inventory} from './support/inventory.ts';
import {pictured} from './support/kernel-picture.ts';
import {addPod, podOptions, unreachable} from './support/pods.ts';

const cluster = await Cluster.start(t, {nodes: THREE_NODES, pools: [POOL4, POOL6]});
const {nodes} = cluster.lab;
const [node1, node2, node3] = [cluster.node('node1'), cluster.node('node2'), cluster.node('node3')];
const POOLS = {ipv4: [POOL4.cidr], ipv6: [POOL6.cidr]};
const empty = await inventory(cluster, nodes);

await t.test('a pod moves to another node and keeps its address', async (t) => {
  const others = [
    await addPod(node1, 'near', POOLS),
    await addPod(node2, 'neighbour', POOLS),
    await addPod(node3, 'far', POOLS),
  ];
  const before = await addPod(node1, 'mover', POOLS);
  t.same(await unreachable([...others, before], [4, 6], ['icmp', 'tcp']), []);
  const address = before.address(4) ?? '';
  await before.remove();
  const process = await others[1]?.process();
  t.match(await process?.ping(address), {ok: false}, 'it is not reachable while it is nowhere');

  const after = await addPod(node3, 'mover', {ipv4: POOLS.ipv4}, `IP=${address}`);
  t.equal(after.address(4), address, 'the same address, from a block of the other node');
  await eventually(
    'the others send to its new node',
    async () => (await pictured(node2, new RegExp(`^route4 ${address} `))).length === 1,
  );
  t.same(await unreachable([...others, after], [4]), []);
  for (const pod of [...others, after]) await pod.remove();
  t.same(await inventory(cluster, nodes), empty);
});

await t.test('the same pod in a new sandbox, the old one deleted late', async (t) => {
  const peer = await addPod(node2, 'peer', POOLS);
  const old = await addPod(node1, 'web-0', POOLS);
  const renewed = new LabPod(node1, {...podOptions('web-0', POOLS), containerId: 'f'.repeat(64)});
  await node1.must(['ip', 'netns', 'del', 'web-0']);
  await renewed.create();
  const late = await old.cni('DEL', {env: {CNI_NETNS: ''}});
  t.match(late, {code: 0, stdout: ''}, late.stdout);
  t.same(await unreachable([peer, renewed]), [], 'the new sandbox keeps its network');
  await renewed.remove();
  await peer.remove();
  node1.pods.length = 0;
  t.same(await inventory(cluster, nodes), empty);
});

await t.test('a given address', async (t) => {
  const peer = await addPod(node3, 'peer', POOLS);
  const given = await addPod(node1, 'given', {ipv4: POOLS.ipv4}, 'IP=10.244.77.7');
  t.equal(given.address(4), '10.244.77.7');
  t.same(await unreachable([peer, given], [4]), []);

  const before = await inventory(cluster, nodes);
  for (const [what, ip] of [
    ['which somebody has', '10.244.77.7'],
    ['outside of all pools', '10.200.0.1'],
  ] as const) {
    const refused = await refuse(node2, 'refused', `IP=${ip}`);
    t.equal(refused.code, 999, what);
  }
  t.same(await inventory(cluster, nodes), before, 'nothing is left of what was refused');
  await given.remove();
  await peer.remove();
  t.same(await inventory(cluster, nodes), empty);
});

await t.test('a pool with one block: the other nodes borrow from it', async (t) => {
  const SMALL = {
    name: 'small',
    cidr: '10.247.0.0/29',
    blockSize: 29,
    vxlanMode: 'CrossSubnet',
    allowedUses: ['Workload'],
  } as const;
  await cluster.applyPool(SMALL);
  const pods = [];
  for (const [index, node] of [node1, node1, node2, node2, node3, node3, node1, node3].entries())
    pods.push(await addPod(node, `small-${index}`, {ipv4: [SMALL.cidr]}));
  t.equal(new Set(pods.map((pod) => pod.address(4))).size, 8, 'eight pods have eight addresses');
  t.same(await unreachable(pods, [4], ['icmp', 'udp']), [], 'whoever has borrowed is reached');

  const full = await refuse(node2, 'small-8', '', {ipv4: [SMALL.cidr]});
  t.equal(full.code, 999, 'the ninth gets none');
  const [first] = pods;
  const freed = first?.address(4);
  await first?.remove();
  const next = await addPod(node2, 'small-9', {ipv4: [SMALL.cidr]});
  t.equal(next.address(4), freed, 'the address that was given back is given out, on another node');
  t.same(await unreachable([...pods.slice(1), next], [4], ['icmp']), []);
  for (const pod of [...pods.slice(1), next]) await pod.remove();
  await cluster.resources.delete(IPPool, {name: SMALL.name});
  t.same(await inventory(cluster, nodes), empty);
});

await t.test('the agent is away', async (t) => {
  const peer = await addPod(node2, 'peer', POOLS);
  const present = await addPod(node1, 'present', POOLS);
  const waiting = new LabPod(node1, podOptions('waiting', POOLS));
  await node1.stopAgent();
  t.same(await unreachable([peer, present]), [], 'pods go on');
  await node1.must(['ip', 'netns', 'add', 'waiting']);
  for (const [verb, code] of [
    ['ADD', 11],
    ['DEL', 11],
    ['CHECK', 11],
    ['STATUS', 50],
  ] as const) {
    const answer = await waiting.cni(verb, {
      stdin: JSON.stringify({
        cniVersion: '1.1.0',
        name: 'k8s-pod-network',
        type: 'calico',
        ipam: {type: 'calico-ipam'},
      }),
    });
    t.not(answer.code, 0);
    t.equal((JSON.parse(answer.stdout) as {code: number}).code, code, `${verb}: ${code}`);
  }
  cluster.startAgent(node1);
  await node1.waitUntilReady();
  await waiting.add();
  node1.pods.push(waiting);
  t.same(await unreachable([peer, present, waiting]), [], 'the repeated ADD works');
  for (const pod of [peer, present, waiting]) await pod.remove();
  t.same(await inventory(cluster, nodes), empty);
});

await t.test('the agent is killed again and again while pods come and go', async (t) => {
  const seed = Number(process.env.TEST_SEED ?? Date.now() % 2 ** 31);
  const random = createRandom(seed);
  t.comment(`TEST_SEED=${seed}`);
  const peer = await addPod(node2, 'peer', POOLS);
  const KUBELETS = 4;
  const ROUNDS = 6;
  const KILLS = 8;
  const tally = {added: 0, failed: 0, codes: new Map<string, number>()};

  /** What kubelet does for one pod: ADD until it works, each time in a new sandbox, DEL of the old one until it works. */
  const startPod = async (name: string): Promise<LabPod> => {
    for (let attempt = 0; ; attempt++) {
      const containerId = `${name.replaceAll('-', '')}${attempt}`.padEnd(64, '0');
      const pod = new LabPod(node1, {...podOptions(name, POOLS), containerId});
      await node1.must(['ip', 'netns', 'add', name]);
      const answer = await pod.cni('ADD');
      if (answer.code === 0) {
        tally.added++;
        pod.result = JSON.parse(answer.stdout) as CniResult;
        return pod;
      }
      tally.failed++;
      note(answer.stdout);
      await stopPod(pod);
      if (attempt > 100) throw new Error(`ADD of ${name} never works: ${answer.stdout}`);
    }
  };
  const stopPod = async (pod: LabPod): Promise<void> => {
    const netns = random.chance() ? {} : {env: {CNI_NETNS: ''}};
    if ('env' in netns) await node1.must(['ip', 'netns', 'del', pod.name]);
    await eventually(`DEL of ${pod.name} works`, async () => {
      const answer = await pod.cni('DEL', netns);
      if (answer.code !== 0) note(answer.stdout);
      return answer.code === 0;
    });
    if (!('env' in netns)) await node1.must(['ip', 'netns', 'del', pod.name]);
  };
  const note = (text: string) => {
    const code = /"code": *(\d+)/.exec(text)?.[1] ?? text;
    tally.codes.set(code, (tally.codes.get(code) ?? 0) + 1);
  };

  let isOver = false;
  const kills = (async () => {
    let made = 0;
    for (; made < KILLS || !isOver; made++) {
      await new Promise((resolve) => setTimeout(resolve, random.between(20, 700)));
      await node1.killAgent();
      cluster.startAgent(node1);
      if (random.chance(0.7)) await node1.waitUntilReady();
    }
    await node1.waitUntilReady();
    return made;
  })();
  const living = (
    await Promise.all(
      Array.from({length: KUBELETS}, async (_, kubelet) => {
        const pods: LabPod[] = [];
        for (let round = 0; round < ROUNDS; round++) {
          pods.push(await startPod(`churn-${kubelet}-${round}`));
          if (random.chance()) for (const pod of pods.splice(random.below(pods.length), 1)) await stopPod(pod);
        }
        return pods;
      }),
    )
  ).flat();
  isOver = true;
  const made = await kills;
  t.comment(
    `${made} kills, ${tally.added} ADDs, ${tally.failed} failed: ${[...tally.codes].map((entry) => entry.join(' x ')).join(', ')}`,
  );

  const addresses = living.flatMap((pod) => [pod.address(4), pod.address(6)]);
  t.equal(new Set(addresses).size, 2 * living.length, 'every living pod has addresses of its own');
  t.same(await unreachable([peer, ...living.slice(0, 5)], [4, 6], ['icmp', 'tcp']), [], `TEST_SEED=${seed}`);
  await t.test('every one is reached from another node', async (t) => {
    const process = await peer.process();
    for (const pod of living)
      for (const family of [4, 6] as const)
        t.match(await process.ping(pod.address(family) ?? ''), {ok: true}, pod.name);
  });
  for (const pod of living) {
    await pod.close();
    await stopPod(pod);
  }
  await peer.remove();
  const settled = () => inventory(cluster, nodes);
  t.same(await settled(), empty, `nothing is left (TEST_SEED=${seed})`);
});

await t.test('what nobody ever deletes is found at the start', async (t) => {
  const seed = Number(process.env.TEST_SEED ?? Date.now() % 2 ** 31);
  const random = createRandom(seed);
  const peer = await addPod(node2, 'peer', POOLS);
  const living = await addPod(node1, 'living', POOLS);
  const before = await inventory(cluster, nodes);

  await t.test('sandboxes that vanished while the agent was away', async (t) => {
    const doomed = [await addPod(node1, 'doomed-a', POOLS), await addPod(node1, 'doomed-b', POOLS)];
    await node1.killAgent();
    for (const {name} of doomed) await node1.must(['ip', 'netns', 'del', name]);
    node1.pods.splice(node1.pods.indexOf(living) + 1);
    cluster.startAgent(node1);
    await node1.waitUntilReady();
    await inventoryIs(before);
    t.pass('endpoints, handles and addresses are given back');
  });

  await t.test('ADDs in the middle of which the agent was killed', async (t) => {
    const LONGEST_ADD_MS = 25;
    let cut = 0;
    for (let n = 0; n < 8; n++) {
      const name = `cut-${n}`;
      const pod = new LabPod(node1, {...podOptions(name, POOLS), containerId: `c${n}`.padEnd(64, '0')});
      await node1.must(['ip', 'netns', 'add', name]);
      const answer = pod.cni('ADD');
      await new Promise((resolve) => setTimeout(resolve, random.next() * LONGEST_ADD_MS));
      await node1.killAgent();
      if ((await answer).code !== 0) cut++;
      await node1.must(['ip', 'netns', 'del', name]);
      cluster.startAgent(node1);
      await node1.waitUntilReady();
    }
    t.comment(`${cut} of 8 were cut off (TEST_SEED=${seed})`);
    await inventoryIs(before);
    t.pass(`nothing is left (TEST_SEED=${seed})`);
  });

  t.same(await unreachable([peer, living]), [], 'those that live are not touched');
  for (const pod of [peer, living]) await pod.remove();
  t.same(await inventory(cluster, nodes), empty);
});

async function inventoryIs(wanted: readonly string[]): Promise<void> {
  let last: string[] = [];
  await eventually(
    'everything else is gone',
    async () => {
      last = await inventory(cluster, nodes);
      return last.length === wanted.length && last.every((line, i) => line === wanted[i]);
    },
    () => last.filter((line) => !wanted.includes(line)),
  );
}

/** An ADD that must fail: its CNI error. */
async function refuse(
  node: LabNode,
  name: string,
  args: string,
  pools: {ipv4: readonly string[]} = {ipv4: POOLS.ipv4},
): Promise<{code: number; msg: string}> {
  const pod = new LabPod(node, podOptions(name, pools, args));
  await node.must(['ip', 'netns', 'add', name]);
  try {
    const answer = await pod.cni('ADD');
    if (answer.code === 0) throw new Error(`the ADD of ${name} succeeded: ${answer.stdout}`);
    return JSON.parse(answer.stdout) as {code: number; msg: string};
  } finally {
    await node.must(['ip', 'netns', 'del', name]);
  }
}
