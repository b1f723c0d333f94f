/**
 * One node's IPAM in a process of its own, for the model test: random requests on the agent's allocator, several at
 * once, until it has done its share or is killed between two calls of the store. It tells its parent what it is about to
 * do and what came of it; what it was told to have alive at the start stays alive, all else of this node is reclaimed.
 *
 * Usage: node node-process.ts '{"folder":...,"node":...,"seed":...,"operations":...,"dieAtCall":...,"isAtomic":...,
 * "alive":[...]}'
 */
import {writeSync} from 'node:fs';
import {EmbeddedStore} from '../../../../src/datastore/embedded/embedded-store.ts';
import {Allocator} from '../../../../src/ipam/allocator.ts';
import {BlockClaims} from '../../../../src/ipam/block-claims.ts';
import {NodeAllocator} from '../../../../src/ipam/node-allocator.ts';
import {reclaim} from '../../../../src/ipam/reclaim.ts';
import {StoreRules} from '../../../../src/ipam/rules.ts';
import {systemClock} from '../../../../src/lib/clock.ts';
import {codeOf} from '../../../../src/lib/errors.ts';
import {createLogger} from '../../../../src/lib/log.ts';
import {goTimestamp} from '../../../../src/model/names.ts';
import {createRandom} from '../../../helpers/random.ts';
import type {NodeProcessOptions, Report} from './protocol.ts';
import {SteppedStore} from './stepped-store.ts';

const options = JSON.parse(process.argv[2] ?? '') as NodeProcessOptions;
const {node, isAtomic, dieAtCall} = options;
const random = createRandom(options.seed);
const log = createLogger({level: 'error', fd: 2});

/** Written at once: what was told is told, also when the next step is the last. */
const tell = (report: Report): void => {
  writeSync(1, `${JSON.stringify(report)}\n`);
};

const embedded = await EmbeddedStore.open({folder: options.folder}, {clock: systemClock, log});
let calls = 0;
const store = new SteppedStore(embedded, {
  isAtomic,
  between: () => {
    if (++calls === dieAtCall) process.kill(process.pid, 'SIGKILL');
  },
});

const dependencies = {store, clock: systemClock, log};
const alive = new Set(options.alive);
await reclaim(
  {node, startedMs: Date.now() + 1},
  {...dependencies, allocator: new Allocator(dependencies), isDead: ({containerId}) => !alive.has(containerId)},
);
tell({kind: 'reclaimed'});

const agent = new NodeAllocator({node}, {...dependencies, rules: new StoreRules({store, log})});
const claims = new BlockClaims(dependencies);
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
  tell({kind: 'adding', container});
  try {
    const allocations = random.chance(0.1)
      ? [await agent.assignIp({ip: `10.0.0.${random.below(64)}`, owner})]
      : await agent.assign({
          owner,
          use: 'Workload',
          ipv4: families === 6 ? undefined : {count: random.pick([1, 1, 1, 2])},
          ipv6: families === 4 ? undefined : {count: 1},
        });
    alive.add(container);
    tell({kind: 'added', container, ips: allocations.map(({ip}) => ip)});
  } catch (error) {
    // The pools are small on purpose.
    if (codeOf(error)?.startsWith('E_IPAM_') !== true) throw error;
    tell({kind: 'refused', container});
  }
}

async function remove(): Promise<void> {
  if (alive.size === 0) return;
  const container = random.pick([...alive]);
  alive.delete(container);
  tell({kind: 'removing', container});
  await agent.releaseByHandle(`net.${container}`);
  tell({kind: 'removed', container});
}

/** Requests that must change nothing that lives. */
async function mischief(): Promise<void> {
  const ip = `10.0.0.${random.below(64)}`;
  await random.pick([
    () => agent.releaseIps([{ip, handleId: 'net.nobody'}]),
    () => agent.releaseIps([{ip, sequenceNumber: 42n}]),
    () => agent.releaseByHandle('net.nobody'),
    () => claims.releaseBlock(`10.0.0.${16 * random.below(4)}/28`, {requireEmpty: true}),
    () => claims.ensureBlock(node, 4).catch(() => undefined),
  ])();
}

for (let done = 0; done < options.operations; ) {
  const batch = Math.min(random.pick([1, 1, 2, 8]), options.operations - done);
  await Promise.all(
    Array.from({length: batch}, () => {
      const dice = random.next();
      return dice < 0.6 ? add() : dice < 0.93 ? remove() : mischief();
    }),
  );
  done += batch;
}
await agent.close();
await embedded.close();
tell({kind: 'finished'});
