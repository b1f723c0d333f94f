/**
 * The data plane as a whole, with real drivers, on a fake kernel: what a real one does only under load or by chance, and
 * many random states in a row.
 */
import assert from 'node:assert/strict';
import {constants} from 'node:os';
import t from 'tap';
import type {Intent} from '../../../../src/felix/calc/intent.ts';
import {RTM} from '../../../../src/netlink/constants.ts';
import {FakeClock, settle} from '../../../helpers/fake-clock.ts';
import {FakeKernel} from '../../../helpers/fake-kernel/fake-kernel.ts';
import {FelixRig} from '../../../helpers/felix-rig.ts';
import {forAll, type Random} from '../../../helpers/random.ts';
import {BASE, endpoint, endpointId, remoteNode} from '../../../kernel/felix/support/host.ts';

const {ENOMEM} = constants.errno;

function makeKernel(pods: readonly number[] = [1, 2]): FakeKernel {
  const kernel = new FakeKernel();
  const {tables} = kernel;
  const veth = {mtu: 1500, type: 'veth', vxlan: undefined, group: 0};
  const eth0 = tables.createLink({...veth, name: 'eth0', mac: '02:00:00:00:00:01', up: true});
  tables.putAddress({index: eth0.index, family: 4, ip: '10.95.1.11', prefixLength: 24}, false);
  tables.putAddress({index: eth0.index, family: 6, ip: 'fd00:95:1::11', prefixLength: 64}, false);
  for (const n of pods) addPod(kernel, n);
  return kernel;
}

function addPod({tables}: FakeKernel, n: number): void {
  tables.createLink({
    name: `cali${n}`,
    mac: 'ee:ee:ee:ee:ee:ee',
    mtu: 1430,
    up: false,
    type: 'veth',
    vxlan: undefined,
    group: 0,
  });
}

const routesOf = ({tables}: FakeKernel): string[] =>
  [...tables.routes.values()]
    .map(({dst, oif, type}) => `${type} ${dst} ${tables.links.get(oif ?? 0)?.name ?? '-'}`)
    .sort();

await t.test('nothing is written before the first batch has ended', async (t) => {
  const kernel = makeKernel();
  const rig = new FelixRig({addon: kernel});
  t.teardown(() => rig.close());
  rig.dataPlane.start();
  rig.dataPlane.accept([...BASE, endpoint(1)]);
  await rig.run();
  t.equal(kernel.netlinkWrites + kernel.sysctlWrites, 0);
  rig.dataPlane.accept([{kind: 'flush', inSync: true}]);
  t.equal(await rig.run(), 'done');
  t.ok(kernel.netlinkWrites > 0);
  t.ok(rig.dataPlane.isInSync);
});

await t.test('what the kernel refuses costs nobody else', async (t) => {
  const kernel = makeKernel();
  const rig = new FelixRig({addon: kernel});
  t.teardown(() => rig.close());
  rig.accept(...BASE);
  await rig.run();
  rig.accept(endpoint(1), endpoint(2));
  kernel.refuse(RTM.NEWROUTE, ENOMEM);
  t.equal(await rig.run(), 'retry');
  const {statuses} = rig.dataPlane;
  t.match(statuses.get(endpointId(1)), {state: 'error', reason: /cannot write the route: ENOMEM/});
  t.equal(statuses.get(endpointId(2))?.state, 'up');
  t.ok(rig.dataPlane.isInSync, 'in sync once is in sync');
  t.equal(await rig.run(), 'done');
  t.equal(statuses.get(endpointId(1))?.state, 'up');
});

await t.test('an endpoint on an interface of the host touches nothing', async (t) => {
  const kernel = makeKernel();
  const rig = new FelixRig({addon: kernel});
  t.teardown(() => rig.close());
  rig.accept(...BASE);
  await rig.run();
  const {netlinkWrites, sysctlWrites} = kernel;
  const [id, value] = [endpointId(1), endpoint(1)];
  if (value.kind !== 'workload-endpoint' || value.value === undefined) throw new Error('no endpoint');
  rig.accept({...value, value: {...value.value, interfaceName: 'eth0'}});
  const waiting = rig.dataPlane.waitForEndpoint(id, new AbortController().signal).catch((error: unknown) => error);
  await rig.run();
  t.match(await waiting, {code: 'E_ENDPOINT_FAILED', message: /interface eth0 begins with no prefix/});
  t.same([kernel.netlinkWrites, kernel.sysctlWrites], [netlinkWrites, sysctlWrites]);
  rig.accept(value);
  await rig.run();
  t.equal(rig.dataPlane.statuses.get(id)?.state, 'up');
});

await t.test('lost answers: the outcome is read back', async (t) => {
  const kernel = makeKernel();
  const rig = new FelixRig({addon: kernel});
  t.teardown(() => rig.close());
  rig.accept(...BASE, endpoint(1));
  kernel.loseAnswers(1);
  await rig.run().catch(() => undefined);
  t.equal(await rig.run(), 'done');
  t.equal(rig.dataPlane.statuses.get(endpointId(1))?.state, 'up');
});

await t.test('lost events: everything is read back', async (t) => {
  const kernel = makeKernel();
  const rig = new FelixRig({addon: kernel});
  t.teardown(() => rig.close());
  rig.dataPlane.start();
  rig.accept(...BASE, ...remoteNode(2), endpoint(1));
  await rig.run();
  const wanted = routesOf(kernel);
  // The socket overflows: neither these changes nor the renewed link are told.
  kernel.isSilent = true;
  kernel.tables.routes.clear();
  kernel.tables.neighbours.clear();
  kernel.tables.fdb.clear();
  kernel.tables.deleteLink(kernel.tables.requireLink({name: 'cali1'}).index);
  addPod(kernel, 1);
  await settle();
  kernel.isSilent = false;
  kernel.loseEvents();
  await rig.runUntil(() => routesOf(kernel).length === wanted.length);
  t.same(routesOf(kernel), wanted);
  t.equal(kernel.tables.linkNamed('cali1')?.up, true);
  t.equal(kernel.tables.neighbours.size, 3);
  t.equal(kernel.tables.fdb.size, 2);
});

await t.test('news of a workload interface concern its endpoint and nobody else', async (t) => {
  const kernel = makeKernel();
  const {tables} = kernel;
  const rig = new FelixRig({addon: kernel});
  t.teardown(() => rig.close());
  rig.dataPlane.start();
  rig.accept(...BASE, endpoint(1), endpoint(2));
  await rig.run();
  await settle();
  await rig.run();

  addPod(kernel, 3);
  const {index} = tables.requireLink({name: 'cali3'});
  tables.putAddress({index, family: 6, ip: 'fe80::ecee:eeff:feee:eeee', prefixLength: 64}, false);
  await settle();
  t.not(rig.dataPlane.state.hostLinks.get('cali3'), undefined, 'it was told');
  t.notOk(rig.isRunWanted, 'an interface that nobody has asked for');

  tables.deleteLink(tables.requireLink({name: 'cali1'}).index);
  await settle();
  t.ok(rig.isRunWanted, 'the interface of an endpoint');
  await rig.run();
  t.match(rig.dataPlane.statuses.get(endpointId(1)), {state: 'down', reason: 'interface cali1 is not there'});
  t.equal(rig.dataPlane.statuses.get(endpointId(2))?.state, 'up');
});

await t.test('an interface made again before the kernel has told of it', async (t) => {
  const kernel = makeKernel();
  const rig = new FelixRig({addon: kernel});
  t.teardown(() => rig.close());
  rig.dataPlane.start();
  rig.accept(...BASE, endpoint(1));
  await rig.run();
  t.equal(rig.dataPlane.statuses.get(endpointId(1))?.state, 'up');
  // The runtime repeats an ADD: same name, same endpoint, another device. No event is delivered before the run.
  kernel.tables.deleteLink(kernel.tables.requireLink({name: 'cali1'}).index);
  addPod(kernel, 1);
  rig.dataPlane.recheck('cali1');
  const waiting = rig.dataPlane.waitForEndpoint(endpointId(1), new AbortController().signal);
  await rig.run();
  await waiting;
  t.equal(kernel.tables.linkNamed('cali1')?.up, true, 'what answers the waiting ADD is the new device');
  t.ok(routesOf(kernel).includes('unicast 10.244.0.1/32 cali1'));
  // The news of all that, old ones first, change nothing for good.
  await settle();
  await settle();
  await rig.run();
  t.equal(kernel.tables.linkNamed('cali1')?.up, true);
  t.equal(rig.dataPlane.statuses.get(endpointId(1))?.state, 'up');
});

await t.test('unknown routes on a workload interface have their grace', async (t) => {
  const clock = new FakeClock();
  const kernel = makeKernel([1, 2]);
  const {tables} = kernel;
  const route = (name: string, dst: string) => {
    const link = tables.requireLink({name});
    tables.changeLink(link.index, {up: true});
    const spec = {family: 4, table: 254, metric: 0, scope: 253, protocol: 3, type: 'unicast'} as const;
    const rest = {gateway: undefined, onlink: false, src: undefined, mtu: undefined};
    tables.putRoute({...spec, ...rest, dst, oif: link.index}, false);
  };
  route('cali1', '10.244.0.1/32');
  route('cali2', '10.244.0.2/32');
  const rig = new FelixRig({addon: kernel, clock});
  t.teardown(() => rig.close());
  rig.accept(...BASE, endpoint(2));
  const run = async () => {
    const running = rig.run();
    await clock.advance(0);
    await running;
  };
  await run();
  const plain = () =>
    [...tables.routes.values()].filter(({family, metric}) => family === 4 && metric === 0).map(({dst}) => dst);
  t.same(plain().sort(), ['10.244.0.0/26', '10.244.0.1/32'], 'cali2 is claimed, so its unknown route is a leftover');
  await clock.advance(10_000);
  await run();
  t.same(plain(), ['10.244.0.0/26'], 'nobody has claimed cali1 in ten seconds');
});

await t.test('a tunnel without a known parent is left as it is', async (t) => {
  const kernel = makeKernel();
  const first = new FelixRig({addon: kernel});
  first.accept(...BASE);
  await first.run();
  first.close();
  const index = kernel.tables.linkNamed('vxlan.calico')?.index;
  const eth0 = kernel.tables.requireLink({name: 'eth0'}).index;
  kernel.tables.deleteAddress({index: eth0, family: 4, ip: '10.95.1.11', prefixLength: 24});
  const rig = new FelixRig({addon: kernel});
  t.teardown(() => rig.close());
  rig.dataPlane.start();
  rig.accept(...BASE);
  t.equal(await rig.run(), 'retry', 'a restart before the host has its address');
  t.equal(kernel.tables.linkNamed('vxlan.calico')?.index, index, 'the device stays');
  kernel.tables.putAddress({index: eth0, family: 4, ip: '10.95.1.11', prefixLength: 24}, false);
  await rig.runUntil(() => rig.dataPlane.isInSync);
  t.equal(kernel.tables.linkNamed('vxlan.calico')?.index, index);
});

await t.test('of the settings of an interface only those that are wrong are written', async (t) => {
  const kernel = makeKernel();
  const start = async () => {
    const rig = new FelixRig({addon: kernel});
    t.teardown(() => rig.close());
    rig.accept(...BASE, endpoint(1), endpoint(2));
    t.equal(await rig.run(), 'done');
  };
  await start();
  t.ok(kernel.sysctlWrites > 10);
  for (const wrong of [
    ['net/ipv4/conf/cali1/proxy_arp'],
    ['net/ipv6/conf/cali2/accept_ra', 'net/ipv4/conf/cali2/forwarding', 'net/ipv4/conf/cali1/rp_filter'],
  ]) {
    const right = wrong.map((path) => kernel.tables.sysctls.get(path));
    for (const path of wrong) kernel.tables.writeSysctl(path, '7');
    const before = kernel.sysctlWrites;
    await start();
    t.equal(kernel.sysctlWrites - before, wrong.length, wrong.join(' and '));
    t.same(
      wrong.map((path) => kernel.tables.sysctls.get(path)),
      right,
    );
  }
});

await t.test('random walks end where a fresh start ends', async (t) => {
  await forAll(40, async (random) => {
    const kernel = makeKernel([1, 2, 3, 4]);
    const rig = new FelixRig({addon: kernel});
    rig.dataPlane.start();
    const wanted = new Map<string, Intent>();
    const put = (...intents: readonly Intent[]) => {
      for (const intent of intents) wanted.set(keyOf(intent), intent);
      rig.accept(...intents);
    };
    put(...BASE);
    for (let step = 0; step < 30; step++) {
      takeStep(random, kernel, put);
      if (random.chance()) await rig.run();
      if (random.chance(0.3)) await settle();
    }
    kernel.clearRefusals();
    for (let i = 0; i < 4; i++) {
      await settle();
      await rig.run();
    }
    const writes = kernel.netlinkWrites + kernel.sysctlWrites;
    const fresh = new FelixRig({addon: kernel});
    fresh.accept(...wanted.values());
    assert.equal(await fresh.run(), 'done');
    assert.deepEqual([...(fresh.lastRun?.changes.keys() ?? [])], [], 'a fresh start finds nothing to change');
    assert.equal(kernel.netlinkWrites + kernel.sysctlWrites, writes);
    rig.close();
    fresh.close();
  });
  t.pass('every walk');
});

function keyOf(intent: Intent): string {
  if ('key' in intent) return `${intent.kind} ${intent.key}`;
  return `${intent.kind} ${'family' in intent ? intent.family : ''}`;
}

/** The same object taken away; what is no object stays. */
function gone(intent: Intent): Intent {
  const {kind} = intent;
  return kind === 'vtep' || kind === 'route' || kind === 'workload-endpoint' ? {...intent, value: undefined} : intent;
}

/** The same VTEP at other addresses. */
function renumbered(intent: Intent): Intent {
  if (intent.kind !== 'vtep' || intent.value === undefined) return intent;
  const end = intent.value.family === 4 ? '.9' : '9';
  const renumber = (ip: string) =>
    intent.value?.family === 4 ? ip.replace(/\.\d+$/, end) : `${ip.replace(/::.*/, '::')}${end}`;
  return {
    ...intent,
    value: {...intent.value, tunnelIp: renumber(intent.value.tunnelIp), nodeIp: renumber(intent.value.nodeIp)},
  };
}

/** The cluster, somebody else or the kernel's mood changes something. */
function takeStep(random: Random, kernel: FakeKernel, put: (...intents: readonly Intent[]) => void): unknown {
  const {tables} = kernel;
  const n = random.between(1, 4);
  switch (random.below(8)) {
    case 0:
      return put(endpoint(n));
    case 1:
      return put(gone(endpoint(n)));
    case 2:
      // All of a node, or only its ends at other addresses: its routes are not told again.
      if (random.chance()) return put(...remoteNode(n + 1));
      return put(
        ...remoteNode(n + 1)
          .filter(({kind}) => kind === 'vtep')
          .map(renumbered),
      );
    case 3:
      return put(
        ...remoteNode(n + 1)
          .map(gone)
          .reverse(),
      );
    case 4:
      return put({kind: 'encapsulation', value: {ipip: false, vxlan: random.chance(), vxlanV6: random.chance()}});
    case 5: {
      const link = tables.linkNamed(`cali${n}`);
      if (link === undefined) return addPod(kernel, n);
      if (random.chance()) return tables.deleteLink(link.index);
      return tables.changeLink(link.index, {up: !link.up});
    }
    case 6: {
      // Nobody is told of what goes, only that something was missed.
      if (tables.routes.size > 0) tables.routes.delete(random.pick([...tables.routes.keys()]));
      return kernel.loseEvents();
    }
    default: {
      const type = random.pick([RTM.NEWROUTE, RTM.NEWNEIGH, RTM.NEWLINK, RTM.DELROUTE]);
      return kernel.refuse(type, ENOMEM, {skip: random.below(3)});
    }
  }
}
