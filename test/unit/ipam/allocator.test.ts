/** The rules of allocation, each on stores with and without transactions over several keys. */
import t, {type Test} from 'tap';
import {Allocator} from '../../../src/ipam/allocator.ts';
import {BlockClaims} from '../../../src/ipam/block-claims.ts';
import {BlockOrder} from '../../../src/ipam/block-order.ts';
import type {AssignRequest, AssignResult} from '../../../src/ipam/jobs.ts';
import {NO_RESERVATIONS} from '../../../src/ipam/reservations.ts';
import {readUtilization} from '../../../src/ipam/utilization.ts';
import {formatCidr, requireCidr} from '../../../src/lib/cidr.ts';
import {silentLogger} from '../../../src/lib/log.ts';
import {decodeBlock, encodeBlock} from '../../../src/model/ipam-records.ts';
import {affinityKey, blockKey} from '../../../src/model/keys.ts';
import {FakeClock} from '../../helpers/fake-clock.ts';
import {podOwner, putConfig, putNode, putPool, putReservation, readIpamState} from './support/cluster.ts';
import {MemoryStore, type StoreCall} from './support/memory-store.ts';

interface Rig {
  readonly store: MemoryStore;
  readonly clock: FakeClock;
  readonly allocator: Allocator;
  readonly claims: BlockClaims;
  /** One IPv4 address for a new pod of a node, or the reason why not. */
  readonly assign: (node: string, container: string, wanted?: Partial<AssignRequest>) => Promise<AssignResult>;
  readonly ips: (result: AssignResult) => string[];
}

function rigOf(atomicAcrossKeys: boolean): Rig {
  const store = new MemoryStore({atomicAcrossKeys});
  const clock = new FakeClock();
  const dependencies = {store, clock, log: silentLogger};
  const allocator = new Allocator(dependencies);
  return {
    store,
    clock,
    allocator,
    claims: new BlockClaims(dependencies),
    assign: (node, container, wanted = {}) =>
      allocator.autoAssign(node, {owner: podOwner(node, container), use: 'Workload', ipv4: {count: 1}, ...wanted}),
    ips: ({ipv4, ipv6}) => [...ipv4.allocations, ...ipv6.allocations].map(({ip}) => ip),
  };
}

function both(name: string, test: (t: Test, rig: Rig) => Promise<void>): void {
  for (const atomic of [true, false])
    void t.test(`${name}, ${atomic ? 'in transactions' : 'key by key'}`, (t) => test(t, rigOf(atomic)));
}

both('without pool, node or use nothing is assigned, and the error says why', async (t, {store, assign}) => {
  await t.rejects(assign('n1', 'c1'), {code: 'E_NOT_FOUND', message: /no Node resource/});
  await putNode(store, 'n1');
  await t.rejects(assign('n1', 'c1'), {code: 'E_IPAM_NO_POOL'});
  await t.rejects(assign('n1', 'c/../config'), {code: 'E_INVALID_RESOURCE'}, 'a handle as well');
  await putPool(store, 'p', {cidr: '10.0.0.0/24', allowedUses: ['Tunnel']});
  await t.rejects(assign('n1', 'c1'), {code: 'E_IPAM_NO_POOL', message: /use Workload/});
  await t.rejects(assign('a/b', 'c1'), {code: 'E_INVALID_RESOURCE'}, 'a node name that would reach into other keys');
});

both('a full pool: own block, another, borrowed, none', async (t, {store, assign, ips}) => {
  await putPool(store, 'p', {cidr: '10.0.0.0/29', blockSize: 30});
  for (const node of ['n1', 'n2']) await putNode(store, node);
  const got = new Set<string>();
  for (let i = 0; i < 4; i++) for (const ip of ips(await assign('n1', `a${i}`))) got.add(ip);
  t.equal((await readIpamState(store)).blocks.size, 1);
  for (const ip of ips(await assign('n1', 'a4'))) got.add(ip);
  t.equal((await readIpamState(store)).blocks.size, 2, 'a second block is claimed when the first is full');
  for (let i = 0; i < 3; i++) for (const ip of ips(await assign('n2', `b${i}`))) got.add(ip);
  const {blocks, claims} = await readIpamState(store);
  t.same(
    [...claims.keys()].sort(),
    [...blocks.keys()].map((cidr) => `host:n1 ${cidr}`).sort(),
    'borrowing claims nothing',
  );
  t.equal(got.size, 8);
  const {ipv4} = await assign('n2', 'b3');
  t.match(ipv4, {allocations: [], shortfall: {code: 'E_IPAM_NO_ADDRESS'}});
});

both(
  'strict affinity: nobody borrows, given addresses of others are refused',
  async (t, {store, allocator, assign, ips}) => {
    await putPool(store, 'p', {cidr: '10.0.0.0/30', blockSize: 30});
    for (const node of ['n1', 'n2']) await putNode(store, node);
    await putConfig(store, {strictAffinity: true});
    t.equal(ips(await assign('n1', 'a')).length, 1);
    t.match((await assign('n2', 'b')).ipv4, {allocations: [], shortfall: {code: 'E_IPAM_NO_ADDRESS'}});
    await t.rejects(allocator.assignIp('n2', {ip: '10.0.0.3', owner: podOwner('n2', 'b')}), {code: 'E_IPAM_STRICT'});
    t.equal((await allocator.assignIp('n1', {ip: '10.0.0.3', owner: podOwner('n1', 'b')})).ip, '10.0.0.3');
  },
);

both(
  'the block limit is the smaller of request and configuration, 20 without, and nothing is borrowed at it',
  async (t, {store, assign, ips}) => {
    await putPool(store, 'p', {cidr: '10.0.0.0/26', blockSize: 32});
    await putNode(store, 'n1');
    await putNode(store, 'n2');
    const twenty = await assign('n1', 'a', {ipv4: {count: 30}});
    t.equal(ips(twenty).length, 20);
    t.match(twenty.ipv4.shortfall, {code: 'E_IPAM_BLOCK_LIMIT', context: {limit: 20, requested: 30, assigned: 20}});
    t.match((await assign('n2', 'b', {ipv4: {count: 9}, maxBlocks: 3})).ipv4, {allocations: {length: 3}});
    await putConfig(store, {strictAffinity: true, maxBlocksPerHost: 5});
    t.match((await assign('n2', 'c', {ipv4: {count: 9}, maxBlocks: 7})).ipv4, {allocations: {length: 2}});
    t.match((await assign('n2', 'd')).ipv4, {shortfall: {code: 'E_IPAM_BLOCK_LIMIT', context: {limit: 5}}});
  },
);

both(
  'reserved addresses are not assigned by themselves, but on request',
  async (t, {store, allocator, assign, ips}) => {
    await putPool(store, 'p', {cidr: '10.0.0.0/28', blockSize: 30});
    await putNode(store, 'n1');
    await putReservation(store, 'r', ['10.0.0.0/29', '10.0.0.8/31', '10.0.0.10', '10.0.0.12/32', 'x']);
    const {ipv4} = await assign('n1', 'a', {ipv4: {count: 16}});
    t.same(ipv4.allocations.map(({ip}) => ip).sort(), ['10.0.0.11', '10.0.0.13', '10.0.0.14', '10.0.0.15']);
    t.equal((await allocator.assignIp('n1', {ip: '10.0.0.1', owner: podOwner('n1', 'b')})).ip, '10.0.0.1');
    t.equal(ips(await assign('n1', 'c')).length, 0);
  },
);

both('both families, all block sizes, one handle', async (t, {store, allocator, assign, ips}) => {
  for (const [i, [v4, v6]] of (
    [
      [20, 116],
      [26, 122],
      [32, 128],
    ] as const
  ).entries()) {
    await putPool(store, `p4-${i}`, {cidr: `10.${i}.0.0/16`, blockSize: v4});
    await putPool(store, `p6-${i}`, {cidr: `fd0${i}::/64`, blockSize: v6});
  }
  await putNode(store, 'n1');
  for (let i = 0; i < 3; i++) {
    const result = await assign('n1', `c${i}`, {
      ipv4: {count: 1, pools: [`p4-${i}`]},
      ipv6: {count: 2, pools: [`p6-${i}`]},
    });
    t.equal(ips(result).length, 3);
    t.same((await allocator.ipsByHandle(`net.c${i}`)).map(({ip}) => ip).sort(), ips(result).sort());
    t.equal((await allocator.releaseByHandle(`net.c${i}`))?.length, 3);
    t.same(await allocator.ipsByHandle(`net.c${i}`), []);
  }
  t.equal((await readIpamState(store)).handles.size, 0);
});

both('IPv4 that fails leaves IPv6 alone; one family short says so', async (t, {store, assign}) => {
  await putPool(store, 'p6', {cidr: 'fd00::/120', blockSize: 122});
  await putNode(store, 'n1');
  await t.rejects(assign('n1', 'a', {ipv6: {count: 1}}), {code: 'E_IPAM_NO_POOL'});
  t.equal((await readIpamState(store)).blocks.size, 0);
});

both('given addresses: claimed block, taken, outside, disabled', async (t, {store, allocator}) => {
  await putPool(store, 'p', {cidr: '10.0.0.0/24'});
  await putPool(store, 'q', {cidr: '10.1.0.0/24', disabled: true});
  await putPool(store, 'r', {cidr: '10.2.0.0/24', allowedUses: ['Tunnel']});
  const assignIp = (ip: string, use?: 'Workload') => allocator.assignIp('n1', {ip, owner: podOwner('n1', 'a'), use});
  t.match(await assignIp('10.0.0.77'), {ip: '10.0.0.77', block: '10.0.0.64/26', ordinal: 13});
  t.same([...(await readIpamState(store)).claims], [['host:n1 10.0.0.64/26', 'confirmed']]);
  await t.rejects(assignIp('10.0.0.77'), {code: 'E_IPAM_TAKEN', context: {handle: 'net.a'}});
  await t.rejects(assignIp('10.1.0.1'), {code: 'E_IPAM_NOT_IN_POOL'});
  await t.rejects(assignIp('192.0.2.1'), {code: 'E_IPAM_NOT_IN_POOL'});
  await t.rejects(assignIp('10.2.0.1', 'Workload'), {code: 'E_IPAM_NOT_IN_POOL'});
  await t.rejects(assignIp('10.0.0'), {code: 'E_BAD_ADDRESS'});
});

both('release compares handle and sequence number before anything else', async (t, {store, allocator, assign}) => {
  await putPool(store, 'p', {cidr: '10.0.0.0/29', blockSize: 29});
  await putNode(store, 'n1');
  const {
    ipv4: {
      allocations: [first],
    },
  } = await assign('n1', 'a');
  if (first === undefined) throw new Error('no address');
  const {ip, sequenceNumber} = first;
  const before = await readIpamState(store);
  t.match(await allocator.releaseIps([{ip, handleId: 'net.b'}]), {conflicts: [{ip, error: {code: 'E_IPAM_TAKEN'}}]});
  t.match(await allocator.releaseIps([{ip, sequenceNumber: sequenceNumber + 1n}]), {conflicts: [{ip}], released: []});
  t.match(
    await allocator.releaseIps([{ip: '10.0.0.7', sequenceNumber: 5n}]),
    {conflicts: [{ip: '10.0.0.7'}]},
    'even when it is free',
  );
  t.same(await readIpamState(store), before, 'a refused release writes nothing');
  const both = await allocator.releaseIps([
    {ip: '10.0.0.7'},
    {ip: '192.0.2.1'},
    {ip, handleId: 'net.a', sequenceNumber},
  ]);
  t.match(both, {released: [{ip}], unallocated: ['10.0.0.7', '192.0.2.1'], conflicts: []});
  t.equal((await readIpamState(store)).handles.size, 0);
  t.match(await allocator.releaseIps([{ip, handleId: 'net.a'}]), {unallocated: [ip]});
});

both(
  'a disabled or vanished pool does not keep its addresses from being released',
  async (t, {store, allocator, assign, ips}) => {
    await putPool(store, 'p', {cidr: '10.0.0.0/28', blockSize: 29});
    await putNode(store, 'n1');
    const [a, b] = [...ips(await assign('n1', 'a')), ...ips(await assign('n1', 'b'))];
    await putPool(store, 'p', {cidr: '10.0.0.0/28', blockSize: 29, disabled: true});
    t.match(await allocator.releaseIps([{ip: a ?? ''}]), {released: [{ip: a}]});
    await store.commit([{kind: 'delete', key: '/calico/resources/v3/projectcalico.org/ippools/p'}]);
    t.match(await allocator.releaseIps([{ip: b ?? ''}]), {released: [{ip: b}]});
    t.match((await readUtilization({store, log: silentLogger})).orphans, [{inUse: 0, free: 8}]);
  },
);

both(
  'a pool made anew with another block size: old blocks keep what they have, new ones avoid them',
  async (t, {store, allocator, assign, ips}) => {
    await putPool(store, 'p', {cidr: '10.0.0.0/27', blockSize: 28});
    await putNode(store, 'n1');
    await putNode(store, 'n2');
    const [old] = ips(await assign('n1', 'a'));
    await putPool(store, 'p', {cidr: '10.0.0.0/27', blockSize: 30});
    const got = ips(await assign('n2', 'b', {ipv4: {count: 31}}));
    t.equal(new Set([old, ...got]).size, 32, 'all addresses, each once');
    t.match(await allocator.releaseIps([{ip: old ?? ''}]), {released: [{ip: old}]});
  },
);

both('cooldown: a released address rests in the store', async (t, {store, clock, allocator, assign, ips}) => {
  await putPool(store, 'p', {cidr: '10.0.0.0/31', blockSize: 31});
  await putNode(store, 'n1');
  await putConfig(store, {ipCooldownSeconds: 60});
  const [ip = ''] = ips(await assign('n1', 'a'));
  await allocator.releaseByHandle('net.a');
  t.match(await allocator.assignmentOf(ip), {kind: 'cooling'});
  t.match(await allocator.releaseIps([{ip}]), {unallocated: [ip]});
  t.same(ips(await assign('n1', 'b', {ipv4: {count: 2}})).length, 1);
  await clock.advance(61_500);
  t.same(ips(await assign('n1', 'c')), [ip]);
});

both(
  'an empty block of somebody else is taken over, but not one that was just claimed',
  async (t, {store, clock, allocator, assign}) => {
    await putPool(store, 'p', {cidr: '10.0.0.0/30', blockSize: 30});
    for (const node of ['n1', 'n2']) await putNode(store, node);
    await assign('n1', 'a');
    await allocator.releaseByHandle('net.a');
    await assign('n2', 'b');
    t.equal((await readIpamState(store)).blocks.get('10.0.0.0/30')?.affinity, 'host:n1', 'borrowed');
    await allocator.releaseByHandle('net.b');
    await clock.advance(60_001);
    await assign('n2', 'c');
    const {blocks, claims} = await readIpamState(store);
    t.equal(blocks.get('10.0.0.0/30')?.affinity, 'host:n2');
    t.same([...claims], [['host:n2 10.0.0.0/30', 'confirmed']]);
  },
);

both(
  'a block in a pool that no longer selects the node goes when it is empty',
  async (t, {store, allocator, assign, ips}) => {
    await putPool(store, 'a', {cidr: '10.0.0.0/24'});
    await putPool(store, 'b', {cidr: '10.1.0.0/24'});
    await putNode(store, 'n1');
    const [first = ''] = ips(await assign('n1', 'a'));
    await putPool(store, 'a', {cidr: '10.0.0.0/24', nodeSelector: "rack == '1'"});
    t.match(ips(await assign('n1', 'b'))[0], /^10\.1\./);
    t.equal((await readIpamState(store)).blocks.size, 2, 'not while it is in use');
    await allocator.releaseIps([{ip: first}]);
    t.same(
      [...(await readIpamState(store)).claims.keys()].map((claim) => claim.slice(0, 12)),
      ['host:n1 10.1'],
    );
  },
);

both('claims that a crash left half made are repaired', async (t, {store, assign, ips}) => {
  await putPool(store, 'p', {cidr: '10.0.0.0/24', blockSize: 28});
  await putNode(store, 'n1');
  const first = [...new BlockOrder(requireCidr('10.0.0.0/24'), 28, 'n1').walk(NO_RESERVATIONS)].map(formatCidr);
  const [a = '', b = '', c = ''] = first;
  const claim = (cidr: string, state: string) =>
    store.commit([{kind: 'put', key: affinityKey({host: 'n1', cidr}), value: JSON.stringify({state, deleted: false})}]);
  // Claimed but never created; held, but half released; somebody else's.
  await claim(a, 'pending');
  await assign('n1', 'x');
  t.same((await readIpamState(store)).claims.get(`host:n1 ${a}`), 'confirmed');
  await claim(a, 'pendingDeletion');
  const number = (await readIpamState(store)).blocks.get(a)?.sequenceNumber ?? 0n;
  await assign('n1', 'y');
  const repaired = await readIpamState(store);
  t.same(repaired.claims.get(`host:n1 ${a}`), 'confirmed');
  t.ok((repaired.blocks.get(a)?.sequenceNumber ?? 0n) > number);
  await putNode(store, 'n2');
  await store.commit([
    {
      kind: 'put',
      key: blockKey(b),
      value: encodeBlock({...decodeBlock(store.entries.get(blockKey(a))?.value ?? ''), cidr: b, affinity: 'host:n2'}),
    },
  ]);
  await claim(b, 'confirmed');
  await claim(c, '');
  t.equal(ips(await assign('n1', 'z', {ipv4: {count: 31}})).length, 31);
  const {claims, blocks} = await readIpamState(store);
  t.equal(claims.has(`host:n1 ${b}`), false, 'the block decides');
  t.equal(blocks.get(c)?.affinity, 'host:n1');
});

both('what nobody can read stops nothing', async (t, {store, assign, ips}) => {
  await putPool(store, 'p', {cidr: '10.0.0.0/28', blockSize: 29});
  await putPool(store, 'q', {cidr: 'nonsense'});
  await store.commit([{kind: 'put', key: '/calico/resources/v3/projectcalico.org/ippools/r', value: '{'}]);
  await putNode(store, 'n1');
  await store.commit([{kind: 'put', key: blockKey('10.0.0.0/29'), value: '{"cidr":"10.0.0.0/29","allocations":[7]}'}]);
  await store.commit([{kind: 'put', key: affinityKey({host: 'n1', cidr: '10.0.0.0/29'}), value: 'nonsense'}]);
  const got = ips(await assign('n1', 'a', {ipv4: {count: 16}}));
  t.equal(got.length, 8);
  t.ok(got.every((ip) => Number(ip.split('.')[3]) >= 8));
});

both('claims by hand', async (t, {store, claims, assign}) => {
  await putPool(store, 'p', {cidr: '10.0.0.0/26', blockSize: 28});
  await putNode(store, 'n1');
  await putNode(store, 'n2');
  t.match(await claims.claim('10.0.0.0/27', 'n1'), {claimed: ['10.0.0.0/28', '10.0.0.16/28'], failed: []});
  t.match(await claims.claim('10.0.0.0/26', 'n2'), {claimed: {length: 2}, failed: ['10.0.0.0/28', '10.0.0.16/28']});
  await t.rejects(claims.claim('10.0.0.0/29', 'n1'), {code: 'E_BAD_CIDR'});
  await t.rejects(claims.claim('11.0.0.0/28', 'n1'), {code: 'E_IPAM_NOT_IN_POOL'});
  await assign('n1', 'a');
  await t.rejects(claims.releaseHost('n1', {requireEmpty: true}), {
    code: 'E_IPAM_NOT_EMPTY',
    context: {blocks: {length: 1}},
  });
  t.equal((await readIpamState(store)).claims.size, 3, 'the empty one is given up all the same');
  await claims.removeHost('n1');
  const {blocks, claims: left} = await readIpamState(store);
  t.same(
    [...left.keys()].map((claim) => claim.slice(0, 7)),
    ['host:n2', 'host:n2'],
  );
  t.equal([...blocks.values()].filter(({affinity}) => affinity === undefined).length, 1, 'addresses in use stay');
  await claims.releasePool('10.0.0.0/26');
  t.equal((await readIpamState(store)).claims.size, 0);
  t.equal((await readIpamState(store)).blocks.size, 1);
  t.equal(await claims.releaseBlock('10.0.0.48/28', {requireEmpty: true}), 'absent');
});

both('a block is ensured once', async (t, {store, claims}) => {
  await putPool(store, 'p', {cidr: '10.0.0.0/24'});
  await putNode(store, 'n1');
  const cidr = await claims.ensureBlock('n1', 4);
  t.equal(await claims.ensureBlock('n1', 4), cidr);
  t.same([...(await readIpamState(store)).claims], [[`host:n1 ${cidr}`, 'confirmed']]);
  await t.rejects(claims.ensureBlock('n1', 6), {code: 'E_IPAM_NO_POOL'});
});

both('services have blocks of their own', async (t, {store, allocator, assign, ips}) => {
  await putPool(store, 'p', {cidr: '10.0.0.0/24', allowedUses: ['LoadBalancer']});
  await putNode(store, 'n1');
  const owner = {handleId: 'lb-x', attributes: new Map([['service', 's']])};
  t.equal(ips(await allocator.autoAssignForServices({owner, use: 'LoadBalancer', ipv4: {count: 1}})).length, 1);
  t.match([...(await readIpamState(store)).claims.keys()][0], /^virtual:load-balancer /);
  await t.rejects(assign('n1', 'a'), {code: 'E_IPAM_NO_POOL'});
});

both('somebody writes between every read and our write', async (t, {store, assign, ips}) => {
  await putPool(store, 'p', {cidr: '10.0.0.0/28', blockSize: 28});
  for (const node of ['n1', 'n2']) await putNode(store, node);
  const other = new Allocator({
    store: store.another({atomicAcrossKeys: false}),
    clock: new FakeClock(),
    log: silentLogger,
  });
  const taken: string[] = [];
  let rivals = 6;
  store.before = async (call: StoreCall) => {
    if (call.kind !== 'commit' || rivals-- <= 0) return;
    const request = {owner: podOwner('n2', `rival${rivals}`), use: 'Workload', ipv4: {count: 1}} as const;
    taken.push(...ips(await other.autoAssign('n2', request)));
  };
  const mine = [...ips(await assign('n1', 'a')), ...ips(await assign('n1', 'b'))];
  t.equal(taken.length, 6);
  t.equal(new Set([...taken, ...mine]).size, 8, 'no address twice');
});

both('utilization and borrowed addresses', async (t, {store, assign}) => {
  await putPool(store, 'p', {cidr: '10.0.0.0/28', blockSize: 29});
  await putPool(store, 'q', {cidr: 'fd00::/64'});
  await putNode(store, 'n1');
  await putReservation(store, 'r', ['10.0.0.14/31']);
  await assign('n1', 'a', {ipv4: {count: 3}, ipv6: {count: 1}});
  const {pools, orphans} = await readUtilization({store, log: silentLogger});
  t.match(pools, [
    {pool: {name: 'p'}, capacity: 16, inUse: 3, free: 13, reserved: 2, blocks: [{inUse: 3, free: 5, capacity: 8}]},
    {pool: {name: 'q'}, capacity: 2 ** 64, inUse: 1, blocks: {length: 1}},
  ]);
  t.same(orphans, []);
});

both('a block that somebody creates right after it was seen free stays his', async (t, {store, assign, ips}) => {
  await putPool(store, 'p4', {cidr: '10.0.0.0/28', blockSize: 28});
  for (const node of ['n1', 'n2']) await putNode(store, node);
  const rival = new BlockClaims({store: store.another(), clock: new FakeClock(), log: silentLogger});
  let isFirst = true;
  store.after = async (call) => {
    if (!isFirst || call.kind !== 'list' || !call.prefix.includes('/assignment/')) return;
    isFirst = false;
    await rival.claim('10.0.0.0/28', 'n2');
  };
  t.same(ips(await assign('n1', 'a')), ['10.0.0.0'], 'borrowed');
  const {blocks, claims} = await readIpamState(store);
  t.equal(blocks.get('10.0.0.0/28')?.affinity, 'host:n2');
  t.same([...claims], [['host:n2 10.0.0.0/28', 'confirmed']], 'who came later has no claim');
});

both('a block that is given up while it is claimed again is not claimed on nothing', async (t, {store, claims}) => {
  await putPool(store, 'p4', {cidr: '10.0.0.0/28', blockSize: 28});
  await putNode(store, 'n1');
  const {atomicAcrossKeys} = store.capabilities;
  const dependencies = {clock: new FakeClock(), log: silentLogger};
  const isAboutBlock = ({key}: {readonly key: string}) => key.includes('/assignment/');
  // Somebody claims the block for the node just after it was seen free, and somebody else is about to delete it.
  const atBlock = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const giver = store.another({atomicAcrossKeys});
  giver.before = async (call) => {
    if (call.kind !== 'commit' || !call.operations.some(isAboutBlock)) return;
    atBlock.resolve();
    await goOn.promise;
  };
  let given: Promise<unknown> | undefined;
  store.before = async (call) => {
    if (given !== undefined || call.kind !== 'get' || !call.key.includes('/host/n1/')) return;
    const releasing = new BlockClaims({store: giver, ...dependencies});
    await new BlockClaims({store: store.another({atomicAcrossKeys}), ...dependencies}).claim('10.0.0.0/28', 'n1');
    given = releasing.releaseBlock('10.0.0.0/28', {requireEmpty: true});
    await atBlock.promise;
  };
  await claims.claim('10.0.0.0/28', 'n1');
  t.not(given, undefined, 'they met');
  goOn.resolve();
  await given;
  const state = await readIpamState(store);
  t.same(
    [...state.claims.keys()],
    [...state.blocks].map(([cidr, {affinity}]) => `${affinity} ${cidr}`),
  );
});

both('a claim that is made after its block was seen free is not dropped', async (t, {store, claims}) => {
  await putPool(store, 'p4', {cidr: '10.0.0.0/28', blockSize: 28});
  await putNode(store, 'n1');
  const {atomicAcrossKeys} = store.capabilities;
  const node = new BlockClaims({store: store.another({atomicAcrossKeys}), clock: new FakeClock(), log: silentLogger});
  let hasClaimed = false;
  store.before = async (call) => {
    if (hasClaimed || call.kind !== 'get' || !call.key.includes('/host/n1/')) return;
    hasClaimed = true;
    await node.claim('10.0.0.0/28', 'n1');
  };
  const outcome = await claims.releaseClaim({type: 'host', host: 'n1'}, '10.0.0.0/28', {requireEmpty: false});
  t.ok(hasClaimed, 'they met');
  t.equal(outcome, 'released', 'looked at again');
  const state = await readIpamState(store);
  t.same([[...state.claims], [...state.blocks]], [[], []]);
});
