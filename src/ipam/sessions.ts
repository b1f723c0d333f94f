/**
 * Single calls, each with beliefs of its own: a cache that is empty at the start and forgotten at the end, so that every
 * call sees the datastore as it is.
 */
import type {CallOptions, Store} from '../datastore/store.ts';
import type {Clock} from '../lib/clock.ts';
import type {Logger} from '../lib/log.ts';
import {Draft} from './draft.ts';
import {EntryCache} from './entry-cache.ts';
import type {Asked} from './jobs.ts';
import {type AllocationRules, type RulesSource, StoreRules} from './rules.ts';
import {Transactor} from './transactor.ts';

export interface SessionDependencies {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  /** Default: read from the store with every call. */
  readonly rules?: RulesSource | undefined;
}

export class Sessions {
  readonly #dependencies: SessionDependencies & {readonly rules: RulesSource};

  constructor(dependencies: SessionDependencies) {
    this.#dependencies = {...dependencies, rules: dependencies.rules ?? new StoreRules(dependencies)};
  }

  /** Plans and commits one job; `node` is the one that allocates, if one does. */
  async run<T>({job, result}: Asked<T>, node: string | undefined, call: CallOptions): Promise<T> {
    const cache = new EntryCache(this.#dependencies);
    const transactor = new Transactor({}, {...this.#dependencies, cache});
    await Promise.all([transactor.run([job], node, call), result]);
    return result;
  }

  /** A draft to read through, and the rules. */
  async read(call: CallOptions): Promise<{readonly draft: Draft; readonly rules: AllocationRules}> {
    const {clock} = this.#dependencies;
    const rules = await this.#dependencies.rules.load(undefined, call);
    const cooldown = {seconds: rules.config.ipCooldownSeconds, nowMs: clock.wallMs()};
    return {draft: new Draft({call, cooldown}, {cache: new EntryCache(this.#dependencies)}), rules};
  }
}
