/**
 * Metrics of one process, without global state: whoever wires the process makes one registry and hands it on.
 *
 * Every stage of the data flow has the same four metrics, so one dashboard row fits all: how much waits, for how long
 * the oldest of it, how long a run takes, and what fails. Depth and age are asked for when somebody scrapes; they cost
 * nothing in between.
 */
import {Counter, Gauge, Registry} from 'prom-client';
import type {ErrorCode} from './errors.ts';
import {SeriesHistogram} from './series-histogram.ts';

export {Registry} from 'prom-client';

/** A registry of its own for one process. */
export const createRegistry = (): Registry => new Registry();

/** Seconds. From a route change (below a millisecond) to a first load of a large cluster. */
const DURATION_BUCKETS_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** What a stage can tell about its queue when asked. */
export interface StageQueue {
  /** Items that wait. */
  queueDepth(): number;
  /** How long the oldest waiting item has waited; 0 when none does. */
  oldestPendingMs(): number;
}

/** What a stage reports as it runs. */
export interface StageRecorder {
  /** One run took that long, successful or not. */
  ran(durationMs: number): void;
  /** One item, or a whole run, failed. `undefined` is an error without a code. */
  failed(code: ErrorCode | undefined): void;
}

export class StageMetrics {
  readonly #queues = new Map<string, StageQueue>();
  readonly #duration: SeriesHistogram<'stage'>;
  readonly #failures: Counter<'stage' | 'code'>;

  constructor(options: {readonly prefix?: string}, dependencies: {readonly registry: Registry}) {
    const prefix = options.prefix ?? 'calico_stage';
    const registers = [dependencies.registry];
    const queues = this.#queues;
    new Gauge({
      name: `${prefix}_queue_depth`,
      help: 'Items that wait to be processed by the stage.',
      labelNames: ['stage'],
      registers,
      collect() {
        for (const [stage, queue] of queues) this.set({stage}, queue.queueDepth());
      },
    });
    new Gauge({
      name: `${prefix}_oldest_pending_seconds`,
      help: 'Age of the item that has waited longest; 0 when none waits.',
      labelNames: ['stage'],
      registers,
      collect() {
        for (const [stage, queue] of queues) this.set({stage}, queue.oldestPendingMs() / 1000);
      },
    });
    this.#duration = new SeriesHistogram(
      {
        name: `${prefix}_duration_seconds`,
        help: 'Duration of one run of the stage.',
        labelNames: ['stage'],
        buckets: DURATION_BUCKETS_SECONDS,
      },
      dependencies,
    );
    this.#failures = new Counter({
      name: `${prefix}_failures_total`,
      help: 'Failed items and runs of the stage by error code.',
      labelNames: ['stage', 'code'],
      registers,
    });
  }

  /** Adds a stage. Its name is a label value and belongs to one stage only. */
  stage(name: string, queue: StageQueue): StageRecorder {
    if (this.#queues.has(name)) throw new Error(`stage ${name} is already measured`);
    this.#queues.set(name, queue);
    const durations = this.#duration.series(name);
    return {
      ran: (durationMs) => durations.observe(durationMs / 1000),
      failed: (code) => this.#failures.inc({stage: name, code: code ?? 'unknown'}),
    };
  }
}
