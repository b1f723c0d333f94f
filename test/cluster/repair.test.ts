/**
 * What somebody else changes on a node is put right by its agent: at once where the kernel tells of it (the refresh
 * timers of node1 are off, so nothing else can have done it), at the refresh where it does not (node2). Objects that are
 * not the agent's stay as somebody else left them.
 */
import t from 'tap';
import type {LabNode} from '../lab/lab-node.ts';
import type {LabPod} from '../lab/lab-pod.ts';
import {Cluster, POOL4, POOL6, THREE_NODES} from './support/cluster.ts';
import {eventually} from './support/eventually.ts';
import {kernelPicture, pictured} from './support/kernel-picture.ts';
import {addPod, unreachable} from './support/pods.ts';

const NEVER = {FELIX_ROUTEREFRESHINTERVAL: '0', FELIX_INTERFACEREFRESHINTERVAL: '0'};
const EVERY_SECOND = {FELIX_ROUTEREFRESHINTERVAL: '1', FELIX_INTERFACEREFRESHINTERVAL: '1'};

const cluster = await Cluster.start(t, {nodes: THREE_NODES, pools: [POOL4, POOL6], environment: NEVER});
const node = cluster.node('node1');
const refreshing = cluster.node('node2');
await refreshing.stopAgent();
cluster.startAgent(refreshing, EVERY_SECOND);
await refreshing.waitUntilReady();

const POOLS = {ipv4: [POOL4.cidr], ipv6: [POOL6.cidr]};
const web = await addPod(node, 'web', POOLS);
const db = await addPod(node, 'db', POOLS);
const peer = await addPod(refreshing, 'peer', POOLS);
const cache = await addPod(refreshing, 'cache', POOLS);
const far = await addPod(cluster.node('node3'), 'far', POOLS);

const wanted = await eventually('every other node is reachable', async () => {
  const lines = await kernelPicture(node);
  return lines.filter((line) => line.startsWith('fdb')).length === 4 && lines;
});

/** Text of the part of the picture's line that a pattern captures. */
function known(pattern: RegExp): string {
  for (const line of wanted) {
    const text = pattern.exec(line)?.[1];
    if (text !== undefined) return text;
  }
  throw new Error(`nothing in the picture is like ${pattern}:\n${wanted.join('\n')}`);
}

const tunnelRoute4 = known(/^route4 (\S+) .*dev vxlan\.calico/);
const plainRoute = known(/^route4 (\S+) via 10\.99\.1\.12 dev eth0/);
const blackhole4 = known(/^route4 blackhole (\S+)/);
const tunnelRoute6 = known(/^route6 (\S+) .*dev vxlan-v6\.calico/);
const blackhole6 = known(/^route6 blackhole (\S+)/);
const vtepMac = known(/^fdb vxlan\.calico (\S+)/);
const vtepMac6 = known(/^fdb vxlan-v6\.calico (\S+)/);
const tunnelNeighbour = known(/^neighbour (10\S+) dev vxlan\.calico/);
const tunnelNeighbour6 = known(/^neighbour (fd\S+) dev vxlan-v6\.calico/);
const webLink = hostInterfaceOf(web);
const tunnelAddress = known(/^address vxlan\.calico +inet (\S+)/);
const tunnelAddress6 = known(/^address vxlan-v6\.calico +inet6 (\S+)/);

const TAMPERING: readonly (readonly [what: string, command: string])[] = [
  ['a tunnel route deleted', `ip route del ${tunnelRoute4}`],
  ['a tunnel route led elsewhere', `ip route replace ${tunnelRoute4} via 10.99.1.254`],
  ['a plain route deleted', `ip route del ${plainRoute}`],
  ['a plain route through another node', `ip route replace ${plainRoute} via 10.99.1.77 dev eth0 proto 80 onlink`],
  ['a blackhole deleted', `ip route del blackhole ${blackhole4}`],
  ['an IPv6 tunnel route deleted', `ip -6 route del ${tunnelRoute6}`],
  ['an IPv6 blackhole deleted', `ip -6 route del blackhole ${blackhole6}`],
  ['a route of ours that nobody wants', 'ip route add 10.98.0.0/16 via 10.99.1.254 proto 80'],
  ['a route on the tunnel that nobody wants', 'ip route add 10.98.0.0/16 dev vxlan.calico'],
  ['the route of a pod deleted', `ip route del ${web.address(4)}`],
  ['the route of a pod led elsewhere', `ip route replace ${web.address(4)} dev eth0 metric 1024`],
  ['the IPv6 route of a pod deleted', `ip -6 route del ${web.address(6)}`],
  ['the neighbour of a pod deleted', `ip neigh del ${web.address(4)} dev ${webLink}`],
  [
    'the neighbour of a pod changed',
    `ip neigh replace ${web.address(4)} dev ${webLink} lladdr 02:00:00:00:00:96 nud permanent`,
  ],
  ['a route to a pod that nobody wants', `ip route add 10.98.0.1 dev ${webLink}`],
  ['the interface of a pod set down: its routes go without a word', `ip link set ${webLink} down`],
  ['the interface of a pod down and up', `ip link set ${webLink} down; ip link set ${webLink} up`],
  ['a neighbour deleted', `ip neigh del ${tunnelNeighbour} dev vxlan.calico`],
  [
    'a neighbour changed',
    `ip neigh replace ${tunnelNeighbour} dev vxlan.calico lladdr 02:00:00:00:00:99 nud permanent`,
  ],
  ['an IPv6 neighbour deleted', `ip neigh del ${tunnelNeighbour6} dev vxlan-v6.calico`],
  ['a forwarding entry deleted', `bridge fdb del ${vtepMac} dev vxlan.calico self`],
  ['a forwarding entry led elsewhere', `bridge fdb replace ${vtepMac} dev vxlan.calico dst 10.99.1.77 self permanent`],
  ['an IPv6 forwarding entry deleted', `bridge fdb del ${vtepMac6} dev vxlan-v6.calico self`],
  ['the tunnel address deleted', `ip addr del ${tunnelAddress} dev vxlan.calico`],
  ['the IPv6 tunnel address deleted', `ip addr del ${tunnelAddress6} dev vxlan-v6.calico`],
  ['a second tunnel address', 'ip addr add 10.77.0.1/32 dev vxlan.calico'],
  ['the MTU of the tunnel', 'ip link set vxlan.calico mtu 1300'],
  ['the MAC of the tunnel', 'ip link set vxlan.calico address 02:00:00:00:00:98'],
  ['the tunnel set down', 'ip link set vxlan.calico down'],
  ['the IPv6 tunnel set down', 'ip link set vxlan-v6.calico down'],
  ['the tunnel deleted', 'ip link del vxlan.calico'],
  ['the IPv6 tunnel deleted', 'ip link del vxlan-v6.calico'],
  [
    'the uplink down and up again',
    'ip link set eth0 down; ip link set eth0 up; ip -6 addr replace fd00:99:1::b/64 dev eth0 nodad; ' +
      'ip route replace default via 10.99.1.254; ip -6 route replace default via fd00:99:1::fe',
  ],
];

await t.test('what the kernel tells of', async (t) => {
  for (const [what, command] of TAMPERING) {
    await node.must(['sh', '-ec', command]);
    await isPictured(what);
    t.pass(what);
  }
  const settings = announced(webLink);
  await node.must(['sysctl', '-qw', 'net.ipv4.ip_forward=0', 'net.ipv6.conf.all.forwarding=0']);
  await settingsAre(node, settings);
  t.pass('forwarding, which the kernel takes from every interface too');
  for (const setting of settings.filter(({path}) => path.includes(webLink))) {
    await node.must(['sysctl', '-qw', `${setting.path}=${setting.value === '1' ? 0 : 1}`]);
    await settingsAre(node, [setting]);
    t.pass(setting.path);
  }
  t.same(await unreachable([web, db, peer, far]), [], 'packets after all that');
});

await t.test('several things at once, again and again', async (t) => {
  for (let round = 0; round < 5; round++) {
    await node.must([
      'sh',
      '-c',
      TAMPERING.slice(0, 26)
        .map(([, command]) => `${command} 2>&1`)
        .join('\n')
        .concat('\ntrue'),
    ]);
    await isPictured(`round ${round}`);
  }
  t.pass('as before');
});

await t.test('another tunnel under the name of ours', async (t) => {
  await whileFrozen(() =>
    node.must([
      'sh',
      '-ec',
      'ip link del vxlan.calico; ip link add vxlan.calico type vxlan id 77 dstport 4790 local 10.99.1.11 dev eth0; ' +
        'ip link set vxlan.calico up',
    ]),
  );
  await isPictured('our own tunnel');
  t.pass('it is replaced by ours, with all that hangs on it');
});

await t.test('more news than the agent can be told', async (t) => {
  const lines: string[] = [];
  for (let n = 0; n < 20_000; n++) lines.push(`route ${n % 2 === 0 ? 'add' : 'del'} blackhole 10.97.0.1 table 99`);
  await whileFrozen(async () => {
    await node.must(['ip', '-batch', '-'], {stdin: lines.join('\n')});
    await node.must(['ip', 'route', 'del', tunnelRoute4]);
    await node.must(['bridge', 'fdb', 'del', vtepMac, 'dev', 'vxlan.calico', 'self']);
  });
  await isPictured('what happened unseen');
  t.match(node.agentLog(), /kernel events were lost/, 'the agent knew that it had missed something');
});

await t.test('what the kernel does not tell of, at the refresh', async (t) => {
  const link = hostInterfaceOf(peer);
  const before = await kernelPicture(refreshing);
  for (const [path, wrong, right] of [
    [`net/ipv4/conf/${link}/route_localnet`, '0', '1'],
    [`net/ipv4/neigh/${link}/proxy_delay`, '80', '0'],
    [`net/ipv6/conf/${link}/accept_ra`, '1', '0'],
  ] as const) {
    await refreshing.must(['sysctl', '-qw', `${path}=${wrong}`]);
    await settingsAre(refreshing, [{path, value: right}]);
    t.pass(path);
  }
  t.same(await kernelPicture(refreshing), before);
  t.same(await unreachable([peer, cache, far]), []);
});

await t.test('a pod whose interface somebody deleted', async (t) => {
  const link = hostInterfaceOf(cache);
  await refreshing.must(['ip', 'link', 'del', link]);
  await eventually('nothing of it is left', async () => {
    const picture = (await kernelPicture(refreshing)).join('\n');
    return !picture.includes(link) && !picture.includes(`${cache.address(4)} `);
  });
  t.equal((await refreshing.httpGet(9099, '/readiness')).status, 200, 'an interface that goes is no failure');
  t.same(await unreachable([peer, far]), [], 'the others are not touched');
  await cache.remove();
  const again = await addPod(refreshing, 'cache', POOLS);
  t.same(await unreachable([peer, again, far]), [], 'a new sandbox has its network');
});

await t.test('what is foreign stays', async (t) => {
  const FOREIGN = [
    'ip link add vxlan.mine type vxlan id 9 dstport 4791 local 10.99.1.11 dev eth0',
    'ip link set vxlan.mine up',
    'bridge fdb add 02:00:00:00:00:97 dev vxlan.mine dst 10.99.1.250 self permanent',
    'ip addr add 10.66.0.1/24 dev vxlan.mine',
    'ip route add 10.1.0.0/16 via 10.99.1.254 dev eth0 proto bird',
    'ip route add blackhole 10.2.0.0/16',
    'ip -6 route add blackhole fd00:2::/64',
    'ip neigh add 10.99.1.9 lladdr 02:00:00:00:00:09 dev eth0 nud permanent',
    'ip rule add from 10.3.0.0/16 lookup 77',
    'ip route add 10.4.0.0/16 via 10.99.1.254 table 77 proto 80',
  ];
  const look =
    "ip -d link show vxlan.mine; bridge fdb show dev vxlan.mine; ip addr show vxlan.mine | sed 's/ tentative//'; ip rule; ip route show table 77; " +
    'ip route show 10.1.0.0/16; ip route show 10.2.0.0/16; ip -6 route show fd00:2::/64; ip neigh show nud permanent dev eth0';
  await node.must(['sh', '-ec', FOREIGN.join('\n')]);
  const before = await node.must(['sh', '-c', look]);
  await node.stopAgent();
  cluster.startAgent(node, EVERY_SECOND);
  await node.waitUntilReady();
  await node.must(['ip', 'route', 'del', tunnelRoute4]);
  await eventually(
    'a repair has been made',
    async () => (await pictured(node, new RegExp(`^route4 ${tunnelRoute4} `))).length > 0,
  );
  t.equal(await node.must(['sh', '-c', look]), before, 'also after a restart and a repair');
});

/** Does something while the agent does not run at all. */
async function whileFrozen(work: () => Promise<unknown>): Promise<void> {
  node.agent?.kill('SIGSTOP');
  try {
    await work();
  } finally {
    node.agent?.kill('SIGCONT');
  }
}

async function isPictured(what: string): Promise<void> {
  let last: readonly string[] = [];
  await eventually(
    `${what}: repaired`,
    async () => {
      last = await kernelPicture(node);
      return last.length === wanted.length && last.every((line, i) => line === wanted[i]);
    },
    () => [
      ...wanted.filter((line) => !last.includes(line)).map((line) => `- ${line}`),
      ...last.filter((line) => !wanted.includes(line)).map((line) => `+ ${line}`),
    ],
  );
}

interface Setting {
  readonly path: string;
  readonly value: string;
}

/** Settings whose change the kernel announces. */
function announced(link: string): readonly Setting[] {
  const paths = [
    'net/ipv4/ip_forward',
    'net/ipv6/conf/all/forwarding',
    `net/ipv4/conf/${link}/forwarding`,
    `net/ipv4/conf/${link}/proxy_arp`,
    `net/ipv6/conf/${link}/forwarding`,
    `net/ipv6/conf/${link}/proxy_ndp`,
  ];
  return paths.map((path) => ({path, value: '1'}));
}

async function settingsAre(where: LabNode, settings: readonly Setting[]): Promise<void> {
  const read = async () =>
    (await where.must(['cat', ...settings.map(({path}) => `/proc/sys/${path}`)])).trim().split('\n');
  await eventually(
    `${settings.map(({path}) => path).join(', ')} as before`,
    async () => (await read()).every((value, i) => value === settings[i]?.value),
    read,
  );
}

/** The host's side of a pod, as the runtime was told. */
function hostInterfaceOf({name, result}: LabPod): string {
  const link = result?.interfaces?.[0]?.name;
  if (link === undefined) throw new Error(`${name} has no interface on the host`);
  return link;
}
