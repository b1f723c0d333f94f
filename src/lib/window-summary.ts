/**
 * A Prometheus summary for hot paths: an observation is a store into an array, and quantiles are found by sorting when
 * somebody scrapes. prom-client's own keeps five digests up to date with each observation, which cost more than some of
 * the work that is measured.
 *
 * Quantiles are those of the newest observations: at most a thousand, none older than the window. Sum and count are of
 * all.
 */
import {type Registry, Summary} from 'prom-client';
import type {Clock} from './clock.ts';

export interface WindowSummaryOptions {
  readonly name: string;
  readonly help: string;
  /** In (0, 1]. */
  readonly quantiles: readonly number[];
  readonly maxAgeMs: number;
}

export interface WindowSummaryDependencies {
  readonly registry: Registry;
  readonly clock: Pick<Clock, 'monotonicMs'>;
}

const SIZE = 1000;

export class WindowSummary extends Summary {
  readonly #options: WindowSummaryOptions;
  readonly #clock: WindowSummaryDependencies['clock'];
  /** Rings: the observation number n is at n modulo their size. */
  readonly #values = new Float64Array(SIZE);
  readonly #timesMs = new Float64Array(SIZE);
  #count = 0;
  #sum = 0;

  constructor(options: WindowSummaryOptions, {clock, registry}: WindowSummaryDependencies) {
    super({name: options.name, help: options.help, registers: [registry]});
    this.#options = options;
    this.#clock = clock;
  }

  /** Of a value alone: there are no labels. */
  override observe(value: unknown): void {
    if (typeof value !== 'number') throw new TypeError(`${this.#options.name} has no labels`);
    const at = this.#count++ % SIZE;
    this.#values[at] = value;
    this.#timesMs[at] = this.#clock.monotonicMs();
    this.#sum += value;
  }

  override async get(): ReturnType<Summary['get']> {
    const {name, quantiles} = this.#options;
    const recent = this.#recent();
    const values = quantiles.map((quantile) => ({
      labels: {quantile},
      value: recent[Math.ceil(quantile * recent.length) - 1] ?? 0,
    }));
    const total = (suffix: string, value: number) => ({metricName: `${name}_${suffix}`, labels: {}, value});
    return {...(await super.get()), values: [...values, total('sum', this.#sum), total('count', this.#count)]};
  }

  /** Ascending. */
  #recent(): Float64Array {
    const oldestMs = this.#clock.monotonicMs() - this.#options.maxAgeMs;
    const kept = this.#values.subarray(0, this.#count);
    return kept.filter((_, at) => (this.#timesMs[at] ?? 0) >= oldestMs).sort();
  }
}
