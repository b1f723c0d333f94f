/**
 * What Calico v3.32.1 stored after each step of a life cycle, done again by our allocator, with and without
 * transactions over several keys: the same keys and values. Apart from what varies (times, and where the sequence numbers
 * of new blocks begin), one difference is deliberate: v3.32.1 forgets to remove the sequence number of an
 * address that it releases by handle.
 */
import t from 'tap';
import {Allocator} from '../../../src/ipam/allocator.ts';
import {BlockClaims} from '../../../src/ipam/block-claims.ts';
import {readIpamConfig, writeIpamConfig} from '../../../src/ipam/ipam-config.ts';
import type {AssignRequest} from '../../../src/ipam/jobs.ts';
import {NodeAllocator} from '../../../src/ipam/node-allocator.ts';
import {StoreRules} from '../../../src/ipam/rules.ts';
import {ensureTunnelAddresses} from '../../../src/ipam/tunnel-addresses.ts';
import {systemClock} from '../../../src/lib/clock.ts';
import {silentLogger} from '../../../src/lib/log.ts';
import {type Block, decodeBlock, encodeBlock} from '../../../src/model/ipam-records.ts';
import {parseKey} from '../../../src/model/keys.ts';
import {IPPool} from '../../../src/model/kinds/ip-pool.ts';
import {Node} from '../../../src/model/kinds/node.ts';
import {type Content, readStages} from '../../helpers/stored-stages.ts';
import {MemoryStore} from './support/memory-store.ts';

type State = Content;

/** What IPAM reads and writes: its records, pools and nodes. */
const OF_IPAM = /^\/calico\/(?:ipam\/|resources\/v3\/projectcalico\.org\/(?:ippools|nodes)\/)/;

const STAGES = new Map(
  [...readStages()].map(([number, content]) => [number, new Map([...content].filter(([key]) => OF_IPAM.test(key)))]),
);
const stage = (number: string): State => {
  const state = STAGES.get(number);
  if (state === undefined) throw new Error(`no stage ${number}`);
  return state;
};

function blocksOf(state: State): ReadonlyMap<string, Block> {
  const blocks = new Map<string, Block>();
  for (const [key, value] of state) if (parseKey(key)?.kind === 'block') blocks.set(key, decodeBlock(value));
  return blocks;
}

/** Owners that are new in a stage, oldest first, with what they got of each family. */
function newOwners(before: State, after: State): {request: Omit<AssignRequest, 'use'>; node: string}[] {
  const known = new Set([...blocksOf(before).values()].flatMap((block) => block.attributes.map((a) => a.handleId)));
  const owners = new Map<string, {attributes: ReadonlyMap<string, string>; ipv4: number; ipv6: number}>();
  for (const block of blocksOf(after).values())
    for (const index of block.allocations) {
      const attribute = index === null ? undefined : block.attributes[index];
      if (attribute?.handleId === undefined || known.has(attribute.handleId)) continue;
      const owner = owners.get(attribute.handleId) ?? {attributes: attribute.secondary, ipv4: 0, ipv6: 0};
      owners.set(attribute.handleId, {
        ...owner,
        ipv4: owner.ipv4 + (block.cidr.includes(':') ? 0 : 1),
        ipv6: owner.ipv6 + (block.cidr.includes(':') ? 1 : 0),
      });
    }
  return [...owners]
    .sort(([, a], [, b]) => ((a.attributes.get('timestamp') ?? '') < (b.attributes.get('timestamp') ?? '') ? -1 : 1))
    .map(([handleId, {attributes, ipv4, ipv6}]) => ({
      node: attributes.get('node') ?? '',
      request: {owner: {handleId, attributes}, ipv4: {count: ipv4}, ipv6: {count: ipv6}},
    }));
}

/** Handles that are gone after a stage, in the order of their age. */
function goneHandles(before: State, after: State): string[] {
  const handles = [...before.keys()].flatMap((key) => {
    const parsed = parseKey(key);
    return parsed?.kind === 'handle' && !after.has(key) ? [parsed.handleId] : [];
  });
  const order = [...blocksOf(before).values()].flatMap((block) => block.attributes.map(({handleId}) => handleId));
  return handles.sort((a, b) => order.indexOf(a) - order.indexOf(b));
}

/** The state without what varies; sequence numbers of blocks that `before` has not begin at zero. */
function comparable(state: State, before: State): string[] {
  return [...state].map(([key, value]) => `${key} ${normalised(key, value, before)}`).sort();
}

function normalised(key: string, value: string, before: State): string {
  if (parseKey(key)?.kind !== 'block') return value;
  const block = decodeBlock(value);
  const numbers = new Map([...block.sequenceNumberForAllocation].filter(([i]) => block.allocations[i] !== null));
  const [first = block.sequenceNumber] = [...numbers.values()].sort((a, b) => (a < b ? -1 : 1));
  const start = before.has(key) ? 0n : first;
  return encodeBlock({
    ...block,
    affinityClaimTime: block.affinityClaimTime === undefined ? undefined : '<time>',
    sequenceNumber: block.sequenceNumber - start,
    sequenceNumberForAllocation: new Map([...numbers].map(([i, n]) => [i, n - start])),
  });
}

for (const atomicAcrossKeys of [true, false]) {
  const way = atomicAcrossKeys ? 'in transactions' : 'key by key';
  const log = silentLogger;

  /** A store that holds a stage. */
  const storeWith = async (state: State): Promise<MemoryStore> => {
    const store = new MemoryStore({atomicAcrossKeys});
    for (const [key, value] of state) await store.commit([{kind: 'put', key, value}]);
    return store;
  };
  const stateOf = (store: MemoryStore): State => new Map([...store.entries].map(([key, {value}]) => [key, value]));
  const check = (t: Tap, store: MemoryStore, from: string, to: string): void => {
    t.same(comparable(stateOf(store), stage(from)), comparable(stage(to), stage(from)), `stage ${from} becomes ${to}`);
  };
  type Tap = {same(found: unknown, wanted: unknown, message: string): unknown};

  void t.test(`tunnel addresses, ${way}`, async (t) => {
    const store = await storeWith(stage('01'));
    const allocator = new Allocator({store, clock: systemClock, log});
    await ensureTunnelAddresses({node: 'node1'}, {store, allocator, log});
    check(t, store, '01', '02');
    const commits = store.commits.length;
    await ensureTunnelAddresses({node: 'node1'}, {store, allocator, log});
    t.equal(store.commits.length, commits, 'doing it again writes nothing');

    const second = await storeWith(stage('02'));
    const key = Node.key({name: 'node2'});
    // The node as its start-up left it, before it had addresses.
    const node = Node.decode(stage('03').get(key) ?? '', key);
    const {ipv4VXLANTunnelAddr: _4, ipv6VXLANTunnelAddr: _6, ...spec} = node.spec;
    await second.commit([{kind: 'put', key, value: Node.encode({...node, spec})}]);
    await ensureTunnelAddresses(
      {node: 'node2'},
      {store: second, allocator: new Allocator({store: second, clock: systemClock, log}), log},
    );
    check(t, second, '02', '03');
  });

  for (const [from, to] of [
    ['03', '05'],
    ['05', '06'],
    ['06', '07'],
    ['07', '08'],
    ['08', '09'],
    ['10', '11'],
    ['11', '12'],
  ] as const) {
    for (const way2 of ['single calls', 'the node allocator'] as const) {
      void t.test(`stage ${from} to ${to}, ${way}, ${way2}`, async (t) => {
        const store = await storeWith(stage(from));
        const pools = from === '10' || from === '11' ? ['10.245.0.0/29'] : undefined;
        const single = new Allocator({store, clock: systemClock, log});
        const nodes = new Map<string, NodeAllocator>();
        for (const {node, request} of newOwners(stage(from), stage(to))) {
          const whole = {
            ...request,
            use: 'Workload',
            ipv4: {...request.ipv4, count: request.ipv4?.count ?? 0, pools},
          } as const;
          if (way2 === 'single calls') await single.autoAssign(node, whole);
          else {
            const agent =
              nodes.get(node) ??
              new NodeAllocator({node}, {store, rules: new StoreRules({store, log}), clock: systemClock, log});
            nodes.set(node, agent);
            await agent.assign(whole);
          }
        }
        check(t, store, from, to);
      });
    }
  }

  void t.test(`a small pool: own block, ${way}`, async (t) => {
    const store = await storeWith(stage('09'));
    const pool = IPPool.key({name: 'small'});
    await store.commit([{kind: 'put', key: pool, value: stage('10').get(pool) ?? ''}]);
    const allocator = new Allocator({store, clock: systemClock, log});
    for (const {node, request} of newOwners(stage('09'), stage('10')))
      await allocator.autoAssign(node, {...request, use: 'Workload', ipv4: {count: 1, pools: ['10.245.0.0/29']}});
    check(t, store, '09', '10');
  });

  void t.test(`release by handle and by address, ${way}`, async (t) => {
    const store = await storeWith(stage('12'));
    const allocator = new Allocator({store, clock: systemClock, log});
    for (const handle of goneHandles(stage('12'), stage('13'))) await allocator.releaseByHandle(handle);
    check(t, store, '12', '13');
    t.equal(
      await allocator.releaseByHandle(goneHandles(stage('12'), stage('13'))[0] ?? ''),
      undefined,
      'twice is once',
    );
    check(t, store, '12', '13');

    const second = await storeWith(stage('13'));
    const {released} = await new Allocator({store: second, clock: systemClock, log}).releaseIps([
      {ip: '10.244.166.129'},
    ]);
    t.equal(released.length, 1);
    check(t, second, '13', '15');
  });

  void t.test(`configuration, ${way}`, async (t) => {
    const store = await storeWith(stage('15'));
    await writeIpamConfig(store, {...(await readIpamConfig(store)), strictAffinity: true});
    check(t, store, '15', '16');
    await writeIpamConfig(store, {...(await readIpamConfig(store)), maxBlocksPerHost: 3});
    check(t, store, '15', '17');
    await t.rejects(writeIpamConfig(store, {...(await readIpamConfig(store)), strictAffinity: false}), {
      code: 'E_BAD_CONFIG',
    });
  });

  void t.test(`a node deleted, then all pods, ${way}`, async (t) => {
    const store = await storeWith(stage('17'));
    const dependencies = {store, clock: systemClock, log};
    const addresses = [
      '10.245.0.6',
      '10.245.0.3',
      '10.245.0.5',
      '10.245.0.7',
      '10.244.104.1',
      '10.244.104.2',
      '10.244.104.3',
    ];
    await new Allocator(dependencies).releaseIps([...addresses, '10.244.104.0'].map((ip) => ({ip})));
    await new BlockClaims(dependencies).removeHost('node2');
    await store.commit([{kind: 'delete', key: Node.key({name: 'node2'})}]);
    check(t, store, '17', '19');

    const last = await storeWith(stage('19'));
    const allocator = new Allocator({...dependencies, store: last});
    for (const handle of goneHandles(stage('19'), stage('20'))) await allocator.releaseByHandle(handle);
    check(t, last, '19', '20');
  });
}
