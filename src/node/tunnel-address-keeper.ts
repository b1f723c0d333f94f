/**
 * Keeps the node's tunnel addresses right while the agent runs: whenever a pool or the own Node changes, what IPAM and
 * the Node resource say is brought into line again.
 */
import type {Store, SyncSink, SyncStatus, Update} from '../datastore/store.ts';
import type {Allocator} from '../ipam/allocator.ts';
import {ensureTunnelAddresses, type TunnelAddressOptions} from '../ipam/tunnel-addresses.ts';
import type {Clock} from '../lib/clock.ts';
import {codeOf, messageChain} from '../lib/errors.ts';
import type {Logger} from '../lib/log.ts';
import {Pacer} from '../lib/pacer.ts';
import {IPPool} from '../model/kinds/ip-pool.ts';
import {Node} from '../model/kinds/node.ts';

export interface TunnelAddressKeeperDependencies {
  readonly store: Store;
  readonly allocator: Allocator;
  readonly clock: Clock;
  readonly log: Logger;
}

/** An edit of several pools is taken as one; what failed is tried again within a minute. */
const PACING = {minGapMs: 100, retryGapMs: 1000, maxGapMs: 60_000};

export class TunnelAddressKeeper implements SyncSink {
  readonly #options: TunnelAddressOptions;
  readonly #dependencies: TunnelAddressKeeperDependencies;
  readonly #prefixes: readonly string[];
  readonly #pacer: Pacer;
  #isInSync = false;

  constructor(options: TunnelAddressOptions, dependencies: TunnelAddressKeeperDependencies) {
    this.#options = options;
    this.#dependencies = dependencies;
    this.#prefixes = [IPPool.prefix(), Node.key({name: options.node})];
    this.#pacer = new Pacer(PACING, {clock: dependencies.clock, run: (signal) => this.#ensure(signal)});
  }

  onStatus(status: SyncStatus): void {
    this.#isInSync = status === 'in-sync';
    if (this.#isInSync) this.#pacer.trigger();
  }

  onUpdates(updates: readonly Update[]): void {
    if (this.#isInSync && updates.some(({key}) => this.#prefixes.some((prefix) => key.startsWith(prefix)))) {
      this.#pacer.trigger();
    }
  }

  stop(): Promise<void> {
    return this.#pacer.stop();
  }

  async #ensure(signal: AbortSignal): Promise<'done' | 'retry'> {
    try {
      await ensureTunnelAddresses(this.#options, this.#dependencies, {signal});
      return 'done';
    } catch (error) {
      if (signal.aborted) return 'done';
      const {log} = this.#dependencies;
      // Others change the Node too; that is no event.
      if (codeOf(error) === 'E_CONFLICT') return 'retry';
      log.warn({code: codeOf(error), reason: messageChain(error)}, 'tunnel addresses are not as the pools want them');
      return 'retry';
    }
  }
}
