/**
 * A restart changes nothing that is right: not a packet is lost while the agent is killed, stopped and started, and an
 * agent that finds the kernel as it wants it writes nothing, however much there is.
 */
import t from 'tap';
import {type Flow, losses, underTraffic} from '../lab/traffic.ts';
import {Cluster, POOL4, POOL6, THREE_NODES} from './support/cluster.ts';
import {eventually} from './support/eventually.ts';
import {kernelPicture, pictured} from './support/kernel-picture.ts';
import {addPod} from './support/pods.ts';
import {addBlocks, addRemoteNode, type RemoteBlock, removeBlocks} from './support/remote-content.ts';
import {traceAgent} from './support/traced-agent.ts';

const cluster = await Cluster.start(t, {nodes: THREE_NODES, pools: [POOL4, POOL6]});
const [node1, node2, node3] = [cluster.node('node1'), cluster.node('node2'), cluster.node('node3')];
const POOLS = {ipv4: [POOL4.cidr], ipv6: [POOL6.cidr]};

const web = await addPod(node1, 'web', POOLS);
const near = await addPod(node1, 'near', POOLS);
const neighbour = await addPod(node2, 'neighbour', POOLS);
const far = await addPod(node3, 'far', POOLS);
/** From and to the node whose agent is restarted: on it, on its subnet, behind the router. */
const FLOWS: readonly Flow[] = ([4, 6] as const).flatMap((family) => [
  {from: web, to: near, family},
  {from: web, to: neighbour, family},
  {from: neighbour, to: web, family},
  {from: web, to: far, family},
  {from: far, to: near, family},
]);

await t.test('not a packet is lost', async (t) => {
  const KILLS = 4;
  const killed = await underTraffic(FLOWS, async () => {
    for (let n = 0; n < KILLS; n++) {
      await node1.killAgent();
      cluster.startAgent(node1);
      await node1.waitUntilReady();
    }
  });
  t.same(losses(killed), [], `${KILLS} times SIGKILL and start`);

  const stopped = await underTraffic(FLOWS, async () => {
    await node1.stopAgent();
    await node1.run(['sleep', '1']);
    cluster.startAgent(node1);
    await node1.waitUntilReady();
  });
  t.same(losses(stopped), [], 'SIGTERM, a second without an agent, start');

  const everywhere = await underTraffic(FLOWS, async () => {
    await Promise.all(cluster.lab.nodes.map((node) => node.killAgent()));
    for (const node of cluster.lab.nodes) cluster.startAgent(node);
    await Promise.all(cluster.lab.nodes.map((node) => node.waitUntilReady()));
  });
  t.same(losses(everywhere), [], 'all agents at once');
  for (const {name, sent} of [...killed, ...stopped, ...everywhere])
    if (sent < 100) t.fail(`${name}: only ${sent} datagrams were sent: too few to tell`);

  await node1.killAgent();
  const broken = await underTraffic(FLOWS.slice(0, 1), async () => {
    await node1.must(['ip', 'route', 'del', near.address(4) ?? '']);
    await node1.run(['sleep', '0.2']);
    cluster.startAgent(node1);
    await node1.waitUntilReady();
  });
  t.match(losses(broken), [/^web -> near IPv4: \d+ of \d+ lost/], 'the traffic would have noticed a missing route');
  const [last] = broken;
  t.notOk(last?.lost.includes(last.sent - 1), 'and sees that the start has repaired it');
});

await t.test('a restart with nothing to change writes nothing', async (t) => {
  await node1.stopAgent();
  const before = await kernelPicture(node1);
  for (const what of [
    /^route4 10\.244\..* dev vxlan\.calico onlink/m,
    /^route4 10\.244\..* dev cali/m,
    /^workload cali/m,
  ])
    t.match(before.join('\n'), what, 'the picture shows what it should');
  const {cursor} = await cluster.store.list('/calico/');

  const traced = await traceAgent(cluster, node1);
  t.same(traced.writes, [], 'no netlink message that changes something, no setting written');
  t.ok(traced.reads > 5, 'the trace saw what the agent asked the kernel');
  t.same(await kernelPicture(node1), before);
  t.equal((await cluster.store.list('/calico/')).cursor, cursor, 'nothing was written to the datastore');
});

await t.test('what broke while the agent was away is repaired, and nothing else written', async (t) => {
  const before = await kernelPicture(node1);
  const part = (pattern: RegExp) => {
    const text = pattern.exec(before.join('\n'))?.[1];
    if (text === undefined) throw new Error(`nothing is like ${pattern}:\n${before.join('\n')}`);
    return text;
  };
  const link = part(/^workload (cali\S+)/m);
  await node1.must(['ip', 'route', 'del', part(/^route4 (\S+) .* dev vxlan\.calico/m)]);
  await node1.must(['bridge', 'fdb', 'del', part(/^fdb vxlan\.calico (\S+)/m), 'dev', 'vxlan.calico', 'self']);
  await node1.must(['sysctl', '-qw', `net.ipv4.conf.${link}.proxy_arp=0`]);
  const {writes} = await traceAgent(cluster, node1);
  t.same(await kernelPicture(node1), before, 'as before');
  const count = (pattern: RegExp) => writes.filter((call) => pattern.test(call)).length;
  t.equal(count(/RTM_NEWROUTE/), 1, 'one route');
  t.equal(count(/RTM_NEWNEIGH/), 1, 'one forwarding entry');
  t.ok(count(new RegExp(`/${link}/proxy_arp`)) === 1, 'the setting');
  const expected = new RegExp(`RTM_NEWROUTE|RTM_NEWNEIGH|RTM_NEWLINK|/${link}/proxy_arp`);
  t.same(
    writes.filter((call) => !expected.test(call)),
    [],
    'and nothing else',
  );
});

const REMOTE_ROUTE = /^route4 10\.(1[2-9]\d)\..* dev vxlan\.calico/;

await t.test('10,000 routes', async (t) => {
  const NODES = 40;
  const BLOCKS = 10_000;
  const firstOf = (block: number) => `10.${128 + (block >> 10)}.${(block >> 2) & 255}.${(block & 3) * 64}`;
  const blocks: RemoteBlock[] = Array.from({length: BLOCKS}, (_, n) => ({
    cidr: `${firstOf(n)}/26`,
    host: `remote${n % NODES}`,
  }));
  // The tunnel address of a node is the first of its first block.
  for (let n = 0; n < NODES; n++)
    await addRemoteNode(cluster, {name: `remote${n}`, ipv4: `10.99.3.${n + 1}/24`, vxlanTunnel: firstOf(n)});
  await addBlocks(cluster.store, blocks);
  await cluster.applyPool({name: 'large', cidr: '10.128.0.0/10', vxlanMode: 'Always'});

  const count = async () => (await pictured(node1, REMOTE_ROUTE)).length;
  cluster.startAgent(node1);
  await eventually('it has begun to write', async () => (await count()) > 0);
  await node1.killAgent();
  t.comment(`killed with ${await count()} routes in the kernel`);
  cluster.startAgent(node1);
  await node1.waitUntilReady(60_000);
  await eventually('all routes are in the kernel', async () => (await count()) === BLOCKS, count);
  t.equal((await pictured(node1, /^fdb .* dst 10\.99\.3\./)).length, NODES, 'a forwarding entry per node');
  await node1.stopAgent();

  const before = await kernelPicture(node1);
  const traced = await traceAgent(cluster, node1);
  t.same(traced.writes, [], 'nothing was written');
  t.ok(traced.reads > 5);
  t.same(await kernelPicture(node1), before);

  const gone = blocks.slice(BLOCKS / 2);
  await removeBlocks(cluster.store, gone);
  cluster.startAgent(node1);
  await node1.waitUntilReady(60_000);
  t.equal(await count(), BLOCKS - gone.length, 'what is of no use any more goes at the start');
  t.same(
    gone.filter(({cidr}) => before.some((line) => line.startsWith(`route4 ${cidr} `))).length,
    gone.length,
    'all of which had been there',
  );
});
