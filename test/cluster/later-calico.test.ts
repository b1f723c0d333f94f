/**
 * Beside a later Calico, which has written fields that nobody knows here into everything there is: the agent works, and
 * none of its writers, nor those of calicoctl, drops a single one of them.
 */
import t from 'tap';
import {WorkloadEndpoint} from '../../src/model/kinds/workload-endpoint.ts';
import {countPlanted, plantFields} from '../helpers/planted-fields.ts';
import {LabPod} from '../lab/lab-pod.ts';
import {Cluster, POOL4, POOL6} from './support/cluster.ts';
import {addPod, podOptions} from './support/pods.ts';

const POOLS = {ipv4: [POOL4.cidr], ipv6: [POOL6.cidr]};
const cluster = await Cluster.start(t, {
  nodes: [{name: 'node1', subnet: 1, host: 11}],
  pools: [POOL4, POOL6],
  store: 'etcd',
});
const node = cluster.node('node1');
const {store} = cluster;

type Content = ReadonlyMap<string, string>;

async function content(): Promise<Content> {
  const {entries} = await store.list('/calico/');
  return new Map(entries.map(({key, value}) => [key, value]));
}

/** Objects with unknown fields, by key, of those keys that are there. */
const counts = (of: Content, keys: Iterable<string>) =>
  Object.fromEntries([...keys].filter((key) => of.has(key)).map((key) => [key, countPlanted(of.get(key) ?? '')]));

const [before, web] = [await addPod(node, 'before', POOLS), await addPod(node, 'web-0', POOLS)];
await node.calicoctl(['ipam', 'configure', '--strictaffinity=false']);
await node.stopAgent();
const planted = new Map([...(await content())].map(([key, value]) => [key, plantFields(key, value)]));
await store.commit([...planted].map(([key, value]) => ({kind: 'put', key, value})));

/** After a step every planted field is where it was, and these keys have changed otherwise. */
async function check(t: Tap, changed: readonly RegExp[], gone: Readonly<Record<string, number>> = {}): Promise<void> {
  const now = await content();
  const wanted = counts(planted, planted.keys());
  for (const [part, lost] of Object.entries(gone))
    for (const key of Object.keys(wanted)) if (key.includes(part)) wanted[key] = (wanted[key] ?? 0) - lost;
  const kept = counts(now, planted.keys());
  for (const [key, count] of Object.entries(kept)) t.equal(count, wanted[key], key);
  for (const pattern of changed) {
    const keys = [...planted.keys()].filter((key) => pattern.test(key));
    t.ok(keys.length > 0 && keys.every((key) => now.has(key) && now.get(key) !== planted.get(key)), String(pattern));
  }
}
type Tap = {
  equal(found: unknown, wanted: unknown, message: string): unknown;
  ok(is: boolean, message: string): unknown;
};

const BLOCKS = [/\/assignment\/ipv4\/block\/10\.244/, /\/assignment\/ipv6\/block\/fd00:244:/];

await t.test('start-up', async (t) => {
  cluster.startAgent(node, {AS: '64599', CLUSTER_TYPE: 'k8s,bgp'});
  await node.waitUntilReady(60_000);
  await check(t, [/\/nodes\/node1$/, /\/clusterinformations\/default$/]);
});

await t.test('a pod comes: blocks', async (t) => {
  await addPod(node, 'after', POOLS);
  await check(t, BLOCKS);
});

await t.test('a pod in a new sandbox: its endpoint', async (t) => {
  await node.must(['ip', 'netns', 'del', web.name]);
  const renewed = new LabPod(node, {...podOptions(web.name, POOLS), containerId: 'f'.repeat(64)});
  await renewed.create();
  // The address of the old sandbox is its own until that is deleted.
  await check(t, [/\/workloadendpoints\/default\/node1-k8s-web--0-eth0$/]);
  const [endpoint] = (await cluster.resources.list(WorkloadEndpoint)).resources.filter(
    ({spec}) => spec.pod === web.name,
  );
  t.equal(endpoint?.spec.containerID, 'f'.repeat(64));
});

await t.test('a pod goes', async (t) => {
  await before.remove();
  // With it goes the object in each block that said whose the address was.
  await check(t, BLOCKS, {'/assignment/': 1});
});

await t.test('commands', async (t) => {
  await node.calicoctl(['ipam', 'configure', '--strictaffinity=true']);
  t.match(await node.calicoctl(['label', 'node', 'node1', 'rack=12']), {code: 0});
  await check(t, [/\/ipam\/v2\/config$/], {'/assignment/': 1});
});
