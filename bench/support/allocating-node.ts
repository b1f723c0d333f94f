/** A node's allocator with everything that feeds it, on a store that counts. */
import {setImmediate as nextTurn} from 'node:timers/promises';
import type {Store} from '../../src/datastore/store.ts';
import {Syncer} from '../../src/datastore/syncer.ts';
import {NodeAllocator} from '../../src/ipam/node-allocator.ts';
import {WatchedRules} from '../../src/ipam/rules.ts';
import {systemClock as clock} from '../../src/lib/clock.ts';
import {silentLogger as log} from '../../src/lib/log.ts';
import {BLOCKS_PREFIX, IPAM_CONFIG_KEY, RESOURCES_PREFIX} from '../../src/model/keys.ts';
import {IPPool} from '../../src/model/kinds/ip-pool.ts';
import {Node} from '../../src/model/kinds/node.ts';
import {timeMs} from '../measure/stopwatch.ts';
import type {CountingStore} from './counting-store.ts';

export class AllocatingNode {
  readonly #store: CountingStore;
  readonly #allocator: NodeAllocator;
  readonly #syncer: Syncer;
  readonly #name: string;
  readonly #inSync = Promise.withResolvers<void>();
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

  /** There must be a pool. */
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
    const {sizes} = this.#store.take();
    if (options.keeps !== true) await this.#release(handles);
    return {waitsMs, sizes};
  }

  /** Requests one after the other, each given back before the next. */
  async singles(times: number): Promise<readonly number[]> {
    const spent: number[] = [];
    for (let n = 0; n < times; n++) {
      const handle = this.#nextHandle();
      spent.push(await this.#assign(handle));
      await this.#allocator.releaseByHandle(handle);
    }
    return spent;
  }

  /** So many addresses, `atOnce` requests waiting at any time. Resolves to what gives them back. */
  async fill(count: number, atOnce: number): Promise<() => Promise<void>> {
    const handles = Array.from({length: count}, () => this.#nextHandle());
    const queue = [...handles];
    const asker = async () => {
      for (let handle = queue.shift(); handle !== undefined; handle = queue.shift()) await this.#assign(handle);
    };
    await Promise.all(Array.from({length: atOnce}, asker));
    return () => this.#release(handles);
  }

  async #release(handles: readonly string[]): Promise<void> {
    await Promise.all(handles.map((handle) => this.#allocator.releaseByHandle(handle)));
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

export async function putPool(store: Store): Promise<void> {
  const spec = {cidr: '10.60.0.0/16', blockSize: 26, vxlanMode: 'Always', nodeSelector: 'all()'};
  const pool = {kind: 'IPPool', apiVersion: 'projectcalico.org/v3', metadata: {name: 'bench'}, spec};
  await store.commit([{kind: 'put', key: IPPool.key({name: 'bench'}), value: JSON.stringify(pool)}]);
}

async function putNode(store: Store, name: string): Promise<void> {
  const node = {kind: 'Node', apiVersion: 'projectcalico.org/v3', metadata: {name}, spec: {}};
  await store.commit([{kind: 'put', key: Node.key({name}), value: JSON.stringify(node)}]);
}
