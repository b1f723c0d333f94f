/** A data plane that only remembers what it was told, and insists on the promises that calculation makes to it. */
import type {Intent} from '../../../../src/felix/calc/intent.ts';
import {describe} from './cluster.ts';

const ORDER = ['config', 'encapsulation', 'local-tunnel', 'vtep', 'route', 'workload-endpoint'];

export class DataPlaneView {
  readonly #objects = new Map<string, Intent>();
  inSync = false;
  batches = 0;

  /** Takes a batch; throws an Error that says which promise it breaks. */
  take(batch: readonly Intent[]): void {
    if (batch.length === 0) return;
    this.batches++;
    const last = batch.at(-1);
    if (last?.kind !== 'flush') throw new Error('a batch must end with flush');
    this.inSync = last.inSync;
    let stage = -1;
    for (const intent of batch.slice(0, -1)) {
      const next = this.#stageOf(intent);
      if (next < stage) throw new Error(`out of order: ${describe(intent)}`);
      stage = next;
      this.#remember(intent);
    }
  }

  /** Everything it knows, as sorted lines; empty config layers left out. */
  lines(): string[] {
    return [...this.#objects.values()]
      .map(describe)
      .filter((line) => !/^config \w+:$/.test(line))
      .toSorted();
  }

  #stageOf(intent: Intent): number {
    const index = ORDER.indexOf(intent.kind);
    if (index < 0) throw new Error(`${intent.kind} inside of a batch`);
    return isRemoval(intent) ? 2 * ORDER.length - index : index;
  }

  #remember(intent: Intent): void {
    const id = idOf(intent);
    const before = this.#objects.get(id);
    if (isRemoval(intent)) {
      if (before === undefined) throw new Error(`removed without having been sent: ${describe(intent)}`);
      this.#objects.delete(id);
    } else {
      if (before !== undefined && describe(before) === describe(intent))
        throw new Error(`sent again without a change: ${describe(intent)}`);
      this.#objects.set(id, intent);
    }
  }
}

const isRemoval = (intent: Intent): boolean => 'value' in intent && intent.value === undefined;

function idOf(intent: Intent): string {
  switch (intent.kind) {
    case 'config':
      return `config ${intent.layer}`;
    case 'local-tunnel':
      return `local-tunnel ${intent.family}`;
    case 'vtep':
    case 'route':
    case 'workload-endpoint':
      return `${intent.kind} ${intent.key}`;
    case 'encapsulation':
    case 'flush':
      return intent.kind;
    default:
      return intent satisfies never;
  }
}
