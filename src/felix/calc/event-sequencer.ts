/**
 * The last stage of calculation: holds what the data plane has not been told yet, and tells it in a safe order.
 *
 * At most one pending change for each object (a newer one takes its place), nothing that the data plane already has, and
 * a removal only of what it has. What is referred to goes first and away last; the order is the list below.
 */
import {isDeepStrictEqual} from 'node:util';
import type {Intent} from './intent.ts';

/** An intent about an object. */
export type ObjectIntent = Exclude<Intent, {kind: 'flush'}>;

/** What is referred to, before what refers to it: a route needs its VTEP, a VTEP our own end, all of them the settings. */
const ORDER: readonly ObjectIntent['kind'][] = [
  'config',
  'encapsulation',
  'local-tunnel',
  'vtep',
  'route',
  'workload-endpoint',
];

export class EventSequencer {
  readonly #pending = newTables();
  readonly #sent = newTables();
  /** Of the last flush. */
  #inSync = false;

  /** Objects with a pending change. Some may turn out to be as they were sent. */
  get pending(): number {
    return ORDER.reduce((sum, kind) => sum + this.#pending[kind].size, 0);
  }

  /** Objects of a kind that the data plane has. */
  sent(kind: ObjectIntent['kind']): number {
    return this.#sent[kind].size;
  }

  put(intent: ObjectIntent): void {
    this.#pending[intent.kind].set(keyOf(intent), intent);
  }

  /** The pending changes as one batch, or nothing when there is none. */
  flush(inSync: boolean): Intent[] {
    const batch: Intent[] = [];
    for (const kind of ORDER) this.#takeUpdates(kind, batch);
    for (const kind of ORDER.toReversed()) this.#takeRemovals(kind, batch);
    if (batch.length > 0 || inSync !== this.#inSync) batch.push({kind: 'flush', inSync});
    this.#inSync = inSync;
    return batch;
  }

  #takeUpdates(kind: ObjectIntent['kind'], batch: Intent[]): void {
    for (const [key, intent] of this.#pending[kind]) {
      if (isRemoval(intent)) continue;
      this.#pending[kind].delete(key);
      const sent = this.#sent[kind].get(key);
      if (sent !== undefined && isDeepStrictEqual(intent, sent)) continue;
      this.#sent[kind].set(key, intent);
      batch.push(intent);
    }
  }

  #takeRemovals(kind: ObjectIntent['kind'], batch: Intent[]): void {
    for (const [key, intent] of this.#pending[kind]) if (this.#sent[kind].delete(key)) batch.push(intent);
    this.#pending[kind].clear();
  }
}

type Tables = Readonly<Record<ObjectIntent['kind'], Map<string, ObjectIntent>>>;

const newTables = (): Tables => ({
  config: new Map(),
  encapsulation: new Map(),
  'local-tunnel': new Map(),
  vtep: new Map(),
  route: new Map(),
  'workload-endpoint': new Map(),
});

const isRemoval = (intent: ObjectIntent): boolean => 'value' in intent && intent.value === undefined;

function keyOf(intent: ObjectIntent): string {
  switch (intent.kind) {
    case 'config':
      return intent.layer;
    case 'encapsulation':
      return '';
    case 'local-tunnel':
      return String(intent.family);
    case 'vtep':
    case 'route':
    case 'workload-endpoint':
      return intent.key;
    default:
      return intent satisfies never;
  }
}
