/**
 * What only a datastore with a life of its own can do to a cluster: it is killed and comes back, it is not there when an
 * agent starts, it gives agents no more rights than they need.
 */
import {once} from 'node:events';
import t, {type Test} from 'tap';
import type {LabNode} from '../lab/lab-node.ts';
import {LabPod} from '../lab/lab-pod.ts';
import type {ProgramResult} from '../lab/run-program.ts';
import {type Flow, losses, underTraffic} from '../lab/traffic.ts';
import {Cluster, POOL4, POOL6, THREE_NODES} from './support/cluster.ts';
import {eventually} from './support/eventually.ts';
import {inventory} from './support/inventory.ts';
import {kernelPicture} from './support/kernel-picture.ts';
import {addPod, podOptions, unreachable} from './support/pods.ts';

const cluster = await Cluster.start(t, {nodes: THREE_NODES, pools: [POOL4, POOL6], store: 'etcd'});
const {etcd, nodes} = cluster.lab;
const [node1, node2, node3] = [cluster.node('node1'), cluster.node('node2'), cluster.node('node3')];
const POOLS = {ipv4: [POOL4.cidr], ipv6: [POOL6.cidr]};
/** Two calls of the datastore, each with its time limit, and what undoing takes. */
const BOUND_MS = 30_000;

const pods = [await addPod(node1, 'web', POOLS), await addPod(node2, 'near', POOLS), await addPod(node3, 'far', POOLS)];
const [web, near, far] = pods;
if (web === undefined || near === undefined || far === undefined) throw new Error('a pod is missing');
const FLOWS: readonly Flow[] = ([4, 6] as const).flatMap((family) => [
  {from: web, to: near, family},
  {from: web, to: far, family},
  {from: far, to: near, family},
]);
const STATUS_CONFIG = {
  cniVersion: '1.1.0',
  name: 'k8s-pod-network',
  type: 'calico',
  ipam: {type: 'calico-ipam'},
};
/** Whether it is connecting that fails, or waiting for an answer, depends on the moment. */
const NO_ANSWER = /https:\/\/10\.99\.1\.250:2379/;
const AWAY = /cannot connect to etcd: https:\/\/10\.99\.1\.250:2379: connect: .*ECONNREFUSED/;

await t.test('etcd is killed and started again', async (t) => {
  const before = await inventory(cluster, nodes);
  const picture = await kernelPicture(node1);
  const late = new LabPod(node1, podOptions('late', POOLS));
  await node1.must(['ip', 'netns', 'add', 'late']);

  const outcomes = await underTraffic(FLOWS, async () => {
    await etcd.kill();
    await failsInTime(t, 'ADD', () => late.cni('ADD'), AWAY);
    await failsInTime(t, 'DEL', () => web.cni('DEL'), AWAY);
    await failsInTime(t, 'DEL without a namespace', () => web.cni('DEL', {env: {CNI_NETNS: ''}}), AWAY);
    for (const node of nodes)
      await saysWhy(t, node, /CalculationGraph .*reporting non-ready .*datastore out of step: /);
    t.same(await kernelPicture(node1), picture, 'nothing in the kernel has changed');
    const status = await late.cni('STATUS', {stdin: JSON.stringify(STATUS_CONFIG)});
    t.match(JSON.parse(status.stdout), {code: 50, details: AWAY}, 'STATUS says why, too');

    await etcd.start();
    for (const node of nodes) await node.waitUntilReady();
  });
  t.same(losses(outcomes), [], 'not a packet is lost');
  for (const {name, sent} of outcomes)
    if (sent < 100) t.fail(`${name}: only ${sent} datagrams were sent: too few to tell`);
  t.same(await inventory(cluster, nodes), before, 'what failed has left nothing behind and taken nothing away');

  await late.add();
  node1.pods.push(late);
  pods.push(late, await addPod(node2, 'new2', POOLS), await addPod(node3, 'new3', POOLS));
  t.same(await unreachable(pods), [], 'new pods, and everybody reaches everybody');
  for (const pod of pods.splice(3)) await pod.remove();
  t.same(await inventory(cluster, nodes), before, 'and DEL works again');
});

await t.test('etcd is cut off: nothing says that it is gone', async (t) => {
  const before = await inventory(cluster, nodes);
  const late = new LabPod(node1, podOptions('late', POOLS));
  await node1.must(['ip', 'netns', 'add', 'late']);
  const outcomes = await underTraffic(FLOWS, async () => {
    await etcd.plug('down');
    try {
      await failsInTime(t, 'ADD', () => late.cni('ADD'), NO_ANSWER);
      await failsInTime(t, 'DEL', () => web.cni('DEL'), NO_ANSWER);
    } finally {
      await etcd.plug('up');
    }
    for (const node of nodes) await node.waitUntilReady();
  });
  t.same(losses(outcomes), [], 'not a packet is lost');
  t.same(await inventory(cluster, nodes), before, 'what failed has left nothing behind and taken nothing away');
  await late.add();
  t.same(await unreachable([...pods, late]), []);
  await late.remove();
  t.same(await inventory(cluster, nodes), before);
});

await t.test('etcd is killed again and again while pods come and go', async (t) => {
  const before = await inventory(cluster, nodes);
  let isOver = false;
  const kills = (async () => {
    let count = 0;
    for (; !isOver || count < 3; count++) {
      await etcd.kill();
      await etcd.start();
      await node1.run(['sleep', '0.5']);
    }
    return count;
  })();
  const tally = {done: 0, failed: 0};
  /** Until it works, as kubelet does it. */
  const persist = async (call: () => Promise<{code: number}>) => {
    await eventually('the call works', async () => {
      const {code} = await call();
      if (code === 0) tally.done++;
      else tally.failed++;
      return code === 0;
    });
  };
  await Promise.all(
    nodes.map(async (node) => {
      for (let n = 0; n < 8; n++) {
        const pod = new LabPod(node, podOptions(`churn-${node.name}-${n}`, POOLS));
        await node.must(['ip', 'netns', 'add', pod.name]);
        await persist(() => pod.cni('ADD'));
        await persist(() => pod.cni('DEL'));
        await node.must(['ip', 'netns', 'del', pod.name]);
      }
    }),
  );
  isOver = true;
  t.comment(`${await kills} kills, ${tally.done} calls done, ${tally.failed} failed`);
  for (const node of nodes) await node.waitUntilReady();
  t.same(await inventory(cluster, nodes), before, 'nothing is left');
  t.same(await unreachable(pods), []);
});

await t.test('etcd is away when an agent starts', async (t) => {
  await node1.stopAgent();
  await node1.must(['ip', 'route', 'del', web.address(4) ?? '']);
  const before = await kernelPicture(node1);
  await etcd.kill();
  cluster.startAgent(node1);
  const {agent} = node1;
  await saysWhy(t, node1, /FelixStartup .*reporting non-ready .*waiting for the datastore: /);
  t.same(await kernelPicture(node1), before, 'nothing was written');
  const ended = once(agent ?? process, 'exit');
  agent?.kill('SIGTERM');
  t.same(await ended, [0, null], 'it can be stopped while it waits');

  cluster.startAgent(node1);
  await saysWhy(t, node1, /FelixStartup .*waiting for the datastore: /);
  await etcd.start();
  for (const node of nodes) await node.waitUntilReady();
  t.match(node1.agentLog(), /start-up waits for the datastore/);
  t.same(await unreachable(pods), [], 'it starts when etcd is there, and does its work');
});

await t.test('the user of the agents may touch nothing but the keys of Calico', async (t) => {
  const mine = await cluster.store.list('/calico/');
  t.ok(mine.entries.length > 10);
  for (const [what, call] of [
    ['read', () => cluster.store.get('/registry/secrets')],
    ['list', () => cluster.store.list('/')],
    ['write', () => cluster.store.commit([{kind: 'put', key: '/registry/secrets', value: '{}'}])],
  ] as const)
    await t.rejects(async () => void (await call()), {code: 'E_UNAUTHORISED', message: /permission denied/}, what);
  const stranger = await node1.calicoctl(['get', 'nodes'], {env: {ETCD_KEY_FILE: '', ETCD_CERT_FILE: ''}});
  t.not(stranger.code, 0, 'without a certificate nobody gets in');
});

/** A CNI call that ends before kubelet would lose patience, with what could not be reached. */
async function failsInTime(t: Test, what: string, call: () => Promise<ProgramResult>, says: RegExp): Promise<void> {
  const startMs = performance.now();
  const answer = await call();
  const tookMs = performance.now() - startMs;
  t.ok(tookMs < BOUND_MS, `${what} ends in bounded time`);
  t.comment(`${what} took ${(tookMs / 1000).toFixed(1)} s`);
  t.equal(answer.code, 1, `${what} fails`);
  const {code, msg} = JSON.parse(answer.stdout) as {code: number; msg: string};
  t.equal(code, 999);
  t.match(msg, says, `${what} says what could not be reached`);
}

/** The agent is live, not ready, and its probe says which datastore it cannot reach. */
async function saysWhy(t: Test, node: LabNode, pattern: RegExp): Promise<void> {
  const body = await eventually(
    `${node.name} says why it is not ready`,
    async () => {
      const answer = await node.httpGet(9099, '/readiness');
      return answer.status === 503 && pattern.test(answer.body) && answer.body;
    },
    () => node.httpGet(9099, '/readiness'),
  );
  t.match(body, AWAY, `${node.name} names what it cannot reach`);
  t.equal((await node.httpGet(9099, '/liveness')).status, 200, `${node.name} is live: a restart would not help`);
}
