/** Links made, changed and deleted by us, within one namespace and across two. */
import {closeSync, openSync} from 'node:fs';
import t from 'tap';
import type {Link} from '../../../src/netlink/link.ts';
import {LinkDeleter} from '../../../src/netlink/link-deleter.ts';
import {
  changeLinks,
  createLink,
  createLinks,
  createVeth,
  createVxlan,
  deleteLinks,
  dumpLinks,
  getLink,
  setLink,
} from '../../../src/netlink/links.ts';
import {RouteSocket} from '../../../src/netlink/route-socket.ts';
import {createNamespace} from './support/test-namespace.ts';

const node = createNamespace('node');
t.teardown(() => node[Symbol.dispose]());
const pod = createNamespace('pod');
t.teardown(() => pod[Symbol.dispose]());
const socket = new RouteSocket({netnsFd: node.fd});
t.teardown(() => socket.close());
const podSocket = new RouteSocket({netnsFd: pod.fd});
t.teardown(() => podSocket.close());

const linkNames = async () => (await dumpLinks(socket)).map(({name}) => name).sort();

void t.test('a veth with its peer in another namespace', async (t) => {
  const host = await createVeth(socket, {
    name: 'calia1',
    mac: 'ee:ee:ee:ee:ee:ee',
    mtu: 1400,
    numTxQueues: 1,
    numRxQueues: 1,
    peer: {name: 'eth0', netnsFd: pod.fd, mtu: 1400, mac: '02:00:00:00:00:07', numTxQueues: 1, numRxQueues: 1},
  });
  t.match(host, {
    name: 'calia1',
    mac: 'ee:ee:ee:ee:ee:ee',
    mtu: 1400,
    up: false,
    numTxQueues: 1,
    numRxQueues: 1,
    info: {kind: 'veth'},
  });
  const peer = await getLink(podSocket, {name: 'eth0'});
  t.match(peer, {mac: '02:00:00:00:00:07', mtu: 1400, numTxQueues: 1, parentIndex: host.index});
  t.equal(host.parentIndex, peer?.index);
  t.match(node.ipJson('-d', 'link', 'show', 'calia1'), [{address: 'ee:ee:ee:ee:ee:ee', num_tx_queues: 1, mtu: 1400}]);

  const taken = createVeth(socket, {name: 'calia1', peer: {name: 'x', netnsFd: pod.fd}});
  await t.rejects(taken, {code: 'E_NETLINK', context: {errnoName: 'EEXIST', name: 'calia1', kind: 'veth'}});
  const peerTaken = createVeth(socket, {name: 'calia2', peer: {name: 'eth0', netnsFd: pod.fd}});
  await t.rejects(peerTaken, {code: 'E_NETLINK', context: {errnoName: 'EEXIST'}});
  t.equal(await getLink(socket, {name: 'calia2'}), undefined, 'nothing is left of the failure');
});

void t.test('a link is changed by its index', async (t) => {
  const link = await createVeth(socket, {name: 'change', peer: {name: 'change-p'}});
  await setLink(socket, link.index, {mtu: 1300, mac: '02:00:00:00:00:09', up: true, alias: 'pod web-0'});
  t.match(await getLink(socket, {name: 'change'}), {
    mtu: 1300,
    mac: '02:00:00:00:00:09',
    up: true,
    alias: 'pod web-0',
    index: link.index,
  });
  await setLink(socket, link.index, {name: 'changed', up: false});
  t.match(await getLink(socket, {index: link.index}), {name: 'changed', up: false, mtu: 1300});
  await setLink(socket, link.index, {netnsFd: pod.fd, name: 'moved'});
  t.equal(await getLink(socket, {name: 'changed'}), undefined);
  t.ok(await getLink(podSocket, {name: 'moved'}));
  await t.rejects(setLink(socket, link.index, {mtu: 1400}), {code: 'E_NETLINK', context: {errnoName: 'ENODEV'}});
  const outcomes = await changeLinks(socket, [
    {index: 1, up: true},
    {index: 9999, up: true},
    {index: 1, mtu: 1},
  ]);
  t.match(outcomes, [{ok: true}, {ok: false, name: 'ENODEV'}, {ok: true}]);
});

void t.test('VXLAN devices of both families', async (t) => {
  const parent = await createVeth(socket, {name: 'uplink', up: true, peer: {name: 'uplink-p'}});
  const device = await createVxlan(socket, {
    name: 'vxlan.calico',
    mac: '66:f9:37:c3:7e:94',
    mtu: 1450,
    up: true,
    id: 4096,
    port: 4789,
    learning: false,
    local: '10.95.1.11',
    parentIndex: parent.index,
  });
  t.match(device, {mtu: 1450, mac: '66:f9:37:c3:7e:94', up: true});
  t.strictSame(device.info, {
    kind: 'vxlan',
    id: 4096,
    local: '10.95.1.11',
    group: undefined,
    parentIndex: parent.index,
    port: 4789,
    learning: false,
    l2miss: false,
    l3miss: false,
    gbp: false,
    flowBased: false,
  });
  const six = await createLink(socket, {
    name: 'vxlan-v6.calico',
    info: {kind: 'vxlan', id: 4096, port: 4789, learning: false, local: 'fd00:95:1::11', parentIndex: parent.index},
  });
  t.match(six.info, {local: 'fd00:95:1::11'});
  const [shown] = node.ipJson('-d', 'link', 'show', 'vxlan-v6.calico') as {linkinfo: {info_data: object}}[];
  t.match(shown?.linkinfo.info_data, {id: 4096, local6: 'fd00:95:1::11', link: 'uplink', port: 4789, learning: false});
  const flow = await createVxlan(socket, {name: 'flow', id: 0, port: 4790, learning: true, flowBased: true});
  t.match(flow.info, {flowBased: true, learning: true, port: 4790});
  const twin = createVxlan(socket, {name: 'twin', id: 4096, port: 4789, learning: false, local: '10.95.1.11'});
  await t.rejects(twin, {code: 'E_NETLINK', context: {errnoName: 'EEXIST', kind: 'vxlan'}});
});

const vethSpecs = (names: readonly string[]) =>
  names.map((name) => ({name, group: 5, info: {kind: 'veth' as const, peer: {name: `${name}-p`, group: 5}}}));
const numbered = (count: number) => Array.from({length: count}, (_, i) => `many${i}`);

void t.test('many links are deleted together, and no other', async (t) => {
  const before = await linkNames();
  const names = numbered(150);
  const created = await createLinks(socket, vethSpecs(['keep', ...names]));
  t.ok(created.every(({ok}) => ok));
  t.match(await createLinks(socket, vethSpecs(['keep'])), [{ok: false, name: 'EEXIST'}]);
  const outcomes = await deleteLinks(socket, [...names, 'never-was']);
  t.equal(outcomes.length, 151);
  t.ok(outcomes.every(({ok}) => ok));
  t.strictSame(await linkNames(), [...before, 'keep', 'keep-p'].sort());
  t.match(await getLink(socket, {name: 'keep'}), {group: 5}, 'the group of others is left alone');
  t.match(await deleteLinks(socket, ['keep', 'keep-p']), [{ok: true}, {ok: true}], 'both ends of one pair');
  t.match(await deleteLinks(socket, ['keep']), [{ok: true}]);
  t.strictSame(await linkNames(), before);
});

void t.test('a link that cannot be deleted does not keep the others', async (t) => {
  const before = await linkNames();
  await createLinks(socket, vethSpecs(numbered(3)));
  const outcomes = await deleteLinks(socket, ['many0', 'lo', 'many1', 'many2']);
  t.match(outcomes, [{ok: true}, {ok: false, name: 'EOPNOTSUPP'}, {ok: true}, {ok: true}]);
  t.strictSame(await linkNames(), before);
});

void t.test('deletions of many callers go together', async (t) => {
  const before = await linkNames();
  const names = numbered(20);
  await createLinks(socket, vethSpecs(names));
  const deleter = new LinkDeleter({netnsFd: node.fd});
  t.teardown(() => deleter.close());
  await Promise.all([...names, 'many3', 'never-was'].map((name) => deleter.delete(name)));
  t.strictSame(await linkNames(), before);
  await t.rejects(deleter.delete('lo'), {code: 'E_NETLINK', context: {name: 'lo', errnoName: 'EOPNOTSUPP'}});
  await deleter.delete('many1');
  deleter.close();
  await t.rejects(deleter.delete('many2'), {code: 'E_NETLINK'});
});

void t.test('dumps are whole while links come and go', async (t) => {
  const stable = await linkNames();
  const other = new RouteSocket({netnsFd: node.fd});
  t.teardown(() => other.close());
  const churn = (async () => {
    for (let round = 0; round < 4; round++) {
      const names = numbered(60);
      await createLinks(other, vethSpecs(names));
      await deleteLinks(other, names);
    }
    return 'over';
  })();
  let dumps = 0;
  for (let state = ''; state !== 'over'; dumps++) {
    const names = new Set(await linkNames());
    for (const name of stable) if (!names.has(name)) t.fail(`${name} is missing from a dump`);
    state = await Promise.race([churn, Promise.resolve('')]);
  }
  t.ok(dumps > 4, `${dumps} dumps`);
  t.strictSame(await linkNames(), stable);
});

void t.test('a descriptor that is no namespace is refused', async (t) => {
  const fd = openSync('/dev/null', 'r');
  t.teardown(() => closeSync(fd));
  t.throws(() => new RouteSocket({netnsFd: fd}), {code: 'E_NO_NAMESPACE'});
  const link: Link | undefined = await getLink(socket, {index: 1});
  t.equal(link?.name, 'lo');
});
