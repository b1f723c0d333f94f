/** Routes written by us, as the kernel and `ip` have them; what fails fails alone; ten thousand there and back. */
import t from 'tap';
import {replaceAddresses} from '../../../src/netlink/addresses.ts';
import type {Outcome} from '../../../src/netlink/kernel-answer.ts';
import {createVeth, setLink} from '../../../src/netlink/links.ts';
import type {Route, RouteSpec} from '../../../src/netlink/route.ts';
import {RouteSocket} from '../../../src/netlink/route-socket.ts';
import {addRoutes, deleteRoutes, dumpRoutes, replaceRoutes} from '../../../src/netlink/routes.ts';
import {only, ROUTE_KEYS, routeAsIp, sorted} from './support/as-ip.ts';
import {createNamespace} from './support/test-namespace.ts';

const node = createNamespace('routes');
t.teardown(() => node[Symbol.dispose]());
const socket = new RouteSocket({netnsFd: node.fd});
t.teardown(() => socket.close());

const link = await createVeth(socket, {name: 'calia1', up: true, peer: {name: 'peer1'}});
const other = await createVeth(socket, {name: 'calia2', up: true, peer: {name: 'peer2'}});
await setLink(socket, 2, {up: true});
for (const name of ['peer1', 'peer2']) node.ip('link', 'set', name, 'up');
await replaceAddresses(socket, [
  {index: link.index, ip: '10.95.1.11', prefixLength: 24},
  {index: link.index, ip: 'fd00:95:1::11', prefixLength: 64, nodad: true},
]);

const shown = (family: 4 | 6, ...selection: string[]) =>
  node.ipJson('-d', `-${family}`, 'route', 'show', ...selection).map((route) => only(route, ROUTE_KEYS));

const names = new Map([
  [1, 'lo'],
  [link.index, 'calia1'],
  [other.index, 'calia2'],
]);

const failed = (outcomes: readonly Outcome[]) =>
  outcomes.flatMap((outcome, i) => (outcome.ok ? [] : [`${i} ${outcome.name} ${outcome.message ?? ''}`.trim()]));

const written: readonly RouteSpec[] = [
  {dst: '10.65.0.2/32', oif: link.index, metric: 1024},
  {dst: '10.65.0.3/32', oif: link.index, metric: 1024, protocol: 80, src: '10.95.1.11'},
  {dst: '10.65.1.0/26', gateway: '10.65.1.0', oif: link.index, onlink: true, mtu: 1450, protocol: 80},
  {dst: '10.65.2.0/26', gateway: '10.95.1.12', oif: link.index, onlink: true, protocol: 80},
  {dst: '10.65.3.0/26', type: 'blackhole', protocol: 80},
  {dst: '10.65.4.0/26', type: 'throw', table: 1000},
  {dst: '10.65.5.0/24', type: 'unreachable', tos: 0x10},
  {dst: '0.0.0.0/0', gateway: '10.95.1.1'},
  {dst: '10.65.6.0/24', gateway: 'fd00:95:1::1', oif: link.index},
  {
    dst: '10.65.7.0/24',
    multipath: [
      {gateway: '10.95.1.12', oif: link.index, weight: 2},
      {gateway: '10.9.9.9', oif: other.index, onlink: true},
    ],
  },
  {dst: 'fd00:65::2/128', oif: link.index, metric: 1024},
  {dst: 'fd00:65:1::/122', gateway: 'fd00:65:1::', oif: link.index, onlink: true, mtu: 1430, protocol: 80},
  {dst: 'fd00:65:3::/122', type: 'blackhole', protocol: 80},
  {dst: 'fd00:65:4::/64', gateway: 'fe80::9', oif: other.index, metric: 7, table: 1000, src: 'fd00:95:1::11'},
];

void t.test('every field arrives, as `ip` shows it and as we read it back', async (t) => {
  t.strictSame(failed(await replaceRoutes(socket, written)), []);
  const read = [...(await dumpRoutes(socket, {family: 4})), ...(await dumpRoutes(socket, {family: 6}))];
  const ours = read.filter(({protocol, table}) => protocol !== 2 && table !== 255);
  t.strictSame(
    sorted(ours.map((route) => routeAsIp(route, names))),
    sorted(
      [...shown(4, 'table', 'all'), ...shown(6, 'table', 'all')].filter(
        ({protocol, table}) => protocol !== 'kernel' && table !== 'local',
      ),
    ),
  );
  for (const spec of written) {
    const route = ours.find(({dst, table}) => dst === spec.dst && table === (spec.table ?? 254));
    const {multipath, metric, oif, ...rest} = spec;
    t.match(route, {...rest, protocol: spec.protocol ?? 3});
    t.equal(route?.metric, metric ?? (spec.dst.includes(':') ? 1024 : 0));
    if (multipath !== undefined) t.match(route?.multipath, multipath);
    else if (spec.type !== 'blackhole')
      t.equal(route?.oif, oif ?? (spec.gateway === undefined ? undefined : link.index));
  }
  t.strictSame(failed(await replaceRoutes(socket, written)), [], 'and once more');
});

void t.test('replace changes the route, add does not', async (t) => {
  const [first] = written;
  if (first === undefined) throw new Error('no route');
  t.strictSame(failed(await addRoutes(socket, [{...first, oif: other.index}])), ['0 EEXIST']);
  t.match(shown(4, '10.65.0.2'), [{dev: 'calia1'}]);
  t.strictSame(failed(await replaceRoutes(socket, [{...first, oif: other.index}])), []);
  t.match(shown(4, '10.65.0.2'), [{dev: 'calia2'}]);
  t.strictSame(failed(await replaceRoutes(socket, [{dst: 'fd00:65::2/128', oif: other.index, metric: 1024}])), []);
  t.match(shown(6, 'fd00:65::2'), [{dev: 'calia2'}]);
});

void t.test('what the kernel refuses harms no other, and is explained', async (t) => {
  const outcomes = await replaceRoutes(socket, [
    {dst: '10.70.0.1/32', oif: link.index},
    {dst: '10.70.0.2/32', gateway: '172.16.0.1'},
    {dst: '10.70.0.3/32', oif: 9999},
    {dst: '10.70.0.4/24', oif: link.index},
    {dst: 'not an address', oif: link.index},
    {dst: '10.70.0.6/32', oif: link.index},
  ]);
  t.strictSame(failed(outcomes), [
    '1 ENETUNREACH Nexthop has invalid gateway',
    '2 ENODEV',
    '3 EINVAL Invalid prefix for given prefix length',
    '4 EINVAL "not an address" is not an IP address',
  ]);
  t.strictSame(
    shown(4, 'to', 'root', '10.70.0.0/16').map(({dst}) => dst),
    ['10.70.0.1', '10.70.0.6'],
  );
});

void t.test('a delete matches what it names, and any where it names nothing', async (t) => {
  const dst = '10.71.0.0/24';
  await replaceRoutes(socket, [
    {dst, oif: link.index, metric: 5, protocol: 80},
    {dst, oif: other.index, metric: 6, protocol: 3},
    {dst, type: 'blackhole', metric: 7},
  ]);
  const left = () => shown(4, dst).map(({metric}) => metric);
  await deleteRoutes(socket, [{dst, oif: other.index, metric: 5}]);
  t.strictSame(left(), [5, 6, 7], 'another link at that metric');
  await deleteRoutes(socket, [{dst, protocol: 80}]);
  t.strictSame(left(), [6, 7]);
  await deleteRoutes(socket, [{dst, type: 'blackhole'}]);
  t.strictSame(left(), [6]);
  await deleteRoutes(socket, [{dst, table: 1000}]);
  t.strictSame(left(), [6], 'another table');
  t.strictSame(failed(await deleteRoutes(socket, [{dst}, {dst}])), [], 'gone already is done');
  t.strictSame(left(), []);

  const dst6 = 'fd00:71::/64';
  await replaceRoutes(socket, [
    {dst: dst6, oif: link.index, metric: 5},
    {dst: dst6, oif: other.index, metric: 6},
  ]);
  t.strictSame(
    failed(
      await deleteRoutes(socket, [
        {dst: dst6, metric: 6},
        {dst: 'fd00:72::/64', metric: 6},
      ]),
    ),
    [],
  );
  t.match(shown(6, dst6), [{dev: 'calia1', metric: 5}]);
});

void t.test('ten thousand routes of each family there and back', async (t) => {
  const count = 10_000;
  const protocol = 81;
  for (const family of [4, 6] as const) {
    const routes = Array.from({length: count}, (_, i) => ({
      dst: family === 4 ? `10.80.${i >> 8}.${i & 255}/32` : `fd00:80::${(i + 1).toString(16)}/128`,
      oif: link.index,
      metric: 1024,
      protocol,
    }));
    t.strictSame(failed(await replaceRoutes(socket, routes)), []);
    const read = await dumpRoutes(socket, {family, table: 254, protocol});
    t.strictSame(new Set(read.map(({dst}) => dst)), new Set(routes.map(({dst}) => dst)));
    t.ok(read.every((route) => fits(route, link.index, protocol)));
    t.equal(shown(family, 'proto', String(protocol)).length, count);
    const gaps = routes.filter((_, i) => i % 2 === 0);
    t.strictSame(failed(await deleteRoutes(socket, gaps)), []);
    t.equal((await dumpRoutes(socket, {family, table: 254, protocol})).length, count / 2);
    t.strictSame(failed(await deleteRoutes(socket, routes)), [], 'half of them are gone already');
    t.equal((await dumpRoutes(socket, {family, table: 254, protocol})).length, 0);
  }
});

const fits = (route: Route, oif: number, protocol: number): boolean =>
  route.oif === oif && route.metric === 1024 && route.protocol === protocol && route.type === 'unicast';
