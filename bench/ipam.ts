/**
 * Addresses on the embedded store: how many transactions a hundred requests cost, how evenly they wait, and what one
 * address costs beside one bare compare-and-swap of a value as large as a block.
 *
 * In this process, with the allocator fed by a watch as in the agent.
 */
import {mkdtempSync, rmSync} from 'node:fs';
import {setImmediate as nextTurn} from 'node:timers/promises';
import {EmbeddedStore} from '../src/datastore/embedded/embedded-store.ts';
import type {Revision, Store} from '../src/datastore/store.ts';
import {Syncer} from '../src/datastore/syncer.ts';
import {NodeAllocator} from '../src/ipam/node-allocator.ts';
import {WatchedRules} from '../src/ipam/rules.ts';
import {systemClock as clock} from '../src/lib/clock.ts';
import {silentLogger as log} from '../src/lib/log.ts';
import {BLOCKS_PREFIX, blockPrefix, IPAM_CONFIG_KEY, RESOURCES_PREFIX} from '../src/model/keys.ts';
import {IPPool} from '../src/model/kinds/ip-pool.ts';
import {Node} from '../src/model/kinds/node.ts';
import type {BenchOptions} from './measure/bench.ts';
import {interleave} from './measure/interleave.ts';
import {compare, count, type Report} from './measure/row.ts';
import {medianOf} from './measure/spread.ts';
import {timeMs} from './measure/stopwatch.ts';
import {CountingStore} from './support/counting-store.ts';

/** On a disk, as /var/lib/calico is; /tmp may be memory. */
const FOLDER = '/var/tmp/bench-ipam-';
const CONCURRENT = 100;
const SINGLES_PER_ROUND = 20;
const MOST_TRANSACTIONS = 5;
const MOST_OPERATIONS = 120;
const MOST_UNFAIR = 3;

export async function benchIpam({rounds, progress}: BenchOptions): Promise<Report> {
  const folder = mkdtempSync(FOLDER);
  const store = new CountingStore(await EmbeddedStore.open({folder}, {clock, log}));
  try {
    await putPool(store);
    const burst = {transactions: [] as number[], operations: [] as number[], unfairness: [] as number[]};
    progress(`${CONCURRENT} requests in one turn, in one turn each, and on a node without a block`);
    for (const [way, {isSpread, isFresh}] of Object.entries(WAYS)) {
      let node: AllocatingNode | undefined;
      for (let round = 0; round < rounds; round++) {
        if (node === undefined || isFresh) {
          await node?.close();
          node = await AllocatingNode.start(`${way}-${round}`, store);
          if (!isFresh) await node.burst({isSpread, count: CONCURRENT});
        }
        const {commits, waitsMs} = await node.burst({isSpread, count: CONCURRENT});
        burst.transactions.push(commits.length);
        burst.operations.push(...commits);
        burst.unfairness.push(Math.max(...waitsMs) / medianOf(waitsMs));
      }
      await node?.close();
    }

    progress('one address at a time');
    const node = await AllocatingNode.start('single', store);
    await node.burst({isSpread: false, count: CONCURRENT, keeps: true});
    const swap = await Swap.start(store);
    const single = await interleave(
      {
        floor: async () => ({ms: await repeat(SINGLES_PER_ROUND, () => swap.once())}),
        ours: async () => ({ms: await node.singles(SINGLES_PER_ROUND)}),
      },
      {rounds, warmUpRounds: 2},
    );
    await node.close();
    return {
      name: 'ipam',
      notes: [
        `embedded store in ${FOLDER.replace(/[^/]*$/, '')}; floor: one compare-and-swap of one key, its value as large as a block`,
        `${CONCURRENT} requests at once: ${Object.keys(WAYS).join(', ')}; ${rounds} rounds of each`,
      ],
      rows: [
        count(`transactions for ${CONCURRENT} requests`, '', burst.transactions, {number: 2, limit: MOST_TRANSACTIONS}),
        count('operations in one transaction', '', burst.operations, {number: 2, limit: MOST_OPERATIONS}),
        count('longest wait / median wait', '', burst.unfairness, {number: 2, limit: MOST_UNFAIR}),
        compare({what: 'one address assigned', unit: 'ms', ours: single.ours.ms, floor: single.floor.ms}),
      ],
    };
  } finally {
    await store.close();
    rmSync(folder, {recursive: true});
  }
}

/** How a hundred requests arrive, and what the node has then. */
const WAYS: Readonly<Record<string, {readonly isSpread: boolean; readonly isFresh: boolean}>> = {
  'in one turn of the loop': {isSpread: false, isFresh: false},
  'a turn each': {isSpread: true, isFresh: false},
  'a turn each on a node without blocks': {isSpread: true, isFresh: true},
};

/** A node's allocator with everything that feeds it. */
class AllocatingNode {
  readonly #store: CountingStore;
  readonly #allocator: NodeAllocator;
  readonly #syncer: Syncer;
  readonly #name: string;
  #pods = 0;

  private constructor(name: string, store: CountingStore) {
    const rules = new WatchedRules({store, log});
    this.#name = name;
    this.#store = store;
    this.#allocator = new NodeAllocator({node: name}, {store, rules, clock, log});
    this.#syncer = new Syncer(
      {prefixes: [RESOURCES_PREFIX, BLOCKS_PREFIX, IPAM_CONFIG_KEY]},
      {
        store,
        clock,
        log,
        sink: {
          onStatus: (status) => {
            rules.onStatus(status);
            if (status === 'in-sync') this.#inSync.resolve();
          },
          onUpdates: (updates) => {
            rules.onUpdates(updates);
            this.#allocator.onUpdates(updates);
          },
        },
      },
    );
  }

  readonly #inSync = Promise.withResolvers<void>();

  static async start(title: string, store: CountingStore): Promise<AllocatingNode> {
    const name = title.replaceAll(' ', '-');
    await putNode(store, name);
    const node = new AllocatingNode(name, store);
    node.#syncer.start();
    await node.#inSync.promise;
    return node;
  }

  async close(): Promise<void> {
    await this.#syncer.stop();
    await this.#allocator.close();
  }

  /** Many requests at once; all is given back afterwards unless it is kept. */
  async burst(options: {readonly isSpread: boolean; readonly count: number; readonly keeps?: boolean}) {
    this.#store.take();
    const waiting: Promise<number>[] = [];
    const handles: string[] = [];
    for (let n = 0; n < options.count; n++) {
      const handle = this.#nextHandle();
      handles.push(handle);
      waiting.push(this.#assign(handle));
      if (options.isSpread) await nextTurn();
    }
    const waitsMs = await Promise.all(waiting);
    const commits = this.#store.take();
    if (options.keeps !== true) await Promise.all(handles.map((handle) => this.#allocator.releaseByHandle(handle)));
    return {waitsMs, commits};
  }

  async singles(times: number): Promise<readonly number[]> {
    const spent: number[] = [];
    for (let n = 0; n < times; n++) {
      const handle = this.#nextHandle();
      spent.push(await this.#assign(handle));
      await this.#allocator.releaseByHandle(handle);
    }
    return spent;
  }

  #nextHandle(): string {
    return `net.${this.#name}-pod${this.#pods++}`;
  }

  #assign(handleId: string): Promise<number> {
    const owner = {
      handleId,
      attributes: new Map([
        ['node', this.#name],
        ['pod', handleId],
        ['namespace', 'default'],
      ]),
    };
    return timeMs(() => this.#allocator.assign({owner, use: 'Workload', ipv4: {count: 1}}));
  }
}

/** One key that is swapped again and again. */
class Swap {
  readonly #store: Store;
  readonly #value: string;
  #revision: Revision | undefined;

  private constructor(store: Store, value: string) {
    this.#store = store;
    this.#value = value;
  }

  static async start(store: Store): Promise<Swap> {
    const blocks = (await store.list(blockPrefix(4))).entries;
    const largest = blocks.reduce((size, {value}) => Math.max(size, value.length), 0);
    const swap = new Swap(store, 'x'.repeat(largest));
    const {revisions} = await store.commit([{kind: 'put', key: SWAP_KEY, value: ''}]);
    swap.#revision = revisions[0];
    return swap;
  }

  async once(): Promise<void> {
    if (this.#revision === undefined) throw new Error('no revision to swap at');
    const {revisions} = await this.#store.commit([
      {kind: 'update', key: SWAP_KEY, value: this.#value, revision: this.#revision},
    ]);
    this.#revision = revisions[0];
  }
}

const SWAP_KEY = '/bench/swap';

async function repeat(times: number, work: () => Promise<void>): Promise<readonly number[]> {
  const spent: number[] = [];
  for (let n = 0; n < times; n++) {
    spent.push(await timeMs(work));
  }
  return spent;
}

async function putPool(store: Store): Promise<void> {
  const spec = {cidr: '10.60.0.0/16', blockSize: 26, vxlanMode: 'Always', nodeSelector: 'all()'};
  const pool = {kind: 'IPPool', apiVersion: 'projectcalico.org/v3', metadata: {name: 'bench'}, spec};
  await store.commit([{kind: 'put', key: IPPool.key({name: 'bench'}), value: JSON.stringify(pool)}]);
}

async function putNode(store: Store, name: string): Promise<void> {
  const node = {kind: 'Node', apiVersion: 'projectcalico.org/v3', metadata: {name}, spec: {}};
  await store.commit([{kind: 'put', key: Node.key({name}), value: JSON.stringify(node)}]);
}
