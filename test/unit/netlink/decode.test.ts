/** What a kernel sent is what we show: the entries of a recorded namespace, as `ip -d` named them. */
import t from 'tap';
import type {Link} from '../../../src/netlink/link.ts';
import {MessageCursor} from '../../../src/netlink/message-reader.ts';
import {decodeEvent, type MonitorEvent} from '../../../src/netlink/monitor.ts';
import type {Route} from '../../../src/netlink/route.ts';
import {type DumpName, kernelDumps} from './support/kernel-dumps.ts';

const dumps = kernelDumps();

function eventsOf(name: DumpName): MonitorEvent[] {
  const message = new MessageCursor(dumps.get(name) ?? new Uint8Array());
  const events: MonitorEvent[] = [];
  while (message.next()) {
    const event = decodeEvent(message);
    if (event !== undefined) events.push(event);
  }
  return events;
}

const routesOf = (name: 'routes4' | 'routes6'): Route[] =>
  eventsOf(name).flatMap((event) => (event.kind === 'route' ? [event.route] : []));
const links: Link[] = eventsOf('links').flatMap((event) => (event.kind === 'link' ? [event.link] : []));
const indexOf = (name: string) => links.find((link) => link.name === name)?.index;

void t.test('links', async (t) => {
  t.strictSame(links.map(({name}) => name).sort(), [
    'br0',
    'calia1',
    'eth0',
    'lo',
    'port0',
    'port1',
    'tv0',
    'tv1',
    'tvx',
    'vxlan.calico',
  ]);
  t.match(
    links.find(({name}) => name === 'vxlan.calico'),
    {
      mac: '66:f9:37:c3:7e:94',
      mtu: 1450,
      up: true,
      running: true,
      operState: 'unknown',
      group: 0,
      info: {
        kind: 'vxlan',
        id: 4096,
        local: '10.95.1.11',
        group: undefined,
        parentIndex: indexOf('eth0'),
        port: 4789,
        learning: false,
        l2miss: false,
        gbp: false,
        flowBased: false,
      },
    },
  );
  t.match(
    links.find(({name}) => name === 'calia1'),
    {mac: 'ee:ee:ee:ee:ee:ee', mtu: 1400, info: {kind: 'veth'}, parentNetnsId: 0, operState: 'up'},
  );
  t.match(
    links.find(({name}) => name === 'port0'),
    {master: indexOf('br0'), parentIndex: indexOf('port1'), parentNetnsId: undefined},
  );
  t.match(
    links.find(({name}) => name === 'lo'),
    {loopback: true, mac: '00:00:00:00:00:00', mtu: 65536, info: {kind: 'other', type: ''}},
  );
  t.match(
    links.find(({name}) => name === 'br0'),
    {info: {kind: 'other', type: 'bridge'}},
  );
});

const plain = {
  tos: 0,
  metric: 0,
  src: undefined,
  gateway: undefined,
  oif: undefined,
  onlink: false,
  linkdown: false,
  dead: false,
  mtu: undefined,
  from: undefined,
  multipath: undefined,
  nextHopId: undefined,
};

void t.test('IPv4 routes', async (t) => {
  const routes = new Map(routesOf('routes4').map((route) => [`${route.table} ${route.dst}`, route]));
  t.strictSame(routes.get('254 10.244.104.0/26'), {
    ...plain,
    family: 4,
    dst: '10.244.104.0/26',
    table: 254,
    protocol: 80,
    type: 'unicast',
    scope: 0,
    gateway: '10.244.104.0',
    oif: indexOf('vxlan.calico'),
    onlink: true,
    mtu: 1450,
  });
  t.strictSame(routes.get('254 10.244.166.128/26'), {
    ...plain,
    family: 4,
    dst: '10.244.166.128/26',
    table: 254,
    protocol: 80,
    type: 'blackhole',
    scope: 0,
  });
  t.match(routes.get('254 10.244.166.129/32'), {metric: 1024, scope: 253, protocol: 3, oif: indexOf('calia1')});
  t.match(routes.get('254 0.0.0.0/0'), {gateway: '10.95.1.254', scope: 0});
  t.match(routes.get('4000 10.9.0.0/16'), {table: 4000, tos: 0x10, src: '10.95.1.11', scope: 253});
  t.match(routes.get('254 10.8.0.0/16'), {family: 4, gateway: 'fe80::1', oif: indexOf('eth0')});
  const hop = {oif: indexOf('eth0'), onlink: false, linkdown: false, dead: false};
  t.strictSame(routes.get('254 10.7.0.0/16')?.multipath, [
    {...hop, gateway: '10.95.1.12', weight: 2},
    {...hop, gateway: '10.95.1.13', weight: 1},
  ]);
  t.match(routes.get('255 10.95.1.255/32'), {type: 'broadcast', protocol: 2, scope: 253});
});

void t.test('IPv6 routes', async (t) => {
  const routes = new Map(routesOf('routes6').map((route) => [`${route.table} ${route.dst} ${route.oif}`, route]));
  t.match(routes.get(`254 fd00:1::/64 ${indexOf('calia1')}`), {family: 6, metric: 7, type: 'unicast', scope: 0});
  t.match(routes.get(`254 fd00:2::/64 ${indexOf('lo')}`), {type: 'blackhole', metric: 1024});
  t.match(routes.get(`254 fd00:3::/64 ${indexOf('eth0')}`), {gateway: 'fd00:95:1::fe', metric: 1024});
  t.match(routes.get(`255 ff00::/8 ${indexOf('eth0')}`), {type: 'multicast', protocol: 2});
});

void t.test('addresses', async (t) => {
  const addresses = eventsOf('addresses').flatMap((event) => (event.kind === 'address' ? [event.address] : []));
  t.match(
    addresses.find(({ip}) => ip === '10.95.1.11'),
    {family: 4, index: indexOf('eth0'), prefixLength: 24, scope: 0, label: 'eth0', peer: undefined, permanent: true},
  );
  t.match(
    addresses.find(({ip}) => ip === 'fd00:95:1::11'),
    {family: 6, prefixLength: 64, nodad: true, tentative: false},
  );
  t.match(
    addresses.find(({ip}) => ip === '::1'),
    {prefixLength: 128, scope: 254},
  );
});

void t.test('neighbours and forwarding entries', async (t) => {
  const neighbours = eventsOf('neighbours').flatMap((event) => (event.kind === 'neighbour' ? [event.neighbour] : []));
  t.match(
    neighbours.find(({ip}) => ip === '10.244.104.0'),
    {mac: '66:2d:bf:44:a6:8b', state: 'permanent', proxy: false, router: false},
  );
  t.match(eventsOf('proxies'), [
    {kind: 'neighbour', neighbour: {ip: 'fd00::77', index: indexOf('calia1'), mac: undefined, proxy: true}},
  ]);
  const entries = eventsOf('forwarding').flatMap((event) => (event.kind === 'fdb' ? [event.entry] : []));
  t.match(
    entries.find(({mac}) => mac === '66:2d:bf:44:a6:8b'),
    {index: indexOf('vxlan.calico'), dst: '10.95.1.12', table: 'self', permanent: true},
  );
  t.match(
    entries.find(({mac}) => mac === '66:2d:bf:44:a6:99'),
    {index: indexOf('port0'), table: 'master', master: indexOf('br0'), dst: undefined},
  );
});

void t.test('rules and settings', async (t) => {
  const rules = [...eventsOf('rules4'), ...eventsOf('rules6')].flatMap((event) =>
    event.kind === 'rule' ? [event.rule] : [],
  );
  t.match(
    rules.find(({priority}) => priority === 99),
    {invert: true, fwmark: 0x100000, fwmask: 0x100000, table: 4000, action: 'table', src: undefined},
  );
  t.match(
    rules.find(({priority}) => priority === 100),
    {src: '10.1.0.0/16', dst: '10.2.0.0/16', iif: 'eth0', ipProtocol: 6, dstPorts: [80, 90], suppressPrefixLength: 0},
  );
  t.match(
    rules.find(({priority}) => priority === 101),
    {family: 6, src: 'fd00::/64', oif: 'eth0', action: 'blackhole', suppressPrefixLength: undefined},
  );
  const settings = eventsOf('netconf').flatMap((event) => (event.kind === 'netconf' ? [event.netconf] : []));
  t.match(
    settings.find(({index}) => index === 'all'),
    {family: 4, forwarding: false, rpFilter: 0, proxyNeighbours: false},
  );
  t.ok(settings.some(({index}) => index === 'default'));
  t.ok(settings.some(({index}) => index === indexOf('calia1')));
});
