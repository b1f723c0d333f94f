import t from 'tap';
import {Allocator} from '../../../src/ipam/allocator.ts';
import {BlockClaims} from '../../../src/ipam/block-claims.ts';
import {NodeAllocator} from '../../../src/ipam/node-allocator.ts';
import {StoreRules} from '../../../src/ipam/rules.ts';
import {AgentError} from '../../../src/lib/errors.ts';
import {silentLogger} from '../../../src/lib/log.ts';
import {decodeBlock} from '../../../src/model/ipam-records.ts';
import {blockKey} from '../../../src/model/keys.ts';
import {IPPool} from '../../../src/model/kinds/ip-pool.ts';
import {FakeClock, settle} from '../../helpers/fake-clock.ts';
import {ipamState, podOwner, putConfig, putNode, putPool, readIpamState} from './support/cluster.ts';
import {MemoryStore, type MemoryStoreOptions, type StoreCall} from './support/memory-store.ts';

async function rig(options: MemoryStoreOptions = {}) {
  const store = new MemoryStore(options);
  const clock = new FakeClock();
  await putPool(store, 'p4', {cidr: '10.0.0.0/16'});
  await putPool(store, 'p6', {cidr: 'fd00::/64'});
  await putNode(store, 'n1');
  await putConfig(store, {});
  store.calls.length = 0;
  const agent = (from: MemoryStore = store) =>
    new NodeAllocator(
      {node: 'n1'},
      {store: from, rules: new StoreRules({store: from, log: silentLogger}), clock, log: silentLogger},
    );
  return {store, clock, agent: agent(), another: agent};
}

const pod = (container: string, families: 4 | 6 | 46 = 4) => ({
  owner: podOwner('n1', container),
  use: 'Workload' as const,
  ipv4: families === 6 ? undefined : {count: 1},
  ipv6: families === 4 ? undefined : {count: 1},
});
const many = <T>(count: number, make: (i: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({length: count}, (_, i) => make(i)));
const isCommit = (call: StoreCall) => call.kind === 'commit';

void t.test('100 dual-stack pods at once: few transactions, none too large, each address once', async (t) => {
  const {store, agent} = await rig();
  const got = (await many(100, (i) => agent.assign(pod(`c${i}`, 46)))).flat();
  t.equal(new Set(got.map(({ip}) => ip)).size, 200);
  t.ok(store.commits.length <= 5, `${store.commits.length} commits`);
  t.ok(store.commits.every((operations) => operations.length <= 120));
  const {handles, claims} = await readIpamState(store);
  t.equal(handles.size, 100);
  t.equal(claims.size, 4);
  store.calls.length = 0;
  t.equal((await many(100, (i) => agent.releaseByHandle(`net.c${i}`))).flat().length, 200);
  t.ok(store.commits.length <= 5, `${store.commits.length} commits`);
  const after = await readIpamState(store);
  t.equal(after.handles.size, 0);
  t.ok([...after.blocks.values()].every((block) => block.unallocated.length === 64));
});

void t.test('what waits while a commit is under way goes into the next one', async (t) => {
  const gate = Promise.withResolvers<void>();
  const {store, agent} = await rig();
  let isFirst = true;
  store.before = async (call) => {
    if (isCommit(call) && isFirst) {
      isFirst = false;
      await gate.promise;
    }
  };
  const first = agent.assign(pod('first'));
  await settle();
  const rest = many(50, (i) => agent.assign(pod(`c${i}`)));
  await settle();
  t.equal(agent.queueDepth(), 50);
  gate.resolve();
  await Promise.all([first, rest]);
  t.equal(store.commits.length, 2);
  t.equal(agent.queueDepth(), 0);
});

void t.test('300 at once are served in their order, commit by commit', async (t) => {
  const {store, agent} = await rig();
  const order: number[] = [];
  const commitsAt: number[] = [];
  await many(300, async (i) => {
    await agent.assign(pod(`c${i}`));
    order.push(i);
    commitsAt.push(store.commits.length);
  });
  t.same(
    order,
    Array.from({length: 300}, (_, i) => i),
  );
  t.ok((commitsAt[0] ?? 9) < (commitsAt[299] ?? 0), 'the first does not wait for the last');
  t.ok(store.commits.length <= 4, `${store.commits.length} commits`);
});

void t.test('in memory: an assignment after the first reads no block, claim or handle', async (t) => {
  const {store, agent} = await rig();
  await agent.assign(pod('a', 46));
  store.calls.length = 0;
  await agent.assign(pod('b', 46));
  const reads = store.calls.filter((call) => call.kind !== 'commit');
  t.ok(
    reads.every(
      (call) =>
        !('key' in call ? call.key : 'prefix' in call ? call.prefix : '').includes('/ipam/v2/') ||
        ('key' in call && call.key.endsWith('/config')),
    ),
  );
});

void t.test('one bad request fails alone', async (t) => {
  const {agent, store} = await rig();
  const outcomes = await Promise.allSettled([
    agent.assign(pod('a')),
    agent.assign({...pod('b'), ipv4: {count: 1, pools: ['10.9.0.0/16']}}),
    agent.assignIp({ip: 'nonsense', owner: podOwner('n1', 'c')}),
    agent.assignIp({ip: '192.0.2.1', owner: podOwner('n1', 'd')}),
    agent.releaseByHandle('net.unknown'),
    agent.assign({...pod('e', 46), ipv6: {count: 1, pools: ['no']}}),
    agent.assign(pod('f')),
  ]);
  t.same(
    outcomes.map(({status}) => status === 'fulfilled'),
    [true, false, false, false, true, false, true],
  );
  t.same([...(await readIpamState(store)).handles.keys()].sort(), ['net.a', 'net.f'], 'nothing is left of the others');
  t.equal(store.commits.length, 1);
});

void t.test('a request is served whole or not at all', async (t) => {
  const {agent, store} = await rig();
  await putPool(store, 'tiny', {cidr: 'fd01::/128', blockSize: 128});
  await agent.assign({...pod('a', 6), ipv6: {count: 1, pools: ['tiny']}});
  await t.rejects(agent.assign({...pod('b', 46), ipv6: {count: 1, pools: ['tiny']}}), {code: 'E_IPAM_NO_ADDRESS'});
  t.same([...(await readIpamState(store)).handles.keys()], ['net.a']);
});

void t.test('add and delete of one pod in one batch, in either order', async (t) => {
  const {agent, store} = await rig();
  const [, released] = await Promise.all([agent.assign(pod('a', 46)), agent.releaseByHandle('net.a')]);
  t.equal(released.length, 2);
  t.equal((await readIpamState(store)).handles.size, 0);
  await agent.assign(pod('a', 46));
  const [gone, got] = await Promise.all([agent.releaseByHandle('net.a'), agent.assign(pod('a', 4))]);
  t.equal(gone.length, 2);
  const {handles} = await readIpamState(store);
  t.same([...(handles.get('net.a') ?? [])], [[got[0]?.block, 1]]);
});

void t.test("two agents of one node do not get in each other's way", async (t) => {
  const {store, agent, another} = await rig();
  const second = another(store.another());
  const got = (await many(60, (i) => (i % 2 === 0 ? agent : second).assign(pod(`c${i}`)))).flat();
  t.equal(new Set(got.map(({ip}) => ip)).size, 60);
  await many(60, (i) => (i % 2 === 0 ? second : agent).releaseByHandle(`net.c${i}`));
  t.equal((await readIpamState(store)).handles.size, 0);
});

for (const atomicAcrossKeys of [true, false]) {
  const way = atomicAcrossKeys ? 'in transactions' : 'key by key';

  void t.test(`a caller that gave up gets nothing and keeps nothing, ${way}`, async (t) => {
    const {store, clock, agent} = await rig({atomicAcrossKeys});
    await agent.assign(pod('first'));
    const gate = Promise.withResolvers<void>();
    store.before = (call) => (isCommit(call) ? gate.promise : undefined);
    const abort = new AbortController();
    const underWay = agent.assign(pod('a'), {signal: abort.signal});
    const late = agent.assign(pod('b'), {deadlineMs: 1000});
    await settle();
    const waiting = agent.assign(pod('c'), {signal: abort.signal});
    abort.abort();
    await t.rejects(underWay, {code: 'E_ABORTED'});
    await t.rejects(waiting, {code: 'E_ABORTED'});
    await Promise.all([clock.advance(1001), t.rejects(late, {code: 'E_DEADLINE'})]);
    gate.resolve();
    await agent.assign(pod('d'));
    await agent.close();
    t.same([...(await readIpamState(store)).handles.keys()].sort(), ['net.d', 'net.first']);
    await t.rejects(agent.assign(pod('e')), {code: 'E_ABORTED'});
  });

  for (const code of ['E_UNREACHABLE', 'E_DEADLINE'] as const)
    for (const landed of [true, false])
      void t.test(`${code} of a commit that ${landed ? 'happened' : 'did not happen'}, ${way}`, async (t) => {
        const {store, agent} = await rig({atomicAcrossKeys});
        await agent.assign(pod('first'));
        let failures = 1;
        const hook = (call: StoreCall) => {
          if (isCommit(call) && failures-- > 0) throw new AgentError(code, 'lost');
        };
        if (landed) store.after = hook;
        else store.before = hook;
        const got = (await many(10, (i) => agent.assign(pod(`c${i}`, 46)))).flat();
        const {blocks, handles} = await readIpamState(store);
        t.equal(new Set(got.map(({ip}) => ip)).size, 20);
        const used = [...blocks.values()].reduce((sum, {unallocated}) => sum + 64 - unallocated.length, 0);
        t.equal(used, 21, 'each request has its addresses once');
        t.equal(handles.size, 11);
        if (landed) store.after = undefined;
        else store.before = undefined;
        failures = 1;
        store.after = hook;
        await many(10, (i) => agent.releaseByHandle(`net.c${i}`));
        t.same([...(await readIpamState(store)).handles.keys()], ['net.first']);
      });

  void t.test(`the store goes away in the middle: callers hear of it, and nothing is lost, ${way}`, async (t) => {
    const {store, clock, agent} = await rig({atomicAcrossKeys});
    await agent.assign(pod('first'));
    let isAway = false;
    const refuse = () => {
      if (isAway) throw new AgentError('E_UNREACHABLE', 'away');
    };
    store.before = refuse;
    store.after = (call) => {
      // The commit that writes blocks is the last thing that gets through.
      if (isCommit(call) && call.kind === 'commit' && call.operations.some(({key}) => key.includes('/assignment/')))
        isAway = true;
      refuse();
    };
    await t.rejects(agent.assign(pod('a')), {code: 'E_UNREACHABLE'});
    t.equal((await readIpamState(store.another())).blocks.size, 1);
    await clock.advance(5_001);
    isAway = false;
    store.after = undefined;
    await clock.advance(5_001);
    await agent.assign(pod('b'));
    const {blocks} = await readIpamState(store.another());
    const used = [...blocks.values()].reduce((sum, {unallocated}) => sum + 64 - unallocated.length, 0);
    t.equal(used, 2, 'what the lost commit had taken was given back');
  });
}

void t.test('a lost commit that arrives late meets another revision', async (t) => {
  const {store, agent} = await rig();
  await agent.assign(pod('first'));
  let late: (() => Promise<unknown>) | undefined;
  let failures = 1;
  store.before = (call) => {
    if (call.kind !== 'commit' || failures-- <= 0) return;
    late = () => store.another().commit(call.operations);
    throw new AgentError('E_DEADLINE', 'lost');
  };
  const [got] = await agent.assign(pod('a'));
  await t.rejects(late?.() ?? Promise.resolve(), {code: /E_CONFLICT|E_EXISTS/});
  const [next] = await agent.assign(pod('b'));
  t.not(got?.ip, next?.ip);
});

void t.test('who finds one block changed looks at all of them', async (t) => {
  const {store, agent} = await rig();
  await putPool(store, 'p4', {cidr: '10.0.0.0/26', blockSize: 30});
  await many(20, (i) => agent.assign(pod(`c${i}`)));
  const {blocks} = await readIpamState(store);
  t.equal(blocks.size, 5);
  // Another program of this node gives one address of each block back.
  const rival = new Allocator({store: store.another(), clock: new FakeClock(), log: silentLogger});
  const handlesIn = [...blocks.values()].map(({attributes}) => attributes.map(({handleId}) => handleId ?? ''));
  for (const [first = ''] of handlesIn) await rival.releaseByHandle(first);
  store.calls.length = 0;
  await Promise.all(handlesIn.map(([, second = '']) => agent.releaseByHandle(second)));
  t.equal(store.commits.length, 2, 'one that met a conflict, and one that knew better');
});

for (const losses of [3, 10])
  void t.test(`a batch that loses ${losses} times`, async (t) => {
    const {store, agent} = await rig();
    await many(8, (i) => agent.assign(pod(`c${i}`)));
    const other = store.another();
    const sizes: number[] = [];
    let left = losses;
    store.before = async (call) => {
      if (call.kind !== 'commit') return;
      sizes.push(call.operations.filter(({key}) => key.includes('/handle/')).length);
      const block = call.operations.find(({key}) => key.includes('/assignment/'));
      const entry = block && (await other.get(block.key));
      // A neighbour is faster.
      if (left-- > 0 && entry !== undefined) await other.commit([{kind: 'put', key: entry.key, value: entry.value}]);
    };
    await many(8, (i) => agent.releaseByHandle(`net.c${i}`));
    t.equal(sizes[0], 8);
    t.equal(sizes.includes(1), losses > 4, `handles in a commit: ${sizes.join(' ')}`);
    t.equal(sizes.at(-1), losses > 4 ? 7 : 8, 'what goes through goes on together');
  });

void t.test('key by key: what is undone is undone although its block changes in that moment', async (t) => {
  const {store, agent} = await rig({atomicAcrossKeys: false, maxOps: 1});
  await putPool(store, 'p4', {cidr: '10.0.0.0/30', blockSize: 31});
  const other = store.another();
  const neighbour = new Allocator({store: other, clock: new FakeClock(), log: silentLogger});
  await putNode(other, 'n2');
  await agent.assign(pod('a'));
  // Of three addresses two are in the second block; a neighbour takes both, so the request fails and gives back the first.
  let isTaken = false;
  let isTouched = false;
  store.before = async (call) => {
    if (call.kind !== 'commit' || call.operations[0]?.kind !== 'update') return;
    const {key} = call.operations[0];
    const entry = await other.get(key);
    if (entry === undefined || !key.includes('/block/') || key.includes('/host/')) return;
    const {allocations} = decodeBlock(entry.value);
    if (!isTaken && allocations.every((index) => index === null)) {
      isTaken = true;
      await neighbour.autoAssign('n2', {...pod('b'), owner: podOwner('n2', 'b'), ipv4: {count: 2}});
    } else if (isTaken && !isTouched && entry.value.includes('"net.c"')) {
      isTouched = true;
      await other.commit([{kind: 'put', key, value: entry.value}]);
    }
  };
  await t.rejects(agent.assign({...pod('c'), ipv4: {count: 3}}), {code: 'E_IPAM_NO_ADDRESS'});
  await agent.close();
  t.ok(isTaken && isTouched, 'both happened');
  const {handles} = await readIpamState(store);
  t.same([...handles.keys()].sort(), ['net.a', 'net.b'], 'the request that failed has nothing');
});

for (const atomicAcrossKeys of [true, false]) {
  const way = atomicAcrossKeys ? 'in transactions' : 'key by key';
  void t.test(`a block goes with its last address and is claimed anew in the same moment, ${way}`, async (t) => {
    const {store, agent, clock} = await rig({atomicAcrossKeys});
    for (const name of ['p4', 'p6']) await store.commit([{kind: 'delete', key: IPPool.key({name})}]);
    await putPool(store, 'only', {cidr: '10.9.0.0/30', blockSize: 30});
    const [first] = await agent.assign(pod('a'));
    const claims = new BlockClaims({store, clock, log: silentLogger});
    await claims.release('10.9.0.0/30', 'n1', {requireEmpty: false});
    const problems: string[] = [];
    store.after = async () => {
      const state = ipamState(store.entries.values());
      for (const [claim, stateOfClaim] of state.claims) {
        const [owner, cidr = ''] = claim.split(' ');
        const affinity = state.blocks.get(cidr)?.affinity;
        if (stateOfClaim === 'confirmed' && affinity !== owner) problems.push(`${claim}: ${affinity}`);
      }
    };
    const [released, assigned] = await Promise.all([agent.releaseByHandle('net.a'), agent.assign(pod('b'))]);
    t.same([released.length, assigned.length], [1, 1]);
    t.equal(first?.ip.slice(0, 7), '10.9.0.');
    t.same(problems, [], 'no claim is confirmed on a block of somebody else');
    const state = await readIpamState(store);
    t.same([...state.handles.keys()], ['net.b']);
    t.same([...state.claims], [['host:n1 10.9.0.0/30', 'confirmed']]);
  });
}

void t.test('key by key: a block that refused is left alone by the next attempt', async (t) => {
  const {store, agent, another} = await rig({atomicAcrossKeys: false});
  await store.commit([{kind: 'delete', key: IPPool.key({name: 'p4'})}]);
  await putPool(store, 'small', {cidr: '10.9.0.0/30', blockSize: 31});
  const [held] = await agent.assign(pod('a'));
  const key = blockKey(held?.block ?? '');
  const rival = another(store.another({atomicAcrossKeys: false}));
  const updates: string[] = [];
  store.before = async (call) => {
    const [operation] = call.kind === 'commit' ? call.operations : [];
    if (operation?.kind !== 'update' || operation.key !== key) return;
    updates.push(operation.value);
    if (updates.length === 1) await rival.assign(pod('rival'));
  };
  const got = await agent.assign(pod('b', 46));
  t.equal(got.length, 2);
  t.not(got[0]?.block, held?.block, 'found elsewhere');
  t.equal(updates.length, 1, 'the block that was full by then was not written again');
  t.same([...(await readIpamState(store)).handles.keys()].sort(), ['net.a', 'net.b', 'net.rival']);
});

void t.test('somebody else took over what memory says is ours', async (t) => {
  const {store, agent, another} = await rig();
  const [first] = await agent.assign(pod('a'));
  // Another program of this node releases, claims and assigns; ours has seen nothing of it.
  const rival = another(store.another());
  await rival.releaseByHandle('net.a');
  const [theirs] = await rival.assignIp({ip: first?.ip ?? '', owner: podOwner('n1', 'z')}).then((x) => [x]);
  const [mine] = await agent.assign(pod('b'));
  t.equal(theirs?.ip, first?.ip);
  t.not(mine?.ip, theirs?.ip);
});

void t.test('news from a watch: believed when new, not when late', async (t) => {
  const {store, agent, another} = await rig();
  await agent.assign(pod('a'));
  const block = [...store.entries.values()].find(({key}) => key.includes('/assignment/'));
  if (block === undefined) throw new Error('no block');
  await agent.assign(pod('b'));
  store.calls.length = 0;
  agent.onUpdates([block]);
  await agent.assign(pod('c'));
  t.equal(store.commits.length, 1, 'old news cause no conflict');
  await another(store.another()).assign(pod('x'));
  agent.onUpdates([...store.entries.values()]);
  store.calls.length = 0;
  await agent.assign(pod('d'));
  t.equal(store.commits.length, 1, 'new news spare one');
});

void t.test('a stop lets the commit under way finish', async (t) => {
  const {store, agent} = await rig();
  const gate = Promise.withResolvers<void>();
  store.before = (call) => (isCommit(call) ? gate.promise : undefined);
  const underWay = agent.assign(pod('a'));
  await settle();
  const waiting = agent.assign(pod('b'));
  const closed = agent.close();
  await t.rejects(waiting, {code: 'E_ABORTED'});
  gate.resolve();
  await closed;
  t.equal((await underWay).length, 1);
});
