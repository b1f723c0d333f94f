/**
 * A restart changes nothing that is right: not a packet is lost while the agent is killed, stopped and started, and an
 * agent that finds the kernel as it wants it writes nothing, however much there is.
 */
import t from 'tap';
import {Cluster, POOL4, POOL6, THREE_NODES} from './support/cluster.ts';
import {eventually} from './support/eventually.ts';
import {kernelPicture, pictured} from './support/kernel-picture.ts';
import {addBlocks, addRemoteNode, type RemoteBlock} from './support/remote-content.ts';
import {traceAgent} from './support/traced-agent.ts';

const cluster = await Cluster.start(t, {nodes: THREE_NODES, pools: [POOL4, POOL6]});
const node1 = cluster.node('node1');

await t.test('a restart with nothing to change writes nothing', async (t) => {
  await node1.stopAgent();
  const before = await kernelPicture(node1);
  t.match(before.join('\n'), /route4 10\.244\..* dev vxlan\.calico onlink/, 'the picture shows what it should');
  const {cursor} = await cluster.store.list('/calico/');

  const traced = await traceAgent(cluster, node1);
  t.same(traced.writes, [], 'no netlink message that changes something, no setting written');
  t.ok(traced.reads > 5, 'the trace saw what the agent asked the kernel');
  t.same(await kernelPicture(node1), before);
  t.equal((await cluster.store.list('/calico/')).cursor, cursor, 'nothing was written to the datastore');
});

await t.test('what broke while the agent was away is repaired, and nothing else written', async (t) => {
  const before = await kernelPicture(node1);
  const [route = ''] = await pictured(node1, /^route4 10\.244\..* dev vxlan\.calico/);
  const destination = route.split(' ')[1] ?? '';
  await node1.must(['ip', 'route', 'del', destination]);
  await node1.must(['sysctl', '-qw', 'net.ipv4.ip_forward=0']);
  const traced = await traceAgent(cluster, node1);
  t.same(await kernelPicture(node1), before, 'as before');
  t.match(traced.writes.join('\n'), /RTM_NEWROUTE/, 'the trace shows the route');
  t.match(traced.writes.join('\n'), /ip_forward/, 'and the setting');
  t.equal(traced.writes.length, 2, 'and nothing else');
});

await t.test('10,000 routes', async (t) => {
  const NODES = 40;
  const BLOCKS = 10_000;
  const blocks: RemoteBlock[] = [];
  for (let n = 0; n < NODES; n++)
    await addRemoteNode(cluster, {
      name: `remote${n}`,
      ipv4: `10.99.3.${n + 1}/24`,
      vxlanTunnel: `10.128.${n}.0`,
    });
  for (let n = 0; n < BLOCKS; n++) {
    const address = (10 << 24) + (128 << 16) + n * 64;
    const bytes = [address >>> 24, (address >>> 16) & 255, (address >>> 8) & 255, address & 255];
    blocks.push({cidr: `${bytes.join('.')}/26`, host: `remote${n % NODES}`});
  }
  await addBlocks(cluster.store, blocks);
  await cluster.applyPool({name: 'large', cidr: '10.128.0.0/10', vxlanMode: 'Always'});

  cluster.startAgent(node1);
  await node1.waitUntilReady(60_000);
  const count = async () => (await pictured(node1, /^route4 10\.(1[2-9]\d)\..* dev vxlan\.calico/)).length;
  await eventually('10,000 routes are in the kernel', async () => (await count()) >= BLOCKS, count);
  t.equal((await pictured(node1, /^fdb .* dst 10\.99\.3\./)).length, NODES, 'a forwarding entry per node');
  await node1.stopAgent();

  const before = await kernelPicture(node1);
  const traced = await traceAgent(cluster, node1);
  t.same(traced.writes, [], 'nothing was written');
  t.ok(traced.reads > 5);
  t.same(await kernelPicture(node1), before);
});
