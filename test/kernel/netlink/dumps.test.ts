/** Whatever is in a namespace, we show it as `ip -d` and `bridge` do. */
import t from 'tap';
import {dumpAddresses} from '../../../src/netlink/addresses.ts';
import {dumpFdb} from '../../../src/netlink/fdb.ts';
import {dumpLinks, getLink} from '../../../src/netlink/links.ts';
import {dumpNeighbours} from '../../../src/netlink/neighbours.ts';
import {dumpNetconf} from '../../../src/netlink/netconf.ts';
import {RouteSocket} from '../../../src/netlink/route-socket.ts';
import {dumpRoutes} from '../../../src/netlink/routes.ts';
import {dumpRules} from '../../../src/netlink/rules.ts';
import {
  ADDRESS_KEYS,
  addressAsIp,
  bridgeFdb,
  fdbAsBridge,
  ipLink,
  type LinkNames,
  linkAsIp,
  neighbourAsIp,
  netconfAsIp,
  only,
  ROUTE_KEYS,
  RULE_KEYS,
  routeAsIp,
  ruleAsIp,
  sorted,
} from './support/as-ip.ts';
import {createNamespace, type Json} from './support/test-namespace.ts';

const node = createNamespace('node');
t.teardown(() => node[Symbol.dispose]());
const pod = createNamespace('pod');
t.teardown(() => pod[Symbol.dispose]());

node.batch([
  'link set lo up',
  `link add eth0 address 02:95:01:00:00:0b type veth peer name eth0 netns ${pod.name}`,
  'link set eth0 up',
  'link set eth0 alias uplink',
  'link set eth0 group 7',
  'addr add 10.95.1.11/24 brd + dev eth0',
  'addr add 10.95.1.12/24 dev eth0',
  'addr add 10.95.9.1 peer 10.95.9.2/32 dev eth0',
  'addr add fd00:95:1::11/64 dev eth0 nodad noprefixroute',
  `link add calia1 address ee:ee:ee:ee:ee:ee mtu 1400 type veth peer name calip1 netns ${pod.name}`,
  'link set calia1 up',
  'link add calidown type veth peer name calidown-p',
  'link add vxlan.calico address 66:f9:37:c3:7e:94 mtu 1450 type vxlan id 4096 local 10.95.1.11 dev eth0 dstport 4789 nolearning',
  'addr add 10.244.166.128/32 dev vxlan.calico',
  'link set vxlan.calico up',
  'link add vxlan-v6.calico mtu 1430 type vxlan id 4096 local fd00:95:1::11 dev eth0 dstport 4790 nolearning',
  'link add vxflow type vxlan external dstport 4791 learning',
  'link add vxodd type vxlan id 77 group 239.1.1.1 dev eth0 dstport 4792 l2miss l3miss gbp',
  'link add br0 type bridge',
  'link set br0 up',
  'link add port0 type veth peer name port1',
  'link set port0 master br0',
  'link set port0 up',
  'link set port1 up',
  'route add 10.244.104.0/26 via 10.244.104.0 dev vxlan.calico onlink mtu 1450 proto 80',
  'route add 10.244.166.129/32 dev calia1 metric 1024 scope link proto boot',
  'route add 10.244.166.129/32 dev calia1 metric 512 scope link proto boot',
  'route add blackhole 10.244.166.128/26 proto 80',
  'route add unreachable 10.66.0.0/16 metric 9',
  'route add throw 10.67.0.0/16 table 100',
  'route add prohibit 10.68.0.0/16',
  'route add default via 10.95.1.254',
  'route add 10.7.0.0/16 proto 80 nexthop via 10.95.1.12 dev eth0 weight 2 nexthop via 10.95.1.13 dev eth0 onlink',
  'route add 10.8.0.0/16 via inet6 fe80::1 dev eth0',
  'route add 10.9.0.0/16 dev eth0 table 4000 src 10.95.1.11 tos 0x10',
  'route add 10.10.0.0/16 dev calia1 proto bird',
  'route add fd00:1::/64 dev calia1 metric 7 mtu 1300',
  'route add fd00:1::/64 dev calia1 metric 8',
  'route add blackhole fd00:2::/64 proto 80',
  'route add fd00:3::/64 via fd00:96::fe dev eth0 onlink',
  'route add fd00:4::/64 nexthop via fe80::1 dev eth0 nexthop via fe80::2 dev calia1 weight 3',
  'neigh add 10.244.104.0 lladdr 66:2d:bf:44:a6:8b dev vxlan.calico nud permanent',
  'neigh add 10.95.1.77 lladdr 66:2d:bf:44:a6:8e dev eth0 nud noarp',
  'neigh add fd00:95:1::99 lladdr 66:2d:bf:44:a6:8c dev eth0 nud permanent',
  'neigh add proxy fd00::77 dev calia1',
  'neigh add proxy 10.0.0.77 dev eth0',
  'rule add priority 99 not fwmark 0x100000/0x100000 lookup 4000',
  'rule add priority 100 from 10.1.0.0/16 to 10.2.3.4 iif eth0 ipproto tcp dport 80-90 lookup main suppress_prefixlength 0',
  'rule add priority 102 fwmark 0x5 prohibit',
]);
node.ip('-6', 'rule', 'add', 'priority', '101', 'from', 'fd00::/64', 'oif', 'eth0', 'blackhole');
pod.batch(['link set eth0 up', 'link set calip1 up']);
node.bridge('fdb', 'add', '66:2d:bf:44:a6:8b', 'dev', 'vxlan.calico', 'dst', '10.95.1.12', 'self', 'permanent');
node.bridge('fdb', 'add', '66:32:42:ed:de:d5', 'dev', 'vxlan-v6.calico', 'dst', 'fd00:95:1::12', 'self', 'permanent');
node.bridge('fdb', 'add', '66:2d:bf:44:a6:99', 'dev', 'port0', 'master', 'static');

const socket = new RouteSocket({netnsFd: node.fd});
t.teardown(() => socket.close());

const names = async (): Promise<LinkNames> => new Map((await dumpLinks(socket)).map((link) => [link.index, link.name]));

/**
 * Carrier changes reach routes a moment after the commands that cause them, and addresses are looked for on the wire:
 * ours must be what `ip` showed just before or just after.
 */
async function sameAs(ours: () => Promise<readonly Json[]>, theirs: () => readonly Json[]): Promise<readonly string[]> {
  const before = sorted(theirs());
  const seen = sorted(await ours());
  const after = sorted(theirs());
  const matches = [before, after].some((list) => JSON.stringify(list) === JSON.stringify(seen));
  if (!matches) t.strictSame(seen, after);
  return seen;
}

void t.test('links', async (t) => {
  const seen = await sameAs(
    async () => {
      const by = await names();
      return (await dumpLinks(socket)).map((link) => linkAsIp(link, by));
    },
    () => node.ipJson('-d', 'link').map(ipLink),
  );
  t.equal(seen.length, 12);
  const vxlans = await dumpLinks(socket, {type: 'vxlan'});
  t.strictSame(vxlans.map(({name}) => name).sort(), ['vxflow', 'vxlan-v6.calico', 'vxlan.calico', 'vxodd']);
  t.match(await getLink(socket, {name: 'vxflow'}), {info: {kind: 'vxlan', flowBased: true, learning: true}});
  t.match(await getLink(socket, {name: 'vxodd'}), {
    info: {kind: 'vxlan', group: '239.1.1.1', l2miss: true, l3miss: true, gbp: true},
  });
  t.equal(await getLink(socket, {name: 'nothing'}), undefined);
  t.equal(await getLink(socket, {index: 9999}), undefined);
});

void t.test('routes of both families, all tables', async (t) => {
  for (const family of [4, 6] as const) {
    const seen = await sameAs(
      async () => {
        const by = await names();
        return (await dumpRoutes(socket, {family})).map((route) => routeAsIp(route, by));
      },
      () => node.ipJson('-d', `-${family}`, 'route', 'show', 'table', 'all').map((route) => only(route, ROUTE_KEYS)),
    );
    t.ok(seen.length > 15);
  }
});

void t.test('the kernel filters routes', async (t) => {
  const by = await names();
  const index = [...by].find(([, name]) => name === 'calia1')?.[0];
  const dsts = async (filter: Parameters<typeof dumpRoutes>[1]) =>
    (await dumpRoutes(socket, filter)).map(({dst}) => dst).sort();
  t.strictSame(await dsts({family: 4, table: 4000}), ['10.9.0.0/16']);
  t.strictSame(await dsts({family: 4, table: 100}), ['10.67.0.0/16']);
  t.strictSame(await dsts({family: 4, protocol: 12}), ['10.10.0.0/16']);
  t.strictSame(await dsts({family: 4, oif: index}), ['10.10.0.0/16', '10.244.166.129/32', '10.244.166.129/32']);
  t.strictSame(await dsts({family: 4, table: 254, type: 'blackhole'}), ['10.244.166.128/26']);
  t.strictSame(await dsts({family: 6, table: 254, protocol: 80}), ['fd00:2::/64']);
  t.strictSame(await dsts({family: 6, table: 254, protocol: 3, oif: index}), [
    'fd00:1::/64',
    'fd00:1::/64',
    'fd00:4::/64',
  ]);
  t.strictSame(await dsts({family: 4, table: 777}), [], 'a table nobody has used');
  t.strictSame(await dsts({family: 6, table: 777}), []);
});

void t.test('addresses', async (t) => {
  const theirs = () =>
    node
      .ipJson('-d', 'addr')
      .flatMap((link) =>
        (link.addr_info as Json[]).map((address) => ({...only(address, ADDRESS_KEYS), dev: link.ifname})),
      );
  const seen = await sameAs(async () => {
    const by = await names();
    return (await dumpAddresses(socket)).map((address) => addressAsIp(address, by));
  }, theirs);
  t.ok(seen.length > 8);
  const loopback = await dumpAddresses(socket, {index: 1});
  t.strictSame(loopback.map(({ip}) => ip).sort(), ['127.0.0.1', '::1']);
  t.strictSame((await dumpAddresses(socket, {index: 1, family: 6})).length, 1);
  t.strictSame(await dumpAddresses(socket, {index: 9999}), []);
});

void t.test('neighbours', async (t) => {
  for (const family of [4, 6] as const) {
    const seen = await sameAs(
      async () => {
        const by = await names();
        return (await dumpNeighbours(socket, {family})).map((neighbour) => neighbourAsIp(neighbour, by));
      },
      () => node.ipJson(`-${family}`, 'neigh', 'show', 'nud', 'all').map(withoutRouter),
    );
    t.ok(seen.length > 0);
    const proxies = await sameAs(
      async () => {
        const by = await names();
        return (await dumpNeighbours(socket, {family, proxy: true})).map((neighbour) => neighbourAsIp(neighbour, by));
      },
      () => node.ipJson(`-${family}`, 'neigh', 'show', 'proxy'),
    );
    t.equal(proxies.length, 1);
  }
  const eth0 = (await getLink(socket, {name: 'eth0'}))?.index ?? 0;
  const permanent = (await dumpNeighbours(socket, {family: 4, index: eth0})).filter(({state}) => state === 'noarp');
  t.ok(permanent.some(({ip}) => ip === '10.95.1.77'));
  t.ok(permanent.every(({index}) => index === eth0));
  t.strictSame(await dumpNeighbours(socket, {family: 4, index: 9999}), []);
});

const withoutRouter = ({dst, dev, lladdr, state}: Json): Json =>
  only({dst, dev, lladdr, state: (state as string[]).length === 0 ? ['NONE'] : state}, [
    'dst',
    'dev',
    'lladdr',
    'state',
  ]);

void t.test('forwarding entries', async (t) => {
  const seen = await sameAs(
    async () => {
      const by = await names();
      return (await dumpFdb(socket)).map((entry) => fdbAsBridge(entry, by));
    },
    () => node.bridgeJson('fdb', 'show').map(bridgeFdb),
  );
  t.ok(seen.length > 8);
  const vxlan = (await getLink(socket, {name: 'vxlan-v6.calico'}))?.index ?? 0;
  t.match(await dumpFdb(socket, {index: vxlan}), [{mac: '66:32:42:ed:de:d5', dst: 'fd00:95:1::12', permanent: true}]);
  t.strictSame(await dumpFdb(socket, {index: 9999}), []);
});

void t.test('rules', async (t) => {
  for (const family of [4, 6] as const) {
    const seen = await sameAs(
      async () => (await dumpRules(socket, family)).map(ruleAsIp),
      () => node.ipJson('-d', `-${family}`, 'rule').map((rule) => only(rule, RULE_KEYS)),
    );
    t.ok(seen.length >= 3);
  }
});

void t.test('settings of links', async (t) => {
  for (const family of [4, 6] as const) {
    const seen = await sameAs(
      async () => {
        const by = await names();
        return (await dumpNetconf(socket, family)).map((netconf) => netconfAsIp(netconf, by));
      },
      () =>
        node
          .ipJson(`-${family}`, 'netconf')
          .map((entry) =>
            only(entry, [
              'family',
              'interface',
              'forwarding',
              'rp_filter',
              'proxy_neigh',
              'ignore_routes_with_linkdown',
            ]),
          ),
    );
    t.equal(seen.length, 14);
  }
});
