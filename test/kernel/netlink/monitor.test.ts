/** What the monitor says, what the kernel keeps from it, and that it says so when it has missed something. */
import t from 'tap';
import {deleteAddresses, replaceAddresses} from '../../../src/netlink/addresses.ts';
import {replaceFdb} from '../../../src/netlink/fdb.ts';
import type {Link} from '../../../src/netlink/link.ts';
import {LinkTable, type LinkTableChange, silentlyLosesRoutes} from '../../../src/netlink/link-table.ts';
import {createVeth, createVxlan, deleteLinks, dumpLinks, setLink} from '../../../src/netlink/links.ts';
import {Monitor, type MonitorEvent, type MonitorOptions} from '../../../src/netlink/monitor.ts';
import {replaceNeighbours} from '../../../src/netlink/neighbours.ts';
import {RouteSocket} from '../../../src/netlink/route-socket.ts';
import {dumpRoutes, replaceRoutes} from '../../../src/netlink/routes.ts';
import {addRules} from '../../../src/netlink/rules.ts';
import {createNamespace} from './support/test-namespace.ts';

const node = createNamespace('monitor');
t.teardown(() => node[Symbol.dispose]());
const socket = new RouteSocket({netnsFd: node.fd});
t.teardown(() => socket.close());

// A monitor does not keep the process alive; this test waits for nothing else.
const alive = setInterval(() => undefined, 60_000);
t.teardown(() => clearInterval(alive));

/** Collects events; `until` resolves when one fits, from the first one on. */
class Listener {
  readonly events: MonitorEvent[] = [];
  readonly #monitor: Monitor;
  #wake: () => void = () => undefined;

  constructor(options: Omit<MonitorOptions, 'netnsFd'>) {
    this.#monitor = new Monitor({...options, netnsFd: node.fd}, (event) => {
      this.events.push(event);
      this.#wake();
    });
    t.teardown(() => this.close());
  }

  async until(fits: (event: MonitorEvent) => boolean): Promise<MonitorEvent> {
    for (;;) {
      const found = this.events.find(fits);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  close(): void {
    this.#monitor.close();
  }
}

void t.test('every kind of change is told', async (t) => {
  const listener = new Listener({subjects: ['link', 'address', 'route', 'rule', 'neighbour', 'netconf']});
  const link = await createVeth(socket, {name: 'eth0', up: true, peer: {name: 'peer'}});
  const vxlan = await createVxlan(socket, {
    name: 'vx',
    id: 1,
    port: 4789,
    learning: false,
    local: '10.0.0.1',
    up: true,
  });
  await replaceAddresses(socket, [
    {index: link.index, ip: '10.0.0.1', prefixLength: 24},
    {index: link.index, ip: 'fd00::1', prefixLength: 64, nodad: true},
  ]);
  await replaceRoutes(socket, [
    {dst: '10.1.0.0/24', oif: link.index, protocol: 80},
    {dst: 'fd01::/64', oif: link.index, protocol: 80},
  ]);
  await addRules(socket, [{family: 4, priority: 99, table: 100}]);
  await replaceNeighbours(socket, [{index: vxlan.index, ip: '10.2.0.1', mac: '02:00:00:00:00:01'}]);
  await replaceFdb(socket, [{index: vxlan.index, mac: '02:00:00:00:00:02', dst: '10.0.0.2'}]);

  t.match(await listener.until((e) => e.kind === 'link' && e.link.name === 'vx'), {gone: false, link: {info: {id: 1}}});
  t.match(await listener.until((e) => e.kind === 'address' && e.address.ip === '10.0.0.1'), {gone: false});
  t.match(await listener.until((e) => e.kind === 'address' && e.address.ip === 'fd00::1'), {gone: false});
  t.match(await listener.until((e) => e.kind === 'route' && e.route.dst === '10.1.0.0/24'), {route: {protocol: 80}});
  t.match(await listener.until((e) => e.kind === 'route' && e.route.dst === 'fd01::/64'), {route: {family: 6}});
  t.match(await listener.until((e) => e.kind === 'rule' && e.rule.priority === 99), {rule: {table: 100}});
  t.match(await listener.until((e) => e.kind === 'neighbour' && e.neighbour.ip === '10.2.0.1'), {gone: false});
  t.match(await listener.until((e) => e.kind === 'fdb' && e.entry.dst === '10.0.0.2'), {entry: {table: 'self'}});
  t.ok(await listener.until((e) => e.kind === 'netconf' && e.netconf.index === link.index));

  await deleteLinks(socket, ['vx']);
  t.match(await listener.until((e) => e.kind === 'link' && e.gone), {link: {name: 'vx', index: vxlan.index}});
  t.notOk(listener.events.some(({kind}) => kind === 'resync'));
  listener.close();
  await deleteLinks(socket, ['eth0']);
});

void t.test('only what was asked for is told, and a port leaving a bridge is no deleted link', async (t) => {
  const listener = new Listener({subjects: ['link']});
  node.batch([
    'link add br0 type bridge',
    'link add p0 type veth peer name p1',
    'link set p0 master br0',
    'link set p0 up',
    'addr add 10.9.0.1/24 dev p0',
    'link set p0 nomaster',
    'link add last type veth peer name last-p',
  ]);
  await listener.until((e) => e.kind === 'link' && e.link.name === 'last');
  t.ok(listener.events.every(({kind}) => kind === 'link'));
  t.notOk(listener.events.some((e) => e.kind === 'link' && e.gone));
  listener.close();
  node.batch(['link del br0', 'link del p0', 'link del last']);
});

void t.test('a link set down loses its IPv4 routes without a word: the link table says so', async (t) => {
  const link = await createVeth(socket, {name: 'calia1', up: true, peer: {name: 'peer'}});
  node.ip('link', 'set', 'peer', 'up');
  const table = new LinkTable();
  table.replace(await dumpLinks(socket));
  const dst = '10.65.0.2/32';
  await replaceRoutes(socket, [{dst, oif: link.index, protocol: 80}]);
  const listener = new Listener({subjects: ['link', 'route']});

  await setLink(socket, link.index, {up: false});
  await setLink(socket, link.index, {up: true, mtu: 1399});
  await listener.until((e) => e.kind === 'link' && e.link.mtu === 1399);
  const ours = (await dumpRoutes(socket, {family: 4, protocol: 80})).map((route) => route.dst);
  t.strictSame(ours, [], 'the route is gone');
  const told = listener.events.filter((e) => e.kind === 'route' && e.route.dst === dst);
  t.strictSame(told, [], 'and nobody was told');
  const changes: LinkTableChange[] = [];
  for (const event of listener.events) if (event.kind === 'link') changes.push(...table.apply(event));
  t.ok(changes.some((change) => change.link.name === 'calia1' && silentlyLosesRoutes(change)));

  await replaceAddresses(socket, [{index: link.index, ip: '10.3.0.1', prefixLength: 24}]);
  await replaceRoutes(socket, [{dst, oif: link.index, protocol: 80, src: '10.3.0.1'}]);
  await deleteAddresses(socket, [{index: link.index, ip: '10.3.0.1', prefixLength: 24}]);
  await listener.until((e) => e.kind === 'address' || (e.kind === 'route' && e.gone && e.route.dst === '10.3.0.0/24'));
  t.strictSame(await dumpRoutes(socket, {family: 4, protocol: 80}), [], 'a removed source address takes its routes');
  listener.close();
  await deleteLinks(socket, ['calia1']);
});

void t.test('renamed, deleted and made again: the table follows the kernel', async (t) => {
  const table = new LinkTable();
  table.replace(await dumpLinks(socket));
  const listener = new Listener({subjects: ['link']});
  const first = await createVeth(socket, {name: 'a', peer: {name: 'a-p'}});
  await setLink(socket, first.index, {name: 'b'});
  const second = await createVeth(socket, {name: 'a', peer: {name: 'a2-p'}});
  await deleteLinks(socket, ['b', 'a']);
  const third = await createVeth(socket, {name: 'a', up: true, peer: {name: 'a-p'}});
  await listener.until((e) => e.kind === 'link' && e.link.index === third.index && e.link.up);
  const changes: string[] = [];
  for (const event of listener.events) {
    if (event.kind !== 'link') continue;
    for (const {kind, link} of table.apply(event))
      if (kind !== 'changed') changes.push(`${kind} ${link.name}#${link.index}`);
  }
  const own = changes.filter((change) => / [ab]#/.test(change));
  t.strictSame(own.slice(0, 4), [
    `appeared a#${first.index}`,
    `vanished a#${first.index}`,
    `appeared b#${first.index}`,
    `appeared a#${second.index}`,
  ]);
  t.strictSame(own.slice(4, 6).sort(), [`vanished a#${second.index}`, `vanished b#${first.index}`]);
  t.strictSame(own.slice(6), [`appeared a#${third.index}`]);
  const summary = (links: Iterable<Link>) => [...links].map((l) => `${l.index} ${l.name} ${l.flags}`).sort();
  t.strictSame(summary(table.links()), summary(await dumpLinks(socket)));
  listener.close();
  await deleteLinks(socket, ['a']);
});

void t.test('a monitor that could not keep up says so, and goes on', async (t) => {
  const link = await createVeth(socket, {name: 'eth0', up: true, peer: {name: 'peer'}});
  const listener = new Listener({subjects: ['route'], receiveBuffer: 64 * 1024});
  // This thread is held by the child, so nobody reads meanwhile.
  node.batch(Array.from({length: 4000}, (_, i) => `route add 10.200.${i >> 8}.${i & 255}/32 dev eth0`));
  await listener.until(({kind}) => kind === 'resync');
  await replaceRoutes(socket, [{dst: '10.1.0.0/24', oif: link.index}]);
  await listener.until((e) => e.kind === 'route' && e.route.dst === '10.1.0.0/24');
  const told = listener.events.filter(({kind}) => kind === 'route').length;
  t.ok(told < 4000, 'events were lost');
  const resyncAt = listener.events.findIndex(({kind}) => kind === 'resync');
  const last = listener.events.findIndex((e) => e.kind === 'route' && e.route.dst === '10.1.0.0/24');
  t.ok(resyncAt < last);
  listener.close();
});
