/**
 * One node's IPAM in a process of its own, for the fire suite: random requests, several at once, until it has done its
 * share or is killed. It tells its parent what it is about to do and what came of it; what it was told to have alive at
 * the start stays alive, all else of this node is reclaimed.
 *
 * Usage: node worker.ts '<WorkerOptions as JSON>'
 */
import {writeSync} from 'node:fs';
import {openStore, parseStoreConfig} from '../../../../src/datastore/open-store.ts';
import type {Store} from '../../../../src/datastore/store.ts';
import {Allocator} from '../../../../src/ipam/allocator.ts';
import {BlockClaims} from '../../../../src/ipam/block-claims.ts';
import {NodeAllocator} from '../../../../src/ipam/node-allocator.ts';
import {reclaim} from '../../../../src/ipam/reclaim.ts';
import {StoreRules} from '../../../../src/ipam/rules.ts';
import {ensureTunnelAddresses} from '../../../../src/ipam/tunnel-addresses.ts';
import {systemClock} from '../../../../src/lib/clock.ts';
import {codeOf} from '../../../../src/lib/errors.ts';
import {createLogger} from '../../../../src/lib/log.ts';
import {goTimestamp} from '../../../../src/model/names.ts';
import {createRandom} from '../../../helpers/random.ts';
import {environmentOf, type Report, type WorkerOptions} from './protocol.ts';
import {SteppedStore} from './stepped-store.ts';
import {blockAt, endpointOf, IPV4_ADDRESSES, ipv4At, nodeKey, WORKLOAD_POOL} from './world.ts';

const options = JSON.parse(process.argv[2] ?? '') as WorkerOptions;
const {node, nodes, isAtomic, dieAtCall} = options;
const random = createRandom(options.seed);
const DEADLINE_MS = 120_000;
const log = createLogger({level: 'error', fd: 2});

type Unstamped<R> = R extends Report ? Omit<R, 'at'> : never;

/** Written at once: what was told is told, also when the next step is the last. */
const tell = (report: Unstamped<Report>): void => {
  writeSync(1, `${JSON.stringify({...report, at: String(process.hrtime.bigint())})}\n`);
};

const opened: Store = await openStore(
  parseStoreConfig(environmentOf(options.store)),
  {clock: systemClock, log},
  {deadlineMs: DEADLINE_MS},
);
let calls = 0;
const store = new SteppedStore(opened, {
  isAtomic,
  deadlineMs: DEADLINE_MS,
  between: () => {
    if (++calls === dieAtCall) process.kill(process.pid, 'SIGKILL');
  },
});

const dependencies = {store, clock: systemClock, log};
const allocator = new Allocator(dependencies);
const agent = new NodeAllocator({node}, {...dependencies, rules: new StoreRules({store, log})});
const claims = new BlockClaims(dependencies);

/** Addresses of each container that lives; and containers whose ADD is under way. */
const alive = new Map<string, Set<string>>(Object.entries(options.alive).map(([name, ips]) => [name, new Set(ips)]));
const adding = new Set<string>();
const leaving = new Set<string>();

const reclaimNow = () =>
  reclaim(
    {node, startedMs: Date.now() + 1},
    {
      ...dependencies,
      allocator,
      isDead: ({containerId, ip}) => !adding.has(containerId) && alive.get(containerId)?.has(ip) !== true,
    },
  );

/** As the CNI plugin does: the endpoint says what the container uses, after it got it and before it gives it up. */
async function publish(container: string, ips: readonly string[]): Promise<void> {
  if (options.hasEndpoints !== true) return;
  const {key, value} = endpointOf(node, container, ips);
  await store.commit([ips.length === 0 ? {kind: 'delete', key} : {kind: 'put', key, value}]);
}

const attributes = (): ReadonlyMap<string, string> =>
  new Map([
    ['node', node],
    ['timestamp', goTimestamp(BigInt(Date.now()) * 1_000_000n)],
  ]);
let made = 0;

async function add(): Promise<void> {
  const container = `${node}x${options.seed}x${made++}`;
  const owner = {handleId: `net.${container}`, attributes: attributes()};
  const families = random.pick([4, 6, 46]);
  const isExact = random.chance(0.12);
  adding.add(container);
  tell({kind: 'adding', container});
  try {
    const allocations = isExact
      ? [await agent.assignIp({ip: ipv4At(random.below(IPV4_ADDRESSES)), owner})]
      : await agent.assign({
          owner,
          use: 'Workload',
          ipv4: families === 6 ? undefined : {count: random.pick([1, 1, 1, 2, 3])},
          ipv6: families === 4 ? undefined : {count: random.pick([1, 1, 2])},
        });
    const ips = allocations.map(({ip}) => ip);
    await publish(container, ips);
    alive.set(container, new Set(ips));
    tell({kind: 'added', container, ips, isExact});
  } catch (error) {
    // The pools are small on purpose.
    if (codeOf(error)?.startsWith('E_IPAM_') !== true) throw error;
    tell({kind: 'refused', container, why: codeOf(error)});
  } finally {
    adding.delete(container);
  }
}

/** Releases a container, by its handle or address by address, or only one of its addresses. */
async function remove(): Promise<void> {
  // One who has an endpoint is asked to leave once at a time, as the agent's lock per attachment sees to.
  const candidates = [...alive.keys()].filter((name) => options.hasEndpoints !== true || !leaving.has(name));
  if (candidates.length === 0) return;
  const container = random.pick(candidates);
  leaving.add(container);
  const has = alive.get(container) ?? new Set<string>();
  const handleId = `net.${container}`;
  const way = random.pick(['by handle', 'by handle', 'by address', 'one of them']);
  const going = way === 'one of them' ? [random.pick([...has])] : [...has];
  for (const ip of going) has.delete(ip);
  if (has.size === 0) alive.delete(container);
  tell({kind: 'removing', container, ips: going});
  await publish(container, [...has]);
  if (way === 'by handle') await agent.releaseByHandle(handleId);
  else {
    const by = random.pick([agent, allocator]);
    await by.releaseIps(going.map((ip) => ({ip, handleId})));
  }
  leaving.delete(container);
  tell({kind: 'removed', container});
}

/** Turns the node's wish for a tunnel on or off, and lets it have its way. */
async function tunnel(): Promise<void> {
  const entry = await store.get(nodeKey(node));
  if (entry === undefined) throw new Error('the node is gone');
  const resource = JSON.parse(entry.value) as {metadata: {labels?: Record<string, string> | undefined}};
  resource.metadata.labels = random.chance(0.7) ? {tunnel: 'yes'} : undefined;
  await store.commit([{kind: 'update', key: entry.key, value: JSON.stringify(resource), revision: entry.revision}]);
  await ensureTunnelAddresses({node}, {store, allocator, log});
}

/** Requests that must take nothing from anybody who lives. */
const MISCHIEF: Readonly<Record<string, () => Promise<unknown>>> = {
  'foreign handle': () => agent.releaseIps([{ip: ipv4At(random.below(IPV4_ADDRESSES)), handleId: 'net.nobody'}]),
  'foreign number': () => allocator.releaseIps([{ip: ipv4At(random.below(IPV4_ADDRESSES)), sequenceNumber: 42n}]),
  'unknown handle': () => agent.releaseByHandle('net.nobody'),
  claim: () => claims.claim(blockAt(random), node),
  unclaim: () => claims.release(blockAt(random), node, {requireEmpty: true}),
  'release block': () => claims.releaseBlock(blockAt(random), {requireEmpty: random.chance()}),
  'ensure block': () => claims.ensureBlock(node, random.pick([4, 6])),
  'remove host': () => claims.removeHost(random.pick(nodes)),
  'release pool': () => claims.releasePool(WORKLOAD_POOL),
  reclaim: reclaimNow,
  tunnel,
};
const MISCHIEF_NAMES = Object.entries({
  'foreign handle': 2,
  'foreign number': 2,
  'unknown handle': 1,
  claim: 4,
  unclaim: 3,
  'release block': 4,
  'ensure block': 3,
  'remove host': 2,
  'release pool': 0.3,
  reclaim: 2,
}).flatMap(([name, weight]) => Array.from({length: weight * 10}, () => name));

async function mischief(what: string): Promise<void> {
  try {
    await MISCHIEF[what]?.();
  } catch (error) {
    if (codeOf(error)?.startsWith('E_IPAM_') !== true) throw error;
  }
  tell({kind: 'did', what});
}

await reclaimNow();
if (!options.isLast) await mischief('tunnel');
tell({kind: 'reclaimed'});

for (let done = 0; done < options.operations; ) {
  const batch = Math.min(random.pick([1, 1, 2, 8]), options.operations - done);
  await Promise.all(
    Array.from({length: batch}, () => {
      const dice = random.next();
      return dice < 0.5 ? add() : dice < 0.85 ? remove() : mischief(random.pick(MISCHIEF_NAMES));
    }),
  );
  if (random.chance(0.05)) await mischief('tunnel');
  done += batch;
}
if (options.isLast) {
  for (const [container, ips] of alive) {
    tell({kind: 'removing', container, ips: [...ips]});
    await publish(container, []);
    await agent.releaseByHandle(`net.${container}`);
    tell({kind: 'removed', container});
  }
  await allocator.releaseByHandle(`vxlan-tunnel-addr-${node}`);
  await claims.removeHost(node);
}
await agent.close();
await opened.close();
tell({kind: 'finished'});
