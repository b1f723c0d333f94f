/**
 * Addresses on either store: how many transactions a hundred requests cost, how evenly they wait, and what one address
 * costs beside one bare compare-and-swap of a value as large as a block.
 *
 * In this process, with the allocator fed by a watch as in the agent.
 */
import {mkdtempSync, rmSync} from 'node:fs';
import {join} from 'node:path';
import {EmbeddedStore} from '../src/datastore/embedded/embedded-store.ts';
import {systemClock as clock} from '../src/lib/clock.ts';
import {silentLogger as log} from '../src/lib/log.ts';
import type {BenchOptions} from './measure/bench.ts';
import {type Contestant, interleave} from './measure/interleave.ts';
import {compare, count, type Report, type Row} from './measure/row.ts';
import {medianOf} from './measure/spread.ts';
import {timeMs} from './measure/stopwatch.ts';
import {AllocatingNode, putPool} from './support/allocating-node.ts';
import {CountingStore} from './support/counting-store.ts';
import {DISK_FOLDER} from './support/disk-folder.ts';
import {openEtcd, startEtcd} from './support/etcd.ts';
import {Swap} from './support/swap.ts';

const CONCURRENT = 100;
const SINGLES_PER_ROUND = 20;
const MOST_TRANSACTIONS = 5;
const MOST_OPERATIONS = 120;
const MOST_UNFAIR = 3;

export async function benchIpam({rounds, progress}: BenchOptions): Promise<Report> {
  const folder = mkdtempSync(join(DISK_FOLDER, 'bench-ipam-'));
  await using etcd = await startEtcd();
  const embedded = new CountingStore(await EmbeddedStore.open({folder}, {clock, log}));
  const remote = new CountingStore(openEtcd(etcd.endpoint));
  try {
    const bursts: Row[] = [];
    for (const [name, store] of Object.entries({embedded, etcd: remote})) {
      await putPool(store);
      progress(`${name}: ${CONCURRENT} requests in one turn, in one turn each, and on a node without a block`);
      bursts.push(...(await burstRows(name, store, rounds)));
    }
    progress('one address at a time');
    const [onEmbedded, onEtcd] = [await SingleAddress.start(embedded), await SingleAddress.start(remote)];
    const single = await interleave(
      {
        embeddedFloor: onEmbedded.swapped,
        etcdFloor: onEtcd.swapped,
        embedded: onEmbedded.assigned,
        etcd: onEtcd.assigned,
      },
      {rounds, warmUpRounds: 2},
    );
    await Promise.all([onEmbedded.close(), onEtcd.close()]);
    const what = (name: string) => `${name}: one address assigned`;
    return {
      name: 'ipam',
      notes: [
        `both stores in ${DISK_FOLDER}; floor: one compare-and-swap of one key, its value as large as a block`,
        `${CONCURRENT} requests at once: ${Object.keys(WAYS).join(', ')}; ${rounds} rounds of each`,
      ],
      rows: [
        ...bursts,
        compare({what: what('embedded'), unit: 'ms', ours: single.embedded.ms, floor: single.embeddedFloor.ms}),
        compare({what: what('etcd'), unit: 'ms', ours: single.etcd.ms, floor: single.etcdFloor.ms}),
      ],
    };
  } finally {
    await Promise.all([embedded.close(), remote.close()]);
    rmSync(folder, {recursive: true});
  }
}

/** How a hundred requests arrive, and what the node has then. */
const WAYS: Readonly<Record<string, {readonly isSpread: boolean; readonly isFresh: boolean}>> = {
  'in one turn of the loop': {isSpread: false, isFresh: false},
  'a turn each': {isSpread: true, isFresh: false},
  'a turn each on a node without blocks': {isSpread: true, isFresh: true},
};

async function burstRows(name: string, store: CountingStore, rounds: number): Promise<Row[]> {
  const transactions: number[] = [];
  const operations: number[] = [];
  const unfairness: number[] = [];
  for (const [way, {isSpread, isFresh}] of Object.entries(WAYS)) {
    let node: AllocatingNode | undefined;
    for (let round = 0; round < rounds; round++) {
      if (node === undefined || isFresh) {
        await node?.close();
        node = await AllocatingNode.start(`${way}-${round}`, store);
        if (!isFresh) await node.burst({isSpread, count: CONCURRENT});
      }
      const {sizes, waitsMs} = await node.burst({isSpread, count: CONCURRENT});
      transactions.push(sizes.length);
      operations.push(...sizes);
      unfairness.push(Math.max(...waitsMs) / medianOf(waitsMs));
    }
    await node?.close();
  }
  return [
    count(`${name}: transactions for ${CONCURRENT} requests`, '', transactions, {number: 2, limit: MOST_TRANSACTIONS}),
    count(`${name}: operations in one transaction`, '', operations, {number: 2, limit: MOST_OPERATIONS}),
    count(`${name}: longest wait / median wait`, '', unfairness, {number: 2, limit: MOST_UNFAIR}),
  ];
}

/** A node that has blocks, and a key beside it that is swapped. */
class SingleAddress {
  readonly #node: AllocatingNode;
  readonly #swap: Swap;

  private constructor(node: AllocatingNode, swap: Swap) {
    this.#node = node;
    this.#swap = swap;
  }

  static async start(store: CountingStore): Promise<SingleAddress> {
    const node = await AllocatingNode.start('single', store);
    await node.burst({isSpread: false, count: CONCURRENT, keeps: true});
    return new SingleAddress(node, await Swap.start(store, 'single'));
  }

  readonly assigned: Contestant<'ms'> = async () => ({ms: await this.#node.singles(SINGLES_PER_ROUND)});

  readonly swapped: Contestant<'ms'> = async () => {
    const ms: number[] = [];
    for (let n = 0; n < SINGLES_PER_ROUND; n++) ms.push(await timeMs(() => this.#swap.once()));
    return {ms};
  };

  close(): Promise<void> {
    return this.#node.close();
  }
}
