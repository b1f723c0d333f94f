/**
 * The cluster changes while we run: pools edited, disabled and deleted, nodes added, renumbered and deleted, pods moved,
 * parameters changed. After every change the kernel is what a fresh start would make of the new content: a second data
 * plane on the same namespace finds nothing to change.
 */
import t, {type Test} from 'tap';
import {CalcGraph} from '../../../src/felix/calc/calc-graph.ts';
import {type DataPlaneSettings, DEFAULT_SETTINGS} from '../../../src/felix/dataplane/settings.ts';
import {silentLogger} from '../../../src/lib/log.ts';
import {addon} from '../../../src/native/addon.ts';
import {FelixRig} from '../../helpers/felix-rig.ts';
import {
  block,
  type Datastore,
  datastore,
  node,
  pool,
  ready,
  type Stored,
  workload,
} from '../../unit/felix/calc/cluster.ts';
import {addVeth, makeHost} from './support/host.ts';
import type {TestNamespace} from './support/namespace.ts';

const ALWAYS = {vxlanMode: 'Always'};
const NODE1 = node('node1', {ip: '10.95.1.11/24', ip6: 'fd00:95:1::11/64', vxlan: '10.244.0.0', vxlan6: 'fd00:244::'});
const NODE2 = node('node2', {
  ip: '10.95.1.12/24',
  ip6: 'fd00:95:1::12/64',
  vxlan: '10.244.2.0',
  vxlan6: 'fd00:244:2::',
});
const NODE3 = node('node3', {
  ip: '10.95.2.13/24',
  ip6: 'fd00:95:2::13/64',
  vxlan: '10.244.3.0',
  vxlan6: 'fd00:244:3::',
});
const START: readonly Stored[] = [
  ready(),
  pool('v4', '10.244.0.0/16', ALWAYS),
  pool('v6', 'fd00:244::/32', ALWAYS),
  pool('plain', '10.250.0.0/16'),
  NODE1,
  NODE2,
  block('10.244.0.0/26', 'node1', {1: 'node1', 5: 'node2'}),
  block('10.244.2.0/26', 'node2'),
  block('10.250.2.0/26', 'node2'),
  block('10.250.1.0/26', 'node1'),
  block('fd00:244::/122', 'node1'),
  block('fd00:244:2::/122', 'node2'),
  workload('node1', 'pod1', 'cali1', ['10.244.0.1/32', 'fd00:244::1/128'], {mac: '02:00:00:00:00:01'}),
];

const CHANGES: readonly {
  readonly what: string;
  readonly put?: readonly Stored[];
  readonly remove?: readonly string[];
  readonly settings?: Partial<DataPlaneSettings>;
  /** The route table of the family then. */
  readonly routes: readonly (RegExp | {readonly not: RegExp})[];
}[] = [
  {
    what: 'start',
    routes: [
      /10\.244\.2\.0\/26 via 10\.244\.2\.0 dev vxlan\.calico onlink mtu 1450/,
      /10\.244\.0\.5 via 10\.244\.2\.0 dev vxlan\.calico/,
      /fd00:244:2::\/122 via fd00:244:2:: dev vxlan-v6\.calico/,
      /blackhole 10\.244\.0\.0\/26 proto 80/,
      {not: /10\.250/},
    ],
  },
  {
    what: 'plain pools are ours to program',
    settings: {programsPlainRoutes: true},
    routes: [/10\.250\.2\.0\/26 via 10\.95\.1\.12 dev eth0 proto 80 onlink/, /blackhole 10\.250\.1\.0\/26 proto 80/],
  },
  {
    what: 'the pool becomes CrossSubnet',
    put: [pool('v4', '10.244.0.0/16', {vxlanMode: 'CrossSubnet'})],
    routes: [/10\.244\.2\.0\/26 via 10\.95\.1\.12 dev eth0 proto 80 onlink/],
  },
  {
    what: 'a node behind a router joins',
    put: [NODE3, block('10.244.3.0/26', 'node3'), block('fd00:244:3::/122', 'node3')],
    routes: [/10\.244\.3\.0\/26 via 10\.244\.3\.0 dev vxlan\.calico/, /fd00:244:3::\/122/],
  },
  {
    what: 'that node moves into our subnet',
    put: [node('node3', {ip: '10.95.1.13/24', ip6: 'fd00:95:1::13/64', vxlan: '10.244.3.0', vxlan6: 'fd00:244:3::'})],
    routes: [/10\.244\.3\.0\/26 via 10\.95\.1\.13 dev eth0/],
  },
  {
    what: 'its tunnel address changes',
    put: [node('node3', {ip: '10.95.2.13/24', ip6: 'fd00:95:1::13/64', vxlan: '10.244.3.9', vxlan6: 'fd00:244:3::9'})],
    routes: [/10\.244\.3\.0\/26 via 10\.244\.3\.9 dev vxlan\.calico/, /fd00:244:3::\/122 via fd00:244:3::9/],
  },
  {
    what: 'the pool is disabled: the workloads keep their network',
    put: [pool('v4', '10.244.0.0/16', {vxlanMode: 'CrossSubnet', disabled: true})],
    routes: [/10\.244\.3\.0\/26 via 10\.244\.3\.9 dev vxlan\.calico/],
  },
  {
    what: 'the node leaves',
    remove: [NODE3[0], block('10.244.3.0/26', 'node3')[0], block('fd00:244:3::/122', 'node3')[0]],
    routes: [{not: /10\.244\.3\./}, {not: /fd00:244:3:/}],
  },
  {
    what: 'the pod moves to the other node with its address',
    put: [block('10.244.0.0/26', 'node1', {1: 'node2', 5: 'node2'})],
    remove: [workload('node1', 'pod1', 'cali1', [])[0]],
    routes: [/10\.244\.0\.1 via 10\.95\.1\.12 dev eth0/, {not: /cali1/}],
  },
  {
    what: 'another pod comes, with IPv4 only',
    put: [workload('node1', 'pod2', 'cali2', ['10.244.0.2/32'], {mac: '02:00:00:00:00:02'})],
    routes: [/10\.244\.0\.2 dev cali2 scope link metric 1024/],
  },
  {
    what: 'it gets another address',
    put: [workload('node1', 'pod2', 'cali2', ['10.244.0.7/32', 'fd00:244::7/128'], {mac: '02:00:00:00:00:02'})],
    routes: [/10\.244\.0\.7 dev cali2/, /fd00:244::7 dev cali2/, {not: /10\.244\.0\.2 /}],
  },
  {
    what: 'routes get a protocol number of their own and a metric',
    settings: {programsPlainRoutes: true, deviceRouteProtocol: 61, workloadMetric: {4: 77, 6: 78}},
    routes: [/10\.244\.0\.7 dev cali2 proto 61 scope link metric 77/, /fd00:244::7 dev cali2 proto 61 metric 78/],
  },
  {
    what: 'and back, with another VNI and port',
    settings: {vxlanVni: 4100, vxlanPort: 4790},
    routes: [/10\.244\.0\.7 dev cali2 scope link metric 1024/, {not: /10\.250/}],
  },
  {what: 'IPv6 is switched off', settings: {isIpv6Enabled: false}, routes: [{not: /fd00:244/}]},
  {
    what: 'the IPv4 pool is deleted',
    remove: [pool('v4', '10.244.0.0/16')[0]],
    routes: [{not: /10\.244\.2\.0\/26/}, {not: /vxlan/}, /10\.244\.0\.7 dev cali2/],
  },
];

await t.test('a cluster that changes', async (t) => {
  const host = makeHost(t);
  for (const n of [1, 2]) addVeth(host, n);
  const calc = new CalcGraph({nodeName: 'node1'}, {log: silentLogger});
  const rig = new FelixRig({netnsFd: host.fd});
  t.teardown(() => rig.close());
  let content: Datastore = datastore(...START);
  let settings = DEFAULT_SETTINGS;
  send(calc, content);
  calc.onStatus('in-sync');
  rig.dataPlane.start();

  for (const {put = [], remove = [], routes, settings: change, what} of CHANGES) {
    content = new Map([...content, ...put]);
    for (const key of remove) content = new Map([...content].filter(([other]) => other !== key));
    calc.onUpdates([
      ...put.map(([key, value]) => ({key, value, revision: '2'})),
      ...remove.map((key) => ({key, value: undefined, revision: '2'})),
    ]);
    if (change !== undefined) {
      settings = {...DEFAULT_SETTINGS, ...change};
      rig.configure(settings);
    }
    rig.dataPlane.accept(calc.flush());
    t.equal(await rig.run(), 'done', `${what}: done`);
    const table = host.ip('-4 route show') + host.ip('-6 route show');
    for (const expected of routes)
      if ('not' in expected) t.notMatch(table, expected.not, what);
      else t.match(table, expected, what);
    await isAsFresh(t, host, content, settings, what);
  }
});

function send(calc: CalcGraph, content: Datastore): void {
  calc.onUpdates([...content].map(([key, value]) => ({key, value, revision: '1'})));
}

/** A start from nothing on this content finds nothing to change. */
async function isAsFresh(
  t: Test,
  host: TestNamespace,
  content: Datastore,
  settings: DataPlaneSettings,
  what: string,
): Promise<void> {
  const calc = new CalcGraph({nodeName: 'node1'}, {log: silentLogger});
  send(calc, content);
  calc.onStatus('in-sync');
  const fresh = new FelixRig({netnsFd: host.fd, settings});
  const before = addon().counters();
  fresh.dataPlane.accept(calc.flush());
  await fresh.run();
  fresh.close();
  t.same([...(fresh.lastRun?.changes.keys() ?? [])], [], `${what}: a fresh start finds nothing to change`);
  t.same(addon().counters(), before, `${what}: and writes nothing`);
}
