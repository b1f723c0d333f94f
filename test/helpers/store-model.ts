/** The simplest thing that behaves like a store: a map. For random runs beside a real one. */
import type {CommitResult, Entry, Operation, Store} from '../../src/datastore/store.ts';
import {compareBytes} from '../../src/lib/byte-order.ts';
import type {Random} from './random.ts';

const NAMES = ['a', 'a/1', 'a/2', 'a-1', 'b', 'b/名', 'c', 'c/😀'];
const KINDS = ['create', 'update', 'put', 'delete', 'delete-any', 'check', 'check-none'] as const;

export class StoreModel {
  readonly #random: Random;
  readonly #folder: string;
  readonly #entries = new Map<string, Entry>();
  /** Every revision there ever was: wrong ones are taken from here, because a store may refuse what it never gave. */
  readonly #revisions: string[] = [];

  /** All keys begin with `folder`. */
  constructor(random: Random, folder: string) {
    this.#random = random;
    this.#folder = folder;
  }

  /** Up to `maxOps` operations on different keys, some of which hold. */
  randomCommit(maxOps: number): Operation[] {
    const names = this.#random.shuffle(NAMES).slice(0, this.#random.between(1, maxOps));
    return names.map((name) => this.#randomOperation(`${this.#folder}${name}`));
  }

  /** `CODE index` of the first operation that does not hold, undefined when all do. */
  refusal(operations: readonly Operation[]): string | undefined {
    for (const [index, operation] of operations.entries()) {
      const code = this.#code(operation);
      if (code !== undefined) return `${code} ${index}`;
    }
    return undefined;
  }

  /** Takes over a commit that the store has done. */
  apply(operations: readonly Operation[], {revisions}: CommitResult): void {
    if (revisions.length !== operations.length) throw new Error('a commit gives one revision per operation');
    for (const [index, operation] of operations.entries()) {
      const revision = revisions[index];
      const isWrite = operation.kind !== 'delete' && operation.kind !== 'check';
      if (isWrite !== (revision !== undefined)) throw new Error(`revision ${revision} for a ${operation.kind}`);
      if (operation.kind === 'delete') this.#entries.delete(operation.key);
      if (!isWrite || revision === undefined) continue;
      this.#entries.set(operation.key, {key: operation.key, value: operation.value, revision});
      this.#revisions.push(revision);
    }
  }

  /** Throws when the store holds anything else. */
  async compare(store: Pick<Store, 'list'>): Promise<void> {
    const expected = JSON.stringify(
      [...this.#entries.values()].sort((a, b) => compareBytes(a.key, b.key)),
      FIELDS,
    );
    const found = JSON.stringify((await store.list(this.#folder)).entries, FIELDS);
    if (found !== expected) throw new Error(`the store holds ${found}, not ${expected}`);
  }

  #code(operation: Operation): string | undefined {
    const revision = this.#entries.get(operation.key)?.revision;
    switch (operation.kind) {
      case 'put':
        return undefined;
      case 'create':
        return revision === undefined ? undefined : 'E_EXISTS';
      case 'check':
        return operation.revision === revision ? undefined : 'E_CONFLICT';
      case 'update':
      case 'delete':
        if (revision === undefined) return 'E_NOT_FOUND';
        return operation.revision === undefined || operation.revision === revision ? undefined : 'E_CONFLICT';
    }
  }

  #randomOperation(key: string): Operation {
    const value = `{"n":${this.#random.below(1000)}}`;
    const current = this.#entries.get(key)?.revision;
    const revision = this.#random.chance(0.8) && current !== undefined ? current : this.#anyRevision();
    const kind = this.#random.pick(KINDS);
    switch (kind) {
      case 'create':
      case 'put':
        return {kind, key, value};
      case 'update':
        return revision === undefined ? {kind: 'put', key, value} : {kind, key, value, revision};
      case 'delete':
      case 'check':
        return revision === undefined ? {kind: 'check', key, revision} : {kind, key, revision};
      case 'delete-any':
        return {kind: 'delete', key};
      case 'check-none':
        return {kind: 'check', key, revision: undefined};
    }
  }

  #anyRevision(): string | undefined {
    return this.#revisions.length === 0 ? undefined : this.#random.pick(this.#revisions);
  }
}

const FIELDS = ['key', 'value', 'revision'];
