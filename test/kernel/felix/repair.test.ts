/**
 * What somebody else changes is put right, because the kernel tells of it - and where it does not tell, at the next
 * refresh. Objects that are not ours stay as somebody else left them.
 */
import t from 'tap';
import {FelixRig} from '../../helpers/felix-rig.ts';
import {addVeth, BASE, endpoint, endpointId, makeHost, remoteNode} from './support/host.ts';
import type {TestNamespace} from './support/namespace.ts';

const NEVER = {routeRefreshMs: 0, interfaceRefreshMs: 0};

/** Everything of ours that a line of `ip` or `bridge` can show, without what changes by itself. */
function picture(host: TestNamespace): string {
  const strip = (text: string) => text.replace(/ (linkdown|pref medium)/g, '').trimEnd();
  const lines = [
    ...host.ip('-4 route show').split('\n'),
    ...host.ip('-6 route show').split('\n'),
    ...host.ip('neigh show nud permanent').split('\n'),
    ...host
      .exec('bridge', 'fdb', 'show')
      .split('\n')
      .filter((line) => line.includes('.calico')),
    ...host
      .ip('-o addr show')
      .split('\n')
      .filter((line) => line.includes('.calico')),
    ...host.ip('-o -d link show type vxlan').split('\n'),
  ];
  return lines
    .map(strip)
    .filter((line) => line !== '' && !line.includes('fe80'))
    .map((line) => line.replace(/^\d+: /, ''))
    .sort()
    .join('\n');
}

const TAMPERING: readonly {readonly what: string; readonly tamper: (host: TestNamespace) => unknown}[] = [
  {what: 'an IPv4 workload route deleted', tamper: (host) => host.ip('route del 10.244.0.1')},
  {what: 'an IPv6 workload route deleted', tamper: (host) => host.ip('-6 route del fd00:244::1')},
  {what: 'a workload route led elsewhere', tamper: (host) => host.ip('route replace 10.244.0.1 dev eth0 metric 1024')},
  {what: 'a tunnel route deleted', tamper: (host) => host.ip('route del 10.128.2.0/26')},
  {what: 'an IPv6 tunnel route deleted', tamper: (host) => host.ip('-6 route del fd00:244:2::/122')},
  {what: 'a blackhole deleted', tamper: (host) => host.ip('route del blackhole 10.244.0.0/26')},
  {what: 'a route of ours that nobody wants', tamper: (host) => host.ip('route add blackhole 10.99.0.0/16 proto 80')},
  {what: 'a foreign route on the tunnel', tamper: (host) => host.ip('route add 10.98.0.0/16 dev vxlan.calico')},
  {what: 'a foreign route on a workload', tamper: (host) => host.ip('-6 route add fd00:98::/64 dev cali1')},
  {what: 'a neighbour deleted', tamper: (host) => host.ip('neigh del 10.244.0.1 dev cali1')},
  {
    what: 'a neighbour changed',
    tamper: (host) => host.ip('neigh replace 10.244.0.1 dev cali1 lladdr 02:00:00:00:00:99 nud permanent'),
  },
  {what: 'a neighbour of the tunnel deleted', tamper: (host) => host.ip('neigh del 10.128.2.0 dev vxlan.calico')},
  {
    what: 'a forwarding entry deleted',
    tamper: (host) => host.exec('bridge', 'fdb', 'del', '66:00:00:04:00:02', 'dev', 'vxlan.calico', 'self'),
  },
  {
    what: 'a forwarding entry for somebody',
    tamper: (host) =>
      host.exec('bridge', 'fdb', 'add', '66:00:00:00:99:99', 'dev', 'vxlan.calico', 'dst', '10.0.0.9', 'self'),
  },
  {what: 'the tunnel address deleted', tamper: (host) => host.ip('addr del 10.244.0.0/32 dev vxlan.calico')},
  {what: 'a second tunnel address', tamper: (host) => host.ip('addr add 10.77.0.1/32 dev vxlan.calico')},
  {what: 'the MTU of the tunnel changed', tamper: (host) => host.ip('link set vxlan.calico mtu 1300')},
  {what: 'the tunnel set down', tamper: (host) => host.ip('link set vxlan.calico down')},
  {what: 'the IPv6 tunnel set down', tamper: (host) => host.ip('link set vxlan-v6.calico down')},
  {what: 'the tunnel deleted', tamper: (host) => host.ip('link del vxlan.calico')},
  {what: 'the IPv6 tunnel deleted', tamper: (host) => host.ip('link del vxlan-v6.calico')},
  {
    what: 'a workload interface set down: its routes go without a word',
    tamper: (host) => host.ip('link set cali1 down'),
  },
  {
    what: 'a workload interface made again under its name',
    tamper(host) {
      host.ip('link del cali1');
      addVeth(host, 1);
    },
  },
];

await t.test('what the kernel tells', async (t) => {
  const host = makeHost(t);
  for (const n of [1, 2]) addVeth(host, n);
  const rig = new FelixRig({netnsFd: host.fd, settings: NEVER});
  t.teardown(() => rig.close());
  rig.dataPlane.start();
  rig.accept(...BASE, ...remoteNode(2), ...remoteNode(3), endpoint(1), endpoint(2));
  await rig.run();
  const wanted = picture(host);
  t.match(wanted, /10\.128\.2\.0\/26 via 10\.128\.2\.0 dev vxlan\.calico/, 'the picture shows what it should');

  for (const {tamper, what} of TAMPERING) {
    tamper(host);
    await rig.runUntil(() => picture(host) === wanted);
    t.equal(picture(host), wanted, what);
  }

  for (const path of [
    'net/ipv4/conf/cali1/forwarding',
    'net/ipv4/conf/cali1/proxy_arp',
    'net/ipv6/conf/cali1/proxy_ndp',
  ]) {
    host.setSysctl(path, '0');
    await rig.runUntil(() => host.sysctl(path) === '1');
    t.equal(host.sysctl(path), '1', path);
  }
  host.setSysctl('net/ipv4/ip_forward', '0');
  await rig.runUntil(
    () => host.sysctl('net/ipv4/ip_forward') === '1' && host.sysctl('net/ipv4/conf/cali2/forwarding') === '1',
  );
  t.pass('forwarding of the host');
});

await t.test('what the kernel does not tell is put right at the refresh', async (t) => {
  const host = makeHost(t);
  addVeth(host, 1);
  const rig = new FelixRig({netnsFd: host.fd, settings: {routeRefreshMs: 0, interfaceRefreshMs: 20}});
  t.teardown(() => rig.close());
  rig.dataPlane.start();
  rig.accept(...BASE, endpoint(1));
  await rig.run();
  for (const [path, wrong, right] of [
    ['net/ipv4/conf/cali1/route_localnet', '0', '1'],
    ['net/ipv4/neigh/cali1/proxy_delay', '80', '0'],
    ['net/ipv6/conf/cali1/accept_ra', '1', '0'],
  ] as const) {
    host.setSysctl(path, wrong);
    await rig.runUntil(() => host.sysctl(path) === right);
    t.equal(host.sysctl(path), right, path);
  }
});

await t.test('the host changes: in place', async (t) => {
  const host = makeHost(t);
  addVeth(host, 1);
  const rig = new FelixRig({netnsFd: host.fd, settings: NEVER});
  t.teardown(() => rig.close());
  rig.dataPlane.start();
  rig.accept(...BASE, ...remoteNode(2), endpoint(1));
  await rig.run();

  host.ip('link set eth0 mtu 1400');
  await rig.runUntil(() => host.ip('route show').includes('onlink mtu 1350'));
  t.match(host.ip('link show vxlan.calico'), /mtu 1350/, 'a smaller uplink makes the tunnel smaller');
  t.match(host.ip('link show vxlan-v6.calico'), /mtu 1330/);

  host.ip('link add eth1 type veth peer name wire1');
  host.ip('link set eth1 up');
  host.ip('addr del 10.95.1.11/24 dev eth0');
  host.ip('addr add 10.95.1.11/24 dev eth1');
  await rig.runUntil(() => host.ip('-d link show vxlan.calico').includes('dev eth1'));
  t.match(
    host.ip('route show'),
    /10\.128\.2\.0\/26 via 10\.128\.2\.0 dev vxlan\.calico/,
    'and the routes are there again',
  );
});

await t.test('an interface that comes later, and one that goes', async (t) => {
  const host = makeHost(t);
  const rig = new FelixRig({netnsFd: host.fd, settings: NEVER});
  t.teardown(() => rig.close());
  rig.dataPlane.start();
  rig.accept(...BASE, endpoint(1));
  t.equal(await rig.run(), 'done', 'a missing interface is no failure');
  t.match(rig.dataPlane.statuses.get(endpointId(1)), {state: 'down', reason: 'interface cali1 is not there'});

  addVeth(host, 1);
  await rig.runUntil(() => rig.dataPlane.statuses.get(endpointId(1))?.state === 'up');
  t.match(host.ip('route show'), /10\.244\.0\.1 dev cali1/);

  host.ip('link del cali1');
  await rig.runUntil(() => rig.dataPlane.statuses.get(endpointId(1))?.state === 'down');
  t.equal(rig.lastRun?.failures, 0, 'an interface that goes is no failure');
});

await t.test('what is foreign stays', async (t) => {
  const host = makeHost(t);
  addVeth(host, 1);
  host.ip('link add vxlan.mine type vxlan id 9 dstport 4789 local 10.95.1.11 dev eth0');
  host.ip('link set vxlan.mine up');
  host.ip('route add 10.1.0.0/16 via 10.95.1.254 dev eth0 proto bird');
  host.ip('route add blackhole 10.2.0.0/16');
  host.ip('-6 route add blackhole fd00:2::/64');
  host.ip('neigh add 10.95.1.9 lladdr 02:00:00:00:00:09 dev eth0 nud permanent');
  const foreign = () => [
    host
      .ip('route show')
      .split('\n')
      .filter((line) => /^(10\.1\.|blackhole 10\.2\.|10\.95)/.test(line)),
    host
      .ip('-6 route show')
      .split('\n')
      .filter((line) => line.includes('fd00:2::')),
    host.ip('neigh show dev eth0 nud permanent'),
    host.ip('-d link show vxlan.mine'),
  ];
  const before = foreign();
  const rig = new FelixRig({netnsFd: host.fd, settings: NEVER});
  t.teardown(() => rig.close());
  rig.accept(...BASE, ...remoteNode(2), endpoint(1));
  await rig.run();
  t.same(foreign(), before);
  rig.accept({kind: 'encapsulation', value: {ipip: false, vxlan: false, vxlanV6: false}});
  await rig.run();
  t.notMatch(host.ip('link show'), /vxlan\.calico/, 'our own device is gone when no pool wants it');
  t.same(foreign(), before);
});
