/**
 * What every netlink driver has to do, on a real kernel and on the fake one: the same tests, so that neither the drivers
 * nor the fake believe something that the kernel does not.
 *
 * "Somebody else" is a second socket that nothing goes wrong with.
 */
import type {Test} from 'tap';
import {
  type AddressEntry,
  addressKey,
  type FdbEntry,
  fdbKey,
  type InterfaceEntry,
  interfaceKey,
  type LinkEntry,
  linkKey,
  MAIN_TABLE,
  type NeighbourEntry,
  neighbourKey,
  type RouteEntry,
  routeKey,
} from '../../src/felix/dataplane/entries.ts';
import {HostLinks} from '../../src/felix/dataplane/host-links.ts';
import {workloadSysctls} from '../../src/felix/dataplane/render-workload.ts';
import {AddressDriver} from '../../src/felix/drivers/addresses/address-driver.ts';
import {FdbDriver} from '../../src/felix/drivers/fdb/fdb-driver.ts';
import {TunnelDriver} from '../../src/felix/drivers/links/tunnel-driver.ts';
import {NeighbourDriver} from '../../src/felix/drivers/neighbours/neighbour-driver.ts';
import {RouteDriver} from '../../src/felix/drivers/routes/route-driver.ts';
import type {Ownership} from '../../src/felix/drivers/shared/ownership.ts';
import {hostLink} from '../../src/felix/drivers/shared/seen-link.ts';
import {InterfaceDriver} from '../../src/felix/drivers/workload-interfaces/interface-driver.ts';
import {systemClock} from '../../src/lib/clock.ts';
import type {Driver} from '../../src/lib/driver.ts';
import {hasCode} from '../../src/lib/errors.ts';
import {Reconciler} from '../../src/lib/reconciler.ts';
import type {Addon} from '../../src/native/addon.ts';
import {deleteAddresses, dumpAddresses, replaceAddresses} from '../../src/netlink/addresses.ts';
import {deleteFdb, dumpFdb, replaceFdb} from '../../src/netlink/fdb.ts';
import type {Outcome} from '../../src/netlink/kernel-answer.ts';
import {changeLinks, createVeth, createVxlan, deleteLinks, dumpLinks, getLink} from '../../src/netlink/links.ts';
import {dumpNeighbours, replaceNeighbours} from '../../src/netlink/neighbours.ts';
import {RouteSocket} from '../../src/netlink/route-socket.ts';
import {deleteRoutes, dumpRoutes, replaceRoutes} from '../../src/netlink/routes.ts';
import {Sysctls} from '../../src/netlink/sysctls.ts';
import {FaultyAddon} from './faulty-addon.ts';

type KernelAddon = Pick<Addon, 'openNetlink' | 'readSysctls' | 'writeSysctls'>;

/** A kernel with a loopback link and nothing else. */
export interface ContractKernel {
  readonly addon: KernelAddon;
  readonly netnsFd?: number;
}

export type MakeKernel = (t: Test) => ContractKernel;

interface Bench {
  readonly faults: FaultyAddon;
  /** What the driver under test uses. */
  readonly socket: RouteSocket;
  readonly sysctls: Sysctls;
  /** What somebody else uses. */
  readonly other: RouteSocket;
  readonly otherSysctls: Sysctls;
  readonly ownership: Ownership;
  readonly links: HostLinks;
  /** Index of a link. */
  readonly indexOf: (name: string) => Promise<number>;
}

interface DriverCase<K extends string, V> {
  readonly name: string;
  readonly make: (bench: Bench) => Driver<K, V>;
  /** Links and objects of others that the entries need. */
  prepare(bench: Bench): Promise<void>;
  readonly keyOf: (entry: V) => K;
  /** At least three, of both families where the kind has them. */
  readonly entries: readonly V[];
  /** Other values for the first key, each of which somebody's change could have made. Empty where a key is all there is. */
  readonly variants: readonly V[];
  /** An entry that the kernel refuses, with a key of its own; undefined where there is none. */
  readonly refused: V | undefined;
  /** Takes the object of the first entry away; undefined where others cannot. */
  remove(bench: Bench): Promise<unknown>;
  /** Makes an object that is ours by its looks and that nobody wants; undefined where that cannot be. */
  readonly leaveBehind: ((bench: Bench) => Promise<unknown>) | undefined;
  /** A picture of objects that are nobody's business of ours. */
  foreign(bench: Bench): Promise<unknown>;
}

const NODE_MAC = '66:00:00:00:00:01';

export async function testDriverContract(t: Test, makeKernel: MakeKernel): Promise<void> {
  await testCase(t, makeKernel, ROUTES_4);
  await testCase(t, makeKernel, ROUTES_6);
  await testCase(t, makeKernel, NEIGHBOURS);
  await testCase(t, makeKernel, FDB);
  await testCase(t, makeKernel, ADDRESSES);
  await testCase(t, makeKernel, TUNNELS);
  await testCase(t, makeKernel, INTERFACES);
}

async function testCase<K extends string, V>(
  t: Test,
  makeKernel: MakeKernel,
  driverCase: DriverCase<K, V>,
): Promise<void> {
  const {keyOf, make} = driverCase;
  const signal = new AbortController().signal;

  const open = async (t: Test) => {
    const bench = openBench(t, makeKernel(t));
    await driverCase.prepare(bench);
    bench.links.replaceAll({links: (await dumpLinks(bench.other)).map(hostLink), addresses: []});
    const start = () => new Reconciler({driver: make(bench)}, {clock: systemClock});
    return {bench, start};
  };
  const want = (reconciler: Reconciler<K, V>, entries: readonly V[]) =>
    reconciler.tracker.replaceDesired(entries.map((entry) => [keyOf(entry), entry] as const));
  const firstEntry = driverCase.entries[0];
  if (firstEntry === undefined) throw new Error('a case needs entries');

  /** A fresh driver sees exactly these, and finds nothing to write. */
  const isSettled = async (t: Test, bench: Bench, entries: readonly V[], what: string) => {
    const fresh = new Reconciler({driver: make(bench)}, {clock: systemClock});
    want(fresh, entries);
    const writes = bench.faults.netlinkWrites + bench.faults.sysctlWrites;
    const failed = await fresh.reconcile(signal);
    t.equal(failed.size, 0, `${what}: nothing fails`);
    t.equal(bench.faults.netlinkWrites + bench.faults.sysctlWrites, writes, `${what}: nothing is left to write`);
    t.same([...fresh.tracker.actual.keys()].sort(), entries.map(keyOf).sort(), `${what}: exactly what is wanted`);
  };

  await t.test(driverCase.name, async (t) => {
    await t.test('writes what is wanted, and nothing the second time', async (t) => {
      const {bench, start} = await open(t);
      const foreign = await driverCase.foreign(bench);
      const reconciler = start();
      want(reconciler, driverCase.entries);
      t.equal((await reconciler.reconcile(signal)).size, 0, 'nothing fails');
      await isSettled(t, bench, driverCase.entries, 'written');
      t.same(await driverCase.foreign(bench), foreign, 'what is foreign stays');
    });

    await t.test('changes and removes', async (t) => {
      const {bench, start} = await open(t);
      const reconciler = start();
      want(reconciler, driverCase.entries);
      await reconciler.reconcile(signal);
      for (const variant of driverCase.variants) {
        want(reconciler, [variant, ...driverCase.entries.slice(1)]);
        t.equal((await reconciler.reconcile(signal)).size, 0, 'the change is taken');
        await isSettled(t, bench, [variant, ...driverCase.entries.slice(1)], 'changed');
      }
      want(reconciler, [firstEntry]);
      await reconciler.reconcile(signal);
      await isSettled(t, bench, [firstEntry], 'removed');
    });

    await t.test('somebody else changed it', async (t) => {
      const {bench, start} = await open(t);
      const foreign = await driverCase.foreign(bench);
      const reconciler = start();
      want(reconciler, driverCase.entries);
      await reconciler.reconcile(signal);
      await driverCase.remove(bench);
      await driverCase.leaveBehind?.(bench);
      reconciler.invalidate();
      t.equal((await reconciler.reconcile(signal)).size, 0, 'repaired');
      await isSettled(t, bench, driverCase.entries, 'repaired');
      t.same(await driverCase.foreign(bench), foreign, 'what is foreign stays');
      // The other way round: a driver that believes what is no longer so.
      await driverCase.remove(bench);
      want(reconciler, []);
      t.equal((await reconciler.reconcile(signal)).size, 0, 'removing what is gone is no failure');
    });

    for (const fault of ['fails', 'halfway', 'unknown'] as const)
      await t.test(`a write ${fault}`, async (t) => {
        const {bench, start} = await open(t);
        const reconciler = start();
        want(reconciler, driverCase.entries);
        bench.faults.breakNext(fault);
        const outcome = await reconciler.reconcile(signal).then(
          (failed) => failed.size > 0,
          (error: unknown) => hasCode(error, 'E_NETLINK') || hasCode(error, 'E_NETLINK_OVERRUN'),
        );
        t.ok(outcome, 'and is said to have failed');
        t.ok(reconciler.isPending, 'something is left');
        t.equal((await reconciler.reconcile(signal)).size, 0, 'the next round brings it about');
        await isSettled(t, bench, driverCase.entries, 'after the fault');
      });

    await t.test('killed here, started again with other wishes', async (t) => {
      const {bench, start} = await open(t);
      const foreign = await driverCase.foreign(bench);
      const killed = start();
      want(killed, driverCase.entries);
      bench.faults.breakNext('halfway');
      await killed.reconcile(signal).catch(() => undefined);
      const again = start();
      want(again, [firstEntry]);
      t.equal((await again.reconcile(signal)).size, 0, 'nothing fails');
      await isSettled(t, bench, [firstEntry], 'restarted');
      t.same(await driverCase.foreign(bench), foreign, 'what is foreign stays');
    });

    if (driverCase.refused !== undefined) {
      const {refused} = driverCase;
      await t.test('the kernel refuses one of several', async (t) => {
        const {bench, start} = await open(t);
        const reconciler = start();
        want(reconciler, [refused, ...driverCase.entries]);
        const failed = await reconciler.reconcile(signal);
        t.same([...failed.keys()], [keyOf(refused)], 'that one fails');
        t.ok(hasCode(failed.get(keyOf(refused)), 'E_NETLINK') || hasCode(failed.get(keyOf(refused)), 'E_SYSCTL'));
        want(reconciler, driverCase.entries);
        await isSettled(t, bench, driverCase.entries, 'the others are written');
      });
    }
  });
}

function openBench(t: Test, {addon, netnsFd}: ContractKernel): Bench {
  const faults = new FaultyAddon(addon);
  const socket = new RouteSocket({netnsFd}, {addon: faults});
  const other = new RouteSocket({netnsFd}, {addon});
  t.teardown(() => {
    socket.close();
    other.close();
  });
  return {
    faults,
    socket,
    sysctls: new Sysctls({netnsFd}, {addon: faults}),
    other,
    otherSysctls: new Sysctls({netnsFd}, {addon}),
    links: new HostLinks(),
    ownership: {
      isWorkloadInterface: (link) => link.startsWith('cali'),
      isClaimed: () => true,
      hostSettings: () => [],
      deviceRouteProtocols: () => new Set([3]),
      removesExternalRoutes: () => true,
      holdsBack: () => false,
    },
    async indexOf(name) {
      const link = await getLink(other, {name});
      if (link === undefined) throw new Error(`no link ${name}`);
      return link.index;
    },
  };
}

/** A host with an uplink (eth0 with addresses of both families) and the host side of two workloads' veths. */
async function prepareHost({other, indexOf}: Bench): Promise<void> {
  await createVeth(other, {name: 'eth0', up: true, peer: {name: 'wire0'}});
  await createVeth(other, {name: 'eth1', up: true, peer: {name: 'wire1'}});
  await createVeth(other, {name: 'calia1', up: true, peer: {name: 'pod1'}});
  await createVeth(other, {name: 'calia2', up: true, peer: {name: 'pod2'}});
  await createVeth(other, {name: 'calidown', peer: {name: 'pod3'}});
  const index = await indexOf('eth0');
  must(
    await replaceAddresses(other, [
      {index, ip: '10.95.1.11', prefixLength: 24},
      {index, ip: 'fd00:95:1::11', prefixLength: 64, nodad: true},
    ]),
  );
}

async function prepareTunnels(bench: Bench): Promise<void> {
  await prepareHost(bench);
  const parentIndex = await bench.indexOf('eth0');
  const common = {id: 4096, port: 4789, parentIndex, learning: false, up: true};
  await createVxlan(bench.other, {...common, name: 'vxlan.calico', local: '10.95.1.11', mac: NODE_MAC});
  await createVxlan(bench.other, {...common, name: 'vxlan-v6.calico', local: 'fd00:95:1::11', mac: NODE_MAC});
  await createVxlan(bench.other, {...common, name: 'vxlan.other', id: 7, local: '10.95.1.11', mac: NODE_MAC});
}

function must(outcomes: readonly Outcome[]): void {
  for (const outcome of outcomes) if (!outcome.ok) throw new Error(`somebody else was refused: ${outcome.name}`);
}

const base = {family: 4, table: MAIN_TABLE, metric: 0, type: 'unicast', scope: 'global', isOnlink: false} as const;
const workload = {...base, metric: 1024, scope: 'link', protocol: 3, link: 'calia1'} as const;
const base6 = {...base, family: 6, metric: 1024} as const;

/** Routes that look like ours in nothing. */
const foreignRoutes = async ({other}: Bench): Promise<unknown> => {
  const routes = [...(await dumpRoutes(other, {family: 4})), ...(await dumpRoutes(other, {family: 6}))];
  return routes
    .filter(({dst, protocol}) => protocol === 42 || dst.startsWith('192.0.2.') || dst.startsWith('2001:db8:'))
    .map(({dst, metric, oif, protocol}) => `${dst} ${metric} ${oif} ${protocol}`)
    .sort();
};

async function prepareRoutes(bench: Bench): Promise<void> {
  await prepareTunnels(bench);
  const oif = await bench.indexOf('eth0');
  must(
    await replaceRoutes(bench.other, [
      {dst: '192.0.2.0/24', oif, metric: 7},
      {dst: '10.244.166.129/32', oif, protocol: 42, metric: 5000},
      {dst: '2001:db8:1::/64', oif, metric: 7},
      {dst: 'fd00:10:244::1/128', oif, protocol: 42, metric: 5000},
    ]),
  );
}

const ROUTES_4: DriverCase<ReturnType<typeof routeKey>, RouteEntry> = {
  name: 'IPv4 routes',
  make: ({links, ownership, socket}) => new RouteDriver({family: 4}, {links, ownership, socket, clock: systemClock}),
  prepare: prepareRoutes,
  keyOf: routeKey,
  entries: [
    {...workload, destination: '10.244.166.129/32'},
    {...workload, destination: '10.244.166.130/32', link: 'calia2'},
    {...base, destination: '10.244.166.128/26', type: 'blackhole', protocol: 80},
    {
      ...base,
      destination: '10.244.104.0/26',
      protocol: 3,
      link: 'vxlan.calico',
      gateway: '10.244.104.0',
      isOnlink: true,
      mtu: 1450,
    },
    {...base, destination: '10.244.135.0/26', protocol: 80, link: 'eth0', gateway: '10.95.1.12', isOnlink: true},
    {...base, destination: '10.245.1.7/32', protocol: 3, link: 'vxlan.calico', scope: 'link', mtu: 1450},
  ],
  variants: [
    {...workload, destination: '10.244.166.129/32', link: 'calia2'},
    {...workload, destination: '10.244.166.129/32', protocol: 80},
    {...workload, destination: '10.244.166.129/32', source: '10.95.1.11'},
    {...workload, destination: '10.244.166.129/32', mtu: 1400},
  ],
  refused: {...workload, destination: '10.244.166.140/32', link: 'calidown'},
  remove: async ({other}) => must(await deleteRoutes(other, [{dst: '10.244.166.129/32', metric: 1024}])),
  leaveBehind: async ({other, indexOf}) =>
    must(
      await replaceRoutes(other, [
        {dst: '10.244.99.1/32', oif: await indexOf('calia1')},
        {dst: '10.244.98.0/26', type: 'blackhole', protocol: 80},
        {dst: '10.244.97.0/26', oif: await indexOf('vxlan.calico')},
        {dst: '10.244.166.130/32', oif: await indexOf('eth0'), metric: 1024, protocol: 80},
      ]),
    ),
  foreign: foreignRoutes,
};

const ROUTES_6: DriverCase<ReturnType<typeof routeKey>, RouteEntry> = {
  name: 'IPv6 routes',
  make: ({links, ownership, socket}) => new RouteDriver({family: 6}, {links, ownership, socket, clock: systemClock}),
  prepare: prepareRoutes,
  keyOf: routeKey,
  entries: [
    {...base6, destination: 'fd00:10:244::1/128', protocol: 3, link: 'calia1'},
    {...base6, destination: 'fd00:10:244::2/128', protocol: 3, link: 'calia2'},
    {...base6, destination: 'fd00:10:244::/122', type: 'blackhole', protocol: 80},
    {
      ...base6,
      destination: 'fd00:10:244:1::/122',
      protocol: 3,
      link: 'vxlan-v6.calico',
      gateway: 'fd00:10:244:1::',
      isOnlink: true,
      mtu: 1430,
    },
    {
      ...base6,
      destination: 'fd00:10:244:2::/122',
      protocol: 80,
      link: 'eth0',
      gateway: 'fd00:95:1::12',
      isOnlink: true,
    },
    {...base6, destination: 'fd00:10:245::7/128', protocol: 3, link: 'vxlan-v6.calico', mtu: 1430},
  ],
  variants: [
    {...base6, destination: 'fd00:10:244::1/128', protocol: 3, link: 'calia2'},
    {...base6, destination: 'fd00:10:244::1/128', protocol: 80, link: 'calia1'},
    {...base6, destination: 'fd00:10:244::1/128', type: 'blackhole', protocol: 80},
    {...base6, destination: 'fd00:10:244::1/128', protocol: 80, link: 'eth0', gateway: 'fd00:95:1::12', isOnlink: true},
  ],
  refused: {...base6, destination: 'fd00:10:244::9/128', protocol: 3, link: 'calidown'},
  remove: async ({other}) => must(await deleteRoutes(other, [{dst: 'fd00:10:244::1/128', metric: 1024}])),
  leaveBehind: async ({other, indexOf}) =>
    must(
      await replaceRoutes(other, [
        {dst: 'fd00:10:244::99/128', oif: await indexOf('calia1')},
        {dst: 'fd00:10:244:98::/122', type: 'blackhole', protocol: 80},
        {dst: 'fd00:10:244:97::/122', oif: await indexOf('vxlan-v6.calico')},
      ]),
    ),
  foreign: foreignRoutes,
};

const NEIGHBOURS: DriverCase<ReturnType<typeof neighbourKey>, NeighbourEntry> = {
  name: 'neighbours',
  make: ({links, ownership, socket}) => new NeighbourDriver({links, ownership, socket, clock: systemClock}),
  async prepare(bench) {
    await prepareTunnels(bench);
    must(
      await replaceNeighbours(bench.other, [
        {index: await bench.indexOf('eth0'), ip: '10.95.1.12', mac: '02:00:00:00:00:99'},
        {index: await bench.indexOf('calia1'), ip: 'fd00:10:244::55', mac: '02:00:00:00:00:99'},
      ]),
    );
  },
  keyOf: neighbourKey,
  entries: [
    {link: 'calia1', ip: '10.244.166.129', mac: 'de:fa:88:e9:20:55'},
    {link: 'calia2', ip: '10.244.166.130', mac: 'ce:ac:52:7f:72:c0'},
    {link: 'vxlan.calico', ip: '10.244.104.0', mac: '66:2d:bf:44:a6:8b'},
    {link: 'vxlan-v6.calico', ip: 'fd00:10:244:1::', mac: '66:32:42:ed:de:d5'},
  ],
  variants: [{link: 'calia1', ip: '10.244.166.129', mac: 'de:fa:88:e9:20:56'}],
  refused: {link: 'caligone', ip: '10.244.166.140', mac: 'de:fa:88:e9:20:57'},
  remove: async (bench) => {
    const index = await bench.indexOf('calia1');
    // Set down and up again: the link forgets its neighbours.
    must(await changeLinks(bench.other, [{index, up: false}]));
    must(await changeLinks(bench.other, [{index, up: true}]));
    const left = await dumpNeighbours(bench.other, {family: 4, index});
    if (left.length > 0) throw new Error('the link has not forgotten its neighbours');
    must(await replaceNeighbours(bench.other, [{index, ip: 'fd00:10:244::55', mac: '02:00:00:00:00:99'}]));
  },
  leaveBehind: async ({other, indexOf}) =>
    must(
      await replaceNeighbours(other, [
        {index: await indexOf('calia1'), ip: '10.244.166.177', mac: '02:00:00:00:00:77'},
        {index: await indexOf('vxlan.calico'), ip: '10.244.166.178', mac: '02:00:00:00:00:78'},
      ]),
    ),
  foreign: async ({other, indexOf}) => [
    (await dumpNeighbours(other, {family: 4, index: await indexOf('eth0')})).map(({ip, mac}) => `${ip} ${mac}`),
    (await dumpNeighbours(other, {family: 6, index: await indexOf('calia1')})).flatMap(({ip, mac, state}) =>
      state === 'permanent' ? [`${ip} ${mac}`] : [],
    ),
  ],
};

const FDB: DriverCase<ReturnType<typeof fdbKey>, FdbEntry> = {
  name: 'forwarding entries',
  make: ({links, socket}) => new FdbDriver({links, socket, clock: systemClock}),
  async prepare(bench) {
    await prepareTunnels(bench);
    must(
      await replaceFdb(bench.other, [
        {index: await bench.indexOf('vxlan.other'), mac: '02:00:00:00:00:99', dst: '10.95.1.99'},
      ]),
    );
  },
  keyOf: fdbKey,
  entries: [
    {link: 'vxlan.calico', mac: '66:2d:bf:44:a6:8b', destination: '10.95.1.12'},
    {link: 'vxlan.calico', mac: '66:a4:6f:e0:c4:da', destination: '10.95.2.13'},
    {link: 'vxlan-v6.calico', mac: '66:32:42:ed:de:d5', destination: 'fd00:95:1::12'},
  ],
  variants: [{link: 'vxlan.calico', mac: '66:2d:bf:44:a6:8b', destination: '10.95.1.112'}],
  refused: undefined,
  remove: async ({other, indexOf}) =>
    must(await deleteFdb(other, [{index: await indexOf('vxlan.calico'), mac: '66:2d:bf:44:a6:8b'}])),
  leaveBehind: async ({other, indexOf}) =>
    must(
      await replaceFdb(other, [
        {index: await indexOf('vxlan.calico'), mac: '02:00:00:00:00:77', dst: '10.95.1.77'},
        {index: await indexOf('vxlan.calico'), mac: '66:a4:6f:e0:c4:da', dst: '10.95.1.66'},
      ]),
    ),
  foreign: async ({other, indexOf}) =>
    (await dumpFdb(other, {index: await indexOf('vxlan.other')})).map(({dst, mac}) => `${mac} ${dst}`),
};

const ADDRESSES: DriverCase<ReturnType<typeof addressKey>, AddressEntry> = {
  name: 'tunnel addresses',
  make: ({links, socket}) => new AddressDriver({links, socket, clock: systemClock}),
  prepare: prepareTunnels,
  keyOf: addressKey,
  entries: [
    {link: 'vxlan.calico', address: '10.244.166.128/32'},
    {link: 'vxlan.calico', address: '10.244.166.127/32'},
    {link: 'vxlan-v6.calico', address: 'fd00:10:244::/128'},
  ],
  variants: [],
  refused: undefined,
  remove: async ({other, indexOf}) => {
    const index = await indexOf('vxlan.calico');
    must(await deleteAddresses(other, [{index, ip: '10.244.166.128', prefixLength: 32}]));
  },
  leaveBehind: async ({other, indexOf}) =>
    must(
      await replaceAddresses(other, [
        {index: await indexOf('vxlan.calico'), ip: '10.244.1.1', prefixLength: 24},
        {index: await indexOf('vxlan-v6.calico'), ip: 'fd00:10:244::99', prefixLength: 128},
      ]),
    ),
  foreign: async ({other, indexOf}) =>
    (await dumpAddresses(other, {index: await indexOf('eth0'), family: 4})).map(({ip}) => ip),
};

const tunnel: LinkEntry = {
  name: 'vxlan.calico',
  vni: 4096,
  port: 4789,
  mac: '66:f9:37:c3:7e:94',
  parent: 'eth0',
  local: '10.95.1.11',
  mtu: 1450,
  isUp: true,
};
const tunnel6: LinkEntry = {
  ...tunnel,
  name: 'vxlan-v6.calico',
  mac: '66:0f:35:f2:60:df',
  local: 'fd00:95:1::11',
  mtu: 1430,
};

const TUNNELS: DriverCase<ReturnType<typeof linkKey>, LinkEntry> = {
  name: 'tunnel links',
  make: ({socket}) => new TunnelDriver({socket}),
  async prepare(bench) {
    await prepareHost(bench);
    const parentIndex = await bench.indexOf('eth0');
    await createVxlan(bench.other, {name: 'vxlan.other', id: 7, port: 4789, parentIndex, learning: true, up: true});
  },
  keyOf: linkKey,
  entries: [tunnel, tunnel6],
  variants: [
    {...tunnel, mtu: 1400},
    {...tunnel, vni: 4097},
    {...tunnel, port: 4790},
    {...tunnel, mac: '66:f9:37:c3:7e:95'},
    {...tunnel, local: '10.95.1.12'},
    {...tunnel, parent: 'eth1'},
  ],
  refused: undefined,
  remove: async ({other}) => must(await deleteLinks(other, ['vxlan.calico'])),
  leaveBehind: async (bench) => {
    const parentIndex = await bench.indexOf('eth0');
    const common = {name: 'vxlan.calico', id: 4096, port: 4789, local: '10.95.1.11', parentIndex, mac: tunnel.mac};
    // The right device in all but that it learns.
    await createVxlan(bench.other, {...common, mtu: 1450, learning: true, up: true});
  },
  foreign: async ({other}) => {
    const links = await dumpLinks(other);
    return links
      .filter(({name}) => !name.endsWith('.calico'))
      .map(({index, name, up}) => `${index} ${name} ${up}`)
      .sort();
  },
};

const interfaceEntry = (link: string, hasIpv6: boolean): InterfaceEntry => ({
  link,
  sysctls: workloadSysctls(link, {hasIpv4: true, hasIpv6}, {defaultRpFilter: '0'}),
  isUp: true,
});

const CLAIMED = ['calib1', 'calib2', 'calib3'];

const INTERFACES: DriverCase<ReturnType<typeof interfaceKey>, InterfaceEntry> = {
  name: 'workload interfaces',
  make: ({links, ownership, socket, sysctls}) =>
    new InterfaceDriver({
      links,
      ownership: {...ownership, isClaimed: (link) => CLAIMED.includes(link)},
      socket,
      sysctls,
      clock: systemClock,
    }),
  async prepare({other}) {
    for (const name of [...CLAIMED, 'calinobody', 'eth0'])
      await createVeth(other, {name, peer: {name: `p-${name}`.slice(0, 15)}});
  },
  keyOf: ({link}) => interfaceKey(link),
  entries: [interfaceEntry('calib1', true), interfaceEntry('calib2', false), interfaceEntry('calib3', true)],
  variants: [
    {
      ...interfaceEntry('calib1', true),
      sysctls: workloadSysctls('calib1', {hasIpv4: true, hasIpv6: true}, {defaultRpFilter: '1'}),
    },
  ],
  refused: interfaceEntry('caligone', false),
  remove: async ({other, otherSysctls, indexOf}) => {
    must(await changeLinks(other, [{index: await indexOf('calib1'), up: false}]));
    const failed = otherSysctls.write([
      {path: 'net/ipv4/conf/calib2/proxy_arp', value: '0'},
      {path: 'net/ipv6/conf/calib3/accept_ra', value: '1'},
    ]);
    if (failed.some((errno) => errno !== 0)) throw new Error('somebody else cannot write the settings');
  },
  leaveBehind: undefined,
  foreign: async ({other, otherSysctls}) => [
    (await dumpLinks(other)).filter(({name}) => !CLAIMED.includes(name)).map(({name, up}) => `${name} ${up}`),
    otherSysctls.read(['net/ipv4/conf/calinobody/proxy_arp', 'net/ipv4/conf/eth0/proxy_arp']),
  ],
};
